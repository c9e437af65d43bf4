"""An engine in a process of its own, so that no file can take its host down or hold it up."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from Medical_KG_rev.errors import MedicalKGError, PdfUnreadableError, WorkerStoppedError
from Medical_KG_rev.parsing.pdf.inspection import limit_error, memory_error
from Medical_KG_rev.parsing.pdf.layout import PdfLayout
from Medical_KG_rev.parsing.pdf.limits import PdfLimits
from Medical_KG_rev.parsing.pdf.messages import Done, Failed, Progress, Read
from Medical_KG_rev.parsing.pdf.port import PdfEngine
from Medical_KG_rev.parsing.pdf.reader_process import OverMemoryError, OverTimeError, ReaderEndedError, ReaderProcess

FILES_PER_PROCESS = 200
"""Then a fresh one is taken: what a library leaks stays small."""

ATTEMPTS = 2
_LOG = logging.getLogger(__name__)


class IsolatedEngine:
    """Reads in a warm child process, which is killed when a file takes more time or memory than ``limits`` allow.

    A file at which the child crashes is tried once more, in a fresh one. ``passwords`` are tried on encrypted files. One file is
    read at a time; other threads wait.

    Args:
        factory: makes the engine, here (it is asked for its name and version alone) and in the child: a function or class at the
            top of a module.
        options: its keyword arguments: JSON values.
        limits: of one file.
        passwords: tried in turn, after the one that a call gives.
    """

    def __init__(
        self,
        factory: Callable[..., PdfEngine],
        options: Mapping[str, Any] | None = None,
        *,
        limits: PdfLimits | None = None,
        passwords: Sequence[str] = (),
    ) -> None:
        self._factory = f"{factory.__module__}:{factory.__qualname__}"
        self._options = dict(options or {})
        self._engine = factory(**self._options)
        self.name = self._engine.name
        self._limits = limits or PdfLimits()
        self._passwords = tuple(passwords)
        self._process: ReaderProcess | None = None
        self._lock = Lock()
        self._is_closed = False

    @property
    def version(self) -> str:
        return self._engine.version

    @property
    def fingerprint(self) -> str:
        return self._engine.fingerprint

    @property
    def process_id(self) -> int | None:
        """Of the child; None before the first file, and after one at which it ended."""
        return self._process.pid if self._process is not None else None

    def read(self, path: Path, *, password: str | None = None, progress: Callable[[int, int], None] | None = None) -> PdfLayout:
        """The layout of the file. What ``progress`` raises ends the reading.

        Raises:
            PdfLimitError: more bytes, pages, time or memory than allowed.
            PdfUnreadableError: it cannot be read, or the child crashed twice.
            PayloadError: as the engine says.
            PartUnavailableError: the child does not start.
            WorkerStoppedError: this engine was closed meanwhile.
        """
        passwords = tuple(filter(None, dict.fromkeys((password, *self._passwords))))
        request = Read(str(path.absolute()), passwords)
        with self._lock:
            deadline = time.monotonic() + self._limits.max_seconds
            reason = ""
            for _ in range(ATTEMPTS):
                try:
                    return self._read(request, deadline, progress)
                except ReaderEndedError as ended:
                    reason = ended.reason
                    _LOG.warning("the process that read %s: %s", path.name, reason)
        raise PdfUnreadableError(
            f"{path.name} cannot be read: the reader crashes at it, {ATTEMPTS} times: {reason}.",
            remedy="Take another copy of the article, or raise MK_PDF__MAX_MEMORY_MB if it is a very large one.",
            path=str(path),
        )

    def close(self) -> None:
        """Ends the child, in the midst of a file too."""
        self._is_closed = True
        process = self._process
        if process is not None and self._lock.locked():
            process.kill()
        with self._lock:
            self._drop()

    def _read(self, request: Read, deadline: float, progress: Callable[[int, int], None] | None) -> PdfLayout:
        path = Path(request.path)
        process = self._ready()
        try:
            layout = self._layout(process, request, deadline, progress)
        except OverTimeError:
            self._drop()
            seconds = self._limits.max_seconds
            raise limit_error(path, "max_seconds", f"takes more than {seconds:g} seconds to be read") from None
        except OverMemoryError:
            self._drop()
            raise memory_error(path, self._limits) from None
        except BaseException as error:
            if not isinstance(error, MedicalKGError) or error.limit == "max_memory_mb":
                process.kill()
                self._drop()
            raise
        if process.files >= FILES_PER_PROCESS or process.memory_bytes > self._limits.max_memory_bytes // 2:
            self._drop()
        return layout

    def _layout(
        self, process: ReaderProcess, request: Read, deadline: float, progress: Callable[[int, int], None] | None
    ) -> PdfLayout:
        try:
            for answer in process.read(request, deadline):
                if isinstance(answer, Progress) and progress is not None:
                    progress(answer.pages, answer.total)
                elif isinstance(answer, Done):
                    return answer.layout
                elif isinstance(answer, Failed):
                    raise answer.error()
        except ReaderEndedError:
            if self._is_closed:
                raise WorkerStoppedError("The reading was stopped: the engine is being closed.", path=request.path) from None
            raise
        raise ReaderEndedError("it answers what was not asked")

    def _ready(self) -> ReaderProcess:
        if self._is_closed:
            raise WorkerStoppedError("This engine is closed and reads nothing.")
        if self._process is None:
            self._process = ReaderProcess(self._factory, self._options, self._limits)
        return self._process

    def _drop(self) -> None:
        """The next file gets a fresh child."""
        process, self._process = self._process, None
        if process is not None:
            process.close()
