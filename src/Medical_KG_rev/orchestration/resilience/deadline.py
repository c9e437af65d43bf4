"""A time limit around calls that cannot be interrupted."""

from __future__ import annotations

import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")

Task = tuple[Callable[[], Any], "queue.SimpleQueue[tuple[Any, BaseException | None]]"]


class Deadline:
    """Runs calls on threads that are kept, and stops waiting for one that takes too long.

    Python cannot end a thread: a call that is out of time goes on alone, its result is dropped, and a new thread takes the
    next call. Threads are daemons, so a hung call never keeps the process alive. Any number of threads may call at once. A
    call costs some 20 µs.
    """

    def __init__(self, timeout_seconds: float, *, name: str = "deadline") -> None:
        self._timeout_seconds = timeout_seconds
        self._name = name
        self._idle: deque[queue.SimpleQueue[Task | None]] = deque()
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)

    def run(self, function: Callable[[], T]) -> T:
        """The function's result or error.

        Raises:
            TimeoutError: it took longer than the limit; it may still be running.
        """
        inbox = self._idle.pop() if self._idle else self._new_worker()
        answer: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        inbox.put((_with_context(function), answer))
        try:
            result, error = answer.get(timeout=self._timeout_seconds)
        except BaseException as interruption:  # out of time or Ctrl-C: the thread is left to itself and ends after its call
            inbox.put(None)
            if isinstance(interruption, queue.Empty):
                raise TimeoutError(f"no answer after {self._timeout_seconds:g} s") from None
            raise
        self._idle.append(inbox)
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """Ends the idle threads."""
        self._finalizer()

    def _new_worker(self) -> queue.SimpleQueue[Task | None]:
        inbox: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        threading.Thread(target=_work, args=(inbox,), name=self._name, daemon=True).start()
        return inbox


def _with_context(function: Callable[[], T]) -> Callable[[], T]:
    context = copy_context()
    return lambda: context.run(function)


def _work(inbox: queue.SimpleQueue[Task | None]) -> None:
    while (task := inbox.get()) is not None:
        function, answer = task
        try:
            answer.put((function(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised in the calling thread
            answer.put((None, error))
        del task, function, answer  # an idle thread keeps nothing alive


def _stop_all(idle: deque[queue.SimpleQueue[Task | None]]) -> None:
    while idle:
        idle.pop().put(None)
