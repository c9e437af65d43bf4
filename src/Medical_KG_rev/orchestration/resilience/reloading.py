"""A caller that outlives a change of its policy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from Medical_KG_rev.orchestration.resilience.caller import ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig

T = TypeVar("T")


class ReloadingCaller:
    """Makes each remote request under the policy that holds when it starts.

    The :class:`~Medical_KG_rev.models.Caller` of adapters and back ends in a process that lives for days.

    Args:
        policy_for: the policy that holds now: of the batch that runs, or the one in use. Asked before each request.
        make: a caller for a policy. Those made should share a ``state``, so that limiter and breaker go on where they are.
    """

    def __init__(
        self, policy_for: Callable[[], ResiliencePolicyConfig], make: Callable[[ResiliencePolicyConfig], ResilientCaller]
    ) -> None:
        self._policy_for = policy_for
        self._make = make
        self._lock = threading.Lock()
        self._current: tuple[ResiliencePolicyConfig, ResilientCaller] | None = None
        self._former: list[ResilientCaller] = []

    def call(self, request: Callable[[], T]) -> T:
        """The request's result. Raises as :meth:`ResilientCaller.call`."""
        return self._caller().call(request)

    @property
    def abandoned(self) -> int:
        """Requests that still run after their time, under whatever policy."""
        with self._lock:
            callers = [*self._former, *([self._current[1]] if self._current else [])]
        return sum(caller.abandoned for caller in callers)

    def close(self) -> None:
        """Ends the threads that requests ran on."""
        with self._lock:
            if self._current is not None:
                self._current[1].close()

    def _caller(self) -> ResilientCaller:
        policy = self._policy_for()
        with self._lock:
            if self._current is None or self._current[0] != policy:
                if self._current is not None:
                    self._current[1].close()
                    self._former = [caller for caller in (*self._former, self._current[1]) if caller.abandoned]
                self._current = policy, self._make(policy)
            return self._current[1]
