"""What the events of jobs and batches are about."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from sqlalchemy import Row

from Medical_KG_rev.orchestration.events.model import EventSubject
from Medical_KG_rev.orchestration.ledger.records import Batch, Job
from Medical_KG_rev.orchestration.ledger.schema import jobs

PRIORITIES = ("low", "normal", "high")


SUBJECT_COLUMNS = (
    *(jobs.c.job_id, jobs.c.tenant_id, jobs.c.doc_id),
    *(jobs.c.source_id, jobs.c.submission_id, jobs.c.batch_id),
)
"""What an event's subject is made of."""


def job_subject(job: Job | Row[Any], batch_id: str | None = None, doc_id: str | None = None) -> EventSubject:
    """The job, named by its document where that is known, by the source's id before."""
    batch = batch_id or job.batch_id
    return EventSubject(
        tenant_id=job.tenant_id,
        job_id=job.job_id,
        doc_id=doc_id or job.doc_id or job.source_id,
        batch_id=batch,
        correlation_id=job.submission_id,
        traceparent=traceparent(job.submission_id, batch or job.submission_id),
    )


def batch_subject(batch: Batch) -> EventSubject:
    """The batch, under its own order key."""
    return EventSubject(
        tenant_id=batch.tenant_id,
        job_id=batch.batch_id,
        batch_id=batch.batch_id,
        correlation_id=batch.submission_id,
        traceparent=traceparent(batch.submission_id, batch.batch_id),
    )


@lru_cache(maxsize=4096)
def traceparent(submission_id: str, span_of: str) -> str:
    """W3C trace context (level 1): one trace a submission, one span a batch; both derived, so that every process agrees."""
    trace = hashlib.sha256(submission_id.encode()).hexdigest()[:32]
    span = hashlib.sha256(span_of.encode()).hexdigest()[:16]
    return f"00-{trace}-{span}-01"
