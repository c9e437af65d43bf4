"""A time limit around calls that cannot be interrupted."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, TypeVar, cast

T = TypeVar("T")
Outcome = tuple[Any, BaseException | None]
"""What a call gave: its result, or its error."""


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
        worker = self._worker()
        try:
            worker.start(function)
            in_time = worker.wait(self._timeout_seconds)
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

    def run_series(self, functions: Sequence[Callable[[], Any]], seconds: float) -> list[Outcome]:
        """The outcomes of calls made one after the other on one thread, each within the limit: one hand-over for all of them.

        The last outcome may be an error, a TimeoutError for a call that took longer than the limit; no call is begun after
        that, or once ``seconds`` have passed.
        """
        worker, series = self._worker(), _Series(functions, seconds)
        try:
            worker.start(series)
            while not worker.wait(series.left(self._timeout_seconds)):
                if series.give_up(self._timeout_seconds):
                    self._abandon(worker)
                    return series.outcomes
        except BaseException:  # Ctrl-C while waiting
            series.stop()
            self._abandon(worker)
            raise
        worker.take()
        self._idle.append(worker)
        return series.outcomes

    @property
    def abandoned(self) -> int:
        """Calls that still run although nobody waits for them any more. Only the end of the process ends those that hang."""
        with self._late_lock:
            self._late = [worker for worker in self._late if worker.busy]
            return len(self._late)

    def close(self) -> None:
        """Ends the idle threads."""
        _stop_all(self._idle)

    def _worker(self) -> _Worker:
        return self._idle.pop() if self._idle else _Worker(self._name)

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
        self._outcome: Outcome = (None, None)
        self._stopped = False
        self.busy = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def start(self, function: Callable[[], Any]) -> None:
        """Starts the function, with the context variables of this moment."""
        context = copy_context()
        self._function = lambda: context.run(function)
        self.busy = True
        self._go.release()

    def wait(self, timeout_seconds: float) -> bool:
        """Whether the function was done in time."""
        return self._done.acquire(timeout=timeout_seconds)

    def take(self) -> Outcome:
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


class _Series:
    """Calls one after the other; between two of them it can be stopped."""

    def __init__(self, functions: Sequence[Callable[[], Any]], seconds: float) -> None:
        self.outcomes: list[Outcome] = []
        self._functions = functions
        self._seconds = seconds
        self._lock = threading.Lock()
        self._since: float | None = None
        self._stopped = False

    def __call__(self) -> None:
        end = time.monotonic() + self._seconds
        for function in self._functions:
            with self._lock:
                self._since = time.monotonic()
                if self._stopped or self._since >= end:
                    return
            outcome: Outcome
            try:
                outcome = function(), None
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asks for this outcome
                outcome = None, error
            with self._lock:
                self._since = None
                if self._stopped:
                    return
                self.outcomes.append(outcome)
            if outcome[1] is not None:
                return

    def left(self, timeout_seconds: float) -> float:
        """Seconds until the call that runs now is out of time."""
        with self._lock:
            gone = time.monotonic() - self._since if self._since is not None else 0.0
        return max(0.0, timeout_seconds - gone)

    def give_up(self, timeout_seconds: float) -> bool:
        """Stops before the next call if the one that runs now is out of time, which is its outcome; whether it was."""
        with self._lock:
            if self._since is None or time.monotonic() - self._since < timeout_seconds:
                return False
            self._stopped = True
            self.outcomes.append((None, TimeoutError(f"no answer after {timeout_seconds:g} s")))
            return True

    def stop(self) -> None:
        """No call is begun any more."""
        with self._lock:
            self._stopped = True


def _stop_all(idle: deque[_Worker]) -> None:
    while idle:
        idle.pop().stop()
