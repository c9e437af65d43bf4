"""A job as people and programs see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from Medical_KG_rev.orchestration.ledger import Job, StageAttempt
from Medical_KG_rev.orchestration.ledger.records import iso


def job_view(job: Job, attempts: Sequence[StageAttempt]) -> dict[str, Any]:
    """The shape of ``jobs show --json``."""
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
        "flags": {"pdf_downloaded": job.pdf_downloaded, "pdf_ir_ready": job.pdf_ir_ready},
        "retry_count_per_stage": dict(job.retry_count_per_stage),
        "error": {"code": job.error_code, "message": job.error_message, "stage": job.error_stage} if job.error_code else None,
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
