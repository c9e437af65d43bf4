"""Batches and who may work on them: enqueued, leased by turns, extended, handed back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from Medical_KG_rev.errors import LeaseLostError
from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.ledger.admission import LEASING, closed_gates
from Medical_KG_rev.orchestration.ledger.batch_ends import end_batch
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.outbox import Outbox
from Medical_KG_rev.orchestration.ledger.records import Batch, Job, Lease
from Medical_KG_rev.orchestration.ledger.rows import read_records, upsert
from Medical_KG_rev.orchestration.ledger.schema import UNBATCHED, batches, jobs, submissions, turns
from Medical_KG_rev.orchestration.ledger.states import JobStatus, phase
from Medical_KG_rev.orchestration.ledger.subjects import batch_subject
from Medical_KG_rev.orchestration.ledger.transitions import count_leased, locked_jobs, move

HELD = ("leased", "running")
"""States of a batch that a worker holds."""


class WorkQueue:
    """The queue of all tenants. Its clock is the database's, so that workers whose own clocks differ agree on leases."""

    def __init__(self, database: Database, outbox: Outbox, events: CloudEventFactory) -> None:
        self._database = database
        self._outbox = outbox
        self._events = events

    # --- filling -----------------------------------------------------------------------------------------------------

    def enqueue(self, batch: Batch, job_ids: Sequence[str]) -> list[Job]:
        """Records the batch with those of the jobs that are queued and in no batch; returns them."""
        return self._database.write(lambda connection: self._enqueue(connection, batch, job_ids))

    def enqueue_and_lease(self, batch: Batch, job_ids: Sequence[str], worker: str, seconds: float) -> Lease | None:
        """As :meth:`enqueue`, with the batch leased to this worker before any other can see it.

        None when no job was left, or when leasing is paused: then the batch waits.
        """

        def work(connection: Connection) -> Lease | None:
            if not self._enqueue(connection, batch, job_ids) or LEASING in closed_gates(connection):
                return None
            return self._take(connection, batch.batch_id, worker, seconds, self._database.now(connection))

        return self._database.write(work)

    def unbatched(self, *, limit: int = 1000, submission_id: str | None = None, is_listing: Sequence[str] = ()) -> list[Job]:
        """Queued jobs in no batch, the oldest first; not those whose listing goes on in one of the workers ``is_listing``."""
        query = select(jobs).where(UNBATCHED, jobs.c.status == JobStatus.QUEUED)
        if submission_id is not None:
            query = query.where(jobs.c.submission_id == submission_id)
        elif is_listing:
            busy = select(submissions.c.submission_id).where(
                submissions.c.worker.in_(is_listing), submissions.c.complete.is_(False)
            )
            query = query.where(jobs.c.submission_id.not_in(busy))
        query = query.order_by(jobs.c.submission_id, jobs.c.position, jobs.c.job_id).limit(limit)
        return self._database.read(lambda connection: read_records(connection, Job, query))

    # --- leasing -----------------------------------------------------------------------------------------------------

    def lease(
        self, worker: str, seconds: float, *, batch_ids: Sequence[str] | None = None, submission_id: str | None = None
    ) -> Lease | None:
        """The batch whose turn it is; None when nothing is queued, or leasing is paused.

        The highest priority first, then the tenant with the fewest batches at work, then the one that has waited longest.
        ``batch_ids`` or ``submission_id`` narrow the choice.
        """

        def work(connection: Connection) -> Lease | None:
            if LEASING in closed_gates(connection):
                return None
            now = self._database.now(connection)
            while batch_id := self._next(connection, batch_ids, submission_id, now):
                if lease := self._take(connection, batch_id, worker, seconds, now):
                    return lease
            return None

        return self._database.write(work)

    def has_batch(self) -> bool:
        """Whether :meth:`lease` would find a batch: a look that writes nothing, for those who look often."""

        def work(connection: Connection) -> bool:
            ready = select(batches.c.batch_id).where(
                batches.c.status == "queued", batches.c.not_before <= self._database.now(connection)
            )
            return connection.execute(ready.limit(1)).scalar() is not None and LEASING not in closed_gates(connection)

        return self._database.read(work)

    def extend(self, worker: str, seconds: float) -> list[str]:
        """The heartbeat: all that the worker holds is its own for so many seconds more. Returns the batches that it holds."""

        def work(connection: Connection) -> list[str]:
            until = self._database.now(connection) + seconds
            mine = (batches.c.worker == worker) & batches.c.status.in_(HELD)
            connection.execute(update(batches).where(mine).values(lease_expires_at=until))
            return list(connection.execute(select(batches.c.batch_id).where(mine)).scalars())

        return self._database.write(work)

    def jobs_of(self, lease: Lease) -> list[Job]:
        """The jobs that the lease is for, in the order of their listing."""
        condition = (jobs.c.batch_id == lease.batch_id) & jobs.c.status.in_([JobStatus.LEASED, JobStatus.RUNNING])
        query = select(jobs).where(condition).order_by(jobs.c.position, jobs.c.job_id)
        return self._database.read(lambda connection: read_records(connection, Job, query))

    def job_ids_of(self, lease: Lease) -> list[str]:
        """As :meth:`jobs_of`, the ids alone."""
        held = jobs.c.status.in_([JobStatus.LEASED, JobStatus.RUNNING])
        query = select(jobs.c.job_id).where(jobs.c.batch_id == lease.batch_id, held).order_by(jobs.c.position, jobs.c.job_id)
        return self._database.read(lambda connection: list(connection.execute(query).scalars()))

    def lease_of(self, batch_id: str, worker: str) -> Lease:
        """The worker's lease of a batch that it holds. Raises LeaseLostError."""
        query = select(batches).where(batches.c.batch_id == batch_id, batches.c.worker == worker, batches.c.status.in_(HELD))
        row = self._database.read(lambda connection: connection.execute(query).mappings().first())
        if row is None:
            raise lease_lost(Lease(batch_id, worker, 0))
        return Lease(batch_id, worker, row["lease_epoch"])

    # --- numbers -----------------------------------------------------------------------------------------------------

    def at_work(self) -> int:
        """Batches that workers hold."""
        query = select(func.count()).where(batches.c.status.in_(HELD))
        return self._database.read(lambda connection: connection.execute(query).scalar_one())

    def leases(self) -> tuple[int, int]:
        """Batches whose lease holds, and those whose lease ran out without having been taken back."""

        def work(connection: Connection) -> tuple[int, int]:
            ran_out = batches.c.lease_expires_at < self._database.now(connection)
            query = select(func.count(), func.count().filter(ran_out | (batches.c.status == "stuck"))).where(
                batches.c.status.in_([*HELD, "stuck"])
            )
            every, expired = connection.execute(query).one()
            return every - expired, expired

        return self._database.read(work)

    def waiting(self, tenant_id: str, limit: int) -> int:
        """Queued jobs of a tenant, counted up to ``limit``."""
        of_tenant = jobs.c.tenant_id == tenant_id

        def work(connection: Connection) -> int:
            leased = count_leased(connection, of_tenant)
            some = select(jobs.c.job_id).where(of_tenant, jobs.c.phase == phase(JobStatus.QUEUED)).limit(limit + leased)
            return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one() - leased

        return self._database.read(work)

    # --- in a transaction --------------------------------------------------------------------------------------------

    def _enqueue(self, connection: Connection, batch: Batch, job_ids: Sequence[str]) -> list[Job]:
        connection.execute(insert(batches), [msgspec.structs.asdict(batch)])
        connection.execute(
            update(jobs)
            .where(jobs.c.job_id.in_(job_ids), jobs.c.status == JobStatus.QUEUED, jobs.c.batch_id.is_(None))
            .values(batch_id=batch.batch_id, updated_at=batch.created_at)
        )
        taken = locked_jobs(connection, jobs.c.batch_id == batch.batch_id)
        values = {"documents": len(taken)} if taken else {"documents": 0, "status": "completed"}
        connection.execute(update(batches).where(batches.c.batch_id == batch.batch_id).values(**values))
        if taken:
            created = self._events.batch_created(
                batch_subject(batch),
                pipeline_name=batch.pipeline_name,
                pipeline_version=batch.pipeline_version,
                jobs=len(taken),
                time=batch.created_at,
            )
            self._outbox.append(connection, [created])
        return taken

    def _next(self, connection: Connection, batch_ids: Sequence[str] | None, submission_id: str | None, now: float) -> str | None:
        busy = (
            select(batches.c.tenant_id, func.count().label("batches"))
            .where(batches.c.status.in_(HELD))
            .group_by(batches.c.tenant_id)
            .subquery()
        )
        query = (
            select(batches.c.batch_id)
            .outerjoin(busy, busy.c.tenant_id == batches.c.tenant_id)
            .outerjoin(turns, turns.c.tenant_id == batches.c.tenant_id)
            .where(batches.c.status == "queued")
            .order_by(
                batches.c.priority.desc(),
                func.coalesce(busy.c.batches, 0),
                func.coalesce(turns.c.last_leased_at, 0.0),
                batches.c.created_at,
                batches.c.batch_id,
            )
            .limit(1)
            .with_for_update(of=batches, skip_locked=True)
        )
        if batch_ids is not None:
            query = query.where(batches.c.batch_id.in_(batch_ids))
        else:
            query = query.where(batches.c.not_before <= now)
        if submission_id is not None:
            query = query.where(batches.c.submission_id == submission_id)
        return connection.execute(query).scalar()

    def _take(self, connection: Connection, batch_id: str, worker: str, seconds: float, now: float) -> Lease | None:
        taking = (
            update(batches)
            .where(batches.c.batch_id == batch_id, batches.c.status == "queued")
            .values(
                status="leased",
                worker=worker,
                attempt=batches.c.attempt + 1,
                lease_epoch=batches.c.lease_epoch + 1,
                lease_expires_at=now + seconds,
                updated_at=now,
            )
            .returning(batches)
        )
        row = connection.execute(taking).mappings().one_or_none()
        if row is None:
            return None
        batch = Batch(**row)
        if not move(connection, JobStatus.LEASED, now, jobs.c.batch_id == batch_id):  # all were cancelled, or adopted by another
            self._outbox.append(connection, [end_batch(connection, self._events, batch, now)])
            return None
        self._note_turn(connection, batch.tenant_id, now)
        leased = self._events.batch_leased(
            batch_subject(batch), worker=worker, epoch=batch.lease_epoch, lease_seconds=seconds, time=now
        )
        self._outbox.append(connection, [leased])
        return Lease(batch_id, worker, batch.lease_epoch)

    def _note_turn(self, connection: Connection, tenant_id: str, now: float) -> None:
        statement = upsert(turns, postgres=self._database.is_postgres).values(tenant_id=tenant_id, last_leased_at=now)
        connection.execute(statement.on_conflict_do_update(index_elements=["tenant_id"], set_={"last_leased_at": now}))


def cut_into_batches(waiting: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """Jobs that can share a batch: of one submission, pipeline version, part of the pipeline and priority.

    Jobs that lost their worker repeatedly come into ever smaller batches, so that the one that kills it is found.
    """
    groups: dict[tuple[str, str, str, str | None, int, int], list[Job]] = {}
    for job in waiting:
        key = (job.submission_id, job.pipeline_name, job.pipeline_version, job.part, job.priority, max(job.losses, 1))
        groups.setdefault(key, []).append(job)
    for key, group in groups.items():
        step = shrunk(size, key[-1])
        yield from (group[start : start + step] for start in range(0, len(group), step))


def shrunk(size: int, losses: int) -> int:
    """How many jobs go together that lost their worker so often in a row: all after one loss, an eighth after each further."""
    return max(1, size >> 3 * max(losses - 1, 0))


def hold(connection: Connection, lease: Lease, now: float, **changes: Any) -> None:
    """The fence: passes who still has the batch, and keeps it from being taken back before the transaction is over.

    ``changes``: what else changes on the batch.

    Raises:
        LeaseLostError: another worker has it, or it was taken back; nothing was written.
    """
    held = connection.execute(
        update(batches)
        .where(
            batches.c.batch_id == lease.batch_id,
            batches.c.worker == lease.worker,
            batches.c.lease_epoch == lease.epoch,
            batches.c.status.in_(HELD),
        )
        .values(updated_at=now, **changes)
    ).rowcount
    if not held:
        raise lease_lost(lease)


def lease_lost(lease: Lease) -> LeaseLostError:
    """The error of a holder that was too slow."""
    return LeaseLostError(
        f"Worker {lease.worker} no longer holds batch {lease.batch_id}: its lease ran out and was taken back.",
        remedy="Nothing is lost: another worker goes on from the stored artifacts.",
        batch_id=lease.batch_id,
        worker=lease.worker,
        epoch=lease.epoch,
    )
