"""Rows of the ledger as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from Medical_KG_rev.models import ErrorInfo
from Medical_KG_rev.orchestration.ledger.states import TERMINAL, JobStatus


def iso(seconds: float) -> str:
    """ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One document of one tenant on its way through one version of a pipeline."""

    job_id: str
    tenant_id: str
    submission_id: str
    position: int
    source: str
    source_id: str
    pipeline_name: str
    pipeline_version: str
    idempotency_key: str
    created_at: float
    updated_at: float
    status: JobStatus = JobStatus.QUEUED
    batch_id: str | None = None
    doc_id: str | None = None
    current_stage: str | None = None
    pdf_downloaded: bool = False
    pdf_ir_ready: bool = False
    retry_count_per_stage: Mapping[str, int] = {}
    key_is_callers: bool = False
    content_digest: str | None = None
    """Of the document as it was parsed and validated."""
    unchanged: bool = False
    superseded_by: str | None = None
    error_stage: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    chunks: int = 0
    entities: int = 0
    claims: int = 0

    @property
    def terminal(self) -> bool:
        """Whether nothing will happen to it any more unless it is retried."""
        return self.status in TERMINAL

    @property
    def error(self) -> ErrorInfo | None:
        """Why it failed."""
        return ErrorInfo(self.error_code, self.error_message or "") if self.error_code else None


class StageAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a stage for a job.

    ``status`` is ``completed``, ``skipped`` (the artifact was there, or the store held this version), ``failed`` or
    ``worker_lost``.
    """

    job_id: str
    stage: str
    attempt: int
    status: str
    started_at: float
    finished_at: float
    input_digest: str | None = None
    output_count: int | None = None
    worker: str | None = None
    run_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``stages`` in ``jobs show --json``."""
        return {
            "stage": self.stage,
            "attempt": self.attempt,
            "status": self.status,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "duration_ms": round((self.finished_at - self.started_at) * 1000, 3),
            "input_digest": self.input_digest,
            "output_count": self.output_count,
            "worker": self.worker,
            "run_id": self.run_id,
            "error": {"code": self.error_code, "message": self.error_message} if self.error_code else None,
        }


class ArtifactRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stage's output lies: ``length`` bytes at ``offset`` of an object. ``counts`` says what is in it."""

    tenant_id: str
    key: str
    doc_id: str | None
    stage: str
    digest: str
    counts: Mapping[str, int]
    object_key: str
    offset: int
    length: int
    created_at: float


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One request for documents, and how far its listing got."""

    submission_id: str
    tenant_id: str
    source: str
    request: Mapping[str, Any]
    request_digest: str
    pipeline_name: str
    pipeline_version: str
    worker: str
    created_at: float
    cursor: str | None = None
    total: int | None = None
    listed: int = 0
    complete: bool = False


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that one Dagster run executes."""

    batch_id: str
    submission_id: str
    tenant_id: str
    pipeline_name: str
    pipeline_version: str
    created_at: float
    updated_at: float
    status: str = "queued"
    worker: str | None = None
    run_id: str | None = None
