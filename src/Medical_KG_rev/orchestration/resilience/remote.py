"""Callers of remote APIs whose policy follows the configuration, from one batch to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from Medical_KG_rev.orchestration.resilience.caller import ResilientCaller
from Medical_KG_rev.orchestration.resilience.retry import OnRetry, OnWait
from Medical_KG_rev.orchestration.resilience.state import ResilienceState
from Medical_KG_rev.orchestration.topology import PolicySnapshot, ResiliencePolicyLoader

T = TypeVar("T")


class RemoteCallers:
    """One caller a policy. :meth:`use` changes what policies mean; requests that run keep the one they began under."""

    def __init__(self, policies: ResiliencePolicyLoader, state: ResilienceState, *, on_retry: OnRetry, on_wait: OnWait) -> None:
        self._policies = policies
        self._state = state
        self._on_retry = on_retry
        self._on_wait = on_wait
        self._snapshot: PolicySnapshot | None = None
        self._callers: dict[str, ResilientCaller] = {}

    def use(self, snapshot: PolicySnapshot) -> None:
        """Requests from now on are made under these policies."""
        if self._snapshot is None or snapshot.digest != self._snapshot.digest:
            self._snapshot = snapshot
            self._callers.clear()

    def caller(self, policy: str) -> PolicyCaller:
        """What adapters and back ends are given for a policy. Raises DagsterPipelineConfigError where there is none."""
        self.current(policy)
        return PolicyCaller(self, policy)

    def current(self, policy: str) -> ResilientCaller:
        """The caller of a policy as it is now."""
        if policy not in self._callers:
            snapshot = self._snapshot or self._policies.snapshot
            self._callers[policy] = ResilientCaller(
                snapshot.load(policy), name=policy, state=self._state, on_retry=self._on_retry, on_wait=self._on_wait
            )
        return self._callers[policy]


class PolicyCaller:
    """The :class:`~Medical_KG_rev.models.Caller` of one policy."""

    def __init__(self, callers: RemoteCallers, policy: str) -> None:
        self._callers = callers
        self._policy = policy

    def call(self, request: Callable[[], T]) -> T:
        """The request's result; raises what :meth:`ResilientCaller.call` raises."""
        return self._callers.current(self._policy).call(request)
