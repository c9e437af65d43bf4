"""When calls are refused without being made."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from Medical_KG_rev.errors import CircuitOpenError, is_transient
from Medical_KG_rev.orchestration.resilience.retry import Clock
from Medical_KG_rev.orchestration.topology import CircuitBreakerConfig


class CircuitBreaker:
    """Closed until so many transient failures in a row; then open for a time; then half-open for a single probe.

    Terminal errors say that the request was wrong, not that the remote is ill: they leave the count alone. The lock is held
    only for the bookkeeping, never during a call, so calls of other threads go on beside a slow one.
    """

    def __init__(self, config: CircuitBreakerConfig, *, name: str, clock: Clock) -> None:
        self._config = config
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half_open``."""
        with self._lock:
            if self._opened_at is None:
                return "closed"
            return "half_open" if self._probing or self._remaining() <= 0 else "open"

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around one attempt.

        Raises:
            CircuitOpenError: the attempt is refused; terminal, so that it ends the retries.
        """
        self._enter()
        try:
            yield
        except BaseException as error:
            self._leave(failed=is_transient(error), succeeded=False)
            raise
        self._leave(failed=False, succeeded=True)

    def _enter(self) -> None:
        with self._lock:
            if self._opened_at is None:
                return
            remaining = self._remaining()
            if remaining > 0 or self._probing:
                raise CircuitOpenError(
                    f"The breaker of policy '{self._name}' is open after {self._config.failure_threshold} failures in a row.",
                    remedy=f"It lets a probe through in {max(remaining, 0):.0f} s; run the same command again then.",
                    policy=self._name,
                    retry_after_seconds=max(remaining, 0.0),
                )
            self._probing = True

    def _leave(self, *, failed: bool, succeeded: bool) -> None:
        with self._lock:
            was_probe, self._probing = self._probing, False
            if succeeded:
                self._failures, self._opened_at = 0, None
            elif failed:
                self._failures += 1
                if was_probe or self._failures >= self._config.failure_threshold:
                    self._opened_at = self._clock()

    def _remaining(self) -> float:
        return 0.0 if self._opened_at is None else self._opened_at + self._config.reset_seconds - self._clock()
