"""A time limit around calls that cannot be interrupted."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Deadline:
    """Runs calls on threads that are kept, and stops waiting for one that takes too long.

    Python cannot end a thread: a call that is out of time goes on alone, its result is dropped, and a new thread takes the
    next call. Threads are daemons, so a hung call never keeps the process alive. Any number of threads may call at once.
    """

    def __init__(self, timeout_seconds: float, *, name: str = "deadline") -> None:
        self._timeout_seconds = timeout_seconds
        self._name = name
        self._idle: deque[_Worker] = deque()
        self._late: list[_Worker] = []
        self._late_lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)

    def run(self, function: Callable[[], T]) -> T:
        """The function's result or error. The function sees the caller's context variables.

        Raises:
            TimeoutError: it took longer than the limit; it may still be running.
        """
        worker = self._idle.pop() if self._idle else _Worker(self._name)
        try:
            in_time = worker.finish(function, self._timeout_seconds)
        except BaseException:  # Ctrl-C while waiting
            self._abandon(worker)
            raise
        if not in_time:
            self._abandon(worker)
            raise TimeoutError(f"no answer after {self._timeout_seconds:g} s")
        result, error = worker.take()
        self._idle.append(worker)
        if error is not None:
            raise error
        return cast("T", result)

    @property
    def abandoned(self) -> int:
        """Calls that still run although nobody waits for them any more. Only the end of the process ends those that hang."""
        with self._late_lock:
            self._late = [worker for worker in self._late if worker.busy]
            return len(self._late)

    def close(self) -> None:
        """Ends the idle threads."""
        _stop_all(self._idle)

    def _abandon(self, worker: _Worker) -> None:
        worker.stop()
        with self._late_lock:
            self._late.append(worker)


class _Worker:
    """A thread that runs one function at a time. Two locks hand over, which is several times faster than queues."""

    def __init__(self, name: str) -> None:
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        self._function: Callable[[], Any] | None = None
        self._outcome: tuple[Any, BaseException | None] = (None, None)
        self._stopped = False
        self.busy = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def finish(self, function: Callable[[], Any], timeout_seconds: float) -> bool:
        """Starts the function; whether it was done in time."""
        context = copy_context()
        self._function = lambda: context.run(function)
        self.busy = True
        self._go.release()
        return self._done.acquire(timeout=timeout_seconds)

    def take(self) -> tuple[Any, BaseException | None]:
        """What the last function gave. The worker keeps nothing of it alive."""
        outcome, self._outcome = self._outcome, (None, None)
        return outcome

    def stop(self) -> None:
        """Lets the thread end, now if it is idle, else after its function."""
        self._stopped = True
        if self._go.locked():
            self._go.release()

    def _work(self) -> None:
        while True:
            self._go.acquire()
            if self._stopped or self._function is None:
                return
            function, self._function = self._function, None
            try:
                self._outcome = function(), None
            except BaseException as error:  # noqa: BLE001 - it is raised in the calling thread
                self._outcome = None, error
            del function
            self.busy = False
            self._done.release()


def _stop_all(idle: deque[_Worker]) -> None:
    while idle:
        idle.pop().stop()
