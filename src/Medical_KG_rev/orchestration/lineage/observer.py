"""Runs as lineage."""

from __future__ import annotations

from collections.abc import Callable

from Medical_KG_rev.orchestration.batch import BatchState
from Medical_KG_rev.orchestration.ledger.recovery import Reason
from Medical_KG_rev.orchestration.lineage.runs import BackoffStrategy, BatchRun, Lineage, StageRun
from Medical_KG_rev.orchestration.pipeline import PipelineStage
from Medical_KG_rev.orchestration.stages.report import StageReport


class LineageObserver:
    """A :class:`~Medical_KG_rev.orchestration.stages.report.RunObserver` that tells a :class:`Lineage`.

    Args:
        lineage: where events go.
        backoff_of: the back-off strategy of a policy, by its name.
    """

    def __init__(self, lineage: Lineage, backoff_of: Callable[[str], BackoffStrategy]) -> None:
        self._lineage = lineage
        self._backoff_of = backoff_of

    def batch_started(self, batch: BatchState) -> None:
        """The run of the batch starts."""
        self._lineage.batch_started(_run_of(batch))

    def stage_finished(self, batch: BatchState, stage: PipelineStage, report: StageReport) -> None:
        """A run of its own for the stage, below that of the batch."""
        self._lineage.stage_finished(_run_of(batch), self._run(stage, report))

    def stage_stopped(self, batch: BatchState, stage: PipelineStage, report: StageReport, reason: Reason) -> None:
        """The stage's run fails, with the reason."""
        self._lineage.stage_finished(_run_of(batch), self._run(stage, report, f"{reason.code}: {reason.message}"))

    def batch_finished(self, batch: BatchState, status: str) -> None:
        """The run of the batch ends."""
        self._lineage.batch_finished(_run_of(batch), "failed" if status == "failed" else "completed")

    def _run(self, stage: PipelineStage, report: StageReport, error: str | None = None) -> StageRun:
        return StageRun(
            stage=stage.name,
            stage_type=stage.type,
            started_at=report.started_at,
            finished_at=report.started_at + report.seconds,
            completed=report.completed,
            failed=report.failed,
            skipped=report.skipped,
            outputs=report.outputs,
            retries=sum(report.retries.values()),
            backoff_strategy=self._backoff_of(stage.policy),
            gpu=getattr(stage.implementation, "gpu_sample", None),
            model=getattr(stage.implementation, "model", None),
            sparse_model=getattr(stage.implementation, "sparse_model", None),
            error=error,
        )


def _run_of(batch: BatchState) -> BatchRun:
    return BatchRun(
        batch_id=batch.batch_id,
        attempt=batch.lease.epoch,
        tenant_id=batch.tenant_id,
        pipeline=batch.pipeline.name,
        pipeline_version=batch.pipeline.version,
        dagster_run_id=batch.run_id,
        documents=len(batch.documents),
    )
