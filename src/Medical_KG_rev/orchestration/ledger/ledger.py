"""The job ledger: the one durable truth about every document.

Writes are grouped: a page of a listing, or the start or end of a stage for all documents of a batch, is one transaction, with
the events that tell of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Select, delete, func, insert, select, update

from Medical_KG_rev.errors import InvalidTransitionError, JobNotFoundError, UsageError
from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger.admission import QueueGates
from Medical_KG_rev.orchestration.ledger.audit import AuditTrail
from Medical_KG_rev.orchestration.ledger.batch_ends import end_abandoned
from Medical_KG_rev.orchestration.ledger.database import Database, open_database
from Medical_KG_rev.orchestration.ledger.dead_letters import ENDED_BADLY, DeadLetters, requeued
from Medical_KG_rev.orchestration.ledger.ends import JobEnd, JobEnds, job_end
from Medical_KG_rev.orchestration.ledger.gate import JobGates
from Medical_KG_rev.orchestration.ledger.gate_arrivals import GateArrivals
from Medical_KG_rev.orchestration.ledger.outbox import Outbox
from Medical_KG_rev.orchestration.ledger.pdf_queue import PdfQueue
from Medical_KG_rev.orchestration.ledger.queue import WorkQueue
from Medical_KG_rev.orchestration.ledger.records import (
    ArtifactRow,
    AuditEntry,
    Batch,
    DeadLetter,
    Job,
    StageAttempt,
    Submission,
)
from Medical_KG_rev.orchestration.ledger.recovery import Recovery
from Medical_KG_rev.orchestration.ledger.rows import insert_records, read_records
from Medical_KG_rev.orchestration.ledger.schema import artifacts, batches, jobs, stage_attempts, submissions
from Medical_KG_rev.orchestration.ledger.stage_records import StageRecords, cancelled_event, store_artifacts
from Medical_KG_rev.orchestration.ledger.states import SOURCES, JobStatus, phase
from Medical_KG_rev.orchestration.ledger.subjects import PRIORITIES, job_subject
from Medical_KG_rev.orchestration.ledger.topology_texts import TopologyTexts
from Medical_KG_rev.orchestration.ledger.transitions import count_leased, in_state, locked_jobs, move

Record = TypeVar("Record", Job, Batch, Submission, ArtifactRow, StageAttempt)

PARAMETERS = 500
"""Values per IN list: below every database's limit."""

QUERYABLE = frozenset(
    {"status", "source", "pipeline_name", "current_stage", "submission_id", "batch_id", "doc_id", "priority"}
    | {"pdf_downloaded", "pdf_ir_ready", "post_pdf_started", "gate", "unchanged"}
)
"""Fields that :meth:`Ledger.query` may compare."""
BEFORE_GATES = {"pdf_downloaded": False, "pdf_ir_ready": False, "post_pdf_started": False}
"""The flags of a job that has come to no gate."""


class Ledger:
    """Reads and writes the ledger's database. Safe to use from several threads and processes.

    Attributes:
        queue: batches and leases.
        recovery: what takes batches back.
        gates: pause and resume.
        job_gates: where jobs wait for something outside.
        pdfs: files that engines are to read.
        stages: what stages did.
        topologies: pinned pipelines and policies.
        outbox, audit, dead_letters: what their names say.
        ends: tells of jobs that end outside a stage.
        events: makes the events that go with each change.
    """

    def __init__(self, database: Database, events: CloudEventFactory | None = None) -> None:
        self.database = database
        self.events = events or CloudEventFactory(database.clock)
        self.outbox = Outbox(database)
        self.audit = AuditTrail(database)
        self.dead_letters = DeadLetters(database, self.outbox, self.audit, self.events)
        self.ends = JobEnds()
        self.gates = QueueGates(database, self.audit)
        self.queue = WorkQueue(database, self.outbox, self.events)
        self.recovery = Recovery(database, self.outbox, self.events, self.dead_letters, self.ends)
        self.pdfs = PdfQueue(database, self.outbox, self.events, self.dead_letters, self.ends)
        self.job_gates = JobGates(database, self.outbox, self.audit, self.events, self.dead_letters, self.pdfs, self.ends)
        arrivals = GateArrivals(database, self.outbox, self.events, self.pdfs)
        self.stages = StageRecords(database, self.outbox, self.events, self.dead_letters, arrivals, self.ends)
        self.topologies = TopologyTexts(database)
        self._clock = database.clock

    @classmethod
    def open(
        cls, location: Path | str, clock: Callable[[], float], events: CloudEventFactory | None = None, **options: Any
    ) -> Ledger:
        """Opens a SQLite file (a path) or PostgreSQL (an address), creating or migrating the schema where needed."""
        return cls(open_database(location, clock, **options), events)

    @property
    def engine(self) -> Engine:
        return self.database.engine

    def close(self) -> None:
        self.database.close()

    # --- submissions -------------------------------------------------------------------------------------------------

    def begin_submission(self, submission: Submission) -> None:
        self.database.write(lambda connection: connection.execute(insert(submissions), [_values(submission)]))

    def take_over_submission(self, submission_id: str, worker: str) -> None:
        """Another process goes on with a listing whose own was interrupted."""
        taken = update(submissions).where(submissions.c.submission_id == submission_id).values(worker=worker)
        self.database.write(lambda connection: connection.execute(taken))

    def submission(self, submission_id: str) -> Submission:
        found = self._all(Submission, select(submissions).where(submissions.c.submission_id == submission_id))
        if not found:
            raise JobNotFoundError(f"There is no submission {submission_id!r}.", submission_id=submission_id)
        return found[0]

    def find_submissions(self, tenant_id: str, source: str, *, request_digest: str | None = None) -> list[Submission]:
        """Newest first."""
        query = select(submissions).where(submissions.c.tenant_id == tenant_id, submissions.c.source == source)
        if request_digest is not None:
            query = query.where(submissions.c.request_digest == request_digest)
        return self._all(Submission, query.order_by(submissions.c.created_at.desc()).limit(1000))

    def record_page(
        self,
        submission_id: str,
        *,
        new: Sequence[Job],
        adopted: Sequence[Job],
        payloads: Sequence[ArtifactRow],
        cursor: str | None,
        total: int | None,
        complete: bool,
    ) -> None:
        """One page of a listing: its jobs, the payloads that it carried and how far the listing got, together.

        ``adopted`` are open jobs of earlier, interrupted submissions that stand for records of this page.
        """
        events = [self._listed_event(job) for job in new]
        letters = [_letter_of(job) for job in new if job.status == JobStatus.FAILED]

        def work(connection: Connection) -> None:
            insert_records(connection, jobs, new)
            for job in adopted:
                connection.execute(
                    update(jobs)
                    .where(jobs.c.job_id == job.job_id, jobs.c.status == JobStatus.QUEUED)
                    .values(submission_id=submission_id, position=job.position, batch_id=None, updated_at=self._clock())
                )
            store_artifacts(connection, payloads)
            connection.execute(
                update(submissions)
                .where(submissions.c.submission_id == submission_id)
                .values(
                    cursor=cursor,
                    total=total,
                    complete=complete,
                    listed=submissions.c.listed + len(new) + len(adopted),
                )
            )
            self.dead_letters.put(connection, letters)
            self.outbox.append(connection, events)

        self.database.write(work)

    # --- jobs --------------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        """The job. Raises JobNotFoundError."""
        found = self._all(Job, select(jobs).where(jobs.c.job_id == job_id))
        if not found:
            raise JobNotFoundError(
                f"There is no job {job_id!r}.", remedy="`medkg jobs list` shows the jobs there are.", job_id=job_id
            )
        return found[0]

    def list_jobs(
        self,
        tenant_id: str,
        *,
        status: str | None = None,
        source: str | None = None,
        pipeline: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Newest first; ``after`` is the last job id of the page before."""
        wanted = {"status": status, "source": source, "pipeline_name": pipeline}
        given = {name: value for name, value in wanted.items() if value is not None}
        return self.query(tenant_id, given, after=after, limit=limit)

    def query(self, tenant_id: str, fields: Mapping[str, Any], *, after: str | None = None, limit: int = 100) -> list[Job]:
        """Jobs whose fields have these values, newest first: lists for people, and the conditions of gates.

        Raises:
            UsageError: a field that cannot be asked for; lists those that can.
        """
        unknown = sorted(set(fields) - QUERYABLE)
        if unknown:
            raise UsageError(f"Jobs have no field {unknown[0]!r} to ask for.", remedy=f"Valid: {', '.join(sorted(QUERYABLE))}.")
        wanted = (in_state(value) if name == "status" else jobs.c[name] == value for name, value in fields.items())
        query = select(jobs).where(jobs.c.tenant_id == tenant_id, *wanted)
        if after is not None:
            query = query.where(jobs.c.job_id < after)
        return self._all(Job, query.order_by(jobs.c.job_id.desc()).limit(limit))

    def jobs_of_submission(self, submission_id: str, *, status: JobStatus | None = None) -> list[Job]:
        """In the order of the listing."""
        query = select(jobs).where(jobs.c.submission_id == submission_id)
        if status is not None:
            query = query.where(jobs.c.status == status)
        return self._all(Job, query.order_by(jobs.c.position, jobs.c.job_id))

    def jobs_of_batch(self, batch_id: str) -> list[Job]:
        return self._all(Job, select(jobs).where(jobs.c.batch_id == batch_id).order_by(jobs.c.position, jobs.c.job_id))

    def jobs_by_id(self, job_ids: Iterable[str]) -> list[Job]:
        return self._where_in(Job, select(jobs), jobs.c.job_id, job_ids)

    def jobs_of_document(self, tenant_id: str, doc_id: str) -> list[Job]:
        """Oldest first."""
        query = select(jobs).where(jobs.c.tenant_id == tenant_id, jobs.c.doc_id == doc_id)
        return self._all(Job, query.order_by(jobs.c.job_id))

    def last_completed(self, tenant_id: str, doc_id: str) -> Job | None:
        """The job that brought what the stores hold of a document."""
        query = select(jobs).where(
            jobs.c.tenant_id == tenant_id,
            jobs.c.doc_id == doc_id,
            jobs.c.status == JobStatus.COMPLETED,
            jobs.c.superseded_by.is_(None),
        )
        found = self._all(Job, query.order_by(jobs.c.updated_at.desc(), jobs.c.job_id.desc()).limit(1))
        return found[0] if found else None

    def open_jobs(self, tenant_id: str, keys: Iterable[str]) -> dict[str, Job]:
        """The job that a key stands for, where there is one: see ruling 23 on idempotency keys.

        The default key matches jobs that are not terminal; a caller's own key matches for ever, failed and cancelled excepted.
        """
        found = self._where_in(Job, select(jobs).where(jobs.c.tenant_id == tenant_id), jobs.c.idempotency_key, keys)
        spent = {JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.DEAD}
        return {
            job.idempotency_key: job
            for job in sorted(found, key=lambda job: job.job_id)
            if (job.status not in spent if job.key_is_callers else not job.terminal)
        }

    def attempts(self, job_id: str) -> list[StageAttempt]:
        columns = [stage_attempts.c[name] for name in StageAttempt.__struct_fields__]
        query = select(*columns).where(stage_attempts.c.job_id == job_id).order_by(stage_attempts.c.attempt_id)
        return self._all(StageAttempt, query)

    def count_jobs(self) -> dict[str, int]:
        """Status → jobs of all tenants."""

        def work(connection: Connection) -> dict[str, int]:
            in_order = (jobs.c.tenant_id, jobs.c.phase)  # of an index, which is read from end to end and sorted no more
            counts: Counter[str] = Counter()
            for _, name, count in connection.execute(select(*in_order, func.count()).group_by(*in_order)):
                counts[name] += count
            waiting, leased = counts.pop(phase(JobStatus.QUEUED), 0), count_leased(connection)
            waits = {str(JobStatus.QUEUED): waiting - leased, str(JobStatus.LEASED): leased}
            return dict(counts) | {status: count for status, count in waits.items() if count}

        return self.database.read(work)

    def requeue(self, job_id: str, *, actor: str, from_stage: str | None = None, before_gate: bool = False) -> Job:
        """Puts a failed or dead job back into the queue, audited. Raises InvalidTransitionError.

        ``before_gate``: one that has passed a gate begins before it again.
        """

        def work(connection: Connection) -> None:
            now = self._clock()
            changes = {**requeued(), "from_stage": from_stage, **(BEFORE_GATES if before_gate else {})}
            if not move(connection, JobStatus.QUEUED, now, jobs.c.job_id == job_id, ENDED_BADLY, **changes):
                raise self._invalid(connection, job_id, JobStatus.QUEUED, "failed", "dead")
            self.dead_letters.retried(connection, job_id, now)
            job = locked_jobs(connection, jobs.c.job_id == job_id)[0]
            event = self.events.job_retried(
                job_subject(job), from_stage=from_stage or job.current_stage, occurrence=job.round, time=now
            )
            self.outbox.append(connection, [event])
            self._note(connection, job, "jobs.retry", actor, now, {"from_stage": from_stage})

        self.database.write(work)
        return self.job(job_id)

    def cancel(self, job_id: str, *, actor: str, reason: str = "") -> Job:
        """Ends a job: at once when no worker is at it, else between two of its stages. Raises InvalidTransitionError."""

        def work(connection: Connection) -> list[JobEnd]:
            now = self._clock()
            ends: list[JobEnd] = []
            job = locked_jobs(connection, jobs.c.job_id == job_id)[0]
            if job.status in (JobStatus.LEASED, JobStatus.RUNNING, JobStatus.STUCK):
                connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(cancel_requested=True, updated_at=now))
            elif move(connection, JobStatus.CANCELLED, now, jobs.c.job_id == job_id, batch_id=None):
                self.pdfs.cancel(connection, [job_id], now)
                left = [] if job.batch_id is None else end_abandoned(connection, self.events, job.batch_id, now)
                self.outbox.append(connection, [cancelled_event(self.events, job, now), *left])
                ends.append(job_end(job, JobStatus.CANCELLED, now))
            else:
                raise self._invalid(connection, job_id, JobStatus.CANCELLED)
            self._note(connection, job, "jobs.cancel", actor, now, {"reason": reason})
            return ends

        self.job(job_id)
        self.ends.tell(self.database.write(work))
        return self.job(job_id)

    def transition(self, job_id: str, target: JobStatus, **changes: Any) -> Job:
        """Moves one job by compare-and-set. Raises InvalidTransitionError naming the states that may lead to ``target``."""

        def work(connection: Connection) -> None:
            if not move(connection, target, self._clock(), jobs.c.job_id == job_id, **changes):
                raise self._invalid(connection, job_id, target)

        self.database.write(work)
        return self.job(job_id)

    # --- batches -----------------------------------------------------------------------------------------------------

    def batch(self, batch_id: str) -> Batch:
        found = self._all(Batch, select(batches).where(batches.c.batch_id == batch_id))
        if not found:
            raise JobNotFoundError(f"There is no batch {batch_id!r}.", batch_id=batch_id)
        return found[0]

    def seconds_per_document(self, tenant_id: str, pipeline_name: str, limit: int) -> tuple[float | None, int]:
        """Wall time of the latest finished batches over the documents in them, and how many those were."""
        finished = (
            select(batches.c.batch_id, batches.c.created_at, batches.c.updated_at)
            .where(batches.c.tenant_id == tenant_id, batches.c.pipeline_name == pipeline_name, batches.c.status == "completed")
            .order_by(batches.c.created_at.desc())
            .limit(limit)
        ).subquery()
        query = (
            select(finished.c.updated_at - finished.c.created_at, func.count(jobs.c.job_id))
            .join(jobs, jobs.c.batch_id == finished.c.batch_id)
            .group_by(finished.c.batch_id)
            .order_by(finished.c.created_at.desc())
        )
        seconds, counted = 0.0, 0
        for duration, documents in self.database.read(lambda connection: connection.execute(query).all()):
            seconds, counted = seconds + duration, counted + documents
            if counted >= limit:
                break
        return (seconds / counted if counted else None), counted

    def seconds_in_stage(self, tenant_id: str, pipeline_name: str, stage: str, limit: int) -> float | None:
        """Mean wall time of the latest calls of a stage that takes one document at a time; None where there was none."""
        latest = (
            select((stage_attempts.c.finished_at - stage_attempts.c.started_at).label("seconds"))
            .join(jobs, jobs.c.job_id == stage_attempts.c.job_id)
            .where(jobs.c.tenant_id == tenant_id, jobs.c.pipeline_name == pipeline_name)
            .where(stage_attempts.c.stage == stage, stage_attempts.c.status == "completed")
            .order_by(stage_attempts.c.attempt_id.desc())
            .limit(limit)
        ).subquery()
        mean: float | None = self.database.read(lambda connection: connection.scalar(select(func.avg(latest.c.seconds))))
        return mean

    # --- artifacts ---------------------------------------------------------------------------------------------------

    def find_artifacts(self, tenant_id: str, keys: Iterable[str]) -> dict[str, ArtifactRow]:
        query = select(artifacts).where(artifacts.c.tenant_id == tenant_id)
        return {row.key: row for row in self._where_in(ArtifactRow, query, artifacts.c.key, keys)}

    def artifacts_of_document(self, tenant_id: str, doc_id: str) -> list[ArtifactRow]:
        return self._all(
            ArtifactRow,
            select(artifacts)
            .where(artifacts.c.tenant_id == tenant_id, artifacts.c.doc_id == doc_id)
            .order_by(artifacts.c.created_at),
        )

    def artifacts_in_object(self, object_key: str) -> list[ArtifactRow]:
        return self._all(ArtifactRow, select(artifacts).where(artifacts.c.object_key == object_key).order_by(artifacts.c.offset))

    def replace_artifacts(self, removed: Sequence[ArtifactRow], moved: Sequence[ArtifactRow]) -> None:
        """Forgets some artifacts and moves others to another object, together."""

        def work(connection: Connection) -> None:
            for row in removed:
                connection.execute(delete(artifacts).where(artifacts.c.tenant_id == row.tenant_id, artifacts.c.key == row.key))
            store_artifacts(connection, moved)

        self.database.write(work)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _all(self, kind: type[Record], query: Select[Any]) -> list[Record]:
        return self.database.read(lambda connection: read_records(connection, kind, query))

    def _where_in(self, kind: type[Record], query: Select[Any], column: Any, values: Iterable[str]) -> list[Record]:
        parts = [query.where(column.in_(part)) for part in _slices(values)]
        return self.database.read(lambda connection: [row for part in parts for row in read_records(connection, kind, part)])

    # --- in a transaction --------------------------------------------------------------------------------------------

    def _note(self, connection: Connection, job: Job, action: str, actor: str, now: float, details: Mapping[str, Any]) -> None:
        entry = AuditEntry(at=now, tenant_id=job.tenant_id, actor=actor, action=action, subject=job.job_id, details=dict(details))
        self.audit.append(connection, entry)

    def _listed_event(self, job: Job) -> Event:
        subject, time = job_subject(job), job.created_at
        if job.status == JobStatus.FAILED:
            stage, code, message = job.error_stage, job.error_code or "", job.error_message or ""
            return self.events.job_failed(subject, stage=stage, code=code, message=message, time=time)
        if job.status == JobStatus.COMPLETED:
            return self.events.job_unchanged(subject, duration_ms=0.0, time=time)
        return self.events.job_queued(
            subject,
            pipeline_name=job.pipeline_name,
            pipeline_version=job.pipeline_version,
            priority=PRIORITIES[job.priority],
            time=time,
        )

    def _invalid(
        self, connection: Connection, job_id: str, target: JobStatus, *sources: str
    ) -> InvalidTransitionError | JobNotFoundError:
        status = connection.execute(select(jobs.c.status).where(jobs.c.job_id == job_id)).scalar()
        if status is None:
            return JobNotFoundError(f"There is no job {job_id!r}.", job_id=job_id)
        valid = sorted(sources or SOURCES[target])
        return InvalidTransitionError(
            f"Job {job_id} is {status}; only {', '.join(valid)} can become {target}.",
            job_id=job_id,
            status=status,
            target=target,
            valid=valid,
        )


def _values(record: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(record)


def _slices(values: Iterable[str]) -> Iterator[list[str]]:
    unique = list(dict.fromkeys(values))
    for start in range(0, len(unique), PARAMETERS):
        yield unique[start : start + PARAMETERS]


def _letter_of(job: Job) -> DeadLetter:
    """The letter of a record that its listing refused."""
    code, message = job.error_code or "", job.error_message or ""
    return DeadLetter(
        job_id=job.job_id,
        tenant_id=job.tenant_id,
        doc_id=job.doc_id,
        source=job.source,
        source_id=job.source_id,
        pipeline_name=job.pipeline_name,
        stage=job.error_stage or "",
        error_code=code,
        error_message=message,
        causes=[{"type": "ListingError", "code": code, "message": message}],
        first_at=job.created_at,
        last_at=job.created_at,
    )
