"""Sends in the background, so that a slow or absent receiver never slows a batch and never fails it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_WARNINGS = 60.0


class BackgroundSender:
    """Runs tasks in order on one thread. Lineage is best effort: what fails or finds no room is counted and logged.

    Args:
        capacity: tasks that may wait.
        clock: seconds that only ever grow.
    """

    def __init__(self, capacity: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._tasks: queue.Queue[Callable[[], object] | None] = queue.Queue(capacity)
        self._clock = clock
        self._lock = threading.Lock()
        self._lost = 0
        self._last_warning: float | None = None
        self._thread = threading.Thread(target=self._work, name="lineage", daemon=True)
        self._thread.start()

    def put(self, task: Callable[[], object]) -> None:
        """Takes a task, or loses it where too many wait; returns at once."""
        try:
            self._tasks.put_nowait(task)
        except queue.Full:
            self._warn("too many events wait")

    def close(self, timeout_seconds: float) -> bool:
        """Ends the thread after what waits; whether that was done in time. What is left after the time is lost."""
        deadline = self._clock() + timeout_seconds
        try:
            self._tasks.put(None, timeout=timeout_seconds)
        except queue.Full:
            pass  # the thread is a daemon: it ends with the process
        else:
            self._thread.join(max(0.0, deadline - self._clock()))
        ended = not self._thread.is_alive()
        if not ended:
            logger.warning("Lineage: not all that waits could be sent within %g s; it is lost.", timeout_seconds)
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            logger.warning("Lineage: %d more events lost.", lost)
        return ended

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:  # noqa: BLE001 - the border at which lineage's faults become a warning
                self._warn(f"{type(error).__name__}: {error}")

    def _warn(self, reason: str) -> None:
        """Logs a loss, at most once a minute."""
        with self._lock:
            self._lost += 1
            now = self._clock()
            if self._last_warning is not None and now - self._last_warning < SECONDS_BETWEEN_WARNINGS:
                return
            lost, self._lost, self._last_warning = self._lost, 0, now
        logger.warning("Lineage: %d events lost; the jobs go on. Last reason: %s", lost, reason)
