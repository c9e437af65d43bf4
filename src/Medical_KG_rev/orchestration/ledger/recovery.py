"""Taking batches back: from workers that are gone, whose lease ran out, that stop, or whose run failed as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update

from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger.batch_ends import end_batch
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.dead_letters import DeadLetters, dead_event, requeued
from Medical_KG_rev.orchestration.ledger.ends import JobEnd, JobEnds, job_end
from Medical_KG_rev.orchestration.ledger.outbox import Outbox
from Medical_KG_rev.orchestration.ledger.queue import HELD, hold, shrunk
from Medical_KG_rev.orchestration.ledger.records import Batch, DeadLetter, Job, Lease, StageAttempt
from Medical_KG_rev.orchestration.ledger.rows import insert_records, update_rows
from Medical_KG_rev.orchestration.ledger.schema import batches, jobs, stage_attempts
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.orchestration.ledger.subjects import batch_subject, job_subject
from Medical_KG_rev.orchestration.ledger.transitions import locked_jobs, move

MAX_LOSSES = 3
"""A job that alone in its batch lost so many workers in a row is dead: it is what kills them."""
LONGEST_PAUSE_SECONDS = 300.0
AT_WORK = (JobStatus.LEASED, JobStatus.RUNNING, JobStatus.STUCK)
"""States of a job that goes back with its batch."""


class Reason(msgspec.Struct, frozen=True):
    """Why a batch comes back. ``code`` stands in the attempts that were open; ``lost``: the worker died over it."""

    code: str
    message: str
    lost: bool


LOST = Reason("worker_lost", "The process that ran this job ended unexpectedly.", True)
EXPIRED = Reason("worker_lost", "The lease ran out: its worker gave no sign of life.", True)
STOPPED = Reason("worker_stopped", "The process ended before the batch did.", False)


class Recovery:
    """Gives batches back to the queue. Each batch is one transaction, with the end of its open attempts and their events."""

    def __init__(
        self, database: Database, outbox: Outbox, events: CloudEventFactory, letters: DeadLetters, ends: JobEnds
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._events = events
        self._letters = letters
        self._ends = ends

    def finish(self, lease: Lease, failure: Reason | None = None) -> None:
        """The run is over. Jobs that it did not bring to an end go back to the queue, with ``failure`` after a pause.

        Raises:
            LeaseLostError: the batch was taken back before.
        """

        def work(connection: Connection) -> list[JobEnd]:
            now = self._database.now(connection)
            hold(connection, lease, now)
            batch = _batch(connection, lease.batch_id)
            left = locked_jobs(connection, jobs.c.batch_id == batch.batch_id, jobs.c.status.in_(["leased", "running"]))
            if left:
                return self._give_back(connection, batch, left, failure or STOPPED, now)
            self._outbox.append(connection, [end_batch(connection, self._events, batch, now)])
            return []

        self._ends.tell(self._database.write(work))

    def release_worker(self, worker: str, reason: Reason) -> list[Job]:
        """Takes back all that a worker holds; returns the jobs."""
        query = select(batches.c.batch_id).where(batches.c.worker == worker, batches.c.status.in_([*HELD, "stuck"]))
        held = self._database.read(lambda connection: list(connection.execute(query).scalars()))
        return [job for batch_id in held for job in self._take_back(batch_id, worker, reason)]

    def expire(self) -> list[Job]:
        """The watchdog's pass: what was found stuck before goes back to the queue, and what has run out since is stuck.

        A batch that only waits, in the queue or at a gate, has no lease and is never touched. Returns the jobs requeued.
        """
        stuck = self._ids(batches.c.status == "stuck")
        back = [job for batch_id in stuck for job in self._take_back(batch_id, None, EXPIRED)]
        now = self._database.read(self._database.now)
        over = batches.c.lease_expires_at.is_(None) | (batches.c.lease_expires_at < now)
        for batch_id in self._ids(batches.c.status.in_(HELD) & over):
            self._database.write(lambda connection, batch_id=batch_id: self._mark_stuck(connection, batch_id))  # type: ignore[misc]
        return back

    def _ids(self, condition: object) -> list[str]:
        query = select(batches.c.batch_id).where(condition)  # type: ignore[arg-type]
        return self._database.read(lambda connection: list(connection.execute(query).scalars()))

    def _take_back(self, batch_id: str, worker: str | None, reason: Reason) -> list[Job]:
        def work(connection: Connection) -> tuple[list[Job], list[JobEnd]]:
            now = self._database.now(connection)
            batch = _batch(connection, batch_id)
            if batch.status not in (*HELD, "stuck") or (worker is not None and batch.worker != worker):
                return [], []
            left = locked_jobs(connection, jobs.c.batch_id == batch_id, jobs.c.status.in_(AT_WORK))
            return left, self._give_back(connection, batch, left, reason, now)

        left, ends = self._database.write(work)
        self._ends.tell(ends)
        return left

    def _mark_stuck(self, connection: Connection, batch_id: str) -> None:
        now = self._database.now(connection)
        batch = _batch(connection, batch_id)
        if batch.status not in HELD or (batch.lease_expires_at or 0.0) >= now:
            return
        connection.execute(
            update(batches)
            .where(batches.c.batch_id == batch_id)
            .values(status="stuck", lease_epoch=batch.lease_epoch + 1, updated_at=now)
        )
        left = locked_jobs(connection, jobs.c.batch_id == batch_id, jobs.c.status.in_(["leased", "running"]))
        move(connection, JobStatus.STUCK, now, jobs.c.batch_id == batch_id)
        events = [
            self._events.job_stuck(job_subject(job), stage=job.current_stage, worker=batch.worker, occurrence=job.round, time=now)
            for job in left
        ]
        self._outbox.append(connection, [self._lost(batch, now), *events])

    # --- in a transaction --------------------------------------------------------------------------------------------

    def _give_back(self, connection: Connection, batch: Batch, left: Sequence[Job], reason: Reason, now: float) -> list[JobEnd]:
        """Ends the open attempts and queues the jobs again; those that kill their worker come into smaller batches, or die."""
        ends: list[JobEnd] = []
        events = self._close_attempts(connection, batch, left, reason, now)
        if reason.lost:
            _count_losses(connection, left)
        losses = max((_losses(job) for job in left), default=0) if reason.lost else 0
        if losses >= MAX_LOSSES and len(left) == 1:
            events += self._bury(connection, left[0], reason, now)
            ends.append(job_end(left[0], JobStatus.DEAD, now))
            _close(connection, batch, "lost", now)
        else:
            parts = shrunk(batch.documents or len(left), losses)
            split = len(left) > parts
            events += self._requeue(connection, batch, left, reason, now)
            if split or not left:
                _close(connection, batch, "lost", now)
                self._split(connection, batch, left, parts, now)
            else:
                pause = 0.0 if reason.lost or reason is STOPPED else min(2.0**batch.attempt, LONGEST_PAUSE_SECONDS)
                _reopen(connection, batch, now + pause, now)
        if reason.lost and batch.status != "stuck":
            events.insert(0, self._lost(batch, now))
        self._outbox.append(connection, events)
        return ends

    def _close_attempts(
        self, connection: Connection, batch: Batch, left: Sequence[Job], reason: Reason, now: float
    ) -> list[Event]:
        open_ones = [job for job in left if job.current_attempt is not None]
        if open_ones:
            status = "worker_lost" if reason.lost or reason is STOPPED else "failed"
            insert_records(
                connection,
                stage_attempts,
                [
                    StageAttempt(
                        job_id=job.job_id,
                        stage=job.current_stage or "",
                        attempt=job.current_attempt or 0,
                        status=status,
                        started_at=job.updated_at,
                        finished_at=now,
                        worker=batch.worker,
                        run_id=batch.run_id,
                        error_code=reason.code,
                        error_message=reason.message,
                    )
                    for job in open_ones
                ],
            )
        return [
            self._events.stage_failed(
                job_subject(job),
                job.current_stage or "",
                attempt=job.current_attempt or 0,
                code=reason.code,
                message=reason.message,
                reason=reason.code,
                time=now,
            )
            for job in open_ones
        ]

    def _requeue(self, connection: Connection, batch: Batch, left: Sequence[Job], reason: Reason, now: float) -> list[Event]:
        if not left:
            return []
        values = {name: value for name, value in requeued().items() if name in ("round", "current_attempt")}
        of_batch = jobs.c.batch_id == batch.batch_id
        move(connection, JobStatus.QUEUED, now, of_batch, jobs.c.status.in_(AT_WORK), **values)  # not what failed in it before
        return [
            self._events.job_retried(
                job_subject(job), from_stage=job.current_stage, reason=reason.code, occurrence=job.round + 1, time=now
            )
            for job in left
        ]

    def _split(self, connection: Connection, batch: Batch, left: Sequence[Job], size: int, now: float) -> None:
        for number, start in enumerate(range(0, len(left), size), start=1):
            part = left[start : start + size]
            smaller = msgspec.structs.replace(
                batch,
                batch_id=f"{batch.batch_id}.{number}",
                status="queued",
                worker=None,
                run_id=None,
                documents=len(part),
                attempt=0,
                lease_epoch=0,
                lease_expires_at=None,
                not_before=0.0,
                updated_at=now,
            )
            connection.execute(insert(batches), [msgspec.structs.asdict(smaller)])
            alone = {"losses": 1} if size == 1 else {}  # what it lost in company says little: alone it starts to count anew
            of_part = jobs.c.job_id.in_([job.job_id for job in part])
            connection.execute(update(jobs).where(of_part).values(batch_id=smaller.batch_id, **alone))

    def _bury(self, connection: Connection, job: Job, reason: Reason, now: float) -> list[Event]:
        message = f"{_losses(job)} workers ended while they ran this document: {reason.message}"
        letter = DeadLetter(
            job_id=job.job_id,
            tenant_id=job.tenant_id,
            doc_id=job.doc_id,
            source=job.source,
            source_id=job.source_id,
            pipeline_name=job.pipeline_name,
            stage=job.current_stage or "",
            error_code=reason.code,
            error_message=message,
            causes=[{"type": "WorkerLostError", "code": reason.code, "message": message}],
            first_at=now,
            last_at=now,
        )
        if job.status != JobStatus.STUCK:
            move(connection, JobStatus.STUCK, now, jobs.c.job_id == job.job_id)
        ended = {"current_attempt": None, "error_code": reason.code, "error_message": message, "error_stage": job.current_stage}
        move(connection, JobStatus.DEAD, now, jobs.c.job_id == job.job_id, failure_mark="worker_lost", **ended)
        self._letters.put(connection, [letter])
        return [dead_event(self._events, job, letter, now)]

    def _lost(self, batch: Batch, now: float) -> Event:
        return self._events.batch_lost(batch_subject(batch), worker=batch.worker, epoch=batch.lease_epoch, time=now)


def _batch(connection: Connection, batch_id: str) -> Batch:
    """The batch, locked on PostgreSQL until the transaction is over."""
    row = connection.execute(select(batches).where(batches.c.batch_id == batch_id).with_for_update()).mappings().one()
    return Batch(**row)


def _close(connection: Connection, batch: Batch, status: str, now: float) -> None:
    closed = update(batches).where(batches.c.batch_id == batch.batch_id)
    epoch = batch.lease_epoch + 1
    connection.execute(closed.values(status=status, lease_epoch=epoch, lease_expires_at=None, updated_at=now))


def _reopen(connection: Connection, batch: Batch, not_before: float, now: float) -> None:
    opened = update(batches).where(batches.c.batch_id == batch.batch_id)
    values = {"status": "queued", "worker": None, "run_id": None, "lease_expires_at": None, "not_before": not_before}
    connection.execute(opened.values(lease_epoch=batch.lease_epoch + 1, updated_at=now, **values))


def _losses(job: Job) -> int:
    """How many workers were lost in a row over this job in its stage, the last one included."""
    return job.losses + 1 if job.lost_stage == (job.current_stage or "") else 1


def _count_losses(connection: Connection, left: Sequence[Job]) -> None:
    counted = {job.job_id: {"losses": _losses(job), "lost_stage": job.current_stage or ""} for job in left}
    update_rows(connection, jobs.c.job_id, counted)
