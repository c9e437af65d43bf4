"""The one place where jobs change their state: by compare-and-set from the states that may lead there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Update, and_, func, select, update

from Medical_KG_rev.orchestration.ledger.records import Job
from Medical_KG_rev.orchestration.ledger.rows import read_records
from Medical_KG_rev.orchestration.ledger.schema import batches, jobs
from Medical_KG_rev.orchestration.ledger.states import SOURCES, JobStatus, phase
from Medical_KG_rev.orchestration.ledger.subjects import SUBJECT_COLUMNS


def move(connection: Connection, target: JobStatus, now: float, *conditions: ColumnElement[bool], **changes: Any) -> int:
    """Moves the jobs that meet the conditions and may go to ``target``; how many did."""
    return connection.execute(_moving(target, now, conditions, changes)).rowcount


def move_and_tell(
    connection: Connection, target: JobStatus, now: float, *conditions: ColumnElement[bool], **changes: Any
) -> list[Row[Any]]:
    """As :func:`move`; what :func:`~.subjects.job_subject` needs of each job that did, in the order of the listing."""
    moving = _moving(target, now, conditions, changes).returning(jobs.c.position, *SUBJECT_COLUMNS)
    return sorted(connection.execute(moving).all(), key=lambda row: (row.position, row.job_id))


def _moving(target: JobStatus, now: float, conditions: Iterable[ColumnElement[bool]], changes: Mapping[str, Any]) -> Update:
    statement = update(jobs).where(jobs.c.status.in_(sorted(SOURCES[target])), *conditions)
    return statement.values(status=target, updated_at=now, **changes)


def in_state(status: JobStatus) -> ColumnElement[bool]:
    """Jobs in this state, in words that an index serves."""
    if status == JobStatus.LEASED:  # few among many that are queued: those of batches whose first stage has not begun
        begun = select(batches.c.batch_id).where(batches.c.status == "leased")
        return and_(jobs.c.status == status, jobs.c.batch_id.in_(begun))
    found = jobs.c.phase == phase(status)
    return and_(found, jobs.c.status == status) if status == JobStatus.QUEUED else found


def count_leased(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    """How many jobs are leased, of those that meet the conditions."""
    query = select(func.count()).select_from(jobs).where(in_state(JobStatus.LEASED), *conditions)
    return connection.execute(query).scalar_one()


def locked_jobs(connection: Connection, *conditions: ColumnElement[bool]) -> list[Job]:
    """The jobs that meet the conditions; on PostgreSQL nobody else changes them before this transaction is over."""
    query = select(jobs).where(*conditions).order_by(jobs.c.position, jobs.c.job_id).with_for_update()
    return read_records(connection, Job, query)
