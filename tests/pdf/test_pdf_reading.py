"""What a PDF worker does with a file, whatever comes of it: the ledger has all of it or nothing, and a file is read once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gate_toys import at_gate, bring, digest_of, stored
from ledger_toys import Toys

from Medical_KG_rev.errors import (
    MedicalKGError,
    PdfUnreadableError,
    RemoteUnavailableError,
    StorageFullError,
    StoreUnavailableError,
    WorkerStoppedError,
)
from Medical_KG_rev.models import Document
from Medical_KG_rev.models.pdf import pdf_folder
from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.artifacts import read_artifact
from Medical_KG_rev.orchestration.ledger import Job, JobStatus, Ledger
from Medical_KG_rev.orchestration.ledger.pdf_queue import brought_key
from Medical_KG_rev.orchestration.ledger.workers import WorkerRegistration
from Medical_KG_rev.orchestration.products import DOCUMENT
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind, PageSize, PdfLayout
from Medical_KG_rev.pdf_reading import AWAY_TRIES, PdfReader, document_key, layout_key
from Medical_KG_rev.storage import FilesystemObjectStore

pytestmark = pytest.mark.component


@dataclass
class ToyEngine:
    """Reads a file as one paragraph, or does what it is told to."""

    before: Callable[[], None] = lambda: None
    files: list[bytes] = field(default_factory=list)
    name = "local"
    version = "1"
    fingerprint = "toy-1"

    def read(self, path: Path, **_options: Any) -> PdfLayout:
        content = path.read_bytes()
        self.files.append(content)
        self.before()
        text = LayoutBlock(kind=LayoutKind.PARAGRAPH, page=1, bbox=(72.0, 72.0, 500.0, 90.0), text=f"Read {content.decode()}.")
        figure = LayoutBlock(
            kind=LayoutKind.FIGURE, page=1, bbox=(72.0, 100.0, 500.0, 300.0), caption="Figure 1. Flow.", image="f1.png"
        )
        return PdfLayout(
            engine="local",
            engine_version="1",
            pages=(PageSize(595.0, 842.0),),
            blocks=(text, figure),
            images={"f1.png": b"picture"},
        )

    def close(self) -> None:
        pass


@pytest.fixture
def toys(tmp_path: Path) -> Any:
    opened: list[Ledger] = []

    def opening(clock: Callable[[], float]) -> Ledger:
        opened.append(Ledger.open(tmp_path / "ledger.db", clock))
        return opened[-1]

    yield Toys(opening)
    for ledger in opened:
        ledger.close()


@pytest.fixture
def store(tmp_path: Path) -> FilesystemObjectStore:
    return FilesystemObjectStore(tmp_path / "objects")


@dataclass
class Bench:
    """A reader, with what it was told."""

    toys: Toys
    store: FilesystemObjectStore
    engine: ToyEngine
    told: list[dict[str, Any]] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.reader = PdfReader(
            self.toys.ledger,
            self.store,
            self.engine,
            worker="reader",
            lease_seconds=60.0,
            metrics=self.metrics,
            tell=self.told.append,
            clock=self.toys.clock,
        )

    def bring(self, count: int = 1) -> list[Job]:
        """Jobs at the gate, whose files lie in the store."""
        made = at_gate(self.toys, count)
        for job in made:
            self.store.put(str(stored(job)["object_key"]), job.job_id.encode())
        return made

    def document(self, job: Job) -> Document:
        [row] = self.toys.ledger.find_artifacts(job.tenant_id, [brought_key(job.job_id)]).values()
        found: Document = read_artifact(self.store, row, DOCUMENT)
        return found


@pytest.fixture
def bench(toys: Toys, store: FilesystemObjectStore) -> Bench:
    return Bench(toys, store, ToyEngine())


def test_a_file_is_read_and_its_job_is_ready(bench: Bench) -> None:
    [job] = bench.bring()
    assert bench.reader.read_next() is True
    assert bench.reader.read_next() is False
    assert bench.toys.ledger.job(job.job_id).pdf_ir_ready is True
    document = bench.document(job)
    assert f"Read {job.job_id}." in document.text
    assert document.metadata["pdf"]["engine"] == "local"
    assert bench.store.read(f"{pdf_folder(job.tenant_id, str(job.doc_id))}{digest_of(job)}/f1.png") == b"picture"
    [told] = bench.told
    assert (told["event"], told["status"], told["pages"], told["doc_id"]) == ("pdf", "completed", 1, job.doc_id)
    page = bench.metrics.render()
    assert 'medkg_pdf_pages_total{engine="local"} 1.0' in page
    assert 'medkg_pdf_read_duration_seconds_count{engine="local",status="completed"} 1.0' in page


def test_the_same_bytes_are_read_once(bench: Bench) -> None:
    [job] = bench.bring()
    bench.reader.read_next()
    [again] = bench.toys.submit(1)
    plain = {**stored(job), "title": "As its source calls it now"}
    known = document_key("toy-1", str(again.doc_id), plain)
    bring(bench.toys, [again], stored_as=lambda _job: plain)
    assert bench.reader.read_next() is True
    assert len(bench.engine.files) == 1, "the layout was kept"
    assert bench.document(again).title == "As its source calls it now"
    assert bench.toys.ledger.find_artifacts(again.tenant_id, [known])
    assert bench.told[-1]["pages"] == 0


def test_a_kept_layout_that_is_damaged_is_read_anew(bench: Bench) -> None:
    [job] = bench.bring()
    bench.reader.read_next()
    [again] = bench.toys.submit(1)
    [row] = bench.toys.ledger.find_artifacts(job.tenant_id, [layout_key("toy-1", digest_of(job))]).values()
    bench.store.put(row.object_key, b"damaged")
    bring(bench.toys, [again], stored_as=lambda _job: {**stored(job), "title": "Another"})
    assert bench.reader.read_next() is True
    assert len(bench.engine.files) == 2
    assert bench.document(again).title == "Another"


def test_a_file_that_cannot_be_read_fails_its_job_alone(bench: Bench) -> None:
    bad, good = bench.bring(2)
    broken = PdfUnreadableError("x.pdf is no PDF.", remedy="Take another copy.")
    bench.engine.before = lambda: _raise(broken) if len(bench.engine.files) == 1 else None
    assert bench.reader.run(threading.Event(), _no_wait, until_idle=True) == 2
    statuses = {job.job_id: bench.toys.ledger.job(job.job_id).status for job in (bad, good)}
    assert statuses == {bad.job_id: JobStatus.FAILED, good.job_id: JobStatus.WAITING_AT_GATE}
    letter = bench.toys.ledger.dead_letters.get(bad.tenant_id, bad.job_id)
    assert (letter.stage, letter.error_code) == ("parse", "pdf_unreadable")
    assert [event["status"] for event in bench.told] == ["failed", "completed"]


def test_an_engine_that_is_away_is_asked_again_later_and_not_for_ever(bench: Bench) -> None:
    [job] = bench.bring()
    bench.engine.before = lambda: _raise(RemoteUnavailableError("503"))
    for number in range(AWAY_TRIES):
        assert bench.reader.read_next() is True
        if number < AWAY_TRIES - 1:
            task = bench.toys.ledger.pdfs.task(job.job_id)
            assert task is not None
            assert task.not_before - bench.toys.now == pytest.approx(min(5.0 * 2**number, 300.0), abs=0.5)
            assert bench.reader.read_next() is False, "not before its time"
            bench.toys.now = task.not_before + 1
    assert [event["status"] for event in bench.told] == ["retrying"] * (AWAY_TRIES - 1) + ["failed"]
    assert bench.toys.ledger.job(job.job_id).status == JobStatus.FAILED


@pytest.mark.parametrize("content", [None, b"other bytes"], ids=["gone", "damaged"])
def test_a_stored_file_that_is_gone_or_damaged_names_the_way_back(bench: Bench, content: bytes | None) -> None:
    [job] = bench.bring()
    key = str(stored(job)["object_key"])
    bench.store.delete(key)
    if content is not None:
        bench.store.put(key, content)
    bench.reader.read_next()
    letter = bench.toys.ledger.dead_letters.get(job.tenant_id, job.job_id)
    assert f"medkg jobs retry {job.job_id} --from download" in letter.error_message
    assert bench.engine.files == []


@pytest.mark.parametrize(
    "error",
    [WorkerStoppedError("closed"), StorageFullError("full"), StoreUnavailableError("away")],
    ids=["stopped", "full", "no-store"],
)
def test_what_is_no_fault_of_the_file_gives_it_back(bench: Bench, error: MedicalKGError) -> None:
    [job] = bench.bring()
    bench.engine.before = lambda: _raise(error)
    with pytest.raises(type(error)):
        bench.reader.read_next()
    task = bench.toys.ledger.pdfs.task(job.job_id)
    assert task is not None
    assert (task.state, task.losses, task.tries) == ("queued", 0, 0)
    bench.engine.before = lambda: None
    assert bench.reader.read_next() is True
    assert bench.toys.ledger.job(job.job_id).pdf_ir_ready is True


def test_the_reader_of_a_file_that_was_taken_back_changes_nothing(bench: Bench) -> None:
    [job] = bench.bring()
    other = Bench(bench.toys, bench.store, ToyEngine())

    def meanwhile() -> None:
        bench.toys.now += 1000.0
        bench.toys.ledger.pdfs.expire()
        other.reader.read_next()

    bench.engine.before = meanwhile
    assert bench.reader.read_next() is True
    assert [event["status"] for event in bench.told] == ["lost"]
    assert [event["status"] for event in other.told] == ["completed"]
    attempts = [(each.stage, each.status) for each in bench.toys.ledger.attempts(job.job_id)]
    assert attempts == [("download", "completed"), ("parse", "worker_lost"), ("parse", "completed")]


def test_a_file_that_a_killed_reader_held_is_read_at_once(bench: Bench, tmp_path: Path) -> None:
    [job] = bench.bring()
    killed = WorkerRegistration(bench.toys.ledger, tmp_path / "workers", "killed", bench.toys.now)
    assert bench.toys.ledger.pdfs.lease(killed.token, 3600.0) is not None
    assert bench.reader.run(threading.Event(), _no_wait, until_idle=True) == 0, "it lives"
    killed._file.close()  # which frees its lock, as the end of its process does
    assert bench.reader.run(threading.Event(), _no_wait, until_idle=True) == 1
    assert bench.toys.ledger.job(job.job_id).pdf_ir_ready is True


def test_a_store_that_is_away_is_waited_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.bring()
    monkeypatch.setattr("Medical_KG_rev.pdf_reading.FAULT_PAUSE_SECONDS", 0.0)
    lease, away = bench.toys.ledger.pdfs.lease, [StoreUnavailableError("The ledger is locked.")]

    def flaky(*arguments: Any, **options: Any) -> Any:
        if away:
            raise away.pop()
        return lease(*arguments, **options)

    monkeypatch.setattr(bench.toys.ledger.pdfs, "lease", flaky)
    assert bench.reader.run(threading.Event(), _no_wait, until_idle=True) == 1
    assert [event["event"] for event in bench.told] == ["fault", "pdf"]


def _raise(error: BaseException) -> None:
    raise error


def _no_wait(_stop: threading.Event) -> None:
    raise AssertionError("a reader that is to end when nothing waits does not wait")
