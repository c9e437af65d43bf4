"""A pipeline with a gate: its first part ends there, others do their work, and the second goes on from what they brought."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from event_story import faults, unlike_ledger

from Medical_KG_rev.errors import DagsterPipelineConfigError, StoreUnavailableError
from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.ledger import JobStatus
from Medical_KG_rev.orchestration.ledger.gate_arrivals import GateRule
from Medical_KG_rev.orchestration.pipeline import StagePlan, assemble, behind_gate
from Medical_KG_rev.orchestration.submission import IdFactory

pytestmark = pytest.mark.component

GATE = "pdf_ir_ready"
BEHIND = ["ir_validation", "chunk", "embed", "index", "extract", "kg"]


def all_events(world: Any) -> list[dict[str, Any]]:
    return [json.loads(to_json(event)) for row in world.ledger.outbox.read(10_000) for event in row.events]


def kinds(world: Any, job_id: str) -> list[str]:
    """What is told of a job, stages left out."""
    told = [
        event["type"].removeprefix("com.medical-kg.").removesuffix(".v1")
        for event in all_events(world)
        if event.get("jobid") == job_id
    ]
    return [kind for kind in told if not kind.startswith("stage.")]


def whole_story(world: Any) -> bool:
    jobs = world.ledger.list_jobs("default", limit=1000)
    attempts = [(job.job_id, a.stage, a.attempt, a.status) for job in jobs for a in world.ledger.attempts(job.job_id)]
    found = faults(all_events(world)) + unlike_ledger(all_events(world), attempts, [])
    assert found == []
    return True


def at_gate(world: Any, *records: tuple[str, str]) -> list[str]:
    """The records' jobs, waiting at the gate."""
    result = world.ingest(list(records), wait=False)
    while world.session.work():
        pass
    jobs = [document["job_id"] for document in result["documents"]]
    assert {world.ledger.job(job_id).status for job_id in jobs} == {JobStatus.WAITING_AT_GATE}
    return jobs


def test_o6_a_pdf_job_pauses_downloaded_and_goes_on_when_its_document_is_ready(gated: Any) -> None:
    [job_id] = at_gate(gated, ("p1", "a text about metformin"))
    job = gated.ledger.job(job_id)
    assert (job.pdf_downloaded, job.pdf_ir_ready, job.gate) == (True, False, GATE)
    assert [each.stage for each in gated.ledger.attempts(job_id)] == ["ingest", "download"]
    assert not gated.session.work()

    assert gated.read_pdf() == job_id
    before = gated.now
    assert gated.session.work()
    assert gated.now - before < 10
    job = gated.ledger.job(job_id)
    assert (job.status, job.post_pdf_started, job.chunks, job.entities) == (JobStatus.COMPLETED, True, 1, 1)
    assert [each.stage for each in gated.ledger.attempts(job_id)] == ["ingest", "download", "parse", *BEHIND]
    assert gated.stages.calls("parse") == []
    assert set(gated.stages.indexed) == set(gated.stages.graph) == {"toy:p1"}
    assert kinds(gated, job_id) == ["job.queued", "gate.waiting", "pdf.requested", "gate.passed", "job.completed"]
    assert whole_story(gated)


def test_o14_of_a_hundred_jobs_exactly_the_ten_that_are_ready_start(gated: Any) -> None:
    jobs = at_gate(gated, *((f"p{n}", f"text {n}") for n in range(100)))
    ready = {gated.read_pdf() for _ in range(10)}
    assert gated.tick() == 10
    assert gated.tick() == 0
    started = {job_id for job_id in jobs if gated.ledger.job(job_id).post_pdf_started}
    assert started == ready
    while gated.session.work():
        pass
    assert gated.ledger.count_jobs() == {"completed": 10, "waiting_at_gate": 90}
    assert len(gated.stages.calls("chunk")) == 10


def test_one_ingest_waits_at_the_gate_and_goes_on(gated: Any) -> None:
    gated.at_rest = gated.read_pdf
    result = gated.ingest([(f"p{n}", f"text {n}") for n in range(5)])
    assert (result["completed"], result["waiting_at_gate"], result["failed"]) == (5, 0, 0)
    waits = [event["waiting_at_gate"] for event in gated.events if event["event"] == "waiting"]
    assert waits[0] == 5
    assert waits == sorted(waits, reverse=True)
    assert whole_story(gated)


def test_documents_that_were_read_before_are_not_read_again(gated: Any) -> None:
    gated.at_rest = gated.read_pdf
    gated.ingest([("p1", "the same text")])
    gated.at_rest = lambda: pytest.fail("nothing is to be waited for")
    result = gated.ingest([("p1", "the same text")], query="again")
    assert (result["completed"], result["unchanged"]) == (1, 1)
    job_id = result["documents"][0]["job_id"]
    statuses = {each.stage: each.status for each in gated.ledger.attempts(job_id)}
    assert statuses == {"ingest": "skipped", "download": "completed", "parse": "skipped", **dict.fromkeys(BEHIND, "skipped")}
    assert len(gated.stages.calls("download")) == 2
    assert whole_story(gated)


def test_a_bad_document_ends_on_its_side_of_the_gate(gated: Any) -> None:
    gated.stages.texts["toy:bad"] = "fail:download"
    gated.at_rest = gated.read_pdf
    result = gated.ingest([("good", "text"), ("bad", "fail:download"), ("worse", "fail:chunk")])
    stages = {document["source_id"]: (document["status"], document["stage"]) for document in result["documents"]}
    assert stages == {"good": ("completed", None), "bad": ("failed", "download"), "worse": ("failed", "chunk")}
    assert whole_story(gated)


def test_a_gate_that_was_opened_without_a_document_fails_its_job_clearly(gated: Any) -> None:
    first, second = at_gate(gated, ("p1", "one"), ("p2", "two"))
    gated.ledger.job_gates.open(first, actor="me", reason="I think so", new_id=IdFactory(gated.clock))
    assert gated.session.work()
    job = gated.ledger.job(first)
    assert (job.status, job.error_stage, job.error_code) == (JobStatus.FAILED, "ir_validation", "nothing_brought")
    assert "--from ingest" in (job.error_message or "")
    assert gated.ledger.job(second).status == JobStatus.WAITING_AT_GATE
    assert whole_story(gated)


def test_a_crash_before_the_gate_repeats_no_download(gated: Any) -> None:
    result = gated.ingest([("p1", "one"), ("p2", "two")], wait=False)
    implementations = gated.stages.implementations()
    kept, failing = implementations["download"], [True]

    class Breaking:
        fingerprint = "toy-1"

        def execute(self, ctx: Any, payloads: Any) -> Any:
            made = kept.execute(ctx, payloads)
            if failing and ctx.doc_id == "toy:p2":
                raise KeyboardInterrupt
            return made

    gated.stages.own["download"] = Breaking()
    gated.settings = gated.settings.model_copy(update={"flush_seconds": 0.0})
    gated.runner = gated.new_runner()
    with pytest.raises(KeyboardInterrupt):
        gated.session.work()
    gated.runner.close_all()
    first, second = (document["job_id"] for document in result["documents"])
    assert gated.ledger.job(first).status == JobStatus.WAITING_AT_GATE, "it came to the gate with the flush after it"
    failing.clear()
    gated.now += 10
    assert gated.session.work()
    assert gated.ledger.job(second).status == JobStatus.WAITING_AT_GATE
    assert gated.stages.calls("download") == [("toy:p1",), ("toy:p2",), ("toy:p2",)]


def test_a_retry_begins_where_it_is_told(gated: Any) -> None:
    gated.at_rest = gated.read_pdf
    result = gated.ingest([("p1", "fail:embed")])
    job_id = result["documents"][0]["job_id"]
    gated.stages.errors["embed"] = KeyError
    gated.stages.texts["toy:p1"] = "cured"
    retried = gated.session.retry([gated.ledger.job(job_id)])
    assert retried["completed"] == 1
    assert len(gated.stages.calls("download")) == 1
    assert [each.stage for each in gated.ledger.attempts(job_id)].count("parse") == 1


def test_a_retry_from_before_the_gate_reads_the_pdf_again(gated: Any) -> None:
    gated.at_rest = gated.read_pdf
    [document] = gated.ingest([("p1", "fail:embed")])["documents"]
    job = gated.ledger.job(document["job_id"])

    def read_and_cure() -> None:
        if gated.read_pdf():
            gated.stages.texts["toy:p1"] = "cured"

    gated.at_rest = read_and_cure
    assert gated.session.retry([job], from_stage="download")["completed"] == 1
    assert len(gated.stages.calls("download")) == 2
    attempts = [(each.stage, each.attempt) for each in gated.ledger.attempts(job.job_id) if each.stage in ("parse", "chunk")]
    assert attempts == [("parse", 1), ("chunk", 1), ("parse", 2), ("chunk", 2)]
    assert whole_story(gated)


def test_a_retry_of_a_file_that_could_not_be_read_begins_anew_but_brings_nothing_twice(gated: Any) -> None:
    [job_id] = at_gate(gated, ("p1", "text"))
    task = gated.ledger.pdfs.lease("reader", 60.0)
    assert task is not None
    gated.ledger.pdfs.fail(task, StoreUnavailableError("The object is gone."))
    assert gated.ledger.job(job_id).status == JobStatus.FAILED
    gated.at_rest = gated.read_pdf
    assert gated.session.retry([gated.ledger.job(job_id)])["completed"] == 1
    assert len(gated.stages.calls("download")) == 1
    assert whole_story(gated)


def test_an_expired_job_can_be_retried(gated: Any) -> None:
    [job_id] = at_gate(gated, ("p1", "text"))
    gated.now += 3601
    assert gated.tick() == 0
    assert gated.ledger.job(job_id).status == JobStatus.DEAD
    gated.at_rest = gated.read_pdf
    assert gated.session.retry([gated.ledger.job(job_id)])["completed"] == 1
    assert whole_story(gated)


def test_a_job_is_cancelled_at_the_gate(gated: Any) -> None:
    first, second = at_gate(gated, ("p1", "one"), ("p2", "two"))
    gated.ledger.cancel(first, actor="me")
    assert gated.read_pdf() == second
    assert gated.read_pdf() is None
    assert gated.session.work()
    assert gated.ledger.count_jobs() == {"cancelled": 1, "completed": 1}


def test_a_gate_may_stand_before_a_stage_whose_input_was_made_before_it(make_world: Callable[..., Any], plans: Any) -> None:
    world = make_world(plans=plans, gates=(GateRule("approved", {"pdf_ir_ready": True}, 60.0, "chunk"),))
    result = world.ingest([("a", "some text")], wait=False)
    assert world.session.work()
    [document] = result["documents"]
    job = world.ledger.job(document["job_id"])
    assert (job.status, job.pdf_downloaded) == (JobStatus.WAITING_AT_GATE, False)
    assert world.stages.calls("extract") == [("toy:a",)], "what the gate does not hold up runs before it"
    world.ledger.job_gates.open(job.job_id, actor="me", reason="approved", new_id=IdFactory(world.clock))
    assert world.session.work()
    assert world.ledger.job(job.job_id).status == JobStatus.COMPLETED
    assert len(world.stages.calls("parse")) == 1
    assert set(world.stages.indexed) == {"toy:a"}


def test_the_parts_of_a_pipeline(gated: Any) -> None:
    pipeline = gated.pipeline
    assert [stage.name for stage in pipeline.stages] == ["ingest", "download"]
    assert (pipeline.part, pipeline.gate.name) == (None, GATE)
    behind = pipeline.of_part(GATE)
    assert [stage.name for stage in behind.stages] == BEHIND
    assert (behind.gate, behind.stage("ir_validation").input_from, behind.ends) == (None, GATE, {"index", "kg"})
    with pytest.raises(KeyError):
        pipeline.of_part("other")


def test_what_is_behind_a_gate_follows_from_its_stage_and_from_what_it_brings(plans: Any, pdf_plans: Any) -> None:
    assert behind_gate(pdf_plans, "chunk") == set(BEHIND)
    assert behind_gate(plans, "chunk") == {"chunk", "embed", "index"}
    assert behind_gate(plans, "kg") == {"kg"}


def test_a_pipeline_with_two_gates_is_refused(gated: Any, pdf_plans: Any) -> None:
    gates = [GateRule("one", {}, 1.0, "chunk"), GateRule("two", {}, 1.0, "kg")]
    with pytest.raises(DagsterPipelineConfigError, match="2 gates"):
        assemble("p", "1", pdf_plans, gated.stages.implementations(), gates)
    with pytest.raises(DagsterPipelineConfigError, match="cannot be run"):
        assemble("p", "1", [StagePlan("x", "nothing", "default", (), {})], {"x": object()})
    with pytest.raises(DagsterPipelineConfigError, match="takes document"):
        assemble("p", "1", pdf_plans, gated.stages.implementations())
