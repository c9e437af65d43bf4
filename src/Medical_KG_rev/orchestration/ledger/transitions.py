"""The one place where jobs change their state: by compare-and-set from the states that may lead there."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from Medical_KG_rev.orchestration.ledger.records import Job
from Medical_KG_rev.orchestration.ledger.schema import jobs
from Medical_KG_rev.orchestration.ledger.states import SOURCES, JobStatus


def move(connection: Connection, target: JobStatus, now: float, *conditions: ColumnElement[bool], **changes: Any) -> int:
    """Moves the jobs that meet the conditions and may go to ``target``; how many did."""
    statement = update(jobs).where(jobs.c.status.in_(sorted(SOURCES[target])), *conditions)
    return connection.execute(statement.values(status=target, updated_at=now, **changes)).rowcount


def locked_jobs(connection: Connection, *conditions: ColumnElement[bool]) -> list[Job]:
    """The jobs that meet the conditions; on PostgreSQL nobody else changes them before this transaction is over."""
    query = select(jobs).where(*conditions).order_by(jobs.c.position, jobs.c.job_id).with_for_update()
    return [Job(**row) for row in connection.execute(query).mappings()]
