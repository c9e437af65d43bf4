"""How often calls may start."""

from __future__ import annotations

import threading

from Medical_KG_rev.orchestration.resilience.retry import Clock, Sleep


class RateLimiter:
    """Lets calls start at a steady rate, over all threads that share it.

    Each call takes the next free slot, ``1 / per_second`` after the one before, and sleeps until then; so no burst ever
    exceeds the rate, and waiting threads go in the order in which they came.
    """

    def __init__(self, per_second: float, *, sleep: Sleep, clock: Clock) -> None:
        self._interval = 1.0 / per_second
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._next_slot = clock()

    def acquire(self) -> float:
        """Waits for the next slot; how many seconds that took."""
        with self._lock:
            now = self._clock()
            slot = max(now, self._next_slot)
            self._next_slot = slot + self._interval
        wait = slot - now
        if wait > 0:
            self._sleep(wait)
        return wait
