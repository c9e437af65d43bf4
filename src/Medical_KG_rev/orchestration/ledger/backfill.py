"""Data that a schema migration cannot bring: jobs of earlier releases that are for another pipeline than they name."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from Medical_KG_rev.orchestration.ledger.ledger import Ledger
from Medical_KG_rev.orchestration.ledger.records import Job
from Medical_KG_rev.orchestration.ledger.rows import read_records
from Medical_KG_rev.orchestration.ledger.schema import jobs
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.orchestration.ledger.transitions import locked_jobs, move

logger = logging.getLogger(__name__)

PLAIN_PIPELINE = "auto"
PDF_PIPELINE = "pdf-two-phase"
PDF_URL = "pdf_url"
STEP = 100
"""Jobs to a transaction, and to a line of the log."""
IDLE = (JobStatus.QUEUED, JobStatus.STUCK, JobStatus.WAITING_AT_GATE)
HELD = (JobStatus.LEASED, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Backfill:
    """What the data step did. ``held``: jobs that a worker is at, left for the next time."""

    examined: int
    changed: int
    held: int

    def to_dict(self) -> dict[str, int]:
        """JSON values only."""
        return asdict(self)


def jobs_with_pdf(ledger: Ledger) -> list[Job]:
    """Jobs on their way in the plain pipeline whose record names a PDF, of all tenants."""
    return [job for job in _plain_jobs(ledger) if job.metadata.get(PDF_URL)]


def use_pdf_pipeline(ledger: Ledger, version: str) -> Backfill:
    """Gives jobs with a PDF the pipeline that reads it, as ``version`` pins it, and puts them into new batches.

    May be called again at any time, also after it was interrupted: what is changed already is not found again. Jobs at a worker
    are finished by it as they were begun, unless it is lost: then the next call finds them.
    """
    plain = _plain_jobs(ledger)
    wanted = [job.job_id for job in plain if job.metadata.get(PDF_URL) and job.status in IDLE]
    changed = 0
    for start in range(0, len(wanted), STEP):
        changed += _change(ledger, wanted[start : start + STEP], version)
        logger.info("%d of %d jobs with a PDF now have the pipeline %s", changed, len(wanted), PDF_PIPELINE)
    held = sum(job.status in HELD for job in jobs_with_pdf(ledger))
    return Backfill(len(plain), changed, held)


def _plain_jobs(ledger: Ledger) -> list[Job]:
    query = select(jobs).where(jobs.c.pipeline_name == PLAIN_PIPELINE, jobs.c.status.in_([*IDLE, *HELD])).order_by(jobs.c.job_id)
    return ledger.database.read(lambda connection: read_records(connection, Job, query))


def _change(ledger: Ledger, job_ids: Sequence[str], version: str) -> int:
    """One transaction. A job that a worker took or a person ended in the meantime is left as it is."""
    still: list[ColumnElement[bool]] = [
        jobs.c.job_id.in_(job_ids),
        jobs.c.pipeline_name == PLAIN_PIPELINE,
        jobs.c.status.in_(IDLE),
    ]
    fields: dict[str, Any] = {"pipeline_name": PDF_PIPELINE, "pipeline_version": version, "batch_id": None}

    def work(connection: Connection) -> int:
        now = ledger.database.now(connection)
        locked = locked_jobs(connection, *still)
        waiting = [job.job_id for job in locked if job.status != JobStatus.QUEUED]
        move(connection, JobStatus.QUEUED, now, jobs.c.job_id.in_(waiting))
        connection.execute(jobs.update().where(jobs.c.job_id.in_([job.job_id for job in locked])).values(**fields))
        return len(locked)

    return ledger.database.write(work)
