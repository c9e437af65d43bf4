"""Coming to a gate: the end of the stages before it, as part of their transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.ends import JobEnd, job_end
from Medical_KG_rev.orchestration.ledger.outbox import Outbox
from Medical_KG_rev.orchestration.ledger.pdf_queue import PARSE, PdfQueue, brought_key
from Medical_KG_rev.orchestration.ledger.records import ArtifactRow, Job, PdfTask, StageAttempt
from Medical_KG_rev.orchestration.ledger.rows import insert_records, read_records, update_rows
from Medical_KG_rev.orchestration.ledger.schema import artifacts, jobs, pdf_queue, stage_attempts
from Medical_KG_rev.orchestration.ledger.stage_records import cancelled_event, store_artifacts
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.orchestration.ledger.subjects import job_subject
from Medical_KG_rev.orchestration.ledger.transitions import locked_jobs, move


class GateRule(msgspec.Struct, frozen=True):
    """A gate as its pipeline states it. ``condition``: ledger flag → the value that lets a job pass; all must hold."""

    name: str
    condition: Mapping[str, bool]
    timeout_seconds: float
    resume_stage: str = ""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A job that has passed the last stage before a gate.

    ``stored`` is what it brought for an engine to read (a :class:`~Medical_KG_rev.models.pdf.StoredPdf` as plain data), None
    where the gate waits for something else. ``document_key`` is the key of the artifact that reading it would give: where it is
    there already, nothing is queued.
    """

    job: Job
    rule: GateRule
    doc_id: str | None
    stored: Mapping[str, Any] | None = None
    document_key: str | None = None


class GateArrivals:
    """Lets jobs wait at gates. Its clock is the database's."""

    def __init__(self, database: Database, outbox: Outbox, events: CloudEventFactory, pdfs: PdfQueue) -> None:
        self._database = database
        self._outbox = outbox
        self._events = events
        self._pdfs = pdfs

    def arrive(self, connection: Connection, arrivals: Sequence[Arrival]) -> list[JobEnd]:
        """Part of the transaction that ends the stages before a gate: ``running`` → ``waiting_at_gate``.

        The row of the PDF queue and the events come with it. A job that is to be cancelled is, here, and returned; what is no
        longer running is left as it is.
        """
        if not arrivals:
            return []
        now = self._database.now(connection)
        by_id = {each.job.job_id: each for each in arrivals}
        running = locked_jobs(connection, jobs.c.job_id.in_(list(by_id)), jobs.c.status == JobStatus.RUNNING)
        ended = [job for job in running if job.cancel_requested]
        move(connection, JobStatus.CANCELLED, now, jobs.c.job_id.in_([job.job_id for job in ended]), current_attempt=None)
        coming = [(job, by_id[job.job_id]) for job in running if not job.cancel_requested]
        known = self._known_documents(connection, coming)
        changes = {
            job.job_id: {
                "gate": each.rule.name,
                "gate_deadline": now + each.rule.timeout_seconds,
                "pdf_downloaded": job.pdf_downloaded or each.stored is not None,
                "pdf_ir_ready": job.job_id in known,
                "doc_id": each.doc_id or job.doc_id,
            }
            for job, each in coming
        }
        waits = {
            "status": JobStatus.WAITING_AT_GATE,
            "gate_since": now,
            "post_pdf_started": False,
            "current_attempt": None,
            "updated_at": now,
        }
        update_rows(connection, jobs.c.job_id, changes, **waits)
        events = [cancelled_event(self._events, job, now) for job in ended]
        events += [self._waiting_event(job, each.rule, now) for job, each in coming]
        events += self._queue_pdfs(connection, coming, known, now)
        self._outbox.append(connection, events)
        return [job_end(job, JobStatus.CANCELLED, now) for job in ended]

    def _known_documents(self, connection: Connection, coming: Sequence[tuple[Job, Arrival]]) -> dict[str, ArtifactRow]:
        """Job → the artifact that reading its file would give, where it is there."""
        keys = {each.document_key for _, each in coming if each.document_key is not None}
        tenants = {job.tenant_id for job, _ in coming}
        if not keys:
            return {}
        query = select(artifacts).where(artifacts.c.tenant_id.in_(tenants), artifacts.c.key.in_(keys))
        found = {(row.tenant_id, row.key): row for row in read_records(connection, ArtifactRow, query)}
        same = {job.job_id: found.get((job.tenant_id, each.document_key or "")) for job, each in coming}
        return {job_id: row for job_id, row in same.items() if row is not None}

    def _queue_pdfs(
        self, connection: Connection, coming: Sequence[tuple[Job, Arrival]], known: Mapping[str, ArtifactRow], now: float
    ) -> list[Event]:
        brought = [msgspec.structs.replace(row, key=brought_key(job_id)) for job_id, row in known.items()]
        store_artifacts(connection, brought)
        tasks = {job.job_id: _task(job, each, is_known=job.job_id in known, now=now) for job, each in coming if each.stored}
        self._pdfs.put(connection, list(tasks.values()))
        numbers = select(pdf_queue.c.job_id, pdf_queue.c.attempts).where(pdf_queue.c.job_id.in_(list(known)))
        attempts = {row[0]: row[1] for row in connection.execute(numbers)} if known else {}
        events: list[Event] = []
        skipped: list[StageAttempt] = []
        for job, _ in coming:
            task = tasks.get(job.job_id)
            if task is None:
                continue
            if job.job_id in known:
                count = sum(known[job.job_id].counts.values())
                skipped.append(_skipped(task, attempts[job.job_id], count, now))
                events += self._skipped_events(job, task, attempts[job.job_id], count, now)
            else:
                events.append(self._requested(job, task, now))
        insert_records(connection, stage_attempts, skipped)
        return events

    def _skipped_events(self, job: Job, task: PdfTask, attempt: int, count: int, now: float) -> list[Event]:
        subject = job_subject(job, doc_id=task.doc_id)
        done = self._events.stage_completed(
            subject, PARSE, attempt=attempt, duration_ms=0.0, output_count=count, skipped=True, time=now
        )
        return [self._events.stage_started(subject, PARSE, attempt=attempt, time=now), done]

    def _requested(self, job: Job, task: PdfTask, now: float) -> Event:
        return self._events.pdf_requested(
            job_subject(job, doc_id=task.doc_id),
            doc_id=task.doc_id,
            dataset=task.source,
            object_key=task.object_key,
            sha256=task.sha256,
            size_bytes=task.stored["size_bytes"],
            occurrence=job.round,
            time=now,
        )

    def _waiting_event(self, job: Job, rule: GateRule, now: float) -> Event:
        return self._events.gate_waiting(
            job_subject(job),
            gate=rule.name,
            condition=rule.condition,
            deadline=now + rule.timeout_seconds,
            occurrence=job.round,
            time=now,
        )


def _task(job: Job, arrival: Arrival, *, is_known: bool, now: float) -> PdfTask:
    stored = arrival.stored or {}
    return PdfTask(
        job_id=job.job_id,
        tenant_id=job.tenant_id,
        submission_id=job.submission_id,
        doc_id=arrival.doc_id or job.doc_id or f"{job.source}:{job.source_id}",
        source=job.source,
        source_id=job.source_id,
        object_key=stored["object_key"],
        sha256=stored["sha256"],
        stored=stored,
        state="done" if is_known else "queued",
        priority=job.priority,
        attempts=1 if is_known else 0,
        created_at=now,
        updated_at=now,
    )


def _skipped(task: PdfTask, number: int, count: int, now: float) -> StageAttempt:
    return StageAttempt(
        job_id=task.job_id,
        stage=PARSE,
        attempt=number,
        status="skipped",
        started_at=now,
        finished_at=now,
        input_digest=task.sha256,
        output_count=count,
    )
