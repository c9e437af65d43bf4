"""Where a breaker keeps its state: pybreaker's storage port, widened by the single probe that pybreaker does not know."""

from __future__ import annotations

import threading
from abc import abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreakerStorage

from Medical_KG_rev.orchestration.resilience.retry import Clock
from Medical_KG_rev.orchestration.topology import CircuitBreakerConfig


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """A breaker's state as its storage has it now.

    ``state`` is pybreaker's word (``closed``, ``open``, ``half-open``); ``failures`` counts those in a row;
    ``remaining_seconds`` says how long it stays open, 0 once a probe may go (or goes already).
    """

    state: str
    failures: int
    remaining_seconds: float


class BreakerStorage(CircuitBreakerStorage):
    """What :class:`~Medical_KG_rev.orchestration.resilience.CircuitBreaker` needs of a storage, by a clock of its own.

    pybreaker sets the time of opening from the machine's clock and closes after a number of successes; here the storage takes
    the time from its own clock when ``state`` becomes open, and one successful probe closes.
    """

    @abstractmethod
    def peek(self) -> BreakerSnapshot:
        """The state now."""

    @abstractmethod
    def claim_probe(self) -> str | None:
        """The id of the one probe that may go now, by which it is told from others; None where none may."""

    @abstractmethod
    def holds(self, probe: str) -> bool:
        """Whether this probe still decides: it ended in time, and no other has taken its place."""

    @abstractmethod
    def release(self, probe: str) -> None:
        """The probe ended and says nothing about the remote: the next attempt is the probe."""

    @abstractmethod
    def clear_failures(self) -> None:
        """A call succeeded: no failures in a row."""

    def reset_counter(self) -> None:
        """Nothing; :meth:`clear_failures` is called for each success.

        Pybreaker also calls this when a process merely notices that a breaker was closed by another, and would drop what others
        have counted since.
        """

    def increment_success_counter(self) -> None:
        """Nothing: one success decides."""

    def reset_success_counter(self) -> None:
        """Nothing: one success decides."""

    @property
    def success_counter(self) -> int:
        """Always enough to close."""
        return 1

    @property
    def opened_at(self) -> datetime:
        """Always just now: to pybreaker an open breaker stays open, because who may pass is decided by :meth:`claim_probe`."""
        return datetime.now(UTC)

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        """Nothing: the storage's own clock counts."""


class MemoryBreakerStorage(BreakerStorage):
    """The state of a breaker within this process, shared by its threads."""

    def __init__(self, config: CircuitBreakerConfig, *, name: str, clock: Clock) -> None:
        super().__init__(name)
        self._reset_seconds = config.reset_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._probes = count(1)
        self._state = STATE_CLOSED
        self._failures = 0
        self._opened_at = 0.0
        self._probe: str | None = None

    def peek(self) -> BreakerSnapshot:
        """The state now."""
        return BreakerSnapshot(self._state, self._failures, self._remaining())

    def claim_probe(self) -> str | None:
        """The id of the one probe that may go now."""
        with self._lock:
            if self._state == STATE_CLOSED or self._probe is not None or self._remaining() > 0:
                return None
            self._state, self._probe = STATE_HALF_OPEN, str(next(self._probes))
            return self._probe

    def holds(self, probe: str) -> bool:
        """Whether this probe still decides."""
        return self._probe == probe

    def release(self, probe: str) -> None:
        """The probe ended and says nothing."""
        with self._lock:
            if self._probe == probe:
                self._probe = None

    def clear_failures(self) -> None:
        """No failures in a row."""
        self._failures = 0

    def increment_counter(self) -> None:
        """One more failure in a row."""
        with self._lock:
            self._failures += 1

    @property
    def counter(self) -> int:
        """Failures in a row."""
        return self._failures

    @property
    def state(self) -> str:
        """The state, in pybreaker's word."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        with self._lock:
            self._state = state
            if state == STATE_OPEN:
                self._opened_at, self._probe = self._clock(), None
            elif state == STATE_CLOSED:
                self._failures, self._probe = 0, None

    def _remaining(self) -> float:
        return max(self._opened_at + self._reset_seconds - self._clock(), 0.0) if self._state == STATE_OPEN else 0.0
