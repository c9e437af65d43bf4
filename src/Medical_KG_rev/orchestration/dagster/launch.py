"""Executes a batch as one Dagster run in this process."""

from __future__ import annotations

import uuid
from typing import Any

from dagster import DagsterInstance, ExecuteInProcessResult, JobDefinition

from Medical_KG_rev.errors import StageError
from Medical_KG_rev.orchestration.dagster.ops import op_name
from Medical_KG_rev.orchestration.dagster.resources import Parts
from Medical_KG_rev.orchestration.ledger import Batch

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Dagster's console log costs several times what the run does; the event log has it all."""


def run_batch(job: JobDefinition, batch: Batch, first_stage: str, parts: Parts, instance: DagsterInstance) -> str:
    """Runs the batch; returns the run's id.

    Raises:
        MedicalKGError: what stopped the run; the batch's unfinished jobs are queued again.
    """
    run_id = str(uuid.uuid4())
    resources: dict[str, Any] = {
        "plugin_manager": parts.adapters,
        "job_ledger": parts.ledger,
        "haystack_pipeline": parts.components,
        "stage_runner": parts.runner,
    }
    failure: BaseException | None = None
    try:
        result = job.execute_in_process(
            run_config={
                "ops": {op_name(batch.pipeline_name, first_stage): {"config": {"batch_id": batch.batch_id}}},
                "loggers": QUIET,
            },
            instance=instance,
            resources=resources,
            run_id=run_id,
            raise_on_error=True,
            tags={"batch_id": batch.batch_id, "tenant_id": batch.tenant_id, "submission_id": batch.submission_id},
        )
        _require_success(result, batch)
    except BaseException as error:
        failure = error
        raise
    finally:
        parts.runner.close(batch.batch_id, failure)
    return run_id


def _require_success(result: ExecuteInProcessResult, batch: Batch) -> None:
    if not result.success:
        raise StageError(f"Run {result.run_id} of batch {batch.batch_id} failed.", remedy="`medkg ui` shows why.")
