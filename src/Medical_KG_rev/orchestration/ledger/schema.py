"""The ledger's tables. Times are seconds since the epoch (UTC)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator

from Medical_KG_rev.orchestration.ledger.states import JobStatus


class StatusType(TypeDecorator[JobStatus]):
    """A job's status, as its word."""

    impl = String(20)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> JobStatus | None:  # noqa: ARG002 - SQLAlchemy's signature
        """The word as a status."""
        return JobStatus(value) if value is not None else None


metadata = MetaData()

SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""A counting key: SQLite counts only INTEGER."""
UNBATCHED = text("phase = 'waiting' AND batch_id IS NULL")
"""What holds of jobs that wait for a batch; queries repeat it word for word, or the index would not serve them."""
AT_GATE = text("phase = 'waiting_at_gate'")
"""What holds of jobs that wait at a gate; repeated word for word like the one before."""
PHASE = "CASE WHEN status IN ('queued', 'leased') THEN 'waiting' ELSE status END"

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", String(40), primary_key=True),
    Column("tenant_id", String(120), nullable=False),
    Column("submission_id", String(40), nullable=False),
    Column("batch_id", String(48)),
    Column("position", Integer, nullable=False),
    Column("source", String(60), nullable=False),
    Column("source_id", Text, nullable=False),
    Column("doc_id", Text),
    Column("pipeline_name", String(60), nullable=False),
    Column("pipeline_version", String(80), nullable=False),
    Column("status", StatusType, nullable=False),
    Column("phase", String(20), Computed(PHASE, persisted=True)),
    Column("priority", Integer, nullable=False, default=1, server_default="1"),
    Column("current_stage", String(60)),
    Column("round", Integer, nullable=False, default=1, server_default="1"),
    Column("from_stage", String(60)),
    Column("current_attempt", Integer),
    Column("lost_stage", String(60)),
    Column("losses", Integer, nullable=False, default=0, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False, default=False, server_default=text("false")),
    Column("pdf_downloaded", Boolean, nullable=False, default=False),
    Column("pdf_ir_ready", Boolean, nullable=False, default=False),
    Column("post_pdf_started", Boolean, nullable=False, default=False, server_default=text("false")),
    Column("gate", String(60)),
    Column("gate_since", Float),
    Column("gate_deadline", Float),
    Column("gate_seconds", Float, nullable=False, default=0.0, server_default="0"),
    Column("metadata", JSON, nullable=False, default=dict, server_default="{}"),
    Column("retry_count_per_stage", JSON, nullable=False, default=dict),
    Column("idempotency_key", String(64), nullable=False),
    Column("key_is_callers", Boolean, nullable=False, default=False),
    Column("content_digest", String(64)),
    Column("unchanged", Boolean, nullable=False, default=False),
    Column("superseded_by", String(40)),
    Column("error_stage", String(60)),
    Column("error_code", String(60)),
    Column("error_message", Text),
    Column("failure_mark", String(60)),
    Column("chunks", Integer, nullable=False, default=0),
    Column("entities", Integer, nullable=False, default=0),
    Column("claims", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("jobs_by_key", "tenant_id", "idempotency_key"),
    Index("jobs_by_phase", "tenant_id", "phase", "job_id"),
    Index("jobs_by_batch", "batch_id"),
    Index("jobs_by_submission", "submission_id", "position"),
    Index("jobs_by_document", "tenant_id", "doc_id"),
    Index("jobs_by_tenant", "tenant_id", "job_id"),
    Index("jobs_by_source", "tenant_id", "source", "job_id"),
    Index("jobs_by_pipeline", "tenant_id", "pipeline_name", "job_id"),
    Index("jobs_unbatched", "submission_id", info={"where": UNBATCHED}),  # `sqlite_where=` would load the dialects at once
    Index("jobs_at_gate", "pipeline_name", "pipeline_version", "gate", "pdf_ir_ready", info={"where": AT_GATE}),
    Index("jobs_by_gate_deadline", "gate_deadline", info={"where": AT_GATE}),
)

submissions = Table(
    "submissions",
    metadata,
    Column("submission_id", String(40), primary_key=True),
    Column("tenant_id", String(120), nullable=False),
    Column("source", String(60), nullable=False),
    Column("request", JSON, nullable=False),
    Column("request_digest", String(64), nullable=False),
    Column("pipeline_name", String(60), nullable=False),
    Column("pipeline_version", String(80), nullable=False),
    Column("cursor", Text),
    Column("total", Integer),
    Column("listed", Integer, nullable=False, default=0),
    Column("complete", Boolean, nullable=False, default=False),
    Column("worker", String(40), nullable=False),
    Column("priority", Integer, nullable=False, default=1, server_default="1"),
    Column("created_at", Float, nullable=False),
    Index("submissions_by_request", "tenant_id", "request_digest", "created_at"),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", String(48), primary_key=True),
    Column("submission_id", String(40), nullable=False),
    Column("tenant_id", String(120), nullable=False),
    Column("pipeline_name", String(60), nullable=False),
    Column("pipeline_version", String(80), nullable=False),
    Column("part", String(60)),
    Column("status", String(20), nullable=False),
    Column("worker", String(40)),
    Column("run_id", String(40)),
    Column("priority", Integer, nullable=False, default=1, server_default="1"),
    Column("documents", Integer, nullable=False, default=0, server_default="0"),
    Column("attempt", Integer, nullable=False, default=0, server_default="0"),
    Column("lease_epoch", Integer, nullable=False, default=0, server_default="0"),
    Column("lease_expires_at", Float),
    Column("not_before", Float, nullable=False, default=0.0, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("batches_by_status", "status", "worker"),
    Index("batches_by_turn", "status", "priority", "created_at"),
)

stage_attempts = Table(
    "stage_attempts",
    metadata,
    Column("attempt_id", SERIAL, primary_key=True, autoincrement=True),
    Column("job_id", String(40), nullable=False),
    Column("stage", String(60), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float, nullable=False),
    Column("input_digest", String(64)),
    Column("output_count", Integer),
    Column("worker", String(40)),
    Column("run_id", String(40)),
    Column("error_code", String(60)),
    Column("error_message", Text),
    Index("stage_attempts_by_job", "job_id", "attempt_id"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("tenant_id", String(120), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("doc_id", Text),
    Column("stage", String(60), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("artifacts_by_document", "tenant_id", "doc_id"),
    Index("artifacts_by_object", "object_key"),
)

workers = Table(
    "workers",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Column("lock_path", Text, nullable=False),
    Column("started_at", Float, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("tenant_id", String(120), primary_key=True),
    Column("last_leased_at", Float, nullable=False),
)
"""When each tenant's turn was last: the next batch goes to the one that has waited longest."""

pdf_queue = Table(
    "pdf_queue",
    metadata,
    Column("job_id", String(40), primary_key=True),
    Column("tenant_id", String(120), nullable=False),
    Column("submission_id", String(40), nullable=False),
    Column("doc_id", Text, nullable=False),
    Column("source", String(60), nullable=False),
    Column("source_id", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("stored", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("worker", String(40)),
    Column("epoch", Integer, nullable=False),
    Column("lease_expires_at", Float),
    Column("leased_at", Float),
    Column("not_before", Float, nullable=False),
    Column("error_code", String(60)),
    Column("error_message", Text),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("pdf_queue_by_turn", "state", "priority", "created_at"),
    Index("pdf_queue_by_worker", "state", "worker"),
)
"""PDFs that wait for an engine, and those that one has read: a row for each job that came to the gate with one."""

pdf_turns = Table(
    "pdf_turns",
    metadata,
    Column("tenant_id", String(120), primary_key=True),
    Column("last_leased_at", Float, nullable=False),
)
"""As ``turns``, for PDFs."""

gates = Table(
    "queue_gates",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("closed", Boolean, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("changed_at", Float, nullable=False),
)
"""``admission`` and ``leasing``: closed by `medkg queue pause`."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("job_id", String(40), primary_key=True),
    Column("tenant_id", String(120), nullable=False),
    Column("doc_id", Text),
    Column("source", String(60), nullable=False),
    Column("source_id", Text, nullable=False),
    Column("pipeline_name", String(60), nullable=False),
    Column("stage", String(60), nullable=False),
    Column("error_code", String(60), nullable=False),
    Column("error_message", Text, nullable=False),
    Column("causes", JSON, nullable=False),
    Column("artifact", JSON),
    Column("count", Integer, nullable=False),
    Column("replays", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("first_at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    Index("dead_letters_by_state", "tenant_id", "state", "last_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", SERIAL, primary_key=True, autoincrement=True),
    Column("events", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", SERIAL, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("tenant_id", String(120), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Index("audit_by_subject", "subject", "audit_id"),
)

topologies = Table(
    "topologies",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("pin", String(80), primary_key=True),
    Column("content", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)
"""The text of every pipeline that a job pinned, so that it can be run after its file has changed."""

breaker_states = Table(
    "breaker_states",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("opened_at", Float),
    Column("probe_holder", String(40)),
    Column("probe_until", Float),
)

limiter_slots = Table(
    "limiter_slots",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("next_slot", Float, nullable=False),
)

commit_marks = Table(
    "commit_marks",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("at", Float, nullable=False),
)
"""The last committed transaction of each thread that writes: see ``marks.py``."""
