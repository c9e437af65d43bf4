"""Jobs at a gate leave it once: when their flags fit, when a person says so, or when their time is over."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from event_story import faults
from gate_toys import (
    DAY,
    GATE,
    RULE,
    at_gate,
    bring,
    die_in_a_tick,
    digest_of,
    document_row,
    new_ids,
    pass_gate,
    read_pdfs,
    rule_for,
)
from ledger_toys import Toys
from sqlalchemy import update

from Medical_KG_rev.errors import InvalidTransitionError
from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger import JobStatus
from Medical_KG_rev.orchestration.ledger.gate_arrivals import Arrival
from Medical_KG_rev.orchestration.ledger.pdf_queue import brought_key
from Medical_KG_rev.orchestration.ledger.schema import jobs

pytestmark = pytest.mark.component

WAITING = JobStatus.WAITING_AT_GATE


def told(toys: Toys, *kinds: str) -> list[Event]:
    """Events of these types, in order."""
    events = [event for row in toys.ledger.outbox.read(10_000) for event in row.events]
    return [event for event in events if event.type in kinds]


def make_ready(toys: Toys, job_ids: list[str]) -> None:
    """The flag alone, as somebody outside would set it."""
    ready = update(jobs).where(jobs.c.job_id.in_(job_ids)).values(pdf_ir_ready=True)
    toys.ledger.database.write(lambda connection: connection.execute(ready))


def run_out(toys: Toys, *job_ids: str) -> None:
    over = update(jobs).where(jobs.c.job_id.in_(job_ids)).values(gate_deadline=1.0)
    toys.ledger.database.write(lambda connection: connection.execute(over))


def tick(toys: Toys, size: int = 500, limit: int = 50) -> list[Any]:
    return toys.ledger.job_gates.pass_ready(rule_for, size=size, new_id=new_ids(f"x{toys.now}-"), limit=limit)


def test_a_job_comes_to_the_gate_with_its_pdf_in_the_queue(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    job = toys.ledger.job(made.job_id)
    assert (job.status, job.gate, job.pdf_downloaded, job.pdf_ir_ready, job.part) == (WAITING, GATE, True, False, None)
    assert job.gate_deadline is not None
    assert job.gate_since is not None
    assert job.gate_deadline - job.gate_since == pytest.approx(DAY)
    task = toys.ledger.pdfs.task(job.job_id)
    assert task is not None
    assert (task.state, task.doc_id, task.sha256) == ("queued", job.doc_id, digest_of(made))
    assert [event.type for event in told(toys, "gate.waiting", "pdf.requested")] == ["gate.waiting", "pdf.requested"]
    assert toys.ledger.batch(str(job.batch_id)).status == "completed"
    assert tick(toys) == []


def test_what_was_read_before_passes_without_being_read_again(toys: Toys) -> None:
    at_gate(toys, 1)
    [first] = read_pdfs(toys, 1)
    known = document_row(toys.ledger.pdfs.task(first)).key  # type: ignore[arg-type]
    [again] = toys.submit(1)
    bring(toys, [again], document_key=lambda _job: known)
    job = toys.ledger.job(again.job_id)
    assert (job.status, job.pdf_ir_ready) == (WAITING, True)
    assert toys.ledger.pdfs.lease("reader", 60.0) is None
    assert (
        toys.ledger.find_artifacts("t1", [brought_key(again.job_id)])[brought_key(again.job_id)].object_key
        == f"documents/{first}"
    )
    assert [attempt.status for attempt in toys.ledger.attempts(again.job_id) if attempt.stage == "parse"] == ["skipped"]
    assert again.job_id not in {event.job_id for event in told(toys, "pdf.requested")}
    assert faults(_plain(toys)) == []


def test_exactly_the_ready_ones_pass_in_a_second(toys: Toys) -> None:
    made = [job for tenant in ("t1", "t2") for job in at_gate(toys, 500, tenant)]
    ready = [job.job_id for job in made[::10]]
    make_ready(toys, ready)
    before = time.process_time()
    passed = tick(toys)
    seconds = time.process_time() - before
    assert sorted(job.job_id for one in passed for job in toys.ledger.jobs_of_batch(one.batch.batch_id)) == sorted(ready)
    assert {one.batch.part for one in passed} == {GATE}
    assert all(job.post_pdf_started and job.status == JobStatus.QUEUED for job in toys.ledger.jobs_by_id(ready))
    assert toys.ledger.count_jobs() == {"queued": 100, "waiting_at_gate": 900}
    assert tick(toys) == []
    assert seconds < 1.0


def test_two_daemons_that_tick_at_once_start_no_job_twice(toys: Toys, location: Path | str) -> None:
    made = [job.job_id for tenant in ("t1", "t2", "t3") for job in at_gate(toys, 40, tenant)]
    make_ready(toys, made)
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[tuple[str, list[str]]]] = context.Queue()
    daemons = [context.Process(target=pass_gate, args=(location, name, 7, results)) for name in ("a", "b")]
    for daemon in daemons:
        daemon.start()
    batches = [batch for _ in daemons for batch in results.get(timeout=90)]
    for daemon in daemons:
        daemon.join(timeout=30)
    started = Counter(job_id for _, job_ids in batches for job_id in job_ids)
    assert started == Counter(made)
    assert all(0 < len(job_ids) <= 7 for _, job_ids in batches)
    assert len(told(toys, "gate.passed")) == len(made)


def test_a_daemon_that_dies_in_mid_tick_leaves_whole_batches(toys: Toys) -> None:
    made = [job.job_id for job in at_gate(toys, 30)]
    make_ready(toys, made)
    ids = new_ids("dying")

    def dying(kind: str) -> str:
        name = ids(kind)
        if name.endswith("2"):
            raise KeyboardInterrupt
        return name

    with pytest.raises(KeyboardInterrupt):
        toys.ledger.job_gates.pass_ready(rule_for, size=10, new_id=dying)
    assert toys.ledger.count_jobs() == {"queued": 20, "waiting_at_gate": 10}
    tick(toys, size=10)
    assert toys.ledger.count_jobs() == {"queued": 30}
    leased = []
    while lease := toys.ledger.queue.lease("w", 60.0):
        leased += toys.ledger.queue.job_ids_of(lease)
    assert sorted(leased) == sorted(made)


def test_a_daemon_that_is_killed_in_a_transaction_leaves_its_jobs_at_the_gate(toys: Toys, location: Path | str) -> None:
    made = [job.job_id for job in at_gate(toys, 5)]
    make_ready(toys, made)
    daemon = multiprocessing.get_context("spawn").Process(target=die_in_a_tick, args=(location, 2))
    daemon.start()
    daemon.join(timeout=60)
    assert daemon.exitcode == -signal.SIGKILL
    assert toys.ledger.count_jobs() == {"queued": 2, "waiting_at_gate": 3}
    assert sum(len(one.waited) for one in tick(toys)) == 3
    assert Counter(event.job_id for event in told(toys, "gate.passed")) == Counter(made)
    assert all(toys.ledger.batch(str(toys.ledger.job(job_id).batch_id)).status == "queued" for job_id in made)


def test_tenants_pass_by_turns_and_priority_first(toys: Toys) -> None:
    big, small = at_gate(toys, 20, "big"), at_gate(toys, 2, "small")
    urgent = at_gate(toys, 1, "urgent", priority=2)
    make_ready(toys, [job.job_id for job in (*big, *small, *urgent)])
    passed = tick(toys, size=5, limit=3)
    assert [one.batch.tenant_id for one in passed] == ["urgent", "big", "small"]
    assert [one.batch.tenant_id for one in tick(toys, size=5)] == ["big"] * 3


def test_jobs_of_a_pipeline_that_is_gone_hold_up_no_others(toys: Toys) -> None:
    made = at_gate(toys, 2)
    make_ready(toys, [job.job_id for job in made])
    assert toys.ledger.job_gates.pass_ready(lambda *_: None, size=5, new_id=new_ids()) == []
    assert toys.ledger.count_jobs() == {"waiting_at_gate": 2}


def test_a_gate_that_is_not_met_in_time_ends_its_jobs(toys: Toys) -> None:
    late, other = at_gate(toys, 2)
    run_out(toys, late.job_id)
    assert [job.job_id for job in toys.ledger.job_gates.expire()] == [late.job_id]
    job = toys.ledger.job(late.job_id)
    assert (job.status, job.error_code, job.error_stage) == (JobStatus.DEAD, "gate_not_met", GATE)
    letter = toys.ledger.dead_letters.get("t1", late.job_id)
    assert letter.causes[0]["type"] == "DagsterGateConditionError"
    assert "pdf_ir_ready = false" in letter.error_message
    assert toys.ledger.pdfs.task(late.job_id).state == "cancelled"  # type: ignore[union-attr]
    assert [event.type for event in told(toys, "gate.expired", "job.dead")] == ["gate.expired", "job.dead"]
    assert toys.ledger.job(other.job_id).status == WAITING
    assert toys.ledger.job_gates.expire() == []
    make_ready(toys, [late.job_id])
    assert tick(toys) == []


def test_a_person_opens_the_gate_for_one_job(toys: Toys) -> None:
    wanted, other = at_gate(toys, 2)
    job = toys.ledger.job_gates.open(wanted.job_id, actor="me", reason="read by hand", new_id=new_ids("h"))
    assert (job.status, job.post_pdf_started, job.part, job.pdf_ir_ready) == (JobStatus.QUEUED, True, GATE, False)
    [entry] = toys.ledger.audit.entries("t1", subject=wanted.job_id)
    assert (entry.action, entry.actor, entry.reason) == ("gates.open", "me", "read by hand")
    assert [event.data["reason"] for event in told(toys, "gate.opened")] == ["read by hand"]
    with pytest.raises(InvalidTransitionError, match="queued"):
        toys.ledger.job_gates.open(wanted.job_id, actor="me", reason="again", new_id=new_ids("h"))
    with pytest.raises(InvalidTransitionError, match="unknown"):
        toys.ledger.job_gates.open("j404", actor="me", reason="none", new_id=new_ids("h"))
    assert toys.ledger.job(other.job_id).status == WAITING


def test_a_job_is_cancelled_at_the_gate_and_on_its_way_there(toys: Toys) -> None:
    waiting, running = toys.submit(1), toys.submit(1)
    bring(toys, waiting)
    toys.ledger.cancel(waiting[0].job_id, actor="me")
    assert toys.ledger.job(waiting[0].job_id).status == JobStatus.CANCELLED
    assert toys.ledger.pdfs.lease("reader", 60.0) is None

    batch = toys.batch(running)
    lease = toys.ledger.queue.lease("pre", 60.0, batch_ids=[batch.batch_id])
    assert lease is not None
    toys.ledger.stages.start(lease, "download", "run")
    job = toys.ledger.job(running[0].job_id)
    toys.ledger.cancel(job.job_id, actor="me")
    toys.ledger.stages.record(lease, "download", arrivals=[Arrival(job=job, rule=RULE, doc_id=job.doc_id)])
    assert toys.ledger.job(job.job_id).status == JobStatus.CANCELLED
    assert len(told(toys, "job.cancelled")) == 2


def test_a_retry_begins_behind_the_gate_or_before_it(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    read_pdfs(toys, 1)
    [passed] = tick(toys)
    lease = toys.ledger.queue.lease("w", 60.0, batch_ids=[passed.batch.batch_id])
    assert lease is not None
    start = toys.ledger.stages.start(lease, "chunk", "run")
    toys.end_stage(lease, "chunk", dict(start.attempts), JobStatus.FAILED)
    toys.ledger.recovery.finish(lease)
    assert toys.ledger.requeue(made.job_id, actor="me").part == GATE
    toys.ledger.transition(made.job_id, JobStatus.LEASED)
    toys.ledger.transition(made.job_id, JobStatus.RUNNING)
    toys.ledger.transition(made.job_id, JobStatus.FAILED)
    job = toys.ledger.requeue(made.job_id, actor="me", from_stage="download", before_gate=True)
    assert (job.part, job.pdf_downloaded, job.pdf_ir_ready) == (None, False, False)
    bring(toys, [job])
    task = toys.ledger.pdfs.task(made.job_id)
    assert task is not None
    assert (task.state, task.attempts) == ("queued", 1)
    read_pdfs(toys, 1)
    assert [attempt.attempt for attempt in toys.ledger.attempts(made.job_id) if attempt.stage == "parse"] == [1, 2]


def test_what_a_job_waits_for_is_told(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    assert [job.job_id for job in toys.ledger.job_gates.waiting("t1")] == [made.job_id]
    assert toys.ledger.job_gates.waiting("t2") == []
    assert toys.ledger.job_gates.waiting("t1", gate="other") == []
    assert toys.ledger.job_gates.counts() == {("auto", GATE): 1}
    explained = toys.ledger.job_gates.explain(toys.ledger.job(made.job_id), RULE)
    assert explained["condition"] == [{"field": "pdf_ir_ready", "must_be": True, "is": False, "met": False}]
    assert explained["pdf"]["state"] == "queued"
    assert explained["waiting_seconds"] >= 0


def test_the_wait_is_counted_apart(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    since = update(jobs).where(jobs.c.job_id == made.job_id).values(gate_since=jobs.c.gate_since - 100)
    toys.ledger.database.write(lambda connection: connection.execute(since))
    make_ready(toys, [made.job_id])
    [passed] = tick(toys)
    assert passed.waited[0] == pytest.approx(100, abs=20)
    assert toys.ledger.job(made.job_id).gate_seconds == pytest.approx(passed.waited[0])


def test_the_tick_reads_an_index(toys: Toys) -> None:
    if toys.ledger.database.is_postgres:
        pytest.skip("PostgreSQL plans small tables without indexes")
    waits = "phase = 'waiting_at_gate'"
    of_gate = "pipeline_name = 'a' AND pipeline_version = '1' AND gate = 'g'"
    one = f"SELECT * FROM jobs WHERE {waits} AND {of_gate} AND pdf_ir_ready IS 1"
    columns = "pipeline_name, pipeline_version, gate"
    rule = f"SELECT {columns} FROM jobs WHERE {waits} AND ({columns}) > ('a', '1', 'g') ORDER BY {columns} LIMIT 1"

    def plan(query: str) -> str:
        rows = toys.ledger.database.read(lambda connection: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
        return " ".join(row[3] for row in rows)

    assert "jobs_at_gate (pipeline_name=? AND pipeline_version=? AND gate=? AND pdf_ir_ready=?" in plan(one)
    assert "jobs_at_gate ((pipeline_name,pipeline_version,gate)>(?,?,?))" in plan(rule)


def _plain(toys: Toys) -> list[dict[str, Any]]:
    return [json.loads(to_json(event)) for row in toys.ledger.outbox.read(10_000) for event in row.events]
