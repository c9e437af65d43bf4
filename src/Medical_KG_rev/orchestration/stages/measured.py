"""Runs as metrics."""

from __future__ import annotations

from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.batch import BatchState
from Medical_KG_rev.orchestration.ledger.recovery import Reason
from Medical_KG_rev.orchestration.pipeline import PipelineStage
from Medical_KG_rev.orchestration.stages.report import StageReport


class MetricsObserver:
    """A :class:`~Medical_KG_rev.orchestration.stages.report.RunObserver` that feeds the catalogue's job and stage metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._active: dict[str, int] = {}

    def batch_started(self, batch: BatchState) -> None:
        """Its jobs are active from now on."""
        self._metrics.know(pipelines=[batch.pipeline.name], stages=[stage.name for stage in batch.pipeline.stages])
        self._active[batch.batch_id] = len(batch.documents)
        self._metrics.job_active(batch.pipeline.name, len(batch.documents))

    def stage_finished(self, batch: BatchState, stage: PipelineStage, report: StageReport) -> None:
        """One observation a document; one a job that ended here."""
        for status, seconds in report.durations.items():
            self._metrics.stage_observations(stage.name, status, seconds)
        for reason, count in report.retries.items():
            self._metrics.retried(stage.name, reason, count)
        for status, duration in report.ended:
            self._metrics.job_finished(batch.pipeline.name, status, duration)
        self._active[batch.batch_id] -= len(report.ended)
        self._metrics.job_active(batch.pipeline.name, -len(report.ended))

    def stage_stopped(self, batch: BatchState, stage: PipelineStage, report: StageReport, reason: Reason) -> None:
        """Nothing: its documents are run again, and measured then."""

    def batch_finished(self, batch: BatchState, status: str) -> None:  # noqa: ARG002 - part of the port
        """What did not end goes back to the queue: it is not active any more."""
        self._metrics.job_active(batch.pipeline.name, -self._active.pop(batch.batch_id, 0))
