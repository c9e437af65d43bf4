"""The job ledger: the one durable truth about every document.

Writes are grouped: a page of a listing, or the end of a stage for all documents of a batch, is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from Medical_KG_rev.errors import InvalidTransitionError, JobNotFoundError
from Medical_KG_rev.orchestration.ledger.database import open_database, writing
from Medical_KG_rev.orchestration.ledger.records import ArtifactRow, Batch, Job, StageAttempt, Submission
from Medical_KG_rev.orchestration.ledger.schema import artifacts, batches, jobs, stage_attempts, submissions
from Medical_KG_rev.orchestration.ledger.states import SOURCES, JobStatus

Record = TypeVar("Record", Job, Batch, Submission, ArtifactRow, StageAttempt)

PARAMETERS = 500
"""Values per IN list: below every database's limit."""


class Ledger:
    """Reads and writes the ledger's database. Safe to use from several threads and processes."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    @classmethod
    def open(cls, path: Path, clock: Callable[[], float]) -> Ledger:
        """Opens the database file, creating or migrating it where needed."""
        return cls(open_database(path), clock)

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        self._engine.dispose()

    # --- submissions -------------------------------------------------------------------------------------------------

    def begin_submission(self, submission: Submission) -> None:
        with writing(self._engine) as connection:
            connection.execute(insert(submissions), [_values(submission)])

    def take_over_submission(self, submission_id: str, worker: str) -> None:
        """Another process goes on with a listing whose own was interrupted."""
        with writing(self._engine) as connection:
            connection.execute(update(submissions).where(submissions.c.submission_id == submission_id).values(worker=worker))

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
        with writing(self._engine) as connection:
            if new:
                connection.execute(insert(jobs), [_values(job) for job in new])
            for job in adopted:
                connection.execute(
                    update(jobs)
                    .where(jobs.c.job_id == job.job_id, jobs.c.status == JobStatus.QUEUED)
                    .values(submission_id=submission_id, position=job.position, batch_id=None, updated_at=self._clock())
                )
            _store_artifacts(connection, payloads)
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
        query = select(jobs).where(jobs.c.tenant_id == tenant_id)
        for column, value in ((jobs.c.status, status), (jobs.c.source, source), (jobs.c.pipeline_name, pipeline)):
            if value is not None:
                query = query.where(column == value)
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

    def attempt_numbers(self, job_ids: Iterable[str], stage: str) -> dict[str, int]:
        """Job → the attempts of this stage made so far."""
        counts: dict[str, int] = {}
        with self._engine.connect() as connection:
            for ids in _slices(job_ids):
                query = (
                    select(stage_attempts.c.job_id, func.max(stage_attempts.c.attempt))
                    .where(stage_attempts.c.job_id.in_(ids), stage_attempts.c.stage == stage)
                    .group_by(stage_attempts.c.job_id)
                )
                counts.update({row[0]: row[1] for row in connection.execute(query)})
        return counts

    def count_jobs(self) -> dict[str, int]:
        """Status → jobs of all tenants."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status))
            return {str(row[0]): row[1] for row in rows}

    def transition(self, job_id: str, target: JobStatus, **changes: Any) -> Job:
        """Moves one job by compare-and-set. Raises InvalidTransitionError naming the states that may lead to ``target``."""
        valid = sorted(SOURCES[target])
        with writing(self._engine) as connection:
            changed = connection.execute(
                update(jobs)
                .where(jobs.c.job_id == job_id, jobs.c.status.in_(valid))
                .values(status=target, updated_at=self._clock(), **changes)
            ).rowcount
        job = self.job(job_id)
        if not changed:
            raise InvalidTransitionError(
                f"Job {job_id} is {job.status}; only {', '.join(valid)} can become {target}.",
                job_id=job_id,
                status=job.status,
                target=target,
                valid=valid,
            )
        return job

    # --- batches -----------------------------------------------------------------------------------------------------

    def create_batch(self, batch: Batch, job_ids: Sequence[str]) -> list[Job]:
        """The batch with those of its jobs that are still queued; returns them.

        A batch that is created as ``running`` is its worker's from the start: no other process can take its jobs.
        """
        status = JobStatus.RUNNING if batch.status == "running" else JobStatus.QUEUED
        with writing(self._engine) as connection:
            connection.execute(insert(batches), [_values(batch)])
            connection.execute(
                update(jobs)
                .where(jobs.c.job_id == bindparam("id"), jobs.c.status == JobStatus.QUEUED)
                .values(batch_id=batch.batch_id, status=status, updated_at=self._clock()),
                [{"id": job_id} for job_id in job_ids],
            )
        return self.jobs_of_batch(batch.batch_id)

    def batch(self, batch_id: str) -> Batch:
        found = self._all(Batch, select(batches).where(batches.c.batch_id == batch_id))
        if not found:
            raise JobNotFoundError(f"There is no batch {batch_id!r}.", batch_id=batch_id)
        return found[0]

    def claim_batch(self, batch_id: str, worker: str, run_id: str | None = None) -> list[Job]:
        """Takes a queued batch, or one created for this worker; its jobs are running from now on. Nothing when another has it."""
        now = self._clock()
        with writing(self._engine) as connection:
            claimed = connection.execute(
                update(batches)
                .where(
                    batches.c.batch_id == batch_id,
                    (batches.c.status == "queued") | ((batches.c.status == "running") & (batches.c.worker == worker)),
                )
                .values(status="running", worker=worker, run_id=run_id, updated_at=now)
            ).rowcount
            if not claimed:
                return []
            connection.execute(
                update(jobs)
                .where(jobs.c.batch_id == batch_id, jobs.c.status == JobStatus.QUEUED)
                .values(status=JobStatus.RUNNING, updated_at=now)
            )
        return [job for job in self.jobs_of_batch(batch_id) if job.status == JobStatus.RUNNING]

    def finish_batch(self, batch_id: str, status: str) -> None:
        """The batch is over; jobs that it did not bring to an end are queued again."""
        with writing(self._engine) as connection:
            connection.execute(
                update(batches).where(batches.c.batch_id == batch_id).values(status=status, updated_at=self._clock())
            )
            connection.execute(
                update(jobs)
                .where(jobs.c.batch_id == batch_id, jobs.c.status == JobStatus.RUNNING)
                .values(status=JobStatus.QUEUED, updated_at=self._clock())
            )

    def release_worker(self, worker: str, code: str, message: str) -> list[Job]:
        """Puts back what a worker held when it died: its jobs are queued again, each with an attempt row that says so."""
        now = self._clock()
        with writing(self._engine) as connection:
            held = select(batches.c.batch_id).where(batches.c.worker == worker, batches.c.status == "running")
            lost = self._rows(connection, Job, select(jobs).where(jobs.c.batch_id.in_(held), jobs.c.status == JobStatus.RUNNING))
            connection.execute(
                update(jobs)
                .where(jobs.c.batch_id.in_(held), jobs.c.status == JobStatus.RUNNING)
                .values(status=JobStatus.QUEUED, updated_at=now)
            )
            connection.execute(
                update(batches).where(batches.c.worker == worker, batches.c.status == "running").values(status="lost")
            )
            if lost:
                connection.execute(
                    insert(stage_attempts),
                    [
                        {
                            "job_id": job.job_id,
                            "stage": job.current_stage or "",
                            "attempt": 0,
                            "status": "worker_lost",
                            "started_at": now,
                            "finished_at": now,
                            "worker": worker,
                            "error_code": code,
                            "error_message": message,
                        }
                        for job in lost
                    ],
                )
        return lost

    # --- stages ------------------------------------------------------------------------------------------------------

    def start_stage(self, batch_id: str, stage: str) -> None:
        """The batch's running jobs are in this stage from now on."""
        with writing(self._engine) as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.batch_id == batch_id, jobs.c.status == JobStatus.RUNNING)
                .values(current_stage=stage, updated_at=self._clock())
            )

    def record_stage(
        self,
        *,
        attempts: Sequence[StageAttempt] = (),
        outputs: Sequence[ArtifactRow] = (),
        changes: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """What a stage did, in one transaction.

        ``changes`` maps job ids to new column values; a change of ``status`` is a compare-and-set from a running job.
        """
        with writing(self._engine) as connection:
            _store_artifacts(connection, outputs)
            if attempts:
                connection.execute(insert(stage_attempts), [_values(attempt) for attempt in attempts])
            _change_jobs(connection, changes or {}, self._clock())

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
        seconds, documents = 0.0, 0
        with self._engine.connect() as connection:
            for duration, count in connection.execute(query):
                seconds, documents = seconds + duration, documents + count
                if documents >= limit:
                    break
        return (seconds / documents if documents else None), documents

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
        with writing(self._engine) as connection:
            for row in removed:
                connection.execute(delete(artifacts).where(artifacts.c.tenant_id == row.tenant_id, artifacts.c.key == row.key))
            _store_artifacts(connection, moved)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _all(self, kind: type[Record], query: Select[Any]) -> list[Record]:
        with self._engine.connect() as connection:
            return self._rows(connection, kind, query)

    def _where_in(self, kind: type[Record], query: Select[Any], column: Any, values: Iterable[str]) -> list[Record]:
        with self._engine.connect() as connection:
            return [row for part in _slices(values) for row in self._rows(connection, kind, query.where(column.in_(part)))]

    @staticmethod
    def _rows(connection: Connection, kind: type[Record], query: Select[Any]) -> list[Record]:
        return [kind(**row) for row in connection.execute(query).mappings()]


def _values(record: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(record)


def _slices(values: Iterable[str]) -> Iterator[list[str]]:
    unique = list(dict.fromkeys(values))
    for start in range(0, len(unique), PARAMETERS):
        yield unique[start : start + PARAMETERS]


def _store_artifacts(connection: Connection, rows: Sequence[ArtifactRow]) -> None:
    if rows:
        statement = upsert(artifacts)
        replaced = {column.name: statement.excluded[column.name] for column in artifacts.c if not column.primary_key}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "key"], set_=replaced), [_values(row) for row in rows]
        )


def _change_jobs(connection: Connection, changes: Mapping[str, Mapping[str, Any]], now: float) -> None:
    """One statement per set of changed columns, executed for many jobs."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for job_id, values in changes.items():
        by_columns.setdefault(tuple(sorted(values)), []).append({"id": job_id, **{f"new_{k}": v for k, v in values.items()}})
    for columns, rows in by_columns.items():
        statement = update(jobs).where(jobs.c.job_id == bindparam("id"))
        if "status" in columns:
            statement = statement.where(jobs.c.status == JobStatus.RUNNING)
        new_values = {name: bindparam(f"new_{name}", type_=jobs.c[name].type) for name in columns}
        connection.execute(statement.values(updated_at=now, **new_values), rows)
