"""The tags by which a Dagster run and a batch of the ledger find each other."""

from __future__ import annotations

from Medical_KG_rev.orchestration.ledger import Batch
from Medical_KG_rev.orchestration.ledger.subjects import traceparent

BATCH, TENANT, SUBMISSION = "batch_id", "tenant_id", "submission_id"
RUN_KEY, ATTEMPT, SKIPPED = "medkg/run_key", "medkg/attempt", "medkg/skipped"
TRACE = "traceparent"


def run_key(batch_id: str, attempt: int) -> str:
    """What a run is for: the attempts of a batch count from 1, by the times that it was leased."""
    return f"{batch_id}:{attempt}"


def run_tags(batch: Batch, attempt: int) -> dict[str, str]:
    """Tags of the run that makes this attempt. ``traceparent`` is W3C trace context: one trace a submission, one span a batch."""
    return {
        BATCH: batch.batch_id,
        TENANT: batch.tenant_id,
        SUBMISSION: batch.submission_id,
        ATTEMPT: str(attempt),
        RUN_KEY: run_key(batch.batch_id, attempt),
        TRACE: traceparent(batch.submission_id, batch.batch_id),
    }
