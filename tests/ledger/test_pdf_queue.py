"""PDFs are leased to one reader at a time; what comes of one is in the ledger as a whole, or not at all."""

from __future__ import annotations

import json
import multiprocessing
import signal
from pathlib import Path
from typing import Any

import pytest
from event_story import faults, unlike_ledger
from gate_toys import at_gate, die_reading, document_row, lease_pdfs, read_pdfs
from ledger_toys import Toys
from sqlalchemy import update

from Medical_KG_rev.errors import LeaseLostError, PayloadError, RemoteUnavailableError
from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.ledger import JobStatus, PdfTask
from Medical_KG_rev.orchestration.ledger.pdf_queue import MAX_TRIES, brought_key
from Medical_KG_rev.orchestration.ledger.recovery import LOST, MAX_LOSSES, STOPPED
from Medical_KG_rev.orchestration.ledger.schema import pdf_queue

pytestmark = pytest.mark.component


def lease(toys: Toys, worker: str = "reader") -> PdfTask:
    task = toys.ledger.pdfs.lease(worker, 60.0)
    assert task is not None
    return task


def change(toys: Toys, job_id: str, **values: Any) -> None:
    statement = update(pdf_queue).where(pdf_queue.c.job_id == job_id).values(**values)
    toys.ledger.database.write(lambda connection: connection.execute(statement))


def story(toys: Toys) -> list[dict[str, Any]]:
    return [json.loads(to_json(event)) for row in toys.ledger.outbox.read(10_000) for event in row.events]


def whole(toys: Toys, *job_ids: str) -> bool:
    """Whether the events and the ledger tell the same of these jobs."""
    attempts = [(job, each.stage, each.attempt, each.status) for job in job_ids for each in toys.ledger.attempts(job)]
    events = [event for event in story(toys) if event.get("jobid") in job_ids]
    return faults(events) == [] and unlike_ledger(events, attempts, []) == []


def test_four_readers_never_lease_a_pdf_twice(toys: Toys, location: Path | str) -> None:
    made = [job.job_id for tenant in ("t1", "t2", "t3") for job in at_gate(toys, 20, tenant)]
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = context.Queue()
    readers = [context.Process(target=lease_pdfs, args=(location, f"r{n}", results)) for n in range(4)]
    for reader in readers:
        reader.start()
    taken = [job_id for _ in readers for job_id in results.get(timeout=90)]
    for reader in readers:
        reader.join(timeout=30)
    assert sorted(taken) == sorted(made)


def test_what_is_read_is_ready_with_its_document(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    task = lease(toys)
    assert (task.job_id, task.attempts, toys.ledger.job(made.job_id).current_stage) == (made.job_id, 1, "parse")
    toys.ledger.pdfs.finish(task, document_row(task))
    job = toys.ledger.job(made.job_id)
    assert (job.status, job.pdf_ir_ready) == (JobStatus.WAITING_AT_GATE, True)
    rows = toys.ledger.find_artifacts("t1", [brought_key(made.job_id), document_row(task).key])
    assert {row.object_key for row in rows.values()} == {f"documents/{made.job_id}"}
    assert len(rows) == 2
    [attempt] = [each for each in toys.ledger.attempts(made.job_id) if each.stage == "parse"]
    assert (attempt.status, attempt.output_count, attempt.worker, attempt.input_digest) == ("completed", 3, "reader", task.sha256)
    assert whole(toys, made.job_id)
    with pytest.raises(LeaseLostError):
        toys.ledger.pdfs.finish(task, document_row(task))
    assert not toys.ledger.pdfs.has_task()


def test_a_file_that_cannot_be_read_ends_its_job_with_a_letter(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    assert toys.ledger.pdfs.fail(lease(toys), PayloadError("The PDF has no pages.", remedy="Get another.")) is False
    job = toys.ledger.job(made.job_id)
    assert (job.status, job.error_stage, job.failure_mark) == (JobStatus.FAILED, "parse", "parse_failed")
    letter = toys.ledger.dead_letters.get("t1", made.job_id)
    assert "no pages" in letter.error_message
    assert letter.artifact is not None
    assert letter.artifact["stage"] == "download"
    assert toys.ledger.pdfs.task(made.job_id).state == "failed"  # type: ignore[union-attr]
    assert whole(toys, made.job_id)


def test_what_may_pass_is_tried_again_but_not_for_ever(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    for _ in range(MAX_TRIES - 1):
        assert toys.ledger.pdfs.fail(lease(toys), RemoteUnavailableError("The engine is away."), retry_in_seconds=600.0)
        assert toys.ledger.pdfs.lease("reader", 60.0) is None
        assert toys.ledger.job(made.job_id).status == JobStatus.WAITING_AT_GATE
        change(toys, made.job_id, not_before=0.0)
    assert not toys.ledger.pdfs.fail(lease(toys), RemoteUnavailableError("The engine is away."), retry_in_seconds=600.0)
    assert toys.ledger.job(made.job_id).status == JobStatus.FAILED
    assert whole(toys, made.job_id)


def test_a_file_that_kills_its_readers_is_a_dead_letter(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    for _ in range(MAX_LOSSES):
        lease(toys)
        assert [task.job_id for task in toys.ledger.pdfs.release_worker("reader", LOST)] == [made.job_id]
    job = toys.ledger.job(made.job_id)
    assert (job.status, job.error_code) == (JobStatus.DEAD, "worker_lost")
    assert "3 workers ended while they read this PDF" in toys.ledger.dead_letters.get("t1", made.job_id).error_message
    assert toys.ledger.pdfs.lease("reader", 60.0) is None
    assert whole(toys, made.job_id)


def test_a_reader_that_is_killed_in_its_last_transaction_has_done_nothing(toys: Toys, location: Path | str) -> None:
    [made] = at_gate(toys, 1)
    reader = multiprocessing.get_context("spawn").Process(target=die_reading, args=(location,))
    reader.start()
    reader.join(timeout=60)
    assert reader.exitcode == -signal.SIGKILL
    assert not toys.ledger.job(made.job_id).pdf_ir_ready
    assert toys.ledger.find_artifacts("t1", [brought_key(made.job_id)]) == {}
    assert [task.attempts for task in toys.ledger.pdfs.release_worker("killed", LOST)] == [1]
    assert read_pdfs(toys, 1) == [made.job_id]
    assert [each.status for each in toys.ledger.attempts(made.job_id) if each.stage == "parse"] == ["worker_lost", "completed"]
    assert whole(toys, made.job_id)


def test_a_reader_that_stops_gives_back_what_it_has(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    for _ in range(MAX_LOSSES + 1):
        lease(toys)
        toys.ledger.pdfs.release_worker("reader", STOPPED)
    assert lease(toys).job_id == made.job_id
    assert toys.ledger.job(made.job_id).status == JobStatus.WAITING_AT_GATE


def test_a_lease_that_ran_out_comes_back_and_its_holder_is_refused(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    late = lease(toys, "late")
    assert toys.ledger.pdfs.expire() == []
    change(toys, made.job_id, lease_expires_at=1.0)
    assert toys.ledger.pdfs.extend("late", 60.0) == [made.job_id]
    assert toys.ledger.pdfs.expire() == []
    change(toys, made.job_id, lease_expires_at=1.0)
    assert [task.job_id for task in toys.ledger.pdfs.expire()] == [made.job_id]
    assert toys.ledger.pdfs.extend("late", 60.0) == []
    for ending in (
        lambda: toys.ledger.pdfs.finish(late, document_row(late)),
        lambda: toys.ledger.pdfs.fail(late, PayloadError("Bad.")),
    ):
        with pytest.raises(LeaseLostError):
            ending()
    second = lease(toys, "quick")
    with pytest.raises(LeaseLostError):
        toys.ledger.pdfs.finish(late, document_row(late))
    toys.ledger.pdfs.finish(second, document_row(second))
    assert whole(toys, made.job_id)


def test_a_pdf_whose_job_was_cancelled_while_it_was_read_changes_nothing(toys: Toys) -> None:
    [made] = at_gate(toys, 1)
    task = lease(toys)
    toys.ledger.cancel(made.job_id, actor="me")
    with pytest.raises(LeaseLostError):
        toys.ledger.pdfs.finish(task, document_row(task))
    job = toys.ledger.job(made.job_id)
    assert (job.status, job.pdf_ir_ready) == (JobStatus.CANCELLED, False)
    [attempt] = [each for each in toys.ledger.attempts(made.job_id) if each.stage == "parse"]
    assert (attempt.status, attempt.error_code) == ("failed", "job_ended")
    assert whole(toys, made.job_id)


def test_priority_goes_first_and_tenants_take_turns(toys: Toys) -> None:
    at_gate(toys, 5, "big")
    at_gate(toys, 1, "small")
    at_gate(toys, 1, "urgent", priority=2)
    taken = []
    for _ in range(3):
        task = lease(toys)
        taken.append(task.tenant_id)
        toys.ledger.pdfs.finish(task, document_row(task))
    assert taken == ["urgent", "big", "small"]


def test_a_message_names_the_pdf_of_its_job(toys: Toys) -> None:
    first, second = at_gate(toys, 2)
    task = toys.ledger.pdfs.lease("reader", 60.0, job_id=second.job_id)
    assert task is not None
    assert task.job_id == second.job_id
    assert toys.ledger.pdfs.lease("reader", 60.0, job_id=second.job_id) is None
    assert toys.ledger.pdfs.lease("reader", 60.0, job_id="j404") is None
    assert lease(toys).job_id == first.job_id


def test_nothing_is_leased_while_the_queue_is_paused(toys: Toys) -> None:
    at_gate(toys, 1)
    toys.ledger.gates.set("leasing", closed=True, actor="me")
    assert toys.ledger.pdfs.lease("reader", 60.0) is None
    assert not toys.ledger.pdfs.has_task()
    toys.ledger.gates.set("leasing", closed=False, actor="me")
    assert toys.ledger.pdfs.has_task()


def test_the_depth_of_the_queue_is_told(toys: Toys) -> None:
    assert toys.ledger.pdfs.depth().oldest_at is None
    at_gate(toys, 3)
    read_pdfs(toys, 1)
    lease(toys)
    depth = toys.ledger.pdfs.depth()
    assert (depth.queued, depth.leased) == (1, 1)
    assert depth.oldest_at is not None
