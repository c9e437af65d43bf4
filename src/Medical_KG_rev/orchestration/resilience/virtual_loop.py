"""An event loop in which waiting takes no time, to ask asynchronous code how long it would wait."""

from __future__ import annotations

import asyncio
import heapq
from asyncio.events import _get_running_loop, _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from itertools import count
from math import inf, nextafter
from typing import Any, cast


class VirtualLoop:
    """Drives one coroutine at a time; where it waits, ``now`` jumps to its next timer.

    Has only what futures and timers need. It runs within the caller's thread for microseconds, also where another loop runs
    there (a notebook), which a loop of asyncio's own refuses.

    Attributes:
        now: the loop's time in seconds; set it to the time at which a coroutine starts.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[float, int, _Handle]] = []
        self._order = count()

    def finish(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs the coroutine to its end."""
        outer = _get_running_loop()
        _set_running_loop(cast("asyncio.AbstractEventLoop", self))
        try:
            while True:
                future = coroutine.send(None)
                while not future.done():
                    self._step()
        except StopIteration:
            return
        finally:
            _set_running_loop(outer)

    def time(self) -> float:
        """The loop's time."""
        return self.now

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=cast("asyncio.AbstractEventLoop", self))

    def call_soon(self, callback: Callable[..., object], *args: object, context: Context | None = None) -> _Handle:
        """Calls in the next step."""
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None) -> _Handle:
        """Calls when the time has come."""
        handle = _Handle(callback, args, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def get_debug(self) -> bool:
        """No debugging."""
        return False

    def is_closed(self) -> bool:
        """Always open: it holds nothing that could be closed."""
        return False

    def _step(self) -> None:
        if self._ready:
            self._ready.popleft().run()
            return
        when, _, handle = heapq.heappop(self._timers)
        if not handle.cancelled:
            self.now = max(when, nextafter(self.now, inf))  # a timer below the clock's resolution must not stand still
            handle.run()


class _Handle:
    __slots__ = ("_args", "_callback", "_context", "cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...], context: Context | None) -> None:
        self._callback = callback
        self._args = args
        self._context = context
        self.cancelled = False

    def cancel(self) -> None:
        """Never run."""
        self.cancelled = True

    def run(self) -> None:
        """Calls back, unless cancelled."""
        if self.cancelled:
            return
        if self._context is None:
            self._callback(*self._args)
        else:
            self._context.run(self._callback, *self._args)
