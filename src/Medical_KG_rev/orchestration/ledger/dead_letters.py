"""Jobs that failed for good: kept with their causes until somebody replays or discards them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update

from Medical_KG_rev.errors import JobNotFoundError, MedicalKGError, UsageError
from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.ledger.audit import AuditTrail
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.outbox import Outbox
from Medical_KG_rev.orchestration.ledger.records import AuditEntry, DeadLetter, Job
from Medical_KG_rev.orchestration.ledger.rows import read_records, upsert
from Medical_KG_rev.orchestration.ledger.schema import dead_letters, jobs
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.orchestration.ledger.subjects import job_subject
from Medical_KG_rev.orchestration.ledger.transitions import locked_jobs, move

ENDED_BADLY = jobs.c.status.in_([JobStatus.FAILED, JobStatus.DEAD])
"""What people may queue again: a job that a worker holds goes back only with its batch."""
MAX_REPLAYS = 3
"""A letter that came back so often needs a cure, not another try."""


class DeadLetters:
    """One letter a job; a job that fails again opens its letter again and counts on."""

    def __init__(self, database: Database, outbox: Outbox, audit: AuditTrail, events: CloudEventFactory) -> None:
        self._database = database
        self._outbox = outbox
        self._audit = audit
        self._events = events

    def put(self, connection: Connection, letters: Sequence[DeadLetter]) -> None:
        """Part of the transaction in which the jobs fail."""
        if not letters:
            return
        statement = upsert(dead_letters, postgres=self._database.is_postgres)
        kept = {"first_at", "replays", "job_id", "count"}
        changed = {column.name: statement.excluded[column.name] for column in dead_letters.c if column.name not in kept}
        statement = statement.on_conflict_do_update(
            index_elements=["job_id"], set_={**changed, "count": dead_letters.c.count + 1}
        )
        connection.execute(statement, [msgspec.to_builtins(letter) for letter in letters])

    def list(
        self, tenant_id: str, *, state: str | None = "open", stage: str | None = None, code: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """The latest first."""
        query = select(dead_letters).where(dead_letters.c.tenant_id == tenant_id)
        wanted = ((dead_letters.c.state, state), (dead_letters.c.stage, stage), (dead_letters.c.error_code, code))
        for column, value in wanted:
            if value is not None:
                query = query.where(column == value)
        query = query.order_by(dead_letters.c.last_at.desc(), dead_letters.c.job_id).limit(limit)
        return self._database.read(lambda connection: [DeadLetter(**row) for row in connection.execute(query).mappings()])

    def get(self, tenant_id: str, job_id: str) -> DeadLetter:
        """The letter of a job. Raises JobNotFoundError."""
        query = select(dead_letters).where(dead_letters.c.tenant_id == tenant_id, dead_letters.c.job_id == job_id)
        row = self._database.read(lambda connection: connection.execute(query).mappings().first())
        if row is None:
            raise JobNotFoundError(
                f"There is no dead letter of job {job_id!r}.", remedy="`medkg dlq list` shows those there are.", job_id=job_id
            )
        return DeadLetter(**row)

    def count(self) -> dict[str, int]:
        """State → letters, of all tenants."""
        query = select(dead_letters.c.state, func.count()).group_by(dead_letters.c.state)
        return self._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})

    def replay(self, letter: DeadLetter, *, actor: str, reason: str) -> Job:
        """Queues the job again from its failed stage; what it made before is found by its keys.

        Raises:
            UsageError: the letter was discarded or replayed already, or it came back :data:`MAX_REPLAYS` times.
        """
        self._must_be_open(letter)
        if letter.replays >= MAX_REPLAYS:
            raise UsageError(
                f"Job {letter.job_id} came back {letter.replays} times.",
                remedy="Cure the cause; then `medkg jobs retry` runs it once more, or `medkg dlq discard` closes it.",
            )

        def work(connection: Connection) -> None:
            now = self._database.now(connection)
            self._close(connection, letter, "replayed", now)
            if not move(connection, JobStatus.QUEUED, now, jobs.c.job_id == letter.job_id, ENDED_BADLY, **requeued()):
                raise UsageError(f"Job {letter.job_id} is not failed any more.", remedy="`medkg jobs show` tells its state.")
            job = locked_jobs(connection, jobs.c.job_id == letter.job_id)[0]
            retried = self._events.job_retried(
                job_subject(job), from_stage=letter.stage, reason="replay", occurrence=job.round, time=now
            )
            self._outbox.append(connection, [retried])
            self._record(connection, letter, "dlq.replay", actor, reason, now)

        self._database.write(work)
        return self._job(letter.job_id)

    def discard(self, letter: DeadLetter, *, actor: str, reason: str) -> Job:
        """Closes the letter: the job is dead, and only an explicit retry moves it again."""
        self._must_be_open(letter)

        def work(connection: Connection) -> None:
            now = self._database.now(connection)
            self._close(connection, letter, "discarded", now)
            if move(connection, JobStatus.DEAD, now, jobs.c.job_id == letter.job_id):
                job = locked_jobs(connection, jobs.c.job_id == letter.job_id)[0]
                self._outbox.append(connection, [dead_event(self._events, job, letter, now)])
            self._record(connection, letter, "dlq.discard", actor, reason, now)

        self._database.write(work)
        return self._job(letter.job_id)

    def retried(self, connection: Connection, job_id: str, now: float) -> None:
        """Part of the transaction in which a job is retried by hand: its letter waits no longer for an answer."""
        mine = (dead_letters.c.job_id == job_id) & (dead_letters.c.state == "open")
        connection.execute(update(dead_letters).where(mine).values(state="replayed", last_at=now))

    def _must_be_open(self, letter: DeadLetter) -> None:
        if letter.state != "open":
            raise UsageError(f"The dead letter of job {letter.job_id} is {letter.state} already.")

    def _close(self, connection: Connection, letter: DeadLetter, state: str, now: float) -> None:
        replays = letter.replays + (state == "replayed")
        closed = connection.execute(
            update(dead_letters)
            .where(dead_letters.c.job_id == letter.job_id, dead_letters.c.state == "open")
            .values(state=state, replays=replays, last_at=now)
        ).rowcount
        if not closed:
            raise UsageError(f"The dead letter of job {letter.job_id} was closed by somebody else.")

    def _record(self, connection: Connection, letter: DeadLetter, action: str, actor: str, reason: str, now: float) -> None:
        details = {"stage": letter.stage, "error_code": letter.error_code, "replays": letter.replays}
        entry = AuditEntry(
            at=now,
            tenant_id=letter.tenant_id,
            actor=actor,
            action=action,
            subject=letter.job_id,
            reason=reason,
            details=details,
        )
        self._audit.append(connection, entry)

    def _job(self, job_id: str) -> Job:
        query = select(jobs).where(jobs.c.job_id == job_id)
        return self._database.read(lambda connection: read_records(connection, Job, query)[0])


def requeued() -> dict[str, Any]:
    """What changes on a job that goes back to the queue, apart from its state."""
    return {
        "batch_id": None,
        "round": jobs.c.round + 1,
        "current_attempt": None,
        "error_code": None,
        "error_message": None,
        "error_stage": None,
        "failure_mark": None,
        "cancel_requested": False,
        "unchanged": False,
    }


def dead_event(events: CloudEventFactory, job: Job, letter: DeadLetter, now: float) -> Any:
    """The event of a job that is dead."""
    return events.job_dead(
        job_subject(job),
        stage=letter.stage,
        code=letter.error_code,
        message=letter.error_message,
        occurrence=job.round,
        time=now,
    )


def causes_of(error: BaseException) -> list[dict[str, Any]]:
    """The chain of an error, the outermost first."""
    return [
        {
            "type": type(cause).__name__,
            "code": cause.code if isinstance(cause, MedicalKGError) else None,
            "message": cause.message if isinstance(cause, MedicalKGError) else str(cause)[:2000],
        }
        for cause in _chain(error)
    ]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
