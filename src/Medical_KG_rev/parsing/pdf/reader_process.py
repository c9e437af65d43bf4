"""The parent's side of the process in which PDFs are read: starts it, watches its time and memory, ends it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any

import msgspec
import psutil

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.parsing.pdf.limits import MEBIBYTE, PdfLimits
from Medical_KG_rev.parsing.pdf.messages import ANSWERS, LENGTH, Answer, Done, Failed, Read, Ready, Start, send

TICK_SECONDS = 0.05
"""How often time and memory are looked at."""

START_SECONDS = 60.0
GRACE_SECONDS = 5.0
MAX_ANSWER_BYTES = 1024 * MEBIBYTE
_PIECE = 1 << 20
_TAIL = 2000


class ReaderEndedError(Exception):
    """The process ended without an answer: ``reason`` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OverTimeError(Exception):
    """The deadline passed; the process was ended."""


class OverMemoryError(Exception):
    """The process took more memory than it may; it was ended."""


class ReaderProcess:
    """One process with one engine. ``factory`` is ``module:name`` of what makes that, ``options`` its keyword arguments.

    Raises:
        MedicalKGError: the engine cannot be built: what it raised.
        PartUnavailableError: the process does not start.
    """

    def __init__(self, factory: str, options: Mapping[str, Any], limits: PdfLimits) -> None:
        self._limits = limits
        self._log = TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "Medical_KG_rev.parsing.pdf.reader_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self._watched = psutil.Process(self._process.pid)
        assert self._process.stdin is not None  # noqa: S101 - both were asked for
        assert self._process.stdout is not None  # noqa: S101
        self._requests, self._answers = self._process.stdin, self._process.stdout.fileno()
        os.set_blocking(self._answers, False)
        self._received = bytearray()
        self.files = 0
        self._handshake(Start(factory, options, limits, tuple(sys.path)))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def memory_bytes(self) -> int:
        """What it holds now; 0 when it has ended."""
        try:
            return int(self._watched.memory_info().rss)
        except psutil.Error:
            return 0

    def read(self, request: Read, deadline: float) -> Iterator[Answer]:
        """Progress, and at the end the layout or an error. ``deadline`` is a time of ``time.monotonic``.

        Raises:
            ReaderEndedError: the process crashed, was killed, or answers what is no answer.
            OverTimeError: the deadline passed.
            OverMemoryError: it took more memory than it may.
        """
        self.files += 1
        try:
            send(self._requests, request)
        except BrokenPipeError:
            raise self._ended() from None
        while True:
            answer = self._next(deadline)
            yield answer
            if isinstance(answer, Done | Failed):
                return

    def kill(self) -> None:
        """Ends it at once, whatever it does."""
        self._process.kill()

    def close(self) -> None:
        """Lets it end by itself for a moment, then ends it; releases what was held for it."""
        with suppress(BrokenPipeError):
            self._requests.close()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def last_words(self) -> str:
        """The end of what it wrote to its standard error."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _TAIL))
        return self._log.read().decode("utf-8", "replace").strip()

    def _handshake(self, start: Start) -> None:
        try:
            send(self._requests, start)
            answer = self._next(time.monotonic() + START_SECONDS)
        except (BrokenPipeError, ReaderEndedError, OverTimeError, OverMemoryError) as error:
            self.kill()
            self._process.wait()
            words = self.last_words()
            self.close()
            raise PartUnavailableError(
                f"The process that reads PDFs does not start: {error or 'it is silent'}. {words}".strip(), remedy="`medkg doctor`"
            ) from error
        if isinstance(answer, Failed):
            self.close()
            raise answer.error()
        if not isinstance(answer, Ready):
            self.kill()
            self.close()
            raise PartUnavailableError("The process that reads PDFs answers what was not asked.", remedy="`medkg doctor`")

    def _next(self, deadline: float) -> Answer:
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while (frame := self._frame()) is None:
            if poll.poll(TICK_SECONDS * 1000):
                piece = os.read(self._answers, _PIECE)
                if not piece:
                    raise self._ended()
                self._received += piece
                continue  # what has come is taken first: an answer that is there is in time
            if time.monotonic() > deadline:
                self.kill()
                raise OverTimeError
            if self.memory_bytes > self._limits.max_memory_bytes:
                self.kill()
                raise OverMemoryError
        try:
            return ANSWERS.decode(frame)
        except msgspec.DecodeError as error:
            self.kill()
            raise ReaderEndedError(f"its answer is none: {error}") from error

    def _frame(self) -> bytes | None:
        """The next whole frame of what has come."""
        if len(self._received) < LENGTH.size:
            return None
        size = LENGTH.unpack_from(self._received)[0]
        if size > MAX_ANSWER_BYTES:
            self.kill()
            raise OverMemoryError
        end = LENGTH.size + size
        if len(self._received) < end:
            return None
        frame = bytes(memoryview(self._received)[LENGTH.size : end])
        del self._received[:end]
        return frame

    def _ended(self) -> ReaderEndedError:
        code = self._process.wait()
        if code < 0:
            return ReaderEndedError(f"it ended with {signal.Signals(-code).name}")
        return ReaderEndedError(f"it ended with code {code}")
