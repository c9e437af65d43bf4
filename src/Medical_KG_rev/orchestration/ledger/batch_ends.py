"""The end of a batch: every job of it has ended, or waits elsewhere."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger.records import Batch
from Medical_KG_rev.orchestration.ledger.schema import batches, jobs
from Medical_KG_rev.orchestration.ledger.states import TERMINAL, JobStatus
from Medical_KG_rev.orchestration.ledger.subjects import batch_subject


def end_batch(connection: Connection, events: CloudEventFactory, batch: Batch, now: float) -> Event:
    """Closes the batch; the event says how its jobs ended."""
    values = {"status": "completed", "lease_expires_at": None, "updated_at": now}
    connection.execute(update(batches).where(batches.c.batch_id == batch.batch_id).values(**values))
    by_end = select(jobs.c.status, jobs.c.unchanged, func.count()).group_by(jobs.c.status, jobs.c.unchanged)
    rows = connection.execute(by_end.where(jobs.c.batch_id == batch.batch_id)).all()
    unchanged = sum(count for _, is_unchanged, count in rows if is_unchanged)
    completed = sum(count for status, _, count in rows if status == JobStatus.COMPLETED)
    failed = sum(count for status, _, count in rows if status in (JobStatus.FAILED, JobStatus.DEAD))
    return events.batch_completed(
        batch_subject(batch),
        epoch=batch.lease_epoch,
        duration_ms=(now - batch.created_at) * 1000,
        completed=completed - unchanged,
        unchanged=unchanged,
        failed=failed,
        time=now,
    )


def end_abandoned(connection: Connection, events: CloudEventFactory, batch_id: str, now: float) -> list[Event]:
    """Closes a queued batch that the last of its jobs has left. One that somebody is leasing at this moment, he will close."""
    queued = select(batches).where(batches.c.batch_id == batch_id, batches.c.status == "queued")
    row = connection.execute(queued.with_for_update(skip_locked=True)).mappings().first()
    on_their_way = select(jobs.c.job_id).where(jobs.c.batch_id == batch_id, jobs.c.status.not_in(TERMINAL)).limit(1)
    if row is None or connection.execute(on_their_way).first() is not None:
        return []
    return [end_batch(connection, events, Batch(**row), now)]
