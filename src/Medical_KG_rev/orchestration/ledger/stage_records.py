"""The start and the end of a stage for all jobs of a batch: two transactions, with their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.dead_letters import DeadLetters
from Medical_KG_rev.orchestration.ledger.ends import JobEnd, JobEnds, job_end
from Medical_KG_rev.orchestration.ledger.outbox import Outbox
from Medical_KG_rev.orchestration.ledger.queue import HELD, hold
from Medical_KG_rev.orchestration.ledger.records import ArtifactRow, DeadLetter, Job, Lease, StageAttempt, StageStart
from Medical_KG_rev.orchestration.ledger.rows import insert_records, put_records, update_rows
from Medical_KG_rev.orchestration.ledger.schema import artifacts, jobs, stage_attempts
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.orchestration.ledger.subjects import job_subject
from Medical_KG_rev.orchestration.ledger.transitions import locked_jobs, move, move_and_tell

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.ledger.gate_arrivals import Arrival, GateArrivals


class StageRecords:
    """What stages did. Every write passes the fence of the batch's lease."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        events: CloudEventFactory,
        letters: DeadLetters,
        arrivals: GateArrivals,
        ends: JobEnds,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._events = events
        self._letters = letters
        self._arrivals = arrivals
        self._ends = ends

    def start(self, lease: Lease, stage: str, run_id: str | None) -> StageStart:
        """Every job of the batch that is still on its way begins an attempt of this stage; those to be cancelled end here.

        One transaction with the ``stage.started`` events.

        Raises:
            LeaseLostError: the batch was taken back.
        """

        def work(connection: Connection) -> tuple[StageStart, list[JobEnd]]:
            now = self._database.clock()
            hold(connection, lease, now, status="running", run_id=run_id)
            of_batch = jobs.c.batch_id == lease.batch_id
            cancelled = self._cancel(connection, of_batch, now)
            made = _attempts_made(connection, of_batch, stage)
            alive = move_and_tell(
                connection, JobStatus.RUNNING, now, of_batch, jobs.c.status.in_(HELD), current_stage=stage, current_attempt=1
            )
            attempts = {job.job_id: made.get(job.job_id, 0) + 1 for job in alive}
            again = {job_id: {"current_attempt": attempt} for job_id, attempt in attempts.items() if attempt > 1}
            update_rows(connection, jobs.c.job_id, again)
            self._outbox.append(
                connection,
                [self._events.stage_started(job_subject(job), stage, attempt=attempts[job.job_id], time=now) for job in alive],
            )
            ends = [job_end(job, JobStatus.CANCELLED, now) for job in cancelled]
            return StageStart(attempts, tuple(job.job_id for job in cancelled)), ends

        started, ends = self._database.write(work)
        self._ends.tell(ends)
        return started

    def record(
        self,
        lease: Lease,
        stage: str,
        *,
        attempts: Sequence[StageAttempt] = (),
        outputs: Sequence[ArtifactRow] = (),
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        events: Sequence[Event] = (),
        letters: Sequence[DeadLetter] = (),
        arrivals: Sequence[Arrival] = (),
        last: bool = True,
    ) -> None:
        """What a stage did, in one transaction. ``last``: the stage is over for every job of the batch.

        ``changes`` maps job ids to new column values; a change of ``status`` is a compare-and-set from a running job.
        ``arrivals`` have come to a gate, and wait there from now on.

        Raises:
            LeaseLostError: the batch was taken back; nothing was written.
        """

        def work(connection: Connection) -> list[JobEnd]:
            now = self._database.clock()
            hold(connection, lease, now)
            store_artifacts(connection, outputs)
            insert_records(connection, stage_attempts, attempts)
            changed: dict[str, dict[str, Any]] = {job_id: dict(values) for job_id, values in (changes or {}).items()}
            for job_id in changed if last else (attempt.job_id for attempt in attempts):
                changed.setdefault(job_id, {})["current_attempt"] = None
            _change_jobs(connection, changed, now)
            self._outbox.append(connection, events)
            ends = self._arrivals.arrive(connection, arrivals)
            if last:
                _close_stage(connection, lease.batch_id, stage)
            self._letters.put(connection, letters)
            return ends

        self._ends.tell(self._database.write(work))

    def _cancel(self, connection: Connection, of_batch: ColumnElement[bool], now: float) -> list[Job]:
        wanted = locked_jobs(connection, of_batch, jobs.c.cancel_requested.is_(True), jobs.c.status.in_(["leased", "running"]))
        if wanted:
            move(connection, JobStatus.CANCELLED, now, of_batch, jobs.c.cancel_requested.is_(True), current_attempt=None)
            self._outbox.append(connection, [cancelled_event(self._events, job, now) for job in wanted])
        return wanted


def cancelled_event(events: CloudEventFactory, job: Job, now: float) -> Event:
    """The event of a job that somebody ended."""
    return events.job_cancelled(job_subject(job), stage=job.current_stage, occurrence=job.round, time=now)


def store_artifacts(connection: Connection, rows: Sequence[ArtifactRow]) -> None:
    """Records where outputs lie; a later one of the same key replaces the earlier."""
    put_records(connection, artifacts, list({(row.tenant_id, row.key): row for row in rows}.values()))


def _attempts_made(connection: Connection, of_batch: ColumnElement[bool], stage: str) -> dict[str, int]:
    """Job → the attempts of this stage made so far, of those that may have made any."""
    again = (jobs.c.round > 1) | (jobs.c.current_stage == stage)
    query = (
        select(stage_attempts.c.job_id, func.max(stage_attempts.c.attempt))
        .join(jobs, jobs.c.job_id == stage_attempts.c.job_id)
        .where(of_batch, again, stage_attempts.c.stage == stage)
        .group_by(stage_attempts.c.job_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _close_stage(connection: Connection, batch_id: str, stage: str) -> None:
    """No attempt of the batch is open any more, and no loss in this stage counts any longer."""
    of_batch = jobs.c.batch_id == batch_id
    still_open = (jobs.c.current_stage == stage) & jobs.c.current_attempt.is_not(None)
    connection.execute(update(jobs).where(of_batch, still_open).values(current_attempt=None))
    passed = update(jobs).where(of_batch, jobs.c.status == JobStatus.RUNNING, jobs.c.lost_stage == stage)
    connection.execute(passed.values(losses=0, lost_stage=None))


def _change_jobs(connection: Connection, changes: Mapping[str, Mapping[str, Any]], now: float) -> None:
    """One statement per set of changed columns, executed for many jobs."""
    by_columns: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for job_id, values in changes.items():
        by_columns.setdefault(tuple(sorted(values)), {})[job_id] = values
    for columns, rows in by_columns.items():
        running = [jobs.c.status == JobStatus.RUNNING] if "status" in columns else []
        update_rows(connection, jobs.c.job_id, rows, *running, updated_at=now)
