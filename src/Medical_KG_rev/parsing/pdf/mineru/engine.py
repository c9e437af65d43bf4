"""PDFs read by a MinerU server over HTTP: version 4.x, 3.x or 2.x of its API, whichever it speaks."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from Medical_KG_rev.errors import (
    GpuOutOfMemoryError,
    PdfEngineError,
    PdfEngineUnavailableError,
    RemoteError,
    UsageError,
    WorkerStoppedError,
)
from Medical_KG_rev.models import Caller
from Medical_KG_rev.parsing.pdf.layout import PdfLayout
from Medical_KG_rev.parsing.pdf.limits import PdfLimits
from Medical_KG_rev.parsing.pdf.mineru.api import MineruApi, Upload, asked_version
from Medical_KG_rev.parsing.pdf.mineru.api3 import Api2, Api3
from Medical_KG_rev.parsing.pdf.mineru.api4 import Api4
from Medical_KG_rev.parsing.pdf.mineru.http import MineruHttp
from Medical_KG_rev.parsing.pdf.mineru.preparation import prepared
from Medical_KG_rev.parsing.pdf.mineru.reading import ENGINE, Reading, layout_of
from Medical_KG_rev.parsing.pdf.mineru.tasks import Patience, TaskRunner, is_passing
from Medical_KG_rev.settings_mineru import MineruSettings

__all__ = ["MineruEngine"]

CONVERSION = "1"
"""Of answers into layouts; part of the fingerprint."""


class MineruEngine:
    """A :class:`PdfEngine` behind HTTP. The server is asked for its version by whatever needs it first, and then no more.

    Any number of threads may read at once.

    Args:
        settings: where the server is, and what is asked of it.
        limits: of one file.
        caller: makes each request under a policy; without one it is made once.
        passwords: tried in turn on encrypted files, after the one that a call gives.
        clock: seconds, monotonic.
        wait: waits so many seconds, and says whether the engine was closed meanwhile.
    """

    name = ENGINE

    def __init__(
        self,
        settings: MineruSettings,
        limits: PdfLimits | None = None,
        caller: Caller | None = None,
        *,
        passwords: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        if not settings.url:
            raise UsageError("There is no address of a MinerU server.", remedy="Set MK_MINERU__URL.")
        self._settings = settings
        self._limits = limits or PdfLimits()
        self._http = MineruHttp(settings, caller, clock=clock)
        self._passwords = tuple(passwords)
        self._clock = clock
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait
        self._lock = threading.Lock()
        self._readers = 0
        self._known_api: MineruApi | None = None

    @property
    def version(self) -> str:
        """The server's. Raises as :meth:`probe` does, until it has been asked once."""
        return self._api().version

    @property
    def fingerprint(self) -> str:
        """Covers version and options of the server, and how its answers are read. Raises as :attr:`version` does."""
        api = self._api()
        made_of = f"{api.version};{api.options};{self._settings.accept_partial};{CONVERSION}"
        return f"{ENGINE}-{api.version}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"

    def probe(self) -> str:
        """Asks the server anew for its version; what it is, in words.

        Raises:
            PdfEngineUnavailableError: it is away.
            RemoteError: it is no MinerU, or refuses the key or the tier.
        """
        self._known_api = None
        api = self._api()
        return f"MinerU {api.version} at {self._http.endpoint}: {api.options}"

    def read(self, path: Path, *, password: str | None = None, progress: Callable[[int, int], None] | None = None) -> PdfLayout:
        """See :class:`PdfEngine`. ``progress`` is told nothing before the end: the server tells no pages.

        Raises:
            PayloadError: the file is none that can be read, or the server says so.
            PdfEngineError: also where pages are missing from the answer, unless the settings accept that.
            PdfEngineUnavailableError: the server is away, busy, or was exchanged while it read.
            WorkerStoppedError: the engine was closed meanwhile.
            GpuOutOfMemoryError: that of the server.
            RemoteError: terminal; the server refuses, or answers with nonsense.
        """
        with self._reading(), tempfile.TemporaryDirectory(prefix="mineru-") as folder:
            passwords = tuple(filter(None, dict.fromkeys((password, *self._passwords))))
            upload = prepared(path, self._limits, passwords, Path(folder))
            api = self._api()
            with self._away_named():
                reading = self._runner(api).run(upload)
        self._check(reading, api, upload)
        if progress is not None:
            progress(len(upload.sizes), len(upload.sizes))
        return layout_of(reading, upload.sizes, api.version)

    def close(self) -> None:
        """Breaks off what is being read, cancels its tasks, and closes the connections."""
        with self._lock:
            self._closed.set()
            if not self._readers:
                self._http.close()

    def _check(self, reading: Reading, api: MineruApi, upload: Upload) -> None:
        """Refuses what another server has read than the fingerprint says, and half of a file."""
        endpoint = self._http.endpoint
        if reading.version and reading.version != api.version and not isinstance(api, Api2):
            self._known_api = None
            raise PdfEngineUnavailableError(
                f"MinerU at {endpoint} changed from {api.version} to {reading.version} while it read a file.",
                remedy="Nothing: it is read again.",
                endpoint=endpoint,
            )
        if reading.missing and not self._settings.accept_partial:
            pages, missing = len(upload.sizes), ", ".join(map(str, reading.missing[:10]))
            raise PdfEngineError(
                f"MinerU at {endpoint} has read {pages - len(reading.missing)} of {pages} pages; page {missing} is missing.",
                remedy="`medkg jobs retry` reads it again; MK_MINERU__ACCEPT_PARTIAL=true takes what there is.",
                endpoint=endpoint,
            )

    def _api(self) -> MineruApi:
        api = self._known_api
        if api is None:
            with self._away_named():
                api = self._known_api = self._asked_api()
        return api

    def _asked_api(self) -> MineruApi:
        major, version = asked_version(self._http)
        wanted = self._settings.api
        if wanted not in ("auto", major):
            raise UsageError(
                f"MinerU at {self._http.endpoint} speaks the API of {major}.x, but MK_MINERU__API={wanted}.",
                remedy="Unset it, or start another server.",
            )
        if major == "4":
            return Api4(self._http, self._settings, version)
        return Api3(self._http, self._settings, version) if major == "3" else Api2(self._http, self._settings, version)

    def _runner(self, api: MineruApi) -> TaskRunner:
        settings = self._settings
        patience = Patience(
            queue_seconds=settings.queue_seconds,
            reading_seconds=self._limits.max_seconds,
            away_seconds=settings.away_seconds,
            poll_seconds=settings.poll_seconds,
        )
        return TaskRunner(api, patience, self._http.endpoint, clock=self._clock, wait=self._wait)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Keeps the connections open while a thread reads; the last one closes them where the engine was closed meanwhile."""
        with self._lock:
            if self._closed.is_set():
                raise WorkerStoppedError(f"MinerU at {self._http.endpoint} is asked nothing more: the engine was closed.")
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                if self._closed.is_set() and not self._readers:
                    self._http.close()

    @contextmanager
    def _away_named(self) -> Iterator[None]:
        """What may pass by itself becomes a transient error, also where a policy has given up."""
        try:
            yield
        except (PdfEngineUnavailableError, GpuOutOfMemoryError):
            raise
        except RemoteError as error:
            if not is_passing(error):
                raise
            raise PdfEngineUnavailableError(
                f"MinerU at {self._http.endpoint} is not available: {error.message}",
                remedy="Start it, or wait; `medkg doctor` asks it.",
                endpoint=self._http.endpoint,
                retry_after_seconds=error.retry_after_seconds,
            ) from error
