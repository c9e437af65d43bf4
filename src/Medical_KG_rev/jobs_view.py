"""A job as people and programs see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from Medical_KG_rev.errors import JobNotFoundError
from Medical_KG_rev.orchestration.ledger import Job, Ledger, StageAttempt
from Medical_KG_rev.orchestration.ledger.records import iso
from Medical_KG_rev.orchestration.ledger.subjects import PRIORITIES


def whole_job(ledger: Ledger, job: Job) -> dict[str, Any]:
    """The shape of ``jobs show --json``: with the worker of its batch, and its dead letter where it has one."""
    view = job_view(job, ledger.attempts(job.job_id))
    view["worker"] = ledger.batch(job.batch_id).worker if job.batch_id else None
    view["dead_letter"] = _letter(ledger, job)
    return view


def job_view(job: Job, attempts: Sequence[StageAttempt]) -> dict[str, Any]:
    """What the ledger's row of a job tells, with its attempts: the shape of ``jobs list --json`` and more."""
    view: dict[str, Any] = {
        "job_id": job.job_id,
        "tenant_id": job.tenant_id,
        "source": job.source,
        "source_id": job.source_id,
        "doc_id": job.doc_id,
        "pipeline_name": job.pipeline_name,
        "pipeline_version": job.pipeline_version,
        "status": str(job.status),
        "unchanged": job.unchanged,
        "current_stage": job.current_stage,
        "priority": PRIORITIES[job.priority],
        "submission_id": job.submission_id,
        "batch_id": job.batch_id,
        "cancel_requested": job.cancel_requested,
        "flags": {"pdf_downloaded": job.pdf_downloaded, "pdf_ir_ready": job.pdf_ir_ready},
        "retry_count_per_stage": dict(job.retry_count_per_stage),
        "error": {"code": job.error_code, "message": job.error_message, "stage": job.error_stage} if job.error_code else None,
        "failure_mark": job.failure_mark,
        "chunks": job.chunks,
        "entities": job.entities,
        "claims": job.claims,
        "stages": [attempt.to_dict() for attempt in attempts],
        "created_at": iso(job.created_at),
        "updated_at": iso(job.updated_at),
    }
    if job.superseded_by:
        view["superseded_by"] = job.superseded_by
    return view


def _letter(ledger: Ledger, job: Job) -> dict[str, Any] | None:
    try:
        letter = ledger.dead_letters.get(job.tenant_id, job.job_id)
    except JobNotFoundError:
        return None
    return {"state": letter.state, "count": letter.count, "replays": letter.replays}
