"""One event of every type: what the documentation shows and what sinks are tried with."""

from __future__ import annotations

from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event, EventSubject

_TIME = 1767225600.0  # 2026-01-01T00:00:00Z


def example_events() -> tuple[Event, ...]:
    """Events in the order of ``EVENT_TYPES``."""
    factory = CloudEventFactory(lambda: _TIME)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = EventSubject("default", "job-0001", "clinicaltrials:NCT04267848", "batch-0001", "submission-0001", trace)
    batch = EventSubject("default", "batch-0001", None, "batch-0001", "submission-0001", trace)
    pdf, gate = EventSubject("default", "job-0002", "unpaywall:10.1000/1", "batch-0002", "submission-0001", trace), "pdf_ir_ready"
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    key = f"pdf/default/unpaywall:10.1000-1/{sha256}.pdf"
    timeout = "chunk took longer than 30 s."
    pipeline, version = "clinical-trials", "1.0"
    file, digest = "resilience.yaml", "9f86d081884c7d65"
    return (
        factory.stage_started(job, "chunk", attempt=1),
        factory.stage_completed(job, "chunk", attempt=1, duration_ms=1200, output_count=42),
        factory.stage_failed(job, "chunk", attempt=1, code="stage_timeout", message=timeout, retry_count=2, reason="timeout"),
        factory.stage_retrying(job, "embed", attempt=1, attempt_number=1, backoff_ms=2000, reason="timeout"),
        factory.job_queued(job, pipeline_name=pipeline, pipeline_version=version),
        factory.job_completed(job, duration_ms=5400, chunks=42, entities=31, claims=12),
        factory.job_unchanged(job, duration_ms=310),
        factory.job_failed(job, stage="chunk", code="stage_timeout", message=timeout),
        factory.job_cancelled(job, stage="embed"),
        factory.job_dead(job, stage="chunk", code="worker_lost", message="Three workers ended while they ran this job."),
        factory.job_stuck(job, stage="chunk", worker="worker-1"),
        factory.job_retried(job, from_stage="chunk"),
        factory.batch_created(batch, pipeline_name=pipeline, pipeline_version=version, jobs=500),
        factory.batch_leased(batch, worker="worker-1", epoch=1, lease_seconds=60),
        factory.batch_completed(batch, epoch=1, duration_ms=61000, completed=497, unchanged=2, failed=1),
        factory.batch_lost(batch, worker="worker-1", epoch=1),
        factory.gate_waiting(pdf, gate=gate, condition={gate: True}, deadline=_TIME + 86_400),
        factory.gate_passed(pdf, gate=gate, waited_ms=4200),
        factory.gate_opened(pdf, gate=gate, waited_ms=4200, reason="the document was stored by hand"),
        factory.gate_expired(pdf, gate=gate, waited_ms=86_400_000),
        factory.pdf_requested(
            pdf, doc_id="unpaywall:10.1000/1", dataset="unpaywall", object_key=key, sha256=sha256, size_bytes=481_274
        ),
        factory.config_reloaded(file=file, digest=digest, changed_at=_TIME),
        factory.config_rejected(
            file=file,
            digest=digest,
            changed_at=_TIME,
            code="pipeline_config_invalid",
            message="resilience.yaml:4: policies.default.max_attempts is 0; it must be at least 1.",
        ),
    )
