"""The queue of PDFs: which file an engine is to read for which job, who reads it, and what came of it.

A row is written in the transaction in which its job comes to the gate (:mod:`~.gate`), and is over in the one that gives the job
its document, its error, or its end. So a message that is delivered twice, or a worker that was taken for lost, changes nothing:
every write of a holder passes the fence of the row's epoch.

A worker's round::

    task = ledger.pdfs.lease(worker, 60.0)            # None: nothing to do now
    ledger.pdfs.extend(worker, 60.0)                  # every few seconds, from another thread
    ...read the object, store the document's bytes...
    ledger.pdfs.finish(task, artifact_row)            # or fail(task, error), or fail(task, error, retry_in_seconds=30.0)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update

from Medical_KG_rev.errors import LeaseLostError, MedicalKGError
from Medical_KG_rev.failures import UNEXPECTED, event_reason, failure_mark
from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event, EventSubject
from Medical_KG_rev.orchestration.ledger.admission import LEASING, closed_gates
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.dead_letters import DeadLetters, causes_of, dead_event
from Medical_KG_rev.orchestration.ledger.ends import JobEnd, JobEnds, job_end
from Medical_KG_rev.orchestration.ledger.outbox import Outbox
from Medical_KG_rev.orchestration.ledger.records import ArtifactRow, DeadLetter, PdfTask, StageAttempt
from Medical_KG_rev.orchestration.ledger.recovery import EXPIRED, MAX_LOSSES, Reason
from Medical_KG_rev.orchestration.ledger.rows import insert_records, upsert
from Medical_KG_rev.orchestration.ledger.schema import jobs, pdf_queue, pdf_turns, stage_attempts
from Medical_KG_rev.orchestration.ledger.stage_records import store_artifacts
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.orchestration.ledger.subjects import job_subject, traceparent
from Medical_KG_rev.orchestration.ledger.transitions import locked_jobs, move

PARSE = "parse"
"""The stage that reading a PDF is, in attempts, events and letters."""
ENDED = "job_ended"
"""Code of an attempt whose job was cancelled, or had waited too long, before the file was read."""
MAX_TRIES = 4
"""A file that could not be read so often for reasons that may pass ends its job."""


def brought_key(job_id: str) -> str:
    """The key of the artifact that a gate brought a job: the input of the stages behind it."""
    return f"gate:{job_id}"


class PdfDepth(msgspec.Struct, frozen=True):
    """Files that wait, files that are being read, and since when the oldest waits (None: none does)."""

    queued: int
    leased: int
    oldest_at: float | None


class PdfQueue:
    """The queue of all tenants. Its clock is the database's, so that workers whose own clocks differ agree on leases."""

    def __init__(
        self, database: Database, outbox: Outbox, events: CloudEventFactory, letters: DeadLetters, ends: JobEnds
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._events = events
        self._letters = letters
        self._ends = ends

    # --- filling: parts of the gate's transactions -----------------------------------------------------------------------

    def put(self, connection: Connection, tasks: Sequence[PdfTask]) -> None:
        """Queues files, or notes those that were read before (state ``done``). A job's earlier row is begun anew."""
        if not tasks:
            return
        statement = upsert(pdf_queue, postgres=self._database.is_postgres)
        kept = {"job_id", "created_at", "attempts", "epoch"}
        changed = {column.name: statement.excluded[column.name] for column in pdf_queue.c if column.name not in kept}
        counted = {"attempts": pdf_queue.c.attempts + statement.excluded.attempts, "epoch": pdf_queue.c.epoch + 1}
        statement = statement.on_conflict_do_update(index_elements=["job_id"], set_={**changed, **counted})
        connection.execute(statement, [msgspec.structs.asdict(task) for task in tasks])

    def cancel(self, connection: Connection, job_ids: Iterable[str], now: float) -> None:
        """The jobs' way has ended: nobody needs to read their files, and who does is refused. Ends the attempts that are open."""
        open_ones = pdf_queue.c.job_id.in_(list(job_ids)) & pdf_queue.c.state.in_(["queued", "leased"])
        query = select(pdf_queue).where(open_ones).with_for_update()
        held = [PdfTask(**row) for row in connection.execute(query).mappings() if row["state"] == "leased"]
        values = {"state": "cancelled", "epoch": pdf_queue.c.epoch + 1, "lease_expires_at": None, "updated_at": now}
        connection.execute(update(pdf_queue).where(open_ones).values(**values))
        message = "The job ended while its PDF was being read."
        events = [self._failed(connection, task, "failed", ENDED, message, ENDED, now) for task in held]
        self._outbox.append(connection, events)

    # --- leasing -----------------------------------------------------------------------------------------------------

    def lease(self, worker: str, seconds: float, *, job_id: str | None = None) -> PdfTask | None:
        """The file whose turn it is, leased; None when none waits, or leasing is paused. Tells ``stage.started``.

        The highest priority first, then the tenant with the fewest files at work, then the one that has waited longest.
        ``job_id``: this job's file or none, for who was sent a message about it.
        """

        def work(connection: Connection) -> PdfTask | None:
            if LEASING in closed_gates(connection):
                return None
            now = self._database.now(connection)
            while chosen := self._next(connection, job_id, now):
                if task := self._take(connection, chosen, worker, seconds, now):
                    return task
            return None

        return self._database.write(work)

    def has_task(self) -> bool:
        """Whether :meth:`lease` would find a file: a look that writes nothing."""

        def work(connection: Connection) -> bool:
            ready = select(pdf_queue.c.job_id).where(
                pdf_queue.c.state == "queued", pdf_queue.c.not_before <= self._database.now(connection)
            )
            return connection.execute(ready.limit(1)).scalar() is not None and LEASING not in closed_gates(connection)

        return self._database.read(work)

    def extend(self, worker: str, seconds: float) -> list[str]:
        """The heartbeat: what the worker holds is its own for so many seconds more. Returns the jobs whose files it holds."""

        def work(connection: Connection) -> list[str]:
            until = self._database.now(connection) + seconds
            mine = (pdf_queue.c.state == "leased") & (pdf_queue.c.worker == worker)
            connection.execute(update(pdf_queue).where(mine).values(lease_expires_at=until))
            return list(connection.execute(select(pdf_queue.c.job_id).where(mine)).scalars())

        return self._database.write(work)

    # --- outcomes ----------------------------------------------------------------------------------------------------

    def finish(self, task: PdfTask, document: ArtifactRow, *, others: Sequence[ArtifactRow] = (), gpu_used: bool = False) -> None:
        """The document is read, and its bytes are in the object store; ``document`` says where, under the key of its content.

        One transaction: that row and ``others`` that were made on the way, and another as what the gate brings this job;
        ``pdf_ir_ready``; the attempt with ``stage.completed``; the end of the task.

        Raises:
            LeaseLostError: the task was taken back, or its job has ended; nothing was written.
        """

        def work(connection: Connection) -> None:
            now = self._database.now(connection)
            self._close(connection, task, now, state="done", losses=0)
            brought = msgspec.structs.replace(document, key=brought_key(task.job_id))
            store_artifacts(connection, [*others, document, brought])
            ready = {"pdf_ir_ready": True, "doc_id": document.doc_id, "updated_at": now}
            connection.execute(update(jobs).where(jobs.c.job_id == task.job_id).values(**ready))
            count = sum(document.counts.values())
            self._note(connection, task, "completed", now, input_digest=task.sha256, output_count=count)
            seconds = now - (task.leased_at or now)
            completed = self._events.stage_completed(
                _subject(task),
                PARSE,
                attempt=task.attempts,
                duration_ms=seconds * 1000,
                output_count=count,
                gpu_used=gpu_used,
                retry_count=task.tries,
                time=now,
            )
            self._outbox.append(connection, [completed])

        self._database.write(work)

    def fail(
        self, task: PdfTask, error: BaseException, *, retry_in_seconds: float | None = None, max_tries: int = MAX_TRIES
    ) -> bool:
        """The file could not be read; whether it will be tried again. One transaction with its events.

        Without ``retry_in_seconds``, or at the last of ``max_tries``, its job fails with a dead letter; else the file waits
        so long.

        Raises:
            LeaseLostError: as :meth:`finish`.
        """
        code = error.code if isinstance(error, MedicalKGError) else UNEXPECTED
        message = str(error) if isinstance(error, MedicalKGError) else f"{type(error).__name__}: {error}"
        again = retry_in_seconds is not None and task.tries + 1 < max_tries
        what = {"error_code": code, "error_message": message, "losses": 0}

        def work(connection: Connection) -> list[JobEnd]:
            now = self._database.now(connection)
            ends: list[JobEnd] = []
            if again:
                later = {"state": "queued", "not_before": now + (retry_in_seconds or 0.0), "tries": task.tries + 1}
                self._close(connection, task, now, **later, **what)
            else:
                self._close(connection, task, now, state="failed", **what)
            events = [self._failed(connection, task, "failed", code, message, event_reason(error), now)]
            if not again:
                ended, ends = self._end_job(connection, task, JobStatus.FAILED, code, message, causes_of(error), now)
                events += ended
            self._outbox.append(connection, events)
            return ends

        self._ends.tell(self._database.write(work))
        return again

    def release_worker(self, worker: str, reason: Reason) -> list[PdfTask]:
        """Takes back all that a worker holds; returns it.

        The job of a file that lost its worker :data:`~.recovery.MAX_LOSSES` times in a row is dead.
        """
        return self._take_back(pdf_queue.c.worker == worker, reason)

    def expire(self) -> list[PdfTask]:
        """Takes back what is leased though its lease ran out."""
        return self._take_back(pdf_queue.c.lease_expires_at < self._database.read(self._database.now), EXPIRED)

    # --- looking -----------------------------------------------------------------------------------------------------

    def task(self, job_id: str) -> PdfTask | None:
        """The row of a job; None where it never came to the gate with a file."""
        query = select(pdf_queue).where(pdf_queue.c.job_id == job_id)
        row = self._database.read(lambda connection: connection.execute(query).mappings().first())
        return PdfTask(**row) if row is not None else None

    def tasks(self, job_ids: Iterable[str]) -> dict[str, PdfTask]:
        """The rows of jobs, by job."""
        query = select(pdf_queue).where(pdf_queue.c.job_id.in_(list(job_ids)))
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return {row["job_id"]: PdfTask(**row) for row in rows}

    def depth(self) -> PdfDepth:
        """How much waits and is at work."""
        query = select(pdf_queue.c.state, func.count(), func.min(pdf_queue.c.created_at)).group_by(pdf_queue.c.state)
        query = query.where(pdf_queue.c.state.in_(["queued", "leased"]))
        found = {row[0]: row for row in self._database.read(lambda connection: connection.execute(query).all())}
        _, queued, oldest = found.get("queued", ("", 0, None))
        _, leased, _ = found.get("leased", ("", 0, None))
        return PdfDepth(queued, leased, oldest)

    # --- in a transaction --------------------------------------------------------------------------------------------

    def _next(self, connection: Connection, job_id: str | None, now: float) -> str | None:
        busy = (
            select(pdf_queue.c.tenant_id, func.count().label("files"))
            .where(pdf_queue.c.state == "leased")
            .group_by(pdf_queue.c.tenant_id)
            .subquery()
        )
        query = (
            select(pdf_queue.c.job_id)
            .outerjoin(busy, busy.c.tenant_id == pdf_queue.c.tenant_id)
            .outerjoin(pdf_turns, pdf_turns.c.tenant_id == pdf_queue.c.tenant_id)
            .where(pdf_queue.c.state == "queued", pdf_queue.c.not_before <= now)
            .order_by(
                pdf_queue.c.priority.desc(),
                func.coalesce(busy.c.files, 0),
                func.coalesce(pdf_turns.c.last_leased_at, 0.0),
                pdf_queue.c.created_at,
                pdf_queue.c.job_id,
            )
            .limit(1)
            .with_for_update(of=pdf_queue, skip_locked=True)
        )
        if job_id is not None:
            query = query.where(pdf_queue.c.job_id == job_id)
        return connection.execute(query).scalar()

    def _take(self, connection: Connection, job_id: str, worker: str, seconds: float, now: float) -> PdfTask | None:
        taking = (
            update(pdf_queue)
            .where(pdf_queue.c.job_id == job_id, pdf_queue.c.state == "queued")
            .values(
                state="leased",
                worker=worker,
                attempts=pdf_queue.c.attempts + 1,
                epoch=pdf_queue.c.epoch + 1,
                leased_at=now,
                lease_expires_at=now + seconds,
                updated_at=now,
            )
            .returning(pdf_queue)
        )
        row = connection.execute(taking).mappings().one_or_none()
        if row is None:
            return None
        task = PdfTask(**row)
        turn = upsert(pdf_turns, postgres=self._database.is_postgres).values(tenant_id=task.tenant_id, last_leased_at=now)
        connection.execute(turn.on_conflict_do_update(index_elements=["tenant_id"], set_={"last_leased_at": now}))
        at_gate = (jobs.c.job_id == job_id) & (jobs.c.status == JobStatus.WAITING_AT_GATE)
        connection.execute(update(jobs).where(at_gate).values(current_stage=PARSE, updated_at=now))
        started = self._events.stage_started(_subject(task), PARSE, attempt=task.attempts, time=now)
        self._outbox.append(connection, [started])
        return task

    def _close(self, connection: Connection, task: PdfTask, now: float, **changes: Any) -> None:
        """The fence: ends the lease of who still has it."""
        mine = (pdf_queue.c.job_id == task.job_id) & (pdf_queue.c.worker == task.worker) & (pdf_queue.c.epoch == task.epoch)
        freed = {"lease_expires_at": None, "epoch": task.epoch + 1, "updated_at": now}
        closing = update(pdf_queue).where(mine, pdf_queue.c.state == "leased").values(**freed, **changes)
        if not connection.execute(closing).rowcount:
            raise LeaseLostError(
                f"Worker {task.worker} no longer holds the PDF of job {task.job_id}: its lease ran out, or the job has ended.",
                remedy="Nothing is lost: another worker reads it, or nobody needs to.",
                job_id=task.job_id,
                worker=task.worker,
                epoch=task.epoch,
            )

    def _take_back(self, condition: Any, reason: Reason) -> list[PdfTask]:
        query = select(pdf_queue).where(pdf_queue.c.state == "leased", condition)
        held = [PdfTask(**row) for row in self._database.read(lambda connection: connection.execute(query).mappings().all())]
        back: list[PdfTask] = []
        for task in held:
            ends = self._database.write(lambda connection, task=task: self._back(connection, task, reason))  # type: ignore[misc]
            if ends is not None:
                self._ends.tell(ends)
                back.append(task)
        return back

    def _back(self, connection: Connection, task: PdfTask, reason: Reason) -> list[JobEnd] | None:
        """The jobs that ended with it; None where it was no longer so when the transaction had begun."""
        now = self._database.now(connection)
        losses = task.losses + 1 if reason.lost else task.losses
        buried = losses >= MAX_LOSSES
        message = f"{losses} workers ended while they read this PDF: {reason.message}" if buried else reason.message
        unchanged = pdf_queue.c.lease_expires_at == task.lease_expires_at  # a heartbeat in between proves the worker alive
        still = select(pdf_queue.c.job_id).where(pdf_queue.c.job_id == task.job_id, unchanged).with_for_update()
        if connection.execute(still).first() is None:
            return None
        what = {"error_code": reason.code, "error_message": message} if buried else {}
        try:
            self._close(connection, task, now, state="failed" if buried else "queued", losses=losses, **what)
        except LeaseLostError:
            return None
        ends: list[JobEnd] = []
        events = [self._failed(connection, task, "worker_lost", reason.code, message, reason.code, now)]
        if buried:
            causes = [{"type": "WorkerLostError", "code": reason.code, "message": message}]
            ended, ends = self._end_job(connection, task, JobStatus.DEAD, reason.code, message, causes, now)
            events += ended
        self._outbox.append(connection, events)
        return ends

    def _failed(
        self, connection: Connection, task: PdfTask, status: str, code: str, message: str, reason: str, now: float
    ) -> Event:
        self._note(connection, task, status, now, input_digest=task.sha256, error_code=code, error_message=message)
        return self._events.stage_failed(
            _subject(task),
            PARSE,
            attempt=task.attempts,
            code=code,
            message=message,
            retry_count=task.tries,
            reason=reason,
            time=now,
        )

    def _note(self, connection: Connection, task: PdfTask, status: str, now: float, **details: Any) -> None:
        attempt = StageAttempt(
            job_id=task.job_id,
            stage=PARSE,
            attempt=task.attempts,
            status=status,
            started_at=task.leased_at or now,
            finished_at=now,
            worker=task.worker,
            **details,
        )
        insert_records(connection, stage_attempts, [attempt])

    def _end_job(
        self,
        connection: Connection,
        task: PdfTask,
        status: JobStatus,
        code: str,
        message: str,
        causes: Sequence[Mapping[str, Any]],
        now: float,
    ) -> tuple[list[Event], list[JobEnd]]:
        """The job that waits for the file ends; one that a person let through the gate meanwhile goes on."""
        found = locked_jobs(connection, jobs.c.job_id == task.job_id, jobs.c.status == JobStatus.WAITING_AT_GATE)
        if not found:
            return [], []
        job, is_dead = found[0], status == JobStatus.DEAD
        why = {"error_stage": PARSE, "error_code": code, "error_message": message}
        mark = code if is_dead else failure_mark(PARSE, code)
        move(connection, status, now, jobs.c.job_id == job.job_id, failure_mark=mark, **why)
        letter = DeadLetter(
            job_id=job.job_id,
            tenant_id=job.tenant_id,
            doc_id=task.doc_id,
            source=job.source,
            source_id=job.source_id,
            pipeline_name=job.pipeline_name,
            stage=PARSE,
            error_code=code,
            error_message=message,
            causes=causes,
            artifact={"stage": "download", "object": task.object_key, "digest": task.sha256},
            first_at=now,
            last_at=now,
        )
        self._letters.put(connection, [letter])
        if is_dead:
            return [dead_event(self._events, job, letter, now)], [job_end(job, status, now)]
        subject, occurrence = job_subject(job), job.round
        failed = self._events.job_failed(subject, stage=PARSE, code=code, message=message, occurrence=occurrence, time=now)
        return [failed], [job_end(job, status, now)]


def _subject(task: PdfTask) -> EventSubject:
    return EventSubject(
        tenant_id=task.tenant_id,
        job_id=task.job_id,
        doc_id=task.doc_id,
        correlation_id=task.submission_id,
        traceparent=traceparent(task.submission_id, task.submission_id),
    )
