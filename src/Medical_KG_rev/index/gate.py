"""Turns of searches at the processor's cores: so many at a time, the others wait in the order in which they came.

Searches that all run at once each get a sliver of a core, lose their caches to each other and end together, late. In turns the
first ones are answered as fast as if they were alone.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from Medical_KG_rev.errors import StoreUnavailableError

_LEGS_OF_A_QUERY = 3


def places_of_this_machine() -> int:
    """As many as there are cores, and never fewer than one query has legs: one that is alone does not wait for itself."""
    return max(len(os.sched_getaffinity(0)), _LEGS_OF_A_QUERY)


class Gate:
    """Lets so many in at a time, first come, first served (a semaphore of the standard library lets newcomers overtake)."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    def enter(self, timeout_seconds: float) -> bool:
        """Takes a place, waiting for one where none is free; False where none was in time."""
        with self._guard:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=max(0.0, timeout_seconds)):
            return True
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # the place was handed over just then

    def leave(self) -> None:
        """Hands the place to who has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    @property
    def is_crowded(self) -> bool:
        """Whether who enters now has to wait."""
        return not self._free


class Turns:
    """The turns of one query's legs at a gate, within one budget of time.

    Attributes:
        waited_ms: how long each leg has waited so far; those that did not are absent.
    """

    def __init__(self, gate: Gate, timeout_seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._gate = gate
        self._clock = clock
        self._ends = clock() + timeout_seconds
        self.waited_ms: dict[str, float] = {}

    @contextmanager
    def of(self, leg: str) -> Iterator[None]:
        """Holds a place for a leg.

        Raises:
            StoreUnavailableError: there was none before the query's time was over.
        """
        crowded, began = self._gate.is_crowded, self._clock()
        if not self._gate.enter(self._ends - began):
            raise StoreUnavailableError(
                f"The leg {leg} had no turn in time: too many searches at once.", remedy="Try again later.", leg=leg
            )
        try:
            if crowded:
                self.waited_ms[leg] = round(self.waited_ms.get(leg, 0.0) + (self._clock() - began) * 1000, 3)
            yield
        finally:
            self._gate.leave()
