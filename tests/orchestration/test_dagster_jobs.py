"""The shipped pipelines through Dagster: real stages, real stores, remote APIs played with payloads of the real shape."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dagster import Definitions, RunRequest, SensorDefinition, build_sensor_context

from Medical_KG_rev.errors import StorageFullError, WorkerStoppedError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.orchestration.dagster.definitions import build_definitions
from Medical_KG_rev.orchestration.dagster.gate_sensor import GATE_SENSOR
from Medical_KG_rev.orchestration.dagster.jobs import QUIET, launched_job, parts_of
from Medical_KG_rev.orchestration.dagster.ops import OP_FACTORIES
from Medical_KG_rev.orchestration.dagster.sensor import SENSOR
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.platform import Platform
from Medical_KG_rev.settings import EmbeddingSettings, Settings
from Medical_KG_rev.testing.pdf import article
from Medical_KG_rev.text import ModelStore
from Medical_KG_rev.worker import answer_interrupts, execute, open_session

pytestmark = pytest.mark.component

NCT = "NCT04267848"
DOC = f"clinicaltrials:{NCT}"
EIGHT = ["ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"]


@pytest.fixture
def platform(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    settings = make_settings(embedding=EmbeddingSettings(model="static"))
    if not all(model.installed for model in ModelStore(settings.model_root).list() if model.name == "static"):
        pytest.skip("the static model is not fetched; `medkg models fetch static` brings it")
    monkeypatch.setenv("DAGSTER_HOME", "")  # open_instance sets it; the test's end takes it back
    with Platform(settings) as opened:
        yield opened


def tick(definitions: Definitions, name: str, parts: PlatformParts) -> list[RunRequest]:
    """One evaluation of a sensor, as the daemon makes it."""
    sensor = next(each for each in definitions.sensors or () if each.name == name)
    assert isinstance(sensor, SensorDefinition)
    with build_sensor_context(instance=parts.dagster, definitions=definitions) as context:
        return list(sensor.evaluate_tick(context).run_requests or [])


def run_requested(definitions: Definitions, request: RunRequest, parts: PlatformParts) -> bool:
    """The run that the daemon would launch for a request."""
    job = definitions.resolve_job_def(str(request.job_name))
    config, tags = request.run_config, dict(request.tags)
    return job.execute_in_process(run_config=config, tags=tags, instance=parts.dagster).success


def run(
    parts: PlatformParts,
    request: AdapterRequest,
    pipeline: str = "auto",
    tell: Callable[[dict[str, Any]], None] = lambda event: None,
) -> dict[str, Any]:
    """What the worker process does for a command, in this process."""
    command = {
        "command": "ingest",
        "request": msgspec.to_builtins(request),
        "pipeline": pipeline,
        "idempotency_key": None,
        "wait": True,
    }
    return execute(parts, command, tell)


def test_o1_auto_has_eight_stages_and_its_graph_is_checked(platform: Platform) -> None:
    job = launched_job(platform.parts.topologies.load("auto")).definition
    assert job.name == "auto_pipeline_job"
    assert sorted(node.name for node in job.nodes) == sorted(f"auto_{stage}" for stage in EIGHT)
    edges = {(dependency.node, node.name) for node, inputs in job.dependencies.items() for dependency in inputs.values()}
    assert edges == {
        (f"auto_{before}", f"auto_{after}")
        for before, after in [*pairwise(EIGHT[:6]), ("ir_validation", "extract"), ("extract", "kg")]
    }, "index and graph are branches"
    assert set(OP_FACTORIES) == {*EIGHT, "download"}


@pytest.mark.parametrize("pipeline", ["auto", "clinical-trials"])
def test_i1_o5_a_study_from_clinicaltrials_passes_all_eight_stages(
    platform: Platform, clinicaltrials_api: Any, pipeline: str
) -> None:
    request = AdapterRequest(source="clinicaltrials", ids=(NCT,))
    result = run(platform.parts, request, pipeline)
    assert (result["completed"], result["failed"]) == (1, 0), result
    document = result["documents"][0]
    assert (document["doc_id"], document["source_id"]) == (DOC, NCT)
    assert len(clinicaltrials_api.requests) == 1

    job = platform.job(document["job_id"])
    assert sorted(stage["stage"] for stage in job["stages"]) == sorted(EIGHT)
    assert job["stages"][0]["output_count"] == 1, "one payload"
    assert {stage["status"] for stage in job["stages"]} == {"completed"}
    assert job["pipeline_name"] == pipeline
    assert job["pipeline_version"] == platform.parts.topologies.pin(pipeline)

    stored = platform.show(DOC)
    assert "lactic" in stored.text.lower() or len(stored.text) > 1000
    chunks = platform.chunks(DOC)
    assert len(chunks) == document["chunks"] >= 5
    assert all(stored.text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    hits = platform.search(stored.title, k=3).hits
    assert hits[0].doc_id == DOC
    assert set(hits[0].ranks) == {"bm25", "dense"}, "text and vectors are stored"

    stats = platform.graph.stats()
    assert stats.documents == 1
    assert stats.claims == document["claims"] > 10
    view = platform.graph.show(DOC).entity
    assert view is not None
    evidence = [line for claim in view.claims_out for line in claim.evidence]
    assert evidence
    assert all(stored.text[line.start : line.end] == line.text for line in evidence)


def test_the_run_and_its_counts_are_in_dagsters_history(platform: Platform, clinicaltrials_api: Any) -> None:
    run(platform.parts, AdapterRequest(source="clinicaltrials", ids=(NCT, "NCT00000000")))
    (record,) = platform.parts.dagster.get_run_records()
    assert (record.dagster_run.job_name, record.dagster_run.status.value) == ("auto_pipeline_job", "SUCCESS")
    assert record.dagster_run.tags["tenant_id"] == "default"
    outputs = {
        entry.dagster_event.step_key: entry.dagster_event.event_specific_data.metadata
        for entry in platform.parts.dagster.all_logs(record.dagster_run.run_id)
        if entry.dagster_event and entry.dagster_event.event_type_value == "STEP_OUTPUT"
    }
    assert set(outputs) == {f"auto_{stage}" for stage in EIGHT}
    assert outputs["auto_ingest"]["documents completed"].value == 1
    assert outputs["auto_ingest"]["documents failed"].value == 1
    assert "NCT00000000" in outputs["auto_ingest"]["failures"].value


def test_works_and_full_texts_come_through_their_adapters(platform: Platform, openalex_api: Any, europepmc_api: Any) -> None:
    work = next(iter(openalex_api.works))
    result = run(platform.parts, AdapterRequest(source="openalex", ids=(work,)))
    assert [document["doc_id"] for document in result["documents"]] == [f"openalex:{work}"]
    assert result["completed"] == 1
    article = next(iter(europepmc_api.articles))
    result = run(platform.parts, AdapterRequest(source="pmc-fulltext", ids=(article,)))
    assert (result["completed"], result["documents"][0]["doc_id"]) == (1, f"pmc-fulltext:{article}")


def test_a_query_fans_out_into_one_job_a_document_and_few_requests(platform: Platform, clinicaltrials_api: Any) -> None:
    for number in range(30):
        clinicaltrials_api.add(f"NCT9999{number:04d}", f"An invented study of metformin number {number}")
    result = run(platform.parts, AdapterRequest(source="clinicaltrials", query="invented study of metformin"))
    assert result["completed"] == result["submitted"] >= 30
    assert len(clinicaltrials_api.requests) <= 2, "the listing's pages carry the records"


def test_one_batch_is_one_run(platform: Platform, clinicaltrials_api: Any, make_settings: Callable[..., Settings]) -> None:
    for number in range(5):
        clinicaltrials_api.add(f"NCT9999{number:04d}")
    settings = platform.settings.model_copy(update={"batch": platform.settings.batch.model_copy(update={"size": 2})})
    with Platform(settings) as small:
        ids = tuple(f"NCT9999{number:04d}" for number in range(5))
        assert run(small.parts, AdapterRequest(source="clinicaltrials", ids=ids))["completed"] == 5
        assert len(small.parts.dagster.get_run_records()) == 3


def test_definitions_load_without_side_effects(tmp_path: Path) -> None:
    code = (
        "from Medical_KG_rev.definitions import defs\n"
        "jobs = {job.name for job in defs.resolve_all_job_defs()}\n"
        "assert {'auto_pipeline_job', 'clinical_trials_pipeline_job', 'pdf_two_phase_job'} <= jobs, jobs\n"
        "assert set(defs.resources) == {'plugin_manager', 'job_ledger', 'haystack_pipeline', 'kafka', 'stage_runner'}\n"
    )
    data = tmp_path / "data"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "MK_DATA_DIR": str(data)},
        timeout=120,
    )
    assert not data.exists(), "nothing is opened or written"


def test_a_batch_runs_from_dagsters_own_resources(platform: Platform, clinicaltrials_api: Any) -> None:
    """As the UI launches it: the job gets its resources from the definitions, not from the worker."""
    command_result = execute(
        platform.parts,
        {
            "command": "ingest",
            "request": msgspec.to_builtins(AdapterRequest(source="clinicaltrials", ids=(NCT,))),
            "pipeline": "auto",
            "idempotency_key": None,
            "wait": False,
        },
        lambda event: None,
    )
    job_id = command_result["documents"][0]["job_id"]
    batch_id = platform.parts.ledger.job(job_id).batch_id
    assert batch_id is not None
    definitions = build_definitions(platform.topologies(), platform.open_parts)
    job = definitions.resolve_job_def("auto_pipeline_job")
    result = job.execute_in_process(
        run_config={"ops": {"auto_ingest": {"config": {"batch_id": batch_id}}}, "loggers": QUIET}, instance=platform.parts.dagster
    )
    assert result.success
    assert platform.parts.ledger.job(job_id).status == "completed"
    assert platform.parts.ledger.batch(batch_id).status == "completed"


def test_a_failing_run_queues_its_jobs_again(platform: Platform, clinicaltrials_api: Any, monkeypatch: Any) -> None:
    def full(self: Any, ctx: Any, batch: Any) -> Any:
        raise StorageFullError("No room for the index.", path="index")

    with monkeypatch.context() as patch:
        patch.setattr("Medical_KG_rev.index.HaystackIndexWriter.execute", full)
        with pytest.raises(StorageFullError):
            run(platform.parts, AdapterRequest(source="clinicaltrials", ids=(NCT,)))
    assert platform.parts.ledger.count_jobs() == {"queued": 1}
    assert run(platform.parts, AdapterRequest(source="clinicaltrials", ids=(NCT,)))["completed"] == 1


# Dagster copies every sensor with all its parameters, one of which is in beta, whether it is used or not.
@pytest.mark.filterwarnings("ignore:Parameter `owners`")
def test_o2_the_gate_makes_two_jobs_and_a_sensor(platform: Platform) -> None:
    topology = platform.parts.topologies.load("pdf-two-phase")
    before, behind = parts_of(topology)
    assert (before.job_name, behind.job_name) == ("pdf_two_phase_job", "pdf_two_phase_post_gate_job")
    assert [stage.name for stage in before.stages] == ["ingest", "download"]
    assert [stage.name for stage in behind.stages] == EIGHT[2:]
    assert behind.run_config("r1")["ops"] == {"pdf_two_phase_ir_validation": {"config": {"batch_id": "r1"}}}
    assert topology.gates[0].resume_stage == "chunk"
    assert {topology.stage(name).policy for name in ("chunk", "embed", "extract")} == {"gpu-bound"}
    definitions = build_definitions(platform.topologies(), platform.open_parts, hand_over=True)
    sensors = {sensor.name: sensor for sensor in definitions.sensors or ()}
    assert set(sensors) == {SENSOR, GATE_SENSOR}
    assert sensors[GATE_SENSOR].minimum_interval_seconds == topology.gates[0].poll_interval_seconds == 5  # type: ignore[attr-defined]
    assert "pdf_two_phase_post_gate_job" in {job.name for job in sensors[GATE_SENSOR].jobs}  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        launched_job(topology, "other")


@pytest.mark.filterwarnings("ignore:Parameter `owners`")
def test_o6_a_pdf_goes_through_both_jobs_with_the_sensors(platform: Platform, tmp_path: Path) -> None:
    parts, path = platform.parts, tmp_path / "article.pdf"
    content, _ = article()
    path.write_bytes(content)
    pipeline, for_pdfs = (parts.pipeline(name) for name in ("auto", "pdf-two-phase"))
    session = open_session(parts, lambda event: None)  # without the reader beside it: the steps are taken one by one
    request = AdapterRequest(source="local", paths=(str(path),))
    submitted = session.ingest(request, pipeline, parts.adapters.get("local"), pdf_pipeline=for_pdfs, wait=False)
    [document] = submitted["documents"]
    job_id, ledger = document["job_id"], parts.ledger
    definitions = build_definitions(platform.topologies(), platform.open_parts, hand_over=True)
    [first] = tick(definitions, SENSOR, parts)
    assert first.job_name == "pdf_two_phase_job"
    assert run_requested(definitions, first, parts)
    job = ledger.job(job_id)
    assert (job.status, job.pdf_downloaded, job.pdf_ir_ready) == ("waiting_at_gate", True, False)
    assert tick(definitions, GATE_SENSOR, parts) == []

    assert parts.pdf_reader(lambda event: None).run(threading.Event(), lambda stop: None, until_idle=True) == 1
    assert ledger.job(job_id).pdf_ir_ready
    [second] = tick(definitions, GATE_SENSOR, parts)
    batch_id = ledger.job(job_id).batch_id
    assert (second.job_name, second.run_key) == ("pdf_two_phase_post_gate_job", f"{batch_id}:1")
    assert [request.run_key for request in tick(definitions, GATE_SENSOR, parts)] == [second.run_key], (
        "repeated by a second daemon"
    )
    assert tick(definitions, SENSOR, parts) == []
    assert run_requested(definitions, second, parts)
    assert run_requested(definitions, second, parts), "a run for what was done does nothing"
    assert tick(definitions, GATE_SENSOR, parts) == []

    job = ledger.job(job_id)
    assert (job.status, job.post_pdf_started) == ("completed", True)
    attempts = ledger.attempts(job_id)
    assert [each.stage for each in attempts[:4]] == ["ingest", "download", "parse", "ir_validation"]
    assert sorted(each.stage for each in attempts) == sorted([*EIGHT, "download"])
    assert {(each.attempt, each.status) for each in attempts[1:]} == {(1, "completed")}
    chunks = platform.chunks(str(job.doc_id))
    assert chunks
    assert chunks[0].page == 1
    assert platform.show(str(job.doc_id)).metadata["pdf"]["engine"] == "local"
    assert (
        parts.metrics.registry.get_sample_value(
            "dagster_gate_wait_seconds_count", {"pipeline": "pdf-two-phase", "gate": "pdf_ir_ready"}
        )
        == 1
    )


@pytest.fixture
def note(tmp_path: Path) -> AdapterRequest:
    """One short text of a file."""
    path = tmp_path / "note.txt"
    path.write_text("Invented words about an invented drug.")
    return AdapterRequest(source="local", paths=(str(path),))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM have their handlers of before again after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_a_run_at_once_and_dagster_does_not_answer_it(platform: Platform, note: AdapterRequest) -> None:
    answer_interrupts(platform.parts, signal.SIGINT)
    own, seen = signal.getsignal(signal.SIGINT), []

    def tell(event: dict[str, Any]) -> None:
        if event["event"] == "stage":
            seen.append(signal.getsignal(signal.SIGINT))
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(platform.parts, note, tell=tell)
    assert seen == [own]
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert platform.parts.ledger.count_jobs() == {"queued": 1}


class _Interrupted:
    """Is interrupted where Python cannot raise."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_cannot_raise_ends_the_run_with_its_stage(platform: Platform, note: AdapterRequest) -> None:
    answer_interrupts(platform.parts, signal.SIGINT)
    stages = []

    def tell(event: dict[str, Any]) -> None:
        if event["event"] == "stage":
            stages.append(event["stage"])
            _Interrupted()

    with pytest.raises(WorkerStoppedError):
        run(platform.parts, note, tell=tell)
    assert set(stages) == {"ingest"}
    assert platform.parts.ledger.count_jobs() == {"queued": 1}
