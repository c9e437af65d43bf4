"""Provocations of the errors that need a ledger with workers, and what becomes of the jobs that meet them."""

from __future__ import annotations

import re
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from Medical_KG_rev import errors as e
from Medical_KG_rev.error_reference import ERROR_FACTS, FAILS, RETRIED, WAITS
from Medical_KG_rev.failures import UNEXPECTED, failure_mark
from Medical_KG_rev.models import AdapterRequest, RawPayload, StageContext
from Medical_KG_rev.observability import Metrics
from Medical_KG_rev.orchestration.batch import BatchState
from Medical_KG_rev.orchestration.dagster.launch import run_batch
from Medical_KG_rev.orchestration.earlier_parts import require_input
from Medical_KG_rev.orchestration.events.log_sink import LogSink
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.events.places import LogFolder
from Medical_KG_rev.orchestration.events.relay import OutboxRelay
from Medical_KG_rev.orchestration.gate_ticks import GateTicker
from Medical_KG_rev.orchestration.ledger import Batch, Job, JobStatus, Lease, Ledger, Submission
from Medical_KG_rev.orchestration.ledger.gate import gate_expired
from Medical_KG_rev.orchestration.ledger.gate_arrivals import Arrival, GateRule
from Medical_KG_rev.orchestration.ledger.recovery import MAX_LOSSES
from Medical_KG_rev.orchestration.pipeline import Pipeline, PipelineStage, StagePlan, assemble
from Medical_KG_rev.orchestration.resilience import PolicyRunner
from Medical_KG_rev.orchestration.stages.calls import SYSTEMIC
from Medical_KG_rev.orchestration.stages.measured import MetricsObserver
from Medical_KG_rev.orchestration.stages.runner import StageRunner
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig
from Medical_KG_rev.settings import BatchSettings
from Medical_KG_rev.storage import FilesystemObjectStore
from Medical_KG_rev.supervisor import QueueGauges

pytestmark = pytest.mark.component

Check = Callable[[e.MedicalKGError], None]
BASES = (e.DagsterResourceUnavailableError, e.RemoteError, e.PayloadError, e.LedgerError)
MET_BY_JOBS = (e.WorkerLostError, e.DagsterGateConditionError)
"""Never raised: recovery writes down the worker that is gone, and a gate the job that waited too long."""


def names(*kinds: type[e.MedicalKGError]) -> set[str]:
    return {kind.__name__ for kind in kinds}


class Desk:
    """A ledger on disk, a clock that is moved by hand, and workers that do as they are told."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_800_000_000.0
        self.ledger = Ledger.open(folder / "ledger.db", lambda: self.now)
        self._submission = Submission(
            submission_id="s1", tenant_id="default", source="toy", request={}, request_digest="", pipeline_name="auto",
            pipeline_version="1.0", worker="w0", created_at=self.now,
        )  # fmt: skip
        self.ledger.begin_submission(self._submission)

    def submit(self, *names: str) -> list[Job]:
        jobs = [
            Job(
                job_id=f"job-{name}", tenant_id="default", submission_id="s1", position=position, source="toy", source_id=name,
                pipeline_name="auto", pipeline_version="1.0", idempotency_key=name, created_at=self.now, updated_at=self.now,
            )
            for position, name in enumerate(names)
        ]  # fmt: skip
        self.ledger.record_page("s1", new=jobs, adopted=(), payloads=(), cursor=None, total=None, complete=True)
        return jobs

    def batch(self, *names: str) -> Batch:
        batch = Batch(
            batch_id="b1", submission_id="s1", tenant_id="default", pipeline_name="auto", pipeline_version="1.0",
            created_at=self.now, updated_at=self.now,
        )  # fmt: skip
        self.ledger.queue.enqueue(batch, [job.job_id for job in self.submit(*names)])
        return batch

    def take(self, worker: str, seconds: float = 60.0) -> Lease:
        lease = self.ledger.queue.lease(worker, seconds)
        assert lease is not None
        return lease

    def lose(self, worker: str) -> None:
        """The worker takes the batch, begins to embed, and is never heard of again."""
        self.ledger.stages.start(self.take(worker), "embed", None)
        self.now += 1000.0
        self.ledger.recovery.expire()
        self.ledger.recovery.expire()

    def events(self, kind: str) -> list[Event]:
        return [event for row in self.ledger.outbox.read(1000) for event in row.events if event.type == kind]

    def gauge(self, name: str, **labels: str) -> float | None:
        """What the metrics of a worker say of the ledger."""
        metrics = Metrics()
        QueueGauges(self.ledger, metrics, lambda: self.now).measure()
        return metrics.registry.get_sample_value(name, labels)

    def told(self) -> tuple[object, ...]:
        """All that ledger, events and metrics say of jobs: what an error that concerns no job leaves as it is."""
        metrics = Metrics()
        QueueGauges(self.ledger, metrics, lambda: self.now).measure()
        jobs = [(job.job_id, job.status, job.error_code) for job in self.ledger.list_jobs("default")]
        return jobs, [event for row in self.ledger.outbox.read(1000) for event in row.events], metrics.render()


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated ledger with nothing in it, to be copied: migrating takes most of a test's time."""
    file = tmp_path_factory.mktemp("ledger") / "ledger.db"
    Ledger.open(file, lambda: 0.0).close()
    return file


@pytest.fixture
def desk(tmp_path: Path, empty_ledger: Path) -> Iterator[Desk]:
    shutil.copy(empty_ledger, tmp_path / "ledger.db")
    made = Desk(tmp_path)
    yield made
    made.ledger.close()


def error_of(kind: type[e.MedicalKGError], action: Callable[[], object]) -> e.MedicalKGError:
    with pytest.raises(e.MedicalKGError) as caught:
        action()
    assert type(caught.value) is kind
    return caught.value


@pytest.fixture
def refusing_server() -> Iterator[int]:
    """The port of a PostgreSQL server that lets nobody in: it speaks as much of the protocol as that needs."""
    fields = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "medkg"\0\0'
    refusal = b"E" + struct.pack("!i", len(fields) + 4) + fields

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while len(head := connection.recv(8)) == 8:
                    size, code = struct.unpack("!ii", head)
                    if code != 3 << 16:  # a request for encryption: there is none
                        connection.sendall(b"N")
                        continue
                    connection.recv(size)
                    connection.sendall(refusal)
                    break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def open_at(port: int) -> Ledger:
    return Ledger.open(f"postgresql+psycopg2://medkg:secret@127.0.0.1:{port}/medkg", lambda: 0.0, patience_seconds=0.2)


def test_every_row_is_provoked_there_or_here() -> None:
    here = Path(__file__).read_text("utf-8")
    there = Path(__file__).with_name("test_error_rows.py").read_text("utf-8")
    provoked = {*re.findall(r"@provokes\(e\.(\w+)\)", there), *re.findall(r"error_of\(e\.(\w+), ", here)}
    assert provoked.isdisjoint(names(*BASES, *MET_BY_JOBS))
    assert provoked | names(*BASES, *MET_BY_JOBS) == names(*ERROR_FACTS)


def test_a_ledger_that_does_not_answer(check_row: Check) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = error_of(e.LedgerUnavailableError, lambda: open_at(port))
    assert "secret" not in str(error)
    check_row(error)


def test_a_ledger_that_refuses_the_login(refusing_server: int, check_row: Check) -> None:
    error = error_of(e.LedgerAccessError, lambda: open_at(refusing_server))
    assert "password authentication failed" in error.message
    assert "secret" not in str(error)
    check_row(error)


@pytest.mark.parametrize("content", [b"This is no database." * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_ledger_file_that_is_no_database(tmp_path: Path, content: bytes, check_row: Check) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(content)
    check_row(error_of(e.StoreCorruptError, lambda: Ledger.open(file, lambda: 0.0)))
    assert file.read_bytes() == content


def test_a_ledger_of_a_newer_release(desk: Desk, tmp_path: Path, check_row: Check) -> None:
    from sqlalchemy import text

    desk.ledger.database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    check_row(error_of(e.FormatVersionError, lambda: Ledger.open(tmp_path / "ledger.db", lambda: 0.0)))


def test_an_unknown_job(desk: Desk, check_row: Check) -> None:
    desk.submit("a")
    before = desk.told()
    check_row(error_of(e.JobNotFoundError, lambda: desk.ledger.job("nobody's")))
    assert desk.told() == before


def test_a_job_that_cannot_go_there(desk: Desk, check_row: Check) -> None:
    (job,) = desk.submit("a")
    before = desk.told()
    check_row(error_of(e.InvalidTransitionError, lambda: desk.ledger.requeue(job.job_id, actor="test")))
    assert desk.told() == before
    assert desk.ledger.job(job.job_id).status == JobStatus.QUEUED


def test_a_queue_that_is_full(desk: Desk, check_row: Check) -> None:
    desk.submit("a")
    before = desk.told()
    check_row(error_of(e.QueueSaturatedError, lambda: desk.ledger.gates.admit("default", waiting=10, limit=10)))
    assert desk.told() == before
    assert desk.gauge("medkg_ledger_jobs", status="queued") == 1


def test_a_sink_that_takes_no_events_leaves_them_in_the_outbox_and_its_jobs_alone(
    desk: Desk, tmp_path: Path, check_row: Check
) -> None:
    desk.batch("a")
    (tmp_path / "events").write_text("a file where the folder should be")
    relay = OutboxRelay(
        desk.ledger.outbox,
        LogSink(LogFolder(tmp_path / "events")),
        clock=lambda: desk.now,
        sleep=lambda seconds: None,
        exclusive=lambda: desk.ledger.database.exclusive("relay"),
    )
    before = desk.told()
    check_row(error_of(e.EventSinkUnavailableError, relay.drain))
    assert desk.told() == before
    assert desk.gauge("medkg_outbox_rows") == desk.ledger.outbox.depth().rows > 0


def test_a_late_result_of_another_workers_batch(desk: Desk, check_row: Check) -> None:
    desk.batch("a")
    late = desk.take("w1")
    desk.now += 1000.0
    desk.ledger.recovery.expire()
    desk.ledger.recovery.expire()
    desk.take("w2")
    before = desk.told()
    check_row(error_of(e.LeaseLostError, lambda: desk.ledger.stages.start(late, "embed", None)))
    assert desk.told() == before
    assert desk.gauge("medkg_ledger_leases", state="held") == 1
    assert [job.status for job in desk.ledger.jobs_of_batch("b1")] == [JobStatus.LEASED]


def test_a_lost_worker_is_closed_and_its_job_queued_until_it_has_lost_too_many(desk: Desk, check_row: Check) -> None:
    facts = ERROR_FACTS[e.WorkerLostError]
    desk.batch("a")
    for loss in range(1, MAX_LOSSES):
        desk.lose(f"w{loss}")
        assert desk.ledger.job("job-a").status == facts.course.ledger_state
        failed = desk.events(facts.course.event)
        assert len(failed) == loss
        assert {(event.data["code"], event.data["reason"]) for event in failed} == {("worker_lost", "worker_lost")}
        assert desk.gauge("medkg_ledger_jobs", status="queued") == 1
    desk.lose("the last")
    job = desk.ledger.job("job-a")
    assert (job.status, job.error_code) == (JobStatus.DEAD, e.WorkerLostError.code)
    assert [event.job_id for event in desk.events("job.dead")] == ["job-a"]
    assert [letter.job_id for letter in desk.ledger.dead_letters.list("default")] == ["job-a"]
    assert (desk.gauge("medkg_ledger_jobs", status="dead"), desk.gauge("medkg_dead_letters")) == (1, 1)
    check_row(e.WorkerLostError(job.error_message or "", remedy="See the log."))


# --- what becomes of a job whose stage meets the error -----------------------------------------------------------------


class Failing:
    """A stage that meets an error in every call."""

    fingerprint = "failing-1"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:
        raise self.error


def worker(desk: Desk, folder: Path, error: BaseException, metrics: Metrics | None = None) -> StageRunner:
    """A worker before a batch of one document, whose only stage meets the error."""
    desk.batch("a")
    plan = StagePlan("ingest", "ingest", "default", (), {})
    pipeline = assemble("auto", "1.0", [plan], {"ingest": Failing(error)})
    policy = ResiliencePolicyConfig.model_validate({"max_attempts": 3, "backoff_strategy": "none", "timeout_seconds": 30.0})

    def caller_for(policy_name: str, stage: str, on_retry: Any) -> PolicyRunner:
        return PolicyRunner(policy, stage, sleep=lambda seconds: None, on_retry=on_retry)

    return StageRunner(
        ledger=desk.ledger,
        store=FilesystemObjectStore(folder / "objects"),
        settings=BatchSettings(),
        pipeline_for=lambda name, version: pipeline,
        pin_callers=lambda: caller_for,
        clock=lambda: desk.now,
        worker="w1",
        observers=[MetricsObserver(metrics)] if metrics is not None else (),
    )


def run_into(desk: Desk, folder: Path, error: BaseException) -> Metrics:
    """The batch is run; the worker's metrics."""
    metrics = Metrics()
    runner = worker(desk, folder, error, metrics)
    try:
        runner.run_stage("b1", "ingest")
    except SYSTEMIC as stopped:
        runner.close("b1", stopped)
    else:
        runner.close("b1")
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """A sample of the stage, None where there is none."""
    return metrics.registry.get_sample_value(name, {"stage": "ingest", **labels})


def jobs_ended(metrics: Metrics, status: str) -> float | None:
    """How many jobs ended so, None for none. None of them is active any more."""
    assert metrics.registry.get_sample_value("dagster_job_active", {"pipeline": "auto"}) == 0
    return metrics.registry.get_sample_value("dagster_job_duration_seconds_count", {"pipeline": "auto", "status": status})


MET_IN_A_STAGE = [
    kind for kind, facts in ERROR_FACTS.items() if facts.course in (FAILS, RETRIED, WAITS) and kind not in MET_BY_JOBS
]


@pytest.mark.parametrize("kind", MET_IN_A_STAGE, ids=lambda kind: kind.code)
def test_state_events_metrics_and_exit_code_are_those_of_the_row(
    desk: Desk, tmp_path: Path, kind: type[e.MedicalKGError], check_row: Check
) -> None:
    course = ERROR_FACTS[kind].course
    reason = ERROR_FACTS[kind].reason or kind.code
    retries = 2 if course is RETRIED else 0

    error = kind("It happened.", remedy="Do something.")
    metrics = run_into(desk, tmp_path, error)

    assert desk.ledger.job("job-a").status == course.ledger_state
    assert [event.data["reason"] for event in desk.events("stage.retrying")] == [reason] * retries
    (failed,) = desk.events("stage.failed")
    assert (failed.data["code"], failed.data["reason"], failed.data["retry_count"]) == (kind.code, reason, retries)
    assert value(metrics, "dagster_retry_attempts_total", reason=reason) == (retries or None)
    assert value(metrics, "dagster_stage_duration_seconds_count", status="failed") == (None if course is WAITS else 1)
    assert jobs_ended(metrics, "failed") == (None if course is WAITS else 1)
    check_row(error)


@pytest.mark.parametrize("kind", MET_IN_A_STAGE, ids=lambda kind: kind.code)
def test_a_job_that_failed_has_its_mark_and_a_dead_letter(desk: Desk, tmp_path: Path, kind: type[e.MedicalKGError]) -> None:
    run_into(desk, tmp_path, kind("It happened.", remedy="Do something."))
    job, letters = desk.ledger.job("job-a"), desk.ledger.dead_letters.list("default")
    if ERROR_FACTS[kind].course is WAITS:
        assert (job.error_code, job.failure_mark, letters) == (None, None, [])
    else:
        assert (job.error_code, job.failure_mark) == (kind.code, failure_mark("ingest", kind.code))
        assert [[cause["code"] for cause in letter.causes] for letter in letters] == [[kind.code]]


def test_an_error_of_no_known_class_fails_the_document_as_unexpected(desk: Desk, tmp_path: Path) -> None:
    run_into(desk, tmp_path, ZeroDivisionError("division by zero"))
    job = desk.ledger.job("job-a")
    assert (job.status, job.error_code, job.failure_mark) == (JobStatus.FAILED, UNEXPECTED, "ingest_failed")
    (failed,) = desk.events("stage.failed")
    assert failed.data["reason"] == UNEXPECTED


def test_a_run_that_fails_without_an_error_leaves_its_jobs_in_the_queue(desk: Desk, tmp_path: Path, check_row: Check) -> None:
    metrics = Metrics()
    runner = worker(desk, tmp_path, ZeroDivisionError(), metrics)
    job = SimpleNamespace(execute_in_process=lambda **options: SimpleNamespace(success=False, run_id="r1"))
    launched = SimpleNamespace(definition=job, part=SimpleNamespace(run_config=lambda batch_id: {}))
    parts = SimpleNamespace(adapters=None, ledger=desk.ledger, components=None, runner=runner)
    instance: Any = None
    batch = desk.ledger.batch("b1")
    check_row(error_of(e.StageError, lambda: run_batch(launched, batch, parts, instance)))  # type: ignore[arg-type]
    assert desk.ledger.job("job-a").status == JobStatus.QUEUED
    assert jobs_ended(metrics, "failed") is None


def test_a_worker_that_is_told_to_stop_hands_its_jobs_back(desk: Desk, tmp_path: Path, check_row: Check) -> None:
    course = ERROR_FACTS[e.WorkerStoppedError].course
    metrics = Metrics()
    runner = worker(desk, tmp_path, ZeroDivisionError(), metrics)
    runner.open("b1")
    runner.stop()
    error = error_of(e.WorkerStoppedError, lambda: runner.run_stage("b1", "ingest"))
    runner.close("b1", error)
    check_row(error)
    assert desk.ledger.job("job-a").status == course.ledger_state
    (back,) = desk.events(course.event)
    assert back.data["reason"] == e.WorkerStoppedError.code
    assert desk.events("stage.failed") == []
    assert jobs_ended(metrics, "failed") is None


def test_o8_a_missing_gpu_fails_at_once_with_its_reason(desk: Desk, tmp_path: Path) -> None:
    run_into(desk, tmp_path, e.GpuNotAvailableError("No CUDA GPUs are available."))
    assert desk.events("stage.retrying") == []
    assert desk.ledger.job("job-a").error_code == "gpu_unavailable"
    assert [event.data["reason"] for event in desk.events("stage.failed")] == ["no_gpu"]


def test_a_librarys_full_gpu_is_tried_again_and_its_cause_is_kept(desk: Desk, tmp_path: Path) -> None:
    run_into(desk, tmp_path, RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    reasons = [event.data["reason"] for kind in ("stage.retrying", "stage.failed") for event in desk.events(kind)]
    assert reasons == ["gpu_out_of_memory"] * 3
    (letter,) = desk.ledger.dead_letters.list("default")
    assert [cause["type"] for cause in letter.causes] == ["GpuOutOfMemoryError", "RuntimeError"]


def test_r8_a_store_that_is_away_is_tried_three_times_and_named(desk: Desk, tmp_path: Path) -> None:
    metrics = run_into(desk, tmp_path, e.StoreUnavailableError("503", store="opensearch"))
    reasons = [event.data["reason"] for kind in ("stage.retrying", "stage.failed") for event in desk.events(kind)]
    assert reasons == ["opensearch_unavailable"] * 3
    assert value(metrics, "dagster_retry_attempts_total", reason="store_unavailable") == 2, "metrics go by the error's code"


GATE = GateRule("pdf_ir_ready", {"pdf_ir_ready": True}, 3600.0, "chunk")


def bring_to_gate(desk: Desk) -> Job:
    """A job that has downloaded its PDF, and waits for it to be read."""
    desk.batch("a")
    lease = desk.take("w1")
    desk.ledger.stages.start(lease, "download", None)
    job = desk.ledger.job("job-a")
    stored = {"object_key": "pdf/a.pdf", "sha256": "0" * 64, "size_bytes": 1}
    arrival = Arrival(job=job, rule=GATE, doc_id="toy:a", stored=stored)
    desk.ledger.stages.record(lease, "download", arrivals=[arrival])
    desk.ledger.recovery.finish(lease)
    return desk.ledger.job("job-a")


def test_a_gate_that_is_not_met_in_time_ends_its_job_as_its_row_says(desk: Desk, check_row: Check) -> None:
    job = bring_to_gate(desk)
    assert job.status == JobStatus.WAITING_AT_GATE
    assert desk.gauge("medkg_gate_waiting_jobs", pipeline="auto", gate="pdf_ir_ready") == 1
    assert desk.gauge("medkg_pdf_queue", state="queued") == 1
    desk.now += 3599.0
    ended: list[str] = []
    desk.ledger.ends.listen(lambda end: ended.append(end.status))
    metrics = Metrics()
    ticker = GateTicker(desk.ledger, lambda *_: GATE, size=5, new_id=lambda kind: kind, metrics=metrics)
    assert ticker.tick() == 0
    assert desk.ledger.job("job-a").status == JobStatus.WAITING_AT_GATE
    desk.now += 2.0
    assert ticker.tick() == 0
    course, code = ERROR_FACTS[e.DagsterGateConditionError].course, e.DagsterGateConditionError.code
    job = desk.ledger.job("job-a")
    assert (job.status, job.error_code, job.failure_mark) == (course.ledger_state, code, code)
    (dead,) = desk.events("job.dead")
    assert (dead.data["stage"], dead.data["code"]) == ("pdf_ir_ready", code)
    (letter,) = desk.ledger.dead_letters.list("default")
    assert [cause["type"] for cause in letter.causes] == ["DagsterGateConditionError"]
    assert ended == ["dead"]
    assert desk.gauge("medkg_gate_waiting_jobs", pipeline="auto", gate="pdf_ir_ready") in (None, 0)
    assert desk.gauge("medkg_pdf_queue", state="queued") == 0
    check_row(gate_expired(job, desk.now))


def test_a_gate_that_is_opened_before_its_document_is_there(desk: Desk, check_row: Check) -> None:
    job = bring_to_gate(desk)
    behind = Pipeline("auto", "1.0", (), order=("ingest", "download", "chunk"), part="pdf_ir_ready")
    stage = PipelineStage("chunk", "chunk", "default", (), None, "", "{}", "pdf_ir_ready")
    batch = BatchState(Lease("b2", "w1", 1), None, behind, [job], FilesystemObjectStore(Path("unused")))
    (document,) = batch.documents
    check_row(error_of(e.NothingBroughtError, lambda: require_input(batch, document, stage)))
