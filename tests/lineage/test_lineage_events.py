"""Events say what a batch and its stages took and made, and fulfil the official schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lineage_receiver import BATCH, STAGE, facets_of
from openlineage.client.serde import Serde

from Medical_KG_rev.endpoints.gpu import GpuSample
from Medical_KG_rev.orchestration.lineage import BatchRun, StageRun, run_id
from Medical_KG_rev.orchestration.lineage.events import BATCHES_REMEMBERED, LineageEvents
from Medical_KG_rev.orchestration.lineage.facets import PRODUCER, facet_schemas
from Medical_KG_rev.orchestration.topology.models import ResiliencePolicyConfig

pytestmark = pytest.mark.component

Check = Callable[[dict[str, Any]], None]
DOCS = Path(__file__).parents[2] / "docs"
GPU = GpuSample("nvml", devices=1, memory_used_bytes=8 << 30, memory_total_bytes=80 << 30, utilisation=0.875)


def as_json(events: list[Any]) -> list[dict[str, Any]]:
    """As they are sent."""
    return [json.loads(Serde.to_json(event)) for event in events]


def end_of(stage: StageRun, batch: BatchRun = BATCH) -> dict[str, Any]:
    """The event with which a stage's run ends."""
    return as_json(LineageEvents().stage_finished(batch, stage))[1]


def stage_of(name: str, outputs: int, **changes: Any) -> StageRun:
    return replace(STAGE, stage=name, stage_type=name, outputs=outputs, **changes)


def rows(event: dict[str, Any], side: str) -> dict[str, int | None]:
    """Rows by data set, of the inputs or outputs."""
    facet = {"inputs": ("inputFacets", "inputStatistics"), "outputs": ("outputFacets", "outputStatistics")}[side]
    return {each["name"]: each[facet[0]].get(facet[1], {}).get("rowCount") for each in event[side]}


def test_every_event_of_a_whole_batch_is_valid(check: Check) -> None:
    lineage = LineageEvents()
    events = lineage.batch_started(BATCH, 1_700_000_000.0)
    for name, outputs in (("ingest", 10), ("parse", 10), ("ir_validation", 9), ("chunk", 42), ("embed", 42)):
        events += lineage.stage_finished(BATCH, stage_of(name, outputs, gpu=GPU, model=("bge-small", "1.5"), retries=2))
    for name, outputs in (("index", 9), ("extract", 30), ("kg", 30), ("my_stage", 3)):
        events += lineage.stage_finished(BATCH, stage_of(name, outputs, error="no space" if name == "kg" else None))
    events += lineage.batch_finished(BATCH, "failed", 1_700_000_100.0)
    sent = as_json(events)
    assert len(sent) == 2 + 2 * 9
    for event in sent:
        check(event)
        assert event["producer"] == PRODUCER
        assert all(facet["_producer"] == PRODUCER for facet in facets_of(event))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    batch=st.builds(
        BatchRun,
        batch_id=st.text(min_size=1, max_size=30),
        attempt=st.integers(1, 20),
        tenant_id=st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
        pipeline=st.from_regex(r"[a-z][a-z-]{0,20}", fullmatch=True),
        pipeline_version=st.text(max_size=20),
        dagster_run_id=st.none() | st.text(max_size=20),
        documents=st.integers(0, 1000),
    ),
    stage=st.builds(
        StageRun,
        stage=st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True),
        stage_type=st.sampled_from(["ingest", "download", "parse", "chunk", "embed", "index", "extract", "kg", "own"]),
        started_at=st.floats(0, 4e9),
        finished_at=st.floats(0, 4e9),
        completed=st.integers(0, 1000),
        failed=st.integers(0, 1000),
        skipped=st.integers(0, 1000),
        outputs=st.integers(0, 10**9),
        retries=st.integers(0, 1000),
        backoff_strategy=st.sampled_from(["exponential", "linear", "none"]),
        gpu=st.none()
        | st.builds(
            GpuSample,
            source=st.just("nvml"),
            memory_used_bytes=st.none() | st.integers(0, 1 << 40),
            utilisation=st.none() | st.floats(0, 1),
        ),
        model=st.none() | st.tuples(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20)),
        sparse_model=st.none() | st.tuples(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20)),
        error=st.none() | st.text(max_size=50),
    ),
)
def test_any_run_makes_valid_events(check: Check, batch: BatchRun, stage: StageRun) -> None:
    lineage = LineageEvents()
    events = [*lineage.batch_started(batch, 0.0), *lineage.stage_finished(batch, stage)]
    for event in as_json([*events, *lineage.batch_finished(batch, "completed", 1.0)]):
        check(event)


def test_the_judge_refuses_what_is_wrong(check: Check) -> None:
    """The other tests of this module could not fail otherwise."""
    event = end_of(replace(STAGE, gpu=GPU, model=("bge-small", "1.5")))
    check(event)
    wrong: list[tuple[tuple[str, ...], Any]] = [
        (("run", "runId"), "no-uuid"),
        (("eventType",), "DONE"),
        (("run", "facets", "medicalKg_gpuUtilization", "gpu_utilization_percent"), 101),
        (("run", "facets", "medicalKg_gpuUtilization", "gpu_memory_used"), -1),
        (("run", "facets", "medicalKg_retryAttempt", "backoff_strategy"), "random"),
        (("run", "facets", "medicalKg_modelVersion", "model_version"), ""),
        (("run", "facets", "parent", "run"), {}),
    ]
    for path, value in wrong:
        broken = json.loads(json.dumps(event))
        place = broken
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            check(broken)


def test_a_stage_run_starts_and_ends_below_the_run_of_its_batch() -> None:
    start, end = as_json(LineageEvents().stage_finished(BATCH, STAGE))
    (batch,) = as_json(LineageEvents().batch_started(BATCH, 0.0))
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert (start["eventTime"], end["eventTime"]) == ("2023-11-14T22:13:20.000+00:00", "2023-11-14T22:13:21.200+00:00")
    assert start["run"]["runId"] == end["run"]["runId"] == run_id(BATCH, "chunk")
    for event in (start, end):
        parent = event["run"]["facets"]["parent"]
        assert parent["run"]["runId"] == batch["run"]["runId"] == run_id(BATCH)
        assert parent["job"]["name"] == batch["job"]["name"] == "auto"
        assert (event["job"]["namespace"], event["job"]["name"]) == ("medical-kg", "auto.chunk")


def test_run_ids_are_the_same_for_the_same_run_and_differ_for_others() -> None:
    others = [
        run_id(BATCH),
        run_id(BATCH, "chunk"),
        run_id(BATCH, "embed"),
        run_id(replace(BATCH, attempt=2)),
        run_id(replace(BATCH, batch_id="b2")),
        run_id(replace(BATCH, tenant_id="other")),
    ]
    assert len(set(others)) == len(others)
    assert run_id(replace(BATCH, documents=99, dagster_run_id=None), "chunk") == run_id(BATCH, "chunk")


def test_rows_of_later_inputs_are_what_the_batch_has_made_and_its_end_names_all() -> None:
    lineage = LineageEvents()
    chunk = as_json(lineage.stage_finished(BATCH, stage_of("chunk", 42)))[1]
    embed = as_json(lineage.stage_finished(BATCH, stage_of("embed", 40)))[1]
    index = as_json(lineage.stage_finished(BATCH, stage_of("index", 9)))[1]
    (end,) = as_json(lineage.batch_finished(BATCH, "completed", 0.0))
    name = BATCH.batch_id
    assert (rows(chunk, "inputs"), rows(chunk, "outputs")) == ({f"documents/{name}": 10}, {f"chunks/{name}": 42})
    assert (rows(embed, "inputs"), rows(embed, "outputs")) == ({f"chunks/{name}": 42}, {f"embeddings/{name}": 40})
    assert (rows(index, "inputs"), rows(index, "outputs")) == ({f"embeddings/{name}": 40}, {"index": 9})
    assert rows(end, "inputs") == {f"submissions/{name}": 10}
    assert rows(end, "outputs") == {f"chunks/{name}": 42, f"embeddings/{name}": 40, "index": 9}
    assert {each["namespace"] for each in (*end["inputs"], *end["outputs"])} == {"medical-kg://default"}
    assert as_json(lineage.batch_finished(BATCH, "completed", 0.0))[0]["outputs"] == [], "a batch that ended is forgotten"


def test_batches_that_never_end_are_forgotten_in_time() -> None:
    lineage = LineageEvents()
    for number in range(BATCHES_REMEMBERED + 5):
        lineage.stage_finished(replace(BATCH, batch_id=str(number)), STAGE)
    assert len(lineage._made) == BATCHES_REMEMBERED


@pytest.mark.parametrize(("status", "state"), [("completed", "COMPLETE"), ("failed", "FAIL"), ("cancelled", "ABORT")])
def test_a_batch_ends_as_the_ledger_says(status: Any, state: str) -> None:
    assert as_json(LineageEvents().batch_finished(BATCH, status, 0.0))[0]["eventType"] == state


def test_a_stage_fails_when_it_ends_early_or_no_document_passes() -> None:
    none_passed = end_of(replace(STAGE, completed=0, skipped=0, failed=3))
    ended_early = end_of(replace(STAGE, error="No room at /data."))
    assert none_passed["eventType"] == ended_early["eventType"] == "FAIL"
    assert none_passed["run"]["facets"]["errorMessage"]["message"] == "None of 3 documents passed stage chunk."
    assert ended_early["run"]["facets"]["errorMessage"]["message"] == "No room at /data."
    for passed in (STAGE, replace(STAGE, completed=0, failed=0, skipped=0)):
        event = end_of(passed)
        assert event["eventType"] == "COMPLETE"
        assert "errorMessage" not in event["run"]["facets"]


def test_a_run_says_by_what_it_is_known_elsewhere() -> None:
    tags = {tag["key"]: tag["value"] for tag in end_of(STAGE)["run"]["facets"]["tags"]["tags"]}
    assert tags == {
        "tenant_id": "default",
        "batch_id": BATCH.batch_id,
        "attempt": "1",
        "pipeline_version": BATCH.pipeline_version,
        "dagster_run_id": BATCH.dagster_run_id,
        "documents": "10",
        "completed": "8",
        "failed": "1",
        "skipped": "1",
    }


# --- facets of our own -----------------------------------------------------------------------------------------------


def test_the_three_facets_say_gpu_model_and_retries() -> None:
    facets = end_of(replace(STAGE, gpu=GPU, model=("bge-small", "1.5"), retries=2, backoff_strategy="linear"))["run"]["facets"]
    own = {name: {key: value for key, value in facets[name].items() if key[0] != "_"} for name in facets if "medicalKg" in name}
    assert own == {
        "medicalKg_gpuUtilization": {"gpu_memory_used": 8 << 30, "gpu_utilization_percent": 87.5},
        "medicalKg_modelVersion": {"model_name": "bge-small", "model_version": "1.5"},
        "medicalKg_retryAttempt": {"retry_count": 2, "backoff_strategy": "linear"},
    }


def test_the_models_of_an_embed_stage_are_named_both(check: Check) -> None:
    event = end_of(replace(STAGE, model=("bge-small", "1.5"), sparse_model=("splade-tiny", "2")))
    check(event)
    facet = event["run"]["facets"]["medicalKg_modelVersion"]
    assert facet["_schemaURL"].endswith("/openlineage/1-1-0/ModelVersionFacet.json#/$defs/ModelVersionFacet")
    assert (facet["sparse_model_name"], facet["sparse_model_version"]) == ("splade-tiny", "2")
    del facet["sparse_model_version"]
    with pytest.raises(jsonschema.ValidationError):
        check(event)


@pytest.mark.parametrize("gpu", [None, GpuSample("nvml", devices=0), GpuSample("http://host/metrics", cache_usage=0.5)])
def test_a_run_without_a_gpu_has_no_gpu_facet(gpu: GpuSample | None) -> None:
    facets = end_of(replace(STAGE, gpu=gpu))["run"]["facets"]
    assert "medicalKg_gpuUtilization" not in facets
    assert "medicalKg_modelVersion" not in facets


def test_what_of_a_gpu_is_unknown_is_left_out(check: Check) -> None:
    event = end_of(replace(STAGE, gpu=GpuSample("nvml", devices=1, utilisation=0.0)))
    check(event)
    assert event["run"]["facets"]["medicalKg_gpuUtilization"]["gpu_utilization_percent"] == 0
    assert "gpu_memory_used" not in event["run"]["facets"]["medicalKg_gpuUtilization"]


def test_schemas_are_valid_published_and_name_themselves() -> None:
    schemas = facet_schemas()
    assert schemas.keys() == {"GPUUtilizationFacet.json", "ModelVersionFacet.json", "RetryAttemptFacet.json"}
    for name, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        version = "1-1-0" if name == "ModelVersionFacet.json" else "1-0-0"
        assert schema["$id"].endswith(f"/openlineage/{version}/{name}")
        published = DOCS / "reference" / "openlineage" / name
        assert json.loads(published.read_text()) == schema, "run: make generate"


def test_the_backoff_strategies_are_those_of_the_policies() -> None:
    facet = facet_schemas()["RetryAttemptFacet.json"]["$defs"]["RetryAttemptFacet"]["allOf"][1]["properties"]
    policies = ResiliencePolicyConfig.model_json_schema()["properties"]["backoff_strategy"]
    assert facet["backoff_strategy"]["enum"] == policies["enum"]
