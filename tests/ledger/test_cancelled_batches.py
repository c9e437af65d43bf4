"""A batch whose jobs were all cancelled has its end told once, wherever it was when the last of them left."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_toys import Toys

from Medical_KG_rev.orchestration.ledger import JobStatus
from Medical_KG_rev.orchestration.ledger.recovery import LOST

pytestmark = pytest.mark.component


def ends(toys: Toys, batch_id: str) -> list[dict[str, Any]]:
    """The counts of the batch's ends, as they are told."""
    events = [event for row in toys.ledger.outbox.read(1000) for event in row.events]
    told = [event for event in events if event.type == "batch.completed" and event.job_id == batch_id]
    return [{name: event.data[name] for name in ("completed", "unchanged", "failed")} for event in told]


NOTHING = {"completed": 0, "unchanged": 0, "failed": 0}


def test_a_batch_that_waits_ends_with_the_last_of_its_jobs(toys: Toys) -> None:
    jobs = toys.submit(2)
    batch = toys.batch(jobs)
    toys.ledger.cancel(jobs[0].job_id, actor="me")
    assert (toys.ledger.batch(batch.batch_id).status, ends(toys, batch.batch_id)) == ("queued", [])
    toys.ledger.cancel(jobs[1].job_id, actor="me")
    assert (toys.ledger.batch(batch.batch_id).status, ends(toys, batch.batch_id)) == ("completed", [NOTHING])
    assert toys.ledger.queue.lease("w", 60.0) is None
    assert len(ends(toys, batch.batch_id)) == 1


def test_what_had_ended_before_is_counted(toys: Toys) -> None:
    jobs = toys.submit(2)
    batch = toys.batch(jobs)
    lease = toys.ledger.queue.lease("w", 60.0)
    assert lease is not None
    start = toys.ledger.stages.start(lease, "parse", "run")
    toys.end_stage(lease, "parse", {jobs[0].job_id: start.attempts[jobs[0].job_id]}, JobStatus.COMPLETED)
    toys.ledger.recovery.release_worker("w", LOST)
    toys.ledger.cancel(jobs[1].job_id, actor="me")
    assert ends(toys, batch.batch_id) == [{**NOTHING, "completed": 1}]


def test_jobs_that_are_cancelled_at_work_end_their_batch_when_its_run_is_over(toys: Toys) -> None:
    jobs = toys.submit(2)
    batch = toys.batch(jobs)
    lease = toys.ledger.queue.lease("w", 60.0)
    assert lease is not None
    for job in jobs:
        toys.ledger.cancel(job.job_id, actor="me")
    assert ends(toys, batch.batch_id) == []
    assert set(toys.ledger.stages.start(lease, "parse", "run").cancelled) == {job.job_id for job in jobs}
    toys.ledger.recovery.finish(lease)
    assert (toys.ledger.batch(batch.batch_id).status, ends(toys, batch.batch_id)) == ("completed", [NOTHING])


def test_a_batch_whose_jobs_another_has_adopted_ends_when_its_turn_comes(toys: Toys) -> None:
    jobs = toys.submit(1)
    batch = toys.batch(jobs)
    toys.ledger.record_page(jobs[0].submission_id, new=[], adopted=jobs, payloads=[], cursor=None, total=1, complete=True)
    assert toys.ledger.queue.lease("w", 60.0) is None
    assert (toys.ledger.batch(batch.batch_id).status, ends(toys, batch.batch_id)) == ("completed", [NOTHING])
