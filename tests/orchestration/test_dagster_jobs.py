"""The shipped pipelines through Dagster: real stages, real stores, remote APIs played with payloads of the real shape."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from Medical_KG_rev.errors import StorageFullError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.orchestration.dagster.definitions import build_definitions
from Medical_KG_rev.orchestration.dagster.jobs import build_job, job_name
from Medical_KG_rev.orchestration.dagster.launch import QUIET
from Medical_KG_rev.orchestration.dagster.ops import OP_FACTORIES
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.platform import Platform
from Medical_KG_rev.settings import EmbeddingSettings, Settings
from Medical_KG_rev.text import ModelStore
from Medical_KG_rev.worker import execute

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


def run(parts: PlatformParts, request: AdapterRequest, pipeline: str = "auto") -> dict[str, Any]:
    """What the worker process does for a command, in this process."""
    command = {
        "command": "ingest",
        "request": msgspec.to_builtins(request),
        "pipeline": pipeline,
        "idempotency_key": None,
        "wait": True,
    }
    return execute(parts, command, lambda event: None)


def test_o1_auto_has_eight_stages_and_its_graph_is_checked(platform: Platform) -> None:
    job = build_job(platform.parts.topologies.load("auto"))
    assert job.name == "auto_pipeline_job"
    assert sorted(node.name for node in job.nodes) == sorted(f"auto_{stage}" for stage in EIGHT)
    edges = {(dependency.node, node.name) for node, inputs in job.dependencies.items() for dependency in inputs.values()}
    assert edges == {
        (f"auto_{before}", f"auto_{after}")
        for before, after in [*pairwise(EIGHT[:6]), ("ir_validation", "extract"), ("extract", "kg")]
    }, "index and graph are branches"
    assert set(OP_FACTORIES) == set(EIGHT)


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
        "assert {'auto_pipeline_job', 'clinical_trials_pipeline_job'} <= jobs, jobs\n"
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
    job = definitions.resolve_job_def(job_name("auto"))
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
