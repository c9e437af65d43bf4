"""Gates: jobs that wait until the ledger says that something outside has happened.

A job comes to a gate at the end of the stages before it (:mod:`~.gate_arrivals`, in the transaction that ends them), and leaves
it by compare-and-set: into a batch of the stages behind it when its flags fit (:meth:`JobGates.pass_ready`) or a person says so
(:meth:`JobGates.open`), to the dead letters when its time is over (:meth:`JobGates.expire`). Any number of processes may call
these as often as they like: a job leaves once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, insert, literal, select, tuple_

from Medical_KG_rev.errors import DagsterGateConditionError, InvalidTransitionError
from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger.audit import AuditTrail
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.dead_letters import DeadLetters, causes_of, dead_event
from Medical_KG_rev.orchestration.ledger.ends import JobEnd, JobEnds, job_end
from Medical_KG_rev.orchestration.ledger.gate_arrivals import GateRule
from Medical_KG_rev.orchestration.ledger.outbox import Outbox
from Medical_KG_rev.orchestration.ledger.pdf_queue import PdfQueue
from Medical_KG_rev.orchestration.ledger.records import AuditEntry, Batch, DeadLetter, Job, iso
from Medical_KG_rev.orchestration.ledger.rows import read_records
from Medical_KG_rev.orchestration.ledger.schema import AT_GATE, batches, jobs
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.orchestration.ledger.subjects import batch_subject, job_subject
from Medical_KG_rev.orchestration.ledger.transitions import locked_jobs, move

logger = logging.getLogger(__name__)

BATCHES_AT_ONCE = 50
"""Batches that one call of :meth:`JobGates.pass_ready` forms: a scheduler that is handed more stops looking at anything else."""
EXPIRED_AT_ONCE = 200
WAITING = JobStatus.WAITING_AT_GATE


RuleFor = Callable[[str, str, str], GateRule | None]
"""The rule of a pipeline, a version and a gate; None where that version cannot be read any more: its jobs go on waiting."""


class Passed(msgspec.Struct, frozen=True):
    """A batch of jobs that passed a gate, and how long each has waited at it, in seconds."""

    batch: Batch
    gate: str
    waited: tuple[float, ...]


class _Group(msgspec.Struct, frozen=True):
    """Jobs that may share a batch."""

    tenant_id: str
    submission_id: str
    pipeline_name: str
    pipeline_version: str
    gate: str
    priority: int
    count: int

    def condition(self) -> ColumnElement[bool]:
        same = [jobs.c[name] == getattr(self, name) for name in self.__struct_fields__ if name != "count"]
        found: ColumnElement[bool] = same[0]
        for each in same[1:]:
            found &= each
        return found


class JobGates:
    """The gates of all pipelines. Its clock is the database's."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        audit: AuditTrail,
        events: CloudEventFactory,
        letters: DeadLetters,
        pdfs: PdfQueue,
        ends: JobEnds,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._audit = audit
        self._events = events
        self._letters = letters
        self._pdfs = pdfs
        self._ends = ends

    # --- leaving -----------------------------------------------------------------------------------------------------

    def pass_ready(
        self, rule_for: RuleFor, *, size: int, new_id: Callable[[str], str], limit: int = BATCHES_AT_ONCE
    ) -> list[Passed]:
        """Lets the jobs through whose flags fit, into queued batches of at most ``size`` jobs, each in one transaction.

        The highest priority first, and the tenants by turns. What is left after ``limit`` batches passes at the next call.
        """
        passed: list[Passed] = []
        for group, condition in self._ready(rule_for, size, limit):
            one = self._database.write(
                lambda connection, group=group, condition=condition: self._pass(connection, group, condition, size, new_id)  # type: ignore[misc]
            )
            if one is not None:
                passed.append(one)
        return passed

    def open(self, job_id: str, *, actor: str, reason: str, new_id: Callable[[str], str]) -> Job:
        """Lets a job through by hand, whatever its flags say, audited.

        Where the gate's artifact is not there, the first stage behind it fails with a clear error.

        Raises:
            InvalidTransitionError: the job waits at no gate.
        """

        def work(connection: Connection) -> Job:
            now = self._database.now(connection)
            found = locked_jobs(connection, jobs.c.job_id == job_id)
            if not found or found[0].status != WAITING:
                status = found[0].status if found else "unknown"
                raise InvalidTransitionError(
                    f"Job {job_id} is {status}; only a job that is {WAITING} can be let through.",
                    remedy="`medkg gates list` shows those that wait.",
                    job_id=job_id,
                    status=status,
                )
            job = found[0]
            batch = _behind_gate(job, new_id("r"), now)
            self._move_on(connection, batch, [job_id], now)
            waited = now - (job.gate_since or now)
            opened = self._events.gate_opened(
                job_subject(job, batch.batch_id),
                gate=job.gate or "",
                waited_ms=waited * 1000,
                reason=reason,
                occurrence=job.round,
                time=now,
            )
            self._outbox.append(connection, [opened])
            details = {"gate": job.gate, "pdf_downloaded": job.pdf_downloaded, "pdf_ir_ready": job.pdf_ir_ready}
            entry = AuditEntry(
                at=now,
                tenant_id=job.tenant_id,
                actor=actor,
                action="gates.open",
                subject=job_id,
                reason=reason,
                details=details,
            )
            self._audit.append(connection, entry)
            return read_records(connection, Job, select(jobs).where(jobs.c.job_id == job_id))[0]

        return self._database.write(work)

    def expire(self) -> list[Job]:
        """Ends the jobs whose gate was not met in time; returns them. Each is dead, by DagsterGateConditionError."""
        late = select(jobs.c.job_id).where(AT_GATE, jobs.c.gate_deadline < self._database.read(self._database.now))
        ended: list[Job] = []
        while job_ids := self._database.read(lambda connection: list(connection.execute(late.limit(EXPIRED_AT_ONCE)).scalars())):
            late_ones, ends = self._database.write(lambda connection, job_ids=job_ids: self._expire(connection, job_ids))  # type: ignore[misc]
            self._ends.tell(ends)
            ended += late_ones
        return ended

    # --- looking -----------------------------------------------------------------------------------------------------

    def waiting(self, tenant_id: str, *, gate: str | None = None, limit: int = 100) -> list[Job]:
        """Jobs of a tenant that wait, the longest first."""
        query = select(jobs).where(AT_GATE, jobs.c.tenant_id == tenant_id)
        if gate is not None:
            query = query.where(jobs.c.gate == gate)
        query = query.order_by(jobs.c.gate_since, jobs.c.job_id).limit(limit)
        return self._database.read(lambda connection: read_records(connection, Job, query))

    def waiting_of(self, batch_id: str) -> list[str]:
        """The jobs that came to a gate in this batch and wait there."""
        query = select(jobs.c.job_id).where(jobs.c.batch_id == batch_id, jobs.c.status == WAITING)
        return self._database.read(lambda connection: list(connection.execute(query).scalars()))

    def counts(self) -> dict[tuple[str, str], int]:
        """(pipeline, gate) → jobs of all tenants that wait."""
        query = select(jobs.c.pipeline_name, jobs.c.gate, func.count()).where(AT_GATE)
        query = query.group_by(jobs.c.pipeline_name, jobs.c.gate)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return {(row[0], row[1] or ""): row[2] for row in rows}

    def explain(self, job: Job, rule: GateRule | None) -> dict[str, Any]:
        """What a job at a gate waits for, as JSON values.

        Each flag with what it must be and what it is, the time that it has, and its row of the PDF queue.
        """
        task = self._pdfs.task(job.job_id)
        wanted = rule.condition if rule is not None else {}
        now = self._database.read(self._database.now)
        return {
            "job_id": job.job_id,
            "doc_id": job.doc_id,
            "pipeline_name": job.pipeline_name,
            "status": str(job.status),
            "gate": job.gate,
            "passed": job.post_pdf_started,
            "condition": [
                {"field": name, "must_be": value, "is": getattr(job, name), "met": getattr(job, name) == value}
                for name, value in wanted.items()
            ],
            "resume_stage": rule.resume_stage if rule is not None else None,
            "waiting_since": iso(job.gate_since) if job.gate_since is not None else None,
            "waiting_seconds": round(now - job.gate_since, 1) if job.gate_since and job.status == WAITING else None,
            "deadline": iso(job.gate_deadline) if job.gate_deadline is not None else None,
            "pdf": task.to_dict() if task is not None else None,
        }

    # --- in a transaction --------------------------------------------------------------------------------------------

    def _ready(self, rule_for: RuleFor, size: int, limit: int) -> list[tuple[_Group, ColumnElement[bool]]]:
        """Groups with ready jobs, one entry for each batch that they fill."""
        by_tenant: dict[tuple[int, str], list[tuple[_Group, ColumnElement[bool]]]] = {}
        for name, version, gate in self._database.read(_gates_waited_at):
            rule = rule_for(name, version, gate)
            if rule is None:
                logger.warning("Jobs of pipeline %s %s wait at gate %s, which cannot be read any more", name, version, gate)
                continue
            holds = _holds(rule)
            for group in self._groups(name, version, gate, holds):
                turns = by_tenant.setdefault((-group.priority, group.tenant_id), [])
                turns.extend([(group, holds)] * -(-group.count // size))
        chosen: list[tuple[_Group, ColumnElement[bool]]] = []
        for priority in sorted({key[0] for key in by_tenant}):
            rows = [turns for key, turns in sorted(by_tenant.items()) if key[0] == priority]
            chosen += [entry for together in zip_longest(*rows) for entry in together if entry is not None]
        return chosen[:limit]

    def _groups(self, name: str, version: str, gate: str, holds: ColumnElement[bool]) -> list[_Group]:
        of_rule = (jobs.c.pipeline_name == name) & (jobs.c.pipeline_version == version) & (jobs.c.gate == gate)
        columns = [jobs.c[each] for each in _Group.__struct_fields__ if each != "count"]
        query = select(*columns, func.count()).where(AT_GATE, of_rule, holds).group_by(*columns)
        query = query.order_by(func.min(jobs.c.gate_since), jobs.c.submission_id)
        return self._database.read(lambda connection: [_Group(*row) for row in connection.execute(query)])

    def _pass(
        self,
        connection: Connection,
        group: _Group,
        holds: ColumnElement[bool],
        size: int,
        new_id: Callable[[str], str],
    ) -> Passed | None:
        now = self._database.now(connection)
        query = (
            select(jobs)
            .where(AT_GATE, group.condition(), holds)
            .order_by(jobs.c.gate_since, jobs.c.position, jobs.c.job_id)
            .limit(size)
            .with_for_update(skip_locked=True)
        )
        ready = read_records(connection, Job, query)
        if not ready:
            return None
        batch = _behind_gate(ready[0], new_id("r"), now, len(ready))
        self._move_on(connection, batch, [job.job_id for job in ready], now)
        waited = tuple(now - (job.gate_since or now) for job in ready)
        events = [
            self._events.gate_passed(
                job_subject(job, batch.batch_id), gate=group.gate, waited_ms=seconds * 1000, occurrence=job.round, time=now
            )
            for job, seconds in zip(ready, waited, strict=True)
        ]
        self._outbox.append(connection, events)
        return Passed(batch, group.gate, waited)

    def _move_on(self, connection: Connection, batch: Batch, job_ids: Sequence[str], now: float) -> None:
        connection.execute(insert(batches), [msgspec.structs.asdict(batch)])
        move(
            connection,
            JobStatus.QUEUED,
            now,
            jobs.c.job_id.in_(job_ids),
            jobs.c.status == WAITING,
            batch_id=batch.batch_id,
            post_pdf_started=True,
            gate_seconds=jobs.c.gate_seconds + now - func.coalesce(jobs.c.gate_since, now),
            losses=0,
            lost_stage=None,
        )
        created = self._events.batch_created(
            batch_subject(batch),
            pipeline_name=batch.pipeline_name,
            pipeline_version=batch.pipeline_version,
            jobs=batch.documents,
            time=now,
        )
        self._outbox.append(connection, [created])

    def _expire(self, connection: Connection, job_ids: Sequence[str]) -> tuple[list[Job], list[JobEnd]]:
        now = self._database.now(connection)
        late = locked_jobs(connection, jobs.c.job_id.in_(job_ids), jobs.c.status == WAITING, jobs.c.gate_deadline < now)
        events: list[Event] = []
        for job in late:
            error, waited = gate_expired(job, now), now - (job.gate_since or now)
            letter = _letter(job, error, now)
            why = {"error_stage": letter.stage, "error_code": error.code, "error_message": letter.error_message}
            move(connection, JobStatus.DEAD, now, jobs.c.job_id == job.job_id, failure_mark=error.code, **why)
            self._letters.put(connection, [letter])
            subject, gate = job_subject(job), job.gate or ""
            events += [
                self._events.gate_expired(subject, gate=gate, waited_ms=waited * 1000, occurrence=job.round, time=now),
                dead_event(self._events, job, letter, now),
            ]
        self._pdfs.cancel(connection, [job.job_id for job in late], now)
        self._outbox.append(connection, events)
        return late, [job_end(job, JobStatus.DEAD, now) for job in late]


def _gates_waited_at(connection: Connection) -> list[tuple[str, str, str]]:
    """Pipelines, versions and gates at which jobs wait: one step of an index for each, however many jobs wait there."""
    columns = (jobs.c.pipeline_name, jobs.c.pipeline_version, jobs.c.gate)
    query = select(*columns).where(AT_GATE).order_by(*columns).limit(1)
    found: list[tuple[str, str, str]] = []
    row = connection.execute(query).first()
    while row is not None:
        found.append((row[0], row[1], row[2]))
        row = connection.execute(query.where(tuple_(*columns) > tuple_(*map(literal, found[-1])))).first()
    return found


def _holds(rule: GateRule) -> ColumnElement[bool]:
    """Jobs at this gate whose flags fit, and which nobody has let through."""
    fits: ColumnElement[bool] = jobs.c.post_pdf_started.is_(False)
    for name, value in rule.condition.items():
        fits &= jobs.c[name].is_(value)
    return fits


def _behind_gate(job: Job, batch_id: str, now: float, documents: int = 1) -> Batch:
    return Batch(
        batch_id=batch_id,
        submission_id=job.submission_id,
        tenant_id=job.tenant_id,
        pipeline_name=job.pipeline_name,
        pipeline_version=job.pipeline_version,
        part=job.gate,
        priority=job.priority,
        documents=documents,
        created_at=now,
        updated_at=now,
    )


def gate_expired(job: Job, now: float) -> DagsterGateConditionError:
    """Why a job at a gate is dead."""
    hours = (now - (job.gate_since or now)) / 3600
    flags = {"pdf_downloaded": job.pdf_downloaded, "pdf_ir_ready": job.pdf_ir_ready}
    said = ", ".join(f"{name} = {str(value).lower()}" for name, value in flags.items())
    return DagsterGateConditionError(
        f"Gate {job.gate} was not met within {hours:.1f} h: the ledger says {said}.",
        remedy=f"See that a PDF worker runs (`medkg worker --pdf`); then `medkg jobs retry {job.job_id}` begins anew.",
        job_id=job.job_id,
        doc_id=job.doc_id,
        gate=job.gate,
    )


def _letter(job: Job, error: DagsterGateConditionError, now: float) -> DeadLetter:
    return DeadLetter(
        job_id=job.job_id,
        tenant_id=job.tenant_id,
        doc_id=job.doc_id,
        source=job.source,
        source_id=job.source_id,
        pipeline_name=job.pipeline_name,
        stage=job.gate or "",
        error_code=error.code,
        error_message=str(error),
        causes=causes_of(error),
        first_at=now,
        last_at=now,
    )
