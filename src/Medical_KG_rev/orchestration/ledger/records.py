"""Rows of the ledger as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from Medical_KG_rev.orchestration.ledger.states import TERMINAL, JobStatus

if TYPE_CHECKING:
    from Medical_KG_rev.models import ErrorInfo


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
    priority: int = 1
    """0 low, 1 normal, 2 high."""
    round: int = 1
    """How often it was queued."""
    from_stage: str | None = None
    """Where a retry was told to begin: from there on nothing is taken from stored artifacts."""
    current_attempt: int | None = None
    """The attempt of ``current_stage`` that is open: started and not yet ended."""
    lost_stage: str | None = None
    losses: int = 0
    """How often in a row a worker ended while this job was in ``lost_stage``."""
    cancel_requested: bool = False
    post_pdf_started: bool = False
    """Whether it has passed ``gate``."""
    gate: str | None = None
    """The gate that it waits at, or that it came to last."""
    gate_since: float | None = None
    gate_deadline: float | None = None
    gate_seconds: float = 0.0
    """How long it has waited at gates, the present wait left out."""
    metadata: Mapping[str, Any] = {}
    failure_mark: str | None = None
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
    def part(self) -> str | None:
        """The part of its pipeline in which it is: that behind the gate that it passed, None before the first."""
        return self.gate if self.post_pdf_started else None

    @property
    def error(self) -> ErrorInfo | None:
        """Why it failed."""
        from Medical_KG_rev.models import ErrorInfo  # with numpy, which lists of jobs need not wait for

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
    priority: int = 1


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that one Dagster run executes.

    ``status`` is ``queued``, ``leased`` (a worker has it), ``running`` (a stage has started), ``stuck`` (its lease ran out),
    ``completed`` or ``lost`` (its jobs are in smaller ones). ``lease_epoch`` grows with every lease: who holds an older one
    is refused. ``part`` is the gate that its jobs have passed, None for the stages before the first.
    """

    batch_id: str
    submission_id: str
    tenant_id: str
    pipeline_name: str
    pipeline_version: str
    created_at: float
    updated_at: float
    part: str | None = None
    status: str = "queued"
    worker: str | None = None
    run_id: str | None = None
    priority: int = 1
    documents: int = 0
    attempt: int = 0
    lease_epoch: int = 0
    lease_expires_at: float | None = None
    not_before: float = 0.0
    """A batch that failed as a whole is not leased again before this time."""


class Lease(msgspec.Struct, frozen=True):
    """A worker's right to a batch until it runs out; ``epoch`` is the fence that every write of the holder must pass."""

    batch_id: str
    worker: str
    epoch: int


class PdfTask(msgspec.Struct, frozen=True, kw_only=True):
    """A PDF that an engine is to read for a job.

    ``state`` is ``queued``, ``leased`` (a worker has it), ``done`` (the job has its document), ``failed`` (its job has ended) or
    ``cancelled``. ``stored`` is the :class:`~Medical_KG_rev.models.pdf.StoredPdf` as plain data. ``attempts`` counts every lease
    and is the number of the present one; ``tries`` those of this round that failed in a way that may pass; ``losses`` the workers
    that were lost over it in a row. ``epoch`` is the fence: it grows with every lease and whenever one is taken back.
    """

    job_id: str
    tenant_id: str
    submission_id: str
    doc_id: str
    source: str
    source_id: str
    object_key: str
    sha256: str
    stored: Mapping[str, Any]
    created_at: float
    updated_at: float
    state: str = "queued"
    priority: int = 1
    attempts: int = 0
    tries: int = 0
    losses: int = 0
    worker: str | None = None
    epoch: int = 0
    lease_expires_at: float | None = None
    leased_at: float | None = None
    not_before: float = 0.0
    error_code: str | None = None
    error_message: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values only, times as ISO 8601."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        times = ("created_at", "updated_at", "lease_expires_at", "leased_at")
        return {**plain, **{name: iso(plain[name]) if plain[name] is not None else None for name in times}}


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A job that failed for good, with what an operator needs to judge it.

    ``causes`` is the chain of errors, the outermost first, as ``{"type", "code", "message"}``; ``artifact`` says where the input
    of the failed stage lies. ``state`` is ``open``, ``replayed`` or ``discarded``.
    """

    job_id: str
    tenant_id: str
    source: str
    source_id: str
    pipeline_name: str
    stage: str
    error_code: str
    error_message: str
    first_at: float
    last_at: float
    doc_id: str | None = None
    causes: Sequence[Mapping[str, Any]] = ()
    artifact: Mapping[str, Any] | None = None
    count: int = 1
    replays: int = 0
    state: str = "open"

    def to_dict(self) -> dict[str, Any]:
        """JSON values only, times as ISO 8601."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {**plain, "first_at": iso(self.first_at), "last_at": iso(self.last_at)}


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what by hand, and why."""

    at: float
    tenant_id: str
    actor: str
    action: str
    subject: str
    reason: str = ""
    details: Mapping[str, Any] = {}


class StageStart(msgspec.Struct, frozen=True):
    """The attempt that each job on its way begins, and the jobs that were cancelled at this point."""

    attempts: Mapping[str, int]
    cancelled: tuple[str, ...]
