"""Interrupted and concurrent ingests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from Medical_KG_rev.errors import (
    InvalidTransitionError,
    JobNotFoundError,
    MalformedPayloadError,
    StoreUnavailableError,
    UsageError,
)
from Medical_KG_rev.orchestration.artifacts import delete_artifacts
from Medical_KG_rev.orchestration.ledger import JobStatus
from Medical_KG_rev.orchestration.ledger.workers import recover_lost_workers
from Medical_KG_rev.planning import resolve_since

pytestmark = pytest.mark.component

TEN = [(f"d{n}", f"text of document {n}") for n in range(10)]


class Killed(BaseException):
    """The process ends here: nothing of it runs any more."""


def die(world) -> None:
    """Frees the worker's lock as the operating system does, and nothing else."""
    world.registration._file.close()


def interrupt_at(world, stage: str, call: int) -> None:
    """The process dies at the n-th call of a stage."""
    note, seen = world.stages.note, []

    def dying(name: str, doc_ids) -> None:
        if name == stage:
            seen.append(doc_ids)
            if len(seen) == call:
                raise Killed
        note(name, doc_ids)

    world.stages.note = dying  # type: ignore[method-assign]


@pytest.mark.parametrize(("stage", "call"), [("parse", 4), ("chunk", 1), ("embed", 1), ("index", 1), ("extract", 7), ("kg", 1)])
def test_a_killed_ingest_goes_on_where_it_stopped(make_world: Callable, stage: str, call: int) -> None:
    killed = make_world(worker="w1", flush_seconds=0.0011)
    interrupt_at(killed, stage, call)
    with pytest.raises(Killed):
        killed.ingest(TEN)
    die(killed)
    done = set(_keys(killed))
    again = make_world(worker="w2")
    again.stages.indexed, again.stages.graph, again.stages.texts = (
        killed.stages.indexed,
        killed.stages.graph,
        killed.stages.texts,
    )
    result = again.ingest(TEN)
    assert (result["submitted"], result["completed"], result["failed"]) == (10, 10, 0)
    assert len(again.ledger.list_jobs("default", limit=1000)) == 10, "the same jobs, not new ones"
    for job in again.ledger.list_jobs("default"):
        first = next(a for a in again.ledger.attempts(job.job_id) if a.stage == stage)
        assert first.status in ("completed", "worker_lost"), "each attempt that was begun has an end"
    assert done <= set(_keys(again))
    repeated = _repeated_stages(again)
    assert repeated == [], f"stages done twice although their artifact existed: {repeated}"


def _keys(world) -> list[str]:
    with sqlite3.connect(world.folder / "ledger.db") as connection:
        return [row[0] for row in connection.execute("SELECT key FROM artifacts")]


def _repeated_stages(world) -> list[tuple[str, str]]:
    """(job, stage) completed more than once: a completed attempt is recorded together with its artifact."""
    with sqlite3.connect(world.folder / "ledger.db") as connection:
        return connection.execute(
            "SELECT job_id, stage FROM stage_attempts WHERE status = 'completed' GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()


def test_two_live_ingests_never_take_each_others_jobs(make_world: Callable) -> None:
    one, two = make_world(worker="w1"), make_world(worker="w2")
    one.ingest(TEN, wait=False)
    lease = one.ledger.queue.lease("w1", 60)

    def the_holder_runs_it(_seconds: float) -> None:
        one.session._execute(lease)

    two.session.sleep = the_holder_runs_it
    result = two.ingest(TEN)
    assert two.stages.log == []
    assert {document["status"] for document in result["documents"]} == {"completed"}
    assert len(two.ledger.list_jobs("default", limit=100)) == 10


def test_jobs_submitted_without_waiting_are_run_by_the_next_ingest_of_the_same_records(make_world: Callable) -> None:
    submitter = make_world(worker="w1")
    result = submitter.ingest(TEN, wait=False)
    assert {document["status"] for document in result["documents"]} == {"queued"}
    submitter.registration.close()
    runner = make_world(worker="w2")
    assert runner.ingest(TEN)["completed"] == 10
    assert len(runner.ledger.list_jobs("default", limit=100)) == 10


def test_an_interrupted_listing_resumes_at_its_cursor(make_world: Callable, make_source: Callable) -> None:
    world = make_world(worker="w1", size=4)
    source = make_source(TEN, page_size=2)
    asked: list[str | None] = []
    listing = source.list_records

    def dying(request, cursor=None):
        asked.append(cursor)
        for number, page in enumerate(listing(request, cursor)):
            if number == 3 and len(asked) == 1:
                raise Killed
            yield page

    source.list_records = dying  # type: ignore[method-assign]
    with pytest.raises(Killed):
        world.ingest(TEN, source)
    die(world)
    again = make_world(worker="w2", size=4)
    again.stages.indexed, again.stages.graph = world.stages.indexed, world.stages.graph
    result = again.ingest(TEN, source)
    assert asked == [None, "6"]
    assert (result["submitted"], result["completed"]) == (10, 10)
    assert len(again.ledger.list_jobs("default", limit=100)) == 10


def test_a_batch_that_meets_a_fault_while_the_listing_goes_on_is_run_again(make_world: Callable, make_source: Callable) -> None:
    world = make_world(size=4)
    run_batch, runs = world.session.run_batch, []

    def away_at_first(batch) -> None:
        runs.append(batch.batch_id)
        if len(runs) == 1:
            raise StoreUnavailableError("The database of the history is away.")
        run_batch(batch)

    world.session.run_batch = away_at_first
    result = world.ingest(TEN, make_source(TEN, page_size=2))
    assert (result["submitted"], result["completed"]) == (10, 10)
    assert runs.count(runs[0]) == 2


def test_a_callers_key_matches_for_ever(world) -> None:
    first = world.ingest([("d", "text")], idempotency_key="k")
    second = world.ingest([("d", "other text")], idempotency_key="k")
    assert second["documents"][0]["job_id"] == first["documents"][0]["job_id"]
    assert world.ingest([("d", "other text")])["documents"][0]["job_id"] != first["documents"][0]["job_id"]


def test_a_failed_job_of_a_callers_key_may_be_submitted_again(world) -> None:
    first = world.ingest([("d", "fail:parse")], idempotency_key="k")
    second = world.ingest([("d", "good text")], idempotency_key="k")
    assert first["failed"] == second["completed"] == 1


def test_deleting_a_document_rewrites_the_objects_that_others_share(world) -> None:
    result = world.ingest(TEN)
    job = world.ledger.job(result["documents"][4]["job_id"])
    removed = delete_artifacts(world.store, world.ledger, "default", "toy:d4", [job.job_id])
    assert removed == 6
    assert world.ledger.artifacts_of_document("default", "toy:d4") == []
    for key in list(world.store.keys()):
        assert b"text of document 4" not in world.store.read(key)
    world.stages.indexed.pop("toy:d4")
    world.stages.graph.pop("toy:d4")
    world.stages.log.clear()
    again = world.ingest(TEN)
    assert (again["completed"], again["unchanged"]) == (10, 9)
    assert world.stages.calls("parse") == [("toy:d4",)]


def test_transitions_outside_the_table_are_refused(world) -> None:
    job_id = world.ingest(TEN)["documents"][0]["job_id"]
    with pytest.raises(InvalidTransitionError) as raised:
        world.ledger.transition(job_id, JobStatus.QUEUED)
    assert raised.value.subject["valid"] == ["dead", "failed", "leased", "running", "stuck", "waiting_at_gate"]
    with pytest.raises(JobNotFoundError):
        world.ledger.job("nobody")


def test_a_worker_that_closes_puts_back_what_it_held(make_world: Callable) -> None:
    world = make_world(worker="w1")
    interrupt_at(world, "chunk", 1)
    with pytest.raises(Killed):
        world.ingest(TEN)
    world.registration.close()
    assert world.ledger.count_jobs() == {"queued": 10}
    assert recover_lost_workers(make_world(worker="w2").ledger) == []


def test_the_ledger_is_at_the_newest_revision_and_matches_its_models(tmp_path: Path, world) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from Medical_KG_rev.orchestration.ledger import database, schema

    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == database.HEAD
    with world.ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_retrying_an_old_failure_never_replaces_newer_content(world) -> None:
    world.stages.errors["index"] = lambda: MalformedPayloadError("not this time")
    failed = world.ingest([("d", "fail:index old words")])["documents"][0]
    newer = world.ingest([("d", "newer words")])["documents"][0]
    assert (failed["status"], newer["status"]) == ("failed", "completed")
    live = dict(world.stages.indexed)
    with pytest.raises(UsageError, match="later record"):
        world.session.retry([world.ledger.job(failed["job_id"])])
    assert world.stages.indexed == live


def test_retry_waits_for_jobs_that_another_process_has(make_world: Callable) -> None:
    one, two = make_world(worker="w1"), make_world(worker="w2")
    one.ingest(TEN, wait=False)
    lease = one.ledger.queue.lease("w1", 60)
    two.session.sleep = lambda _seconds: one.session._execute(lease)
    result = two.session.retry(one.ledger.list_jobs("default"))
    assert (result["completed"], two.stages.log) == (10, [])


def test_a_batch_that_waits_in_the_queue_is_run_by_whoever_comes_first(make_world: Callable) -> None:
    one, two = make_world(worker="w1", size=4), make_world(worker="w2", size=4)
    one.ingest(TEN, wait=False)
    assert [two.session.work(), one.session.work(), two.session.work(), one.session.work()] == [True, True, True, False]
    assert sorted(len(call) for call in [*one.stages.calls("index"), *two.stages.calls("index")]) == [2, 4, 4]
    assert one.ledger.count_jobs() == {"completed": 10}


def test_since_last_means_the_last_whole_listing(world) -> None:
    request = {"source": "toy", "tenant_id": "default", "ids": [], "query": "x", "since": None, "limit": None, "paths": []}
    base = world.ledger.submission(world.ingest(TEN, query="x")["batch_id"])
    assert resolve_since(world.ledger, "default", "toy", "x", "last") == "2027-01-15"
    with pytest.raises(UsageError, match="no complete listing"):
        resolve_since(world.ledger, "default", "toy", "y", "last")
    for number, part in enumerate(({"query": "y", "limit": 10}, {"query": "y", "ids": ["1"]}, {"query": "y"})):
        world.ledger.begin_submission(
            msgspec.structs.replace(base, submission_id=f"b{number}", request={**request, **part}, complete=number < 2)
        )
    with pytest.raises(UsageError, match="no complete listing"):
        resolve_since(world.ledger, "default", "toy", "y", "last")


def test_a_retry_from_ingest_fetches_again(world, make_source) -> None:
    """What came broken over the wire is stored: without a new fetch it would be broken for ever."""
    source = make_source([("a", "fail:parse")])
    [broken] = world.ingest([], source)["documents"]
    assert (broken["status"], broken["stage"]) == ("failed", "parse")
    world.stages.remote["a"] = "whole words"
    jobs = world.ledger.list_jobs("default")
    assert world.session.retry(jobs)["failed"] == 1
    assert world.session.retry(jobs, from_stage="ingest")["completed"] == 1
    assert world.stages.calls("ingest") == [("a",)]


def test_a_new_version_of_the_extractor_extracts_anew_and_nothing_else(make_world: Callable) -> None:
    first = make_world(worker="w1")
    first.ingest(TEN)
    same = make_world(worker="w2")
    same.stages.indexed, same.stages.graph, same.stages.texts = first.stages.indexed, first.stages.graph, first.stages.texts
    assert same.ingest(TEN)["unchanged"] == 10, "the same version does nothing"
    assert same.stages.log == []

    newer = type(same.stages.implementations()["extract"])(same.stages)
    newer.fingerprint = "toy-2"
    same.stages.own["extract"] = newer
    result = same.ingest(TEN)
    assert (result["completed"], result["unchanged"], result["failed"]) == (10, 0, 0)
    assert {stage for stage, _ in same.stages.log} == {"extract", "kg"}, "what came before it, and the index, stay as they are"
    assert len(same.stages.calls("extract")) == 10
    same.stages.log.clear()
    assert same.ingest(TEN)["unchanged"] == 10
    assert same.stages.log == []


def test_the_graph_is_told_which_extractor_made_its_claims(make_world: Callable) -> None:
    world = make_world()
    graph = world.stages.implementations()["kg"]
    told, execute = [], graph.execute

    def telling(ctx, entities, claims):
        told.append(ctx.producer)
        return execute(ctx, entities, claims)

    graph.execute = telling
    extractor = type(world.stages.implementations()["extract"])(world.stages)
    extractor.fingerprint = "toy-extractor-2"
    world.stages.own |= {"kg": graph, "extract": extractor}
    world.ingest(TEN[:1])
    assert told == ["toy-extractor-2"]


def test_what_a_stage_took_is_the_mean_of_its_latest_calls(make_world: Callable) -> None:
    world = make_world()
    assert world.ledger.seconds_in_stage("default", "auto", "extract", 1000) is None, "nothing was measured yet"
    world.ingest(TEN)
    jobs = world.ledger.list_jobs("default", limit=1000)
    taken = sorted(
        (attempt.started_at, attempt.finished_at - attempt.started_at)
        for job in jobs
        for attempt in world.ledger.attempts(job.job_id)
        if attempt.stage == "extract" and attempt.status == "completed"
    )
    assert len(taken) == 10
    mean = sum(seconds for _, seconds in taken) / 10
    assert world.ledger.seconds_in_stage("default", "auto", "extract", 1000) == pytest.approx(mean)
    world.ingest(TEN)
    assert world.ledger.seconds_in_stage("default", "auto", "extract", 1000) == pytest.approx(mean), (
        "what was skipped took no time"
    )
    assert world.ledger.seconds_in_stage("default", "auto", "extract", 1) == pytest.approx(taken[-1][1])
    assert world.ledger.seconds_in_stage("default", "other", "extract", 1000) is None
    assert world.ledger.seconds_in_stage("another", "auto", "extract", 1000) is None
