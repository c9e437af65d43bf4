"""When calls are refused without being made: pybreaker's state machine, with an admission of our own.

pybreaker counts, opens, closes and tells listeners. Three of its ways do not fit, so an attempt passes through
:meth:`CircuitBreaker.guard` and only its outcome through pybreaker: pybreaker holds a lock for as long as a call takes (a slow
call would stop all others), it takes an excluded error for a success (a refused request would close an ill remote's breaker),
and through its context manager any number of calls pass while it is half-open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import pybreaker

from Medical_KG_rev.errors import CircuitOpenError, LedgerUnavailableError, is_transient
from Medical_KG_rev.orchestration.resilience.breaker_storage import BreakerSnapshot, BreakerStorage, MemoryBreakerStorage
from Medical_KG_rev.orchestration.resilience.retry import Clock
from Medical_KG_rev.orchestration.topology import CircuitBreakerConfig

logger = logging.getLogger(__name__)

OnState = Callable[[str, str], None]
"""Told of each change that this process makes or notices: the breaker's name, and ``closed``, ``open`` or ``half_open``."""


def circuit_breaker(
    config: CircuitBreakerConfig, storage: BreakerStorage, on_state: OnState | None = None
) -> pybreaker.CircuitBreaker:
    """The pybreaker of a policy, on a storage; what trips it is raised as it is."""
    return pybreaker.CircuitBreaker(
        fail_max=config.failure_threshold,
        reset_timeout=config.reset_seconds,
        listeners=[_Listener(storage, on_state)],
        state_storage=storage,
        name=storage.name,
        throw_new_error_on_trip=False,
    )


class CircuitBreaker:
    """Closed until so many transient failures in a row; then open for a time; then half-open for a single probe.

    Terminal errors say that the request was wrong, not that the remote is ill: they leave the count alone. Nothing is held
    during a call, so calls of other threads go on beside a slow one.

    Args:
        config: threshold and time.
        name: for messages and hooks; with shared storage also the state's key.
        clock: seconds for a state within this process; unused where ``storage`` is given.
        storage: where the state is kept; within this process unless given.
        on_state: told of changes.
    """

    def __init__(
        self,
        config: CircuitBreakerConfig,
        *,
        name: str,
        clock: Clock,
        storage: BreakerStorage | None = None,
        on_state: OnState | None = None,
    ) -> None:
        self._config = config
        self._name = name
        self._storage = storage or MemoryBreakerStorage(config, name=name, clock=clock)
        self._on_state = on_state
        self._noticed = pybreaker.STATE_CLOSED

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half_open`` (a probe may go, or goes)."""
        seen = self._storage.peek()
        waits = seen.state == pybreaker.STATE_OPEN and seen.remaining_seconds <= 0
        return _word(pybreaker.STATE_HALF_OPEN if waits else seen.state)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around one attempt.

        Raises:
            CircuitOpenError: the attempt is refused; terminal, so that it ends the retries.
            LedgerUnavailableError: the shared state cannot be read; transient, nothing was counted.
        """
        seen, probe = self._enter()
        try:
            yield
        except BaseException as error:
            self._leave(seen, probe, succeeded=False if is_transient(error) else None)
            raise
        self._leave(seen, probe, succeeded=True)

    @cached_property
    def _breaker(self) -> pybreaker.CircuitBreaker:
        """Made at first use, because pybreaker reads the storage when it is made."""
        return circuit_breaker(self._config, self._storage, self._notice)

    def _enter(self) -> tuple[BreakerSnapshot, str | None]:
        seen, probe = self._storage.peek(), None
        self._notice(self._name, _word(seen.state))
        if seen.state != pybreaker.STATE_CLOSED:
            probe = self._storage.claim_probe() if seen.remaining_seconds <= 0 else None
            if probe is None:
                raise self._refusal(seen)
            self._notice(self._name, _word(pybreaker.STATE_HALF_OPEN))
        return seen, probe

    def _notice(self, name: str, state: str) -> None:
        if state != self._noticed:
            self._noticed = state
            if self._on_state is not None:
                self._on_state(name, state)

    def _leave(self, seen: BreakerSnapshot, probe: str | None, *, succeeded: bool | None) -> None:
        """Counts an outcome; None says nothing about the remote. A count that cannot be stored never costs the outcome."""
        try:
            if probe is not None and succeeded is None:
                self._storage.release(probe)
            elif succeeded is not None and self._decides(seen, probe, succeeded):
                with suppress(_CountedError, pybreaker.CircuitBreakerError):  # counted, or opened by another since
                    self._breaker.call(_succeed if succeeded else _fail)
        except LedgerUnavailableError as error:
            logger.warning("The outcome of a call under breaker %s was not counted: %s", self._name, error)

    def _decides(self, seen: BreakerSnapshot, probe: str | None, succeeded: bool) -> bool:
        """Whether an outcome counts: a probe's unless it was replaced; others while the breaker is closed, if they change it."""
        if probe is not None:
            return self._storage.holds(probe)
        changes = not succeeded or seen.failures > 0
        return changes and self._breaker.current_state == pybreaker.STATE_CLOSED

    def _refusal(self, seen: BreakerSnapshot) -> CircuitOpenError:
        wait = seen.remaining_seconds
        when = f"It lets a probe through in {wait:.0f} s" if wait > 0 else "A probe is on its way"
        return CircuitOpenError(
            f"The breaker of policy '{self._name}' is open after {self._config.failure_threshold} failures in a row.",
            remedy=f"{when}; run the same command again then.",
            policy=self._name,
            retry_after_seconds=wait,
        )


class _CountedError(Exception):
    """Stands for a failed attempt where pybreaker counts it; the attempt's own error keeps its traceback."""


class _Listener(pybreaker.CircuitBreakerListener):
    def __init__(self, storage: BreakerStorage, on_state: OnState | None) -> None:
        self._storage = storage
        self._on_state = on_state

    def success(self, cb: pybreaker.CircuitBreaker) -> None:  # noqa: ARG002 - pybreaker's signature
        """A call succeeded."""
        self._storage.clear_failures()

    def state_change(self, cb: pybreaker.CircuitBreaker, old_state: Any, new_state: Any) -> None:  # noqa: ARG002
        """The breaker changed."""
        if self._on_state is not None:
            self._on_state(self._storage.name, _word(new_state.name))


def _word(state: str) -> str:
    return state.replace("-", "_")


def _succeed() -> None:
    """A successful call."""


def _fail() -> None:
    raise _CountedError
