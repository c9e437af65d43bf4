"""Who may work on a batch: one worker at a time, by turns, until the lease runs out; a late holder is refused."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_toys import Toys, lease_all
from sqlalchemy import event

from Medical_KG_rev.errors import InvalidTransitionError, LeaseLostError, UsageError
from Medical_KG_rev.orchestration.ledger import JobStatus, Ledger
from Medical_KG_rev.orchestration.ledger.recovery import LOST, MAX_LOSSES

pytestmark = pytest.mark.component


def test_four_processes_never_lease_a_batch_twice(toys: Toys, location: Path | str) -> None:
    made = {toys.queued(1, tenant=f"t{number % 3}").batch_id for number in range(200)}
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = context.Queue()
    workers = [context.Process(target=lease_all, args=(location, f"w{n}", results)) for n in range(4)]
    for worker in workers:
        worker.start()
    taken = [batch_id for _ in workers for batch_id in results.get(timeout=90)]
    for worker in workers:
        worker.join(timeout=30)
    assert len(taken) == len(set(taken)) == 200
    assert set(taken) == made


def test_a_tenant_with_many_batches_does_not_starve_another(toys: Toys) -> None:
    for _ in range(30):
        toys.queued(tenant="big")
    late = toys.queued(tenant="small")
    taken = [toys.ledger.queue.lease("w", 60.0) for _ in range(2)]
    assert late.batch_id in {lease.batch_id for lease in taken if lease}


def test_priority_goes_before_turns(toys: Toys) -> None:
    low, normal, high = (toys.queued(priority=priority).batch_id for priority in (0, 1, 2))
    taken = [toys.ledger.queue.lease("w", 60.0) for _ in range(3)]
    assert [lease.batch_id for lease in taken if lease] == [high, normal, low]


def test_nothing_is_leased_while_the_queue_is_paused(toys: Toys) -> None:
    toys.queued()
    toys.ledger.gates.set("leasing", closed=True, actor="me")
    assert toys.ledger.queue.lease("w", 60.0) is None
    toys.ledger.gates.set("leasing", closed=False, actor="me")
    assert toys.ledger.queue.lease("w", 60.0) is not None


def test_a_heartbeat_keeps_a_lease(toys: Toys) -> None:
    batch = toys.queued()
    toys.ledger.queue.lease("w", 60.0)
    toys.run_out(batch.batch_id)
    assert toys.ledger.queue.extend("w", 60.0) == [batch.batch_id]
    assert toys.ledger.recovery.expire() == []
    assert toys.ledger.batch(batch.batch_id).status == "leased"


def test_a_lease_that_ran_out_is_stuck_then_queued_and_its_holder_is_refused(toys: Toys) -> None:
    made = toys.submit(3)
    batch = toys.batch(made)
    lease = toys.ledger.queue.lease("w", 60.0)
    assert lease is not None
    start = toys.ledger.stages.start(lease, "parse", None)
    toys.run_out(batch.batch_id)
    assert toys.ledger.recovery.expire() == []
    assert {job.status for job in toys.ledger.jobs_of_batch(batch.batch_id)} == {JobStatus.STUCK}
    assert len(toys.ledger.recovery.expire()) == 3
    assert {job.status for job in toys.ledger.jobs_of_batch(batch.batch_id)} == {JobStatus.QUEUED}
    waiting = toys.ledger.outbox.depth()
    with pytest.raises(LeaseLostError):
        toys.end_stage(lease, "parse", dict(start.attempts), JobStatus.COMPLETED)
    assert toys.ledger.outbox.depth() == waiting
    assert [attempt.status for attempt in toys.ledger.attempts(made[0].job_id)] == ["worker_lost"]


def test_the_job_that_kills_its_workers_is_found_and_dead(toys: Toys) -> None:
    made = toys.submit(20)
    toys.batch(made)
    guilty, losses = made[7].job_id, 0
    while toys.ledger.job(guilty).status != JobStatus.DEAD:
        lease = toys.ledger.queue.lease("w", 60.0)
        assert lease is not None
        mine = [job.job_id for job in toys.ledger.queue.jobs_of(lease)]
        start = toys.ledger.stages.start(lease, "parse", None)
        if guilty in mine:
            toys.ledger.recovery.release_worker("w", LOST)
            losses += 1
        else:
            toys.end_stage(lease, "parse", dict(start.attempts), JobStatus.COMPLETED)
            toys.ledger.recovery.finish(lease)
    assert MAX_LOSSES <= losses <= MAX_LOSSES + 2
    assert [letter.job_id for letter in toys.ledger.dead_letters.list("t1")] == [guilty]
    while lease := toys.ledger.queue.lease("w", 60.0):
        toys.end_stage(lease, "parse", dict(toys.ledger.stages.start(lease, "parse", None).attempts), JobStatus.COMPLETED)
        toys.ledger.recovery.finish(lease)
    assert toys.ledger.count_jobs() == {"completed": 19, "dead": 1}


@pytest.mark.service
def test_workers_with_skewed_clocks_agree_on_postgresql(postgres_database: str) -> None:
    early, late = (Ledger.open(postgres_database, lambda skew=skew: 1_800_000_000.0 + skew) for skew in (-3600.0, 3600.0))
    toys = Toys(lambda _clock: early)
    batch = toys.queued()
    assert early.queue.lease("early", 60.0) is not None
    assert late.recovery.expire() == []
    assert late.batch(batch.batch_id).status == "leased"
    assert late.queue.lease("late", 60.0) is None
    early.close()
    late.close()


def test_a_stage_of_a_batch_is_two_commits(toys: Toys) -> None:
    toys.queued(50)
    lease = toys.ledger.queue.lease("w", 60.0)
    assert lease is not None
    begun: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith(("BEGIN", "COMMIT")):
            begun.append(statement)

    commits: list[object] = []
    event.listen(toys.ledger.engine, "before_cursor_execute", count)
    event.listen(toys.ledger.engine, "commit", commits.append)
    start = toys.ledger.stages.start(lease, "parse", None)
    made = len(commits) + begun.count("COMMIT")
    assert made == 1
    toys.end_stage(lease, "parse", dict(start.attempts))
    assert len(commits) + begun.count("COMMIT") == 2


def test_a_job_that_a_worker_holds_is_neither_retried_nor_replayed(toys: Toys) -> None:
    (job,) = toys.submit(1)
    toys.batch([job])
    lease = toys.ledger.queue.lease("w", 60.0)
    assert lease is not None
    with pytest.raises(InvalidTransitionError, match="only dead, failed"):
        toys.ledger.requeue(job.job_id, actor="me")
    assert toys.ledger.job(job.job_id).batch_id == lease.batch_id


def test_a_retry_by_hand_answers_the_letter(toys: Toys) -> None:
    (job,) = toys.submit(1)
    toys.batch([job])
    for _ in range(MAX_LOSSES):
        lease = toys.ledger.queue.lease("w", 60.0)
        assert lease is not None
        toys.ledger.stages.start(lease, "parse", None)
        toys.ledger.recovery.release_worker("w", LOST)
    letter = toys.ledger.dead_letters.get("t1", job.job_id)
    toys.ledger.requeue(job.job_id, actor="me")
    assert toys.ledger.dead_letters.get("t1", job.job_id).state == "replayed"
    with pytest.raises(UsageError):
        toys.ledger.dead_letters.replay(letter, actor="me", reason="again")


def test_what_failed_in_a_batch_stays_failed_when_its_worker_is_lost(toys: Toys) -> None:
    failed, other = toys.submit(2)
    batch = toys.batch([failed, other])
    lease = toys.ledger.queue.lease("w", 60.0)
    assert lease is not None
    start = toys.ledger.stages.start(lease, "parse", None)
    toys.end_stage(lease, "parse", {failed.job_id: start.attempts[failed.job_id]}, JobStatus.FAILED)
    assert [job.job_id for job in toys.ledger.recovery.release_worker("w", LOST)] == [other.job_id]
    assert toys.ledger.job(failed.job_id).status == JobStatus.FAILED
    assert toys.ledger.job(other.job_id).status == JobStatus.QUEUED
    assert toys.ledger.job(other.job_id).batch_id == batch.batch_id


def test_two_ledgers_share_one_queue(toys: Toys, open_ledger: Callable[..., Ledger]) -> None:
    toys.queued()
    other = open_ledger()
    assert other.queue.lease("other", 60.0) is not None
    assert toys.ledger.queue.lease("w", 60.0) is None


def test_jobs_are_listed_and_counted_by_state_while_their_batches_are_at_different_points(toys: Toys) -> None:
    running, leased, queued = (toys.queued(2) for _ in range(3))
    lease = toys.ledger.queue.lease("w", 60.0, batch_ids=[running.batch_id])
    assert lease is not None
    toys.ledger.stages.start(lease, "parse", None)
    assert toys.ledger.queue.lease("w", 60.0, batch_ids=[leased.batch_id]) is not None
    alone = toys.submit(1)[0]
    tenant = alone.tenant_id
    expected = {"running": {running.batch_id}, "leased": {leased.batch_id}, "queued": {queued.batch_id, None}}
    for status, batches in expected.items():
        assert {job.batch_id for job in toys.ledger.list_jobs(tenant, status=status)} == batches
    assert toys.ledger.count_jobs() == {"running": 2, "leased": 2, "queued": 3}
    assert [toys.ledger.queue.waiting(tenant, limit) for limit in (2, 10)] == [2, 3]
    assert [job.job_id for job in toys.ledger.queue.unbatched()] == [alone.job_id]
