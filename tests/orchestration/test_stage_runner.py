"""What the stage runner promises for every document of a batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from Medical_KG_rev.errors import (
    DagsterPipelineConfigError,
    DagsterStageTimeoutError,
    InvalidTransitionError,
    MissingIdentifierError,
    RetriesExhaustedError,
    StorageFullError,
)
from Medical_KG_rev.orchestration.ledger import Batch, JobStatus
from Medical_KG_rev.orchestration.pipeline import StagePlan, assemble

pytestmark = pytest.mark.component

TEN = [(f"d{n}", f"text of document {n}") for n in range(10)]


def by_source(result: dict) -> dict[str, dict]:
    return {document["source_id"]: document for document in result["documents"]}


def test_every_document_passes_all_eight_stages(world) -> None:
    result = world.ingest(TEN)
    assert (result["submitted"], result["completed"], result["failed"], result["unchanged"]) == (10, 10, 0, 0)
    assert [report.stage for report in world.reports] == [
        "ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg",
    ]  # fmt: skip
    assert set(world.stages.indexed) == set(world.stages.graph) == {f"toy:d{n}" for n in range(10)}
    job = world.ledger.job(result["documents"][0]["job_id"])
    assert (job.status, job.doc_id, job.chunks, job.entities, job.current_stage) == ("completed", "toy:d0", 1, 1, None)
    attempts = world.ledger.attempts(job.job_id)
    assert [attempt.stage for attempt in attempts] == [r.stage for r in world.reports]
    assert all(attempt.run_id == "run-1" and attempt.worker == "w1" for attempt in attempts)


@pytest.mark.parametrize("stage", ["parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"])
def test_one_bad_document_never_stops_its_batch(world, stage: str) -> None:
    records = [*TEN, ("bad", f"fail:{stage} please")]
    result = world.ingest(records)
    assert (result["completed"], result["failed"]) == (10, 1)
    bad = by_source(result)["bad"]
    assert (bad["status"], bad["stage"], bad["error"]["code"]) == ("failed", stage, "payload_malformed")
    assert world.ledger.attempts(bad["job_id"])[-1].status == "failed"


def test_i4_a_payload_without_an_id_fails_in_parse_and_goes_no_further(world) -> None:
    world.stages.errors["parse"] = lambda: MissingIdentifierError("The payload has no id.")
    failed = world.ingest([("nameless", "fail:parse")])["documents"][0]
    assert (failed["status"], failed["stage"], failed["error"]["code"]) == ("failed", "parse", "identifier_missing")
    assert [attempt.stage for attempt in world.ledger.attempts(failed["job_id"])] == ["ingest", "parse"]
    assert {stage for stage, _ in world.stages.log} == {"parse"}
    assert world.stages.indexed == world.stages.graph == {}


def test_the_guilty_document_of_a_slice_is_found_by_halving(world) -> None:
    world.ingest([*TEN, ("bad", "fail:index")])
    calls = world.stages.calls("index")
    assert len(calls[0]) == 11
    assert ("toy:bad",) in calls
    assert len(calls) <= 2 * 4 + 1


def test_a_slice_that_failed_after_all_retries_fails_whole_and_is_not_halved(world) -> None:
    world.stages.errors["index"] = lambda: RetriesExhaustedError("five attempts failed")
    result = world.ingest([*TEN, ("bad", "fail:index")])
    assert len(world.stages.calls("index")) == 1
    assert {document["error"]["code"] for document in result["documents"]} == {"retries_exhausted"}


def test_transient_errors_are_retried_and_counted_per_stage(world) -> None:
    failures = iter([DagsterStageTimeoutError("slow"), DagsterStageTimeoutError("slow")])

    def once_more() -> BaseException:
        error = next(failures, None)
        if error is None:
            world.stages.texts["toy:slow"] = "fine now"
            return DagsterStageTimeoutError("slow")
        return error

    world.stages.errors["chunk"] = once_more
    result = world.ingest([("slow", "fail:chunk")])
    job = world.ledger.job(result["documents"][0]["job_id"])
    assert job.retry_count_per_stage == {"chunk": 2}
    assert (job.status, job.error_code) == ("failed", "stage_timeout")


def test_an_unexpected_error_is_recorded_with_its_type(world) -> None:
    world.stages.errors["parse"] = lambda: ZeroDivisionError("by zero")
    result = world.ingest([("odd", "fail:parse"), ("fine", "text")])
    assert by_source(result)["odd"]["error"] == {"code": "unexpected_error", "message": "ZeroDivisionError: by zero"}
    assert by_source(result)["fine"]["status"] == "completed"


def test_no_chunks_from_a_document_with_text_is_a_failure(world) -> None:
    result = world.ingest([("empty", "no chunks here")])
    assert result["documents"][0]["error"]["code"] == "output_empty"


def test_a_store_that_refuses_one_document_of_a_call_fails_it_alone(world) -> None:
    result = world.ingest([*TEN, ("bad", "break:kg")])
    assert (result["completed"], result["failed"]) == (10, 1)
    assert by_source(result)["bad"]["error"] == {"code": "graph_constraint_broken", "message": "it breaks one"}


def test_what_concerns_no_document_stops_the_run_and_loses_nothing(world) -> None:
    world.stages.errors["index"] = lambda: StorageFullError("no space")
    with pytest.raises(StorageFullError):
        world.ingest([*TEN, ("last", "fail:index")])
    batch_id = next(iter(world.runner._batches))
    world.runner.close(batch_id, "failed")
    assert world.ledger.count_jobs() == {"queued": 11}
    world.stages.texts["toy:last"] = "space again"
    world.stages.log.clear()
    result = world.ingest([*TEN, ("last", "fail:index")])
    assert result["completed"] == 11
    assert not world.stages.calls("parse")
    assert not world.stages.calls("embed")


def test_unchanged_documents_leave_at_submission_and_touch_no_stage(world) -> None:
    world.ingest(TEN)
    world.stages.log.clear()
    result = world.ingest(TEN)
    assert (result["completed"], result["unchanged"]) == (10, 10)
    assert world.stages.log == []
    assert result["documents"][3]["chunks"] == 1


def test_fetched_documents_found_unchanged_leave_after_ingest(world) -> None:
    world.stages.remote = dict(TEN)
    ids = [(name, None) for name, _ in TEN]
    first = world.ingest(ids)
    assert (first["completed"], first["unchanged"]) == (10, 0)
    assert len(world.stages.calls("ingest")) == 1
    world.stages.remote["d4"] = "new words"
    world.stages.log.clear()
    second = world.ingest(ids)
    assert (second["completed"], second["unchanged"]) == (10, 9)
    assert world.stages.calls("parse") == [("toy:d4",)]


def test_an_id_that_the_source_does_not_know_fails_by_name(world) -> None:
    world.stages.remote = {"known": "text"}
    result = world.ingest([("known", None), ("unknown", None)])
    assert by_source(result)["unknown"]["error"]["code"] == "record_not_found"
    assert by_source(result)["known"]["status"] == "completed"


def test_content_a_then_b_then_a_is_written_each_time(world) -> None:
    versions = []
    for text in ("content A", "content B", "content A"):
        result = world.ingest([("d", text)])
        assert result["documents"][0]["unchanged"] is False
        versions.append((world.stages.indexed["toy:d"], world.stages.graph["toy:d"]))
    assert versions[0] == versions[2] != versions[1]
    assert len(world.stages.calls("parse")) == 2


def test_an_emptied_store_is_filled_again_from_the_artifacts(world) -> None:
    world.ingest(TEN)
    world.stages.graph.clear()
    world.stages.log.clear()
    result = world.ingest(TEN)
    assert (result["completed"], result["unchanged"]) == (10, 0)
    assert {name for name, _ in world.stages.log} == {"kg"}
    assert len(world.stages.graph) == 10


def test_of_two_records_of_one_document_the_later_one_wins_and_the_result_says_so(world) -> None:
    result = world.ingest([("d@1", "first"), ("other", "text"), ("d@2", "second")])
    first, _, second = result["documents"]
    assert first["superseded_by"] == second["job_id"]
    assert (first["status"], second["status"]) == ("completed", "completed")
    assert world.stages.calls("index") == [("toy:other", "toy:d")]


def test_a_later_record_that_is_already_live_still_wins_over_an_earlier_changed_one(world) -> None:
    world.ingest([("d", "live text")])
    live = dict(world.stages.indexed)
    world.ingest([("d@1", "changed text"), ("d", "live text")])
    assert world.stages.indexed == live


def test_a_batch_that_is_over_cannot_be_run_again(world) -> None:
    result = world.ingest(TEN)
    batch_id = world.ledger.job(result["documents"][0]["job_id"]).batch_id
    with pytest.raises(InvalidTransitionError, match="completed"):
        world.runner.run_stage(batch_id, "ingest")


def test_parts_are_flushed_while_a_stage_runs(make_world: Callable) -> None:
    world = make_world(flush_seconds=0.0011)
    world.ingest(TEN)
    objects = [key for key in list(world.store.keys()) if "/parse-" in key]
    assert len(objects) > 1


def test_large_batches_are_cut_into_slices(make_world: Callable) -> None:
    world = make_world(index_slice=3, embed_slice=4, graph_slice=5)
    world.ingest(TEN)
    assert [len(call) for call in world.stages.calls("index")] == [3, 3, 3, 1]
    assert [len(call) for call in world.stages.calls("embed")] == [4, 4, 2]
    assert [len(call) for call in world.stages.calls("kg")] == [5, 5]


def test_a_topology_whose_input_nobody_makes_is_refused(world) -> None:
    plans = [StagePlan("ingest", "ingest", "default", (), {}), StagePlan("index", "index", "default", ("ingest",), {})]
    with pytest.raises(DagsterPipelineConfigError, match="takes embeddings"):
        assemble("odd", "1.0", plans, world.stages.implementations())


def test_failed_jobs_can_be_retried_from_where_they_stopped(world) -> None:
    failed = world.ingest([("d", "fail:embed")])["documents"][0]
    world.stages.texts["toy:d"] = "mended"
    world.stages.log.clear()
    result = world.session.retry([world.ledger.job(failed["job_id"])])
    assert result["completed"] == 1
    assert not world.stages.calls("parse")
    job = world.ledger.job(failed["job_id"])
    assert (job.status, job.error_code, job.status == JobStatus.COMPLETED) == ("completed", None, True)
    assert [a.attempt for a in world.ledger.attempts(job.job_id) if a.stage == "embed"] == [1, 2]


@pytest.mark.parametrize(
    "stages",
    [
        ("ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"),
        ("ingest", "parse", "ir_validation", "chunk", "extract", "embed", "kg", "index"),
    ],
)
def test_payloads_of_a_page_are_read_at_once_and_outputs_are_not_read_back(
    world, monkeypatch: pytest.MonkeyPatch, stages: tuple[str, ...]
) -> None:
    reads: list[str] = []
    read = world.store.read
    monkeypatch.setattr(world.store, "read", lambda key, *range_: reads.append(key) or read(key, *range_))

    def run_batch(batch: Batch) -> None:
        for stage in stages:
            world.runner.run_stage(batch.batch_id, stage, "run-1")
        world.runner.close(batch.batch_id)

    world.session.run_batch = run_batch
    assert world.ingest(TEN)["completed"] == 10
    assert len(reads) == 1
