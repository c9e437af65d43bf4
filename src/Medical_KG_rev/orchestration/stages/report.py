"""What a stage did for a batch, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from Medical_KG_rev.orchestration.batch import BatchState
from Medical_KG_rev.orchestration.ledger.recovery import Reason
from Medical_KG_rev.orchestration.pipeline import PipelineStage


class StageReport(msgspec.Struct, frozen=True):
    """What a stage did for a batch. ``failures`` names some of the documents that failed, with the reason.

    ``durations``: status → seconds, one a document. ``retries``: code → further attempts. ``ended``: status and seconds since
    submission of each job whose way ended in this stage.
    """

    stage: str
    completed: int
    skipped: int
    failed: int
    started_at: float
    seconds: float
    outputs: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    durations: Mapping[str, Sequence[float]] = {}
    retries: Mapping[str, int] = {}
    ended: Sequence[tuple[str, float]] = ()


class RunObserver(Protocol):
    """Told how batches get on: metrics, lineage."""

    def batch_started(self, batch: BatchState) -> None:
        """The first stage is about to run."""
        ...

    def stage_finished(self, batch: BatchState, stage: PipelineStage, report: StageReport) -> None:
        """A stage is over for all documents of the batch."""
        ...

    def stage_stopped(self, batch: BatchState, stage: PipelineStage, report: StageReport, reason: Reason) -> None:
        """A stage ended before its time: not all that the report says has come into the ledger."""
        ...

    def batch_finished(self, batch: BatchState, status: str) -> None:
        """``completed`` or ``failed``."""
        ...
