"""How often calls may start."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from Medical_KG_rev.orchestration.resilience.retry import Clock, Sleep
from Medical_KG_rev.orchestration.resilience.virtual_loop import VirtualLoop

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter


class Limiter(Protocol):
    """Lets calls start at a steady rate."""

    def acquire(self) -> float:
        """Waits for the next slot; how many seconds that took."""
        ...


def async_limiter(per_second: float) -> AsyncLimiter:
    """The leaky bucket of aiolimiter for a rate: a bucket for one call, so that the rate is steady and no burst exceeds it."""
    from aiolimiter import AsyncLimiter

    return AsyncLimiter(1, 1.0 / per_second)


class RateLimiter:
    """Lets calls start at a steady rate, over all threads of this process that share it.

    Each call takes the next free slot, ``1 / per_second`` after the one before, and sleeps until then; so no burst ever
    exceeds the rate, and waiting threads go in the order in which they came. Which slot that is, aiolimiter says on a
    :class:`VirtualLoop`: its own waiting belongs to an event loop and its clock, while calls here are synchronous, sleep
    where they were made and may be given any clock.
    """

    def __init__(self, per_second: float, *, sleep: Sleep, clock: Clock) -> None:
        self._limiter = async_limiter(per_second)
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._loop = VirtualLoop()

    def acquire(self) -> float:
        """Waits for the next slot; how many seconds that took."""
        with self._lock:
            now = self._clock()
            self._loop.now = max(self._loop.now, now)
            self._loop.finish(self._limiter.acquire())
            wait = self._loop.now - now
        if wait > 0:
            self._sleep(wait)
        return wait
