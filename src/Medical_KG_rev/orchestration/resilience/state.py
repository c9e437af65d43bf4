"""Who shares a breaker and a limiter: all calls of one name, within a process or (``resilience.shared``) beyond it."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from Medical_KG_rev.orchestration.resilience.breaker import CircuitBreaker, OnState
from Medical_KG_rev.orchestration.resilience.limiter import Limiter, RateLimiter
from Medical_KG_rev.orchestration.resilience.retry import Clock, Sleep
from Medical_KG_rev.orchestration.topology import CircuitBreakerConfig, RateLimitConfig


class ResilienceState(Protocol):
    """Gives breakers and limiters by name: the same name, the same state."""

    def breaker(self, name: str, config: CircuitBreakerConfig, *, call_seconds: float) -> CircuitBreaker:
        """The breaker of that name. A call ends within ``call_seconds``; a probe that says nothing by then is lost."""
        ...

    def limiter(self, name: str, config: RateLimitConfig) -> Limiter:
        """The limiter of that name."""
        ...

    def close(self) -> None:
        """Lets go of what the state is kept in."""
        ...


class InProcessState:
    """State within this process, for the profile ``embedded``. Outlives the callers that use it, as a batch's end closes none.

    A policy that was changed by a reload starts with a fresh state; calls that run keep the old one.

    Args:
        clock: seconds that only grow.
        sleep: waits so many seconds.
        on_state: told of each change of a breaker.
    """

    def __init__(self, *, clock: Clock = time.monotonic, sleep: Sleep = time.sleep, on_state: OnState | None = None) -> None:
        self._clock = clock
        self._sleep = sleep
        self._on_state = on_state
        self._lock = threading.Lock()
        self._breakers: dict[str, tuple[CircuitBreakerConfig, CircuitBreaker]] = {}
        self._limiters: dict[str, tuple[RateLimitConfig, RateLimiter]] = {}

    def breaker(self, name: str, config: CircuitBreakerConfig, *, call_seconds: float) -> CircuitBreaker:  # noqa: ARG002
        """The breaker of that name. A probe here cannot be lost without the process."""
        with self._lock:
            known = self._breakers.get(name)
            if known is None or known[0] != config:
                breaker = CircuitBreaker(config, name=name, clock=self._clock, on_state=self._on_state)
                self._breakers[name] = known = config, breaker
            return known[1]

    def limiter(self, name: str, config: RateLimitConfig) -> RateLimiter:
        """The limiter of that name."""
        with self._lock:
            known = self._limiters.get(name)
            if known is None or known[0] != config:
                limiter = RateLimiter(config.per_second, sleep=self._sleep, clock=self._clock)
                self._limiters[name] = known = config, limiter
            return known[1]

    def close(self) -> None:
        """It is kept in this object alone."""
