"""The PDF worker: takes files from the queue of PDFs, has an engine read them, and gives their jobs the documents.

What a worker writes passes the fence of its lease, so that a file that is handed out twice changes nothing. What an engine read
is kept under a key of the bytes and the engine: the same bytes are not read again, whatever their source says of them by then.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from Medical_KG_rev.errors import (
    LeaseLostError,
    MedicalKGError,
    PayloadUnreadableError,
    RemoteError,
    StorageFullError,
    StoreUnavailableError,
    WorkerStoppedError,
    is_transient,
)
from Medical_KG_rev.models import StoredPdf
from Medical_KG_rev.models.pdf import pdf_folder
from Medical_KG_rev.observability.logs import log_context
from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.artifacts import ArtifactPart, read_artifact
from Medical_KG_rev.orchestration.ledger import ArtifactRow, Ledger
from Medical_KG_rev.orchestration.ledger.pdf_queue import MAX_TRIES, PARSE
from Medical_KG_rev.orchestration.ledger.records import PdfTask
from Medical_KG_rev.orchestration.ledger.recovery import STOPPED
from Medical_KG_rev.orchestration.ledger.workers import recover_lost_workers
from Medical_KG_rev.orchestration.products import DOCUMENT, Product
from Medical_KG_rev.parsing.pdf.document import VERSION, document_from_layout
from Medical_KG_rev.parsing.pdf.layout import PdfLayout
from Medical_KG_rev.parsing.pdf.port import PdfEngine
from Medical_KG_rev.storage import ObjectStore

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 5.0
"""Before a file is tried again whose engine was away; each further pause is twice as long."""
LONGEST_PAUSE_SECONDS = 300.0
AWAY_TRIES = 12
"""So often a file is tried whose engine's server does not answer as it should: over some 35 minutes. Then its job fails, for it
may be the file that the server does not outlive."""
FAULT_PAUSE_SECONDS = 5.0
RECOVERY_SECONDS = 5.0
"""How often is looked for files that lost workers held."""
COPY_BYTES = 4 * 1024 * 1024

Tell = Callable[[dict[str, Any]], None]
Wait = Callable[[threading.Event], None]
"""Returns when a file may be waiting, the event is set, or some seconds have passed."""


LAYOUT = Product(
    "layout",
    msgspec.msgpack.encode,
    msgspec.msgpack.Decoder(PdfLayout).decode,
    lambda layout: {"pages": len(layout.pages)},
    lambda _layout, content: hashlib.sha256(content).hexdigest(),
)


def layout_key(engine_fingerprint: str, sha256: str) -> str:
    """The key under which is kept what this engine reads from a PDF's bytes."""
    return _digest("layout", engine_fingerprint, sha256)


def document_key(engine_fingerprint: str, doc_id: str, stored: Mapping[str, Any]) -> str:
    """The key of the document made of that and of what its source says; ``stored`` is a :class:`StoredPdf` as plain data."""
    told = msgspec.json.encode(msgspec.convert(stored, StoredPdf), order="deterministic").decode()
    return _digest("document", engine_fingerprint, VERSION, doc_id, told)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


class _Read(NamedTuple):
    """``others`` are the artifacts made on the way; ``pages`` those that an engine has read for it now."""

    document: ArtifactRow
    others: Sequence[ArtifactRow] = ()
    pages: int = 0


class PdfReader:
    """Reads queued PDFs, one at a time.

    Args:
        worker: the token of this process, under which its leases run; another thread extends them.
        tell: hears ``pdf`` events: what was read, or could not be.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        engine: PdfEngine,
        *,
        worker: str,
        lease_seconds: float,
        metrics: Metrics,
        tell: Tell,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._engine = engine
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._metrics = metrics
        self._tell = tell
        self._clock = clock

    def run(self, stop: threading.Event, wait: Wait, *, until_idle: bool = False) -> int:
        """Reads until told to stop, or, with ``until_idle``, until no file waits; how many were read.

        A server that is away is waited out.

        Raises:
            MedicalKGError: this process cannot read as it is configured.
        """
        files, recovered = 0, float("-inf")
        while not stop.is_set():
            try:
                if time.monotonic() - recovered > RECOVERY_SECONDS:
                    recover_lost_workers(self._ledger)
                    recovered = time.monotonic()
                if self.read_next():
                    files += 1
                elif until_idle and not self._ledger.pdfs.depth().queued:
                    break
                else:
                    wait(stop)
            except WorkerStoppedError:
                break
            except MedicalKGError as error:
                if not is_transient(error):
                    raise
                self._tell({"event": "fault", "code": error.code, "message": str(error)})
                stop.wait(FAULT_PAUSE_SECONDS)
        return files

    def read_next(self) -> bool:
        """Reads the file whose turn it is; whether there was one.

        Raises:
            MedicalKGError: what concerns no single file (no space, a server that is away); the file is given back.
        """
        task = self._ledger.pdfs.lease(self._worker, self._lease_seconds)
        if task is None:
            return False
        started = time.monotonic()
        with log_context(tenant_id=task.tenant_id, correlation_id=task.submission_id, job_id=task.job_id, stage=PARSE):
            try:
                status, code, pages = self._handle(task)
            except LeaseLostError as error:
                logger.warning("%s", error)
                status, code, pages = "lost", error.code, 0
            except BaseException:
                self._give_back()
                raise
        seconds = time.monotonic() - started
        self._metrics.stage_observed(PARSE, status if status in ("completed", "failed") else "failed", seconds)
        self._metrics.pdf_read(self._engine.name, status, pages, seconds)
        found = {"doc_id": task.doc_id, "job_id": task.job_id, "status": status, "code": code, "pages": pages}
        self._tell({"event": "pdf", **found, "seconds": round(seconds, 3)})
        return True

    def _handle(self, task: PdfTask) -> tuple[str, str, int]:
        """Status, code of the error and pages, once the ledger has them."""
        try:
            read = self._document(task)
        except (WorkerStoppedError, StorageFullError, StoreUnavailableError, LeaseLostError):
            raise
        except MedicalKGError as error:
            pause = min(FIRST_PAUSE_SECONDS * 2.0**task.tries, LONGEST_PAUSE_SECONDS) if is_transient(error) else None
            tries = AWAY_TRIES if isinstance(error, RemoteError) else MAX_TRIES
            again = self._ledger.pdfs.fail(task, error, retry_in_seconds=pause, max_tries=tries)
            logger.warning("The PDF of %s cannot be read%s: %s", task.doc_id, " now" if again else "", error)
            return "retrying" if again else "failed", error.code, 0
        gpu_used = bool(getattr(self._engine, "uses_gpu", False))
        self._ledger.pdfs.finish(task, read.document, others=read.others, gpu_used=gpu_used)
        return "completed", "", read.pages

    def _document(self, task: PdfTask) -> _Read:
        """The stored document: made before, or now, of a layout that was read before, or now.

        Where the job is retried from ``parse``, the file is read again.
        """
        key = document_key(self._engine.fingerprint, task.doc_id, task.stored)
        read = layout_key(self._engine.fingerprint, task.sha256)
        is_forced = self._ledger.job(task.job_id).from_stage == PARSE
        known = {} if is_forced else self._ledger.find_artifacts(task.tenant_id, [key, read])
        if key in known:
            return _Read(known[key])
        part = ArtifactPart(self._store, task.tenant_id, f"pdf/{task.job_id}", self._clock)
        layout, pages = self._kept_layout(known.get(read)), 0
        if layout is None:
            layout = self._read_pages(task)
            pages = len(layout.pages)
            part.add(LAYOUT, layout, key=read, stage=PARSE, doc_id=task.doc_id)
        now = datetime.fromtimestamp(self._clock(), UTC)
        stored = msgspec.convert(task.stored, StoredPdf)
        document = document_from_layout(layout, stored, doc_id=task.doc_id, source=task.source, parsed_at=now)
        row = part.add(DOCUMENT, document, key=key, stage=PARSE, doc_id=task.doc_id)
        for name, content in layout.images.items():
            self._store.put(f"{pdf_folder(task.tenant_id, task.doc_id)}{task.sha256}/{name}", content)
        others = [other for other in part.write() if other is not row]
        return _Read(row, others, pages)

    def _kept_layout(self, row: ArtifactRow | None) -> PdfLayout | None:
        """What was read before; None where nothing was, or its object is gone or damaged, so that the file is read again."""
        if row is None:
            return None
        try:
            layout: PdfLayout = read_artifact(self._store, row, LAYOUT)
        except StoreUnavailableError as error:
            logger.warning("The file is read again: %s", error)
            return None
        return layout

    def _read_pages(self, task: PdfTask) -> PdfLayout:
        with tempfile.TemporaryDirectory(prefix="medkg-pdf-") as folder:
            path = Path(folder) / f"{task.sha256[:16]}.pdf"
            self._fetch(task, path)
            return self._engine.read(path)

    def _fetch(self, task: PdfTask, path: Path) -> None:
        """Copies the object to a file. Raises PayloadUnreadableError where it is gone or is not what was stored."""
        digest = hashlib.sha256()
        offset = 0
        with path.open("wb") as file:
            try:
                while piece := self._store.read(task.object_key, offset, COPY_BYTES):
                    file.write(piece)
                    digest.update(piece)
                    offset += len(piece)
            except KeyError:
                offset = -1
        if offset < 0 or digest.hexdigest() != task.sha256:
            raise PayloadUnreadableError(
                f"The stored PDF of {task.doc_id} is {'gone' if offset < 0 else 'damaged'} ({task.object_key}).",
                remedy=f"`medkg jobs retry {task.job_id} --from download` brings it again.",
                doc_id=task.doc_id,
            )

    def _give_back(self) -> None:
        try:
            self._ledger.pdfs.release_worker(self._worker, STOPPED)
        except MedicalKGError as error:
            logger.warning("The file comes back when its lease runs out: %s", error)
