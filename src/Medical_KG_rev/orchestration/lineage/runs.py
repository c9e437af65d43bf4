"""What lineage is told about, and who is told. Nothing here knows OpenLineage."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from Medical_KG_rev.endpoints.gpu import GpuSample

BatchStatus = Literal["completed", "failed", "cancelled"]
"""How a batch ends."""
BackoffStrategy = Literal["exponential", "linear", "none"]

_RUNS = uuid.UUID("6f1de6d2-4a5f-5f0a-9d53-5e0f3a2c7b41")
"""Name space of the run ids."""


@dataclass(frozen=True, slots=True)
class BatchRun:
    """One attempt at a batch of ``documents`` jobs."""

    batch_id: str
    attempt: int
    tenant_id: str
    pipeline: str
    pipeline_version: str
    dagster_run_id: str | None
    documents: int


@dataclass(frozen=True, slots=True)
class StageRun:
    """What one stage did for a batch: times in seconds since the epoch, documents by outcome, ``outputs`` things made.

    ``retries`` are attempts beyond the first; ``model`` and ``sparse_model`` are (name, version) of the main model and of the one
    that made sparse vectors beside it; ``error`` says why a stage ended before its time.
    """

    stage: str
    stage_type: str
    started_at: float
    finished_at: float
    completed: int
    failed: int
    skipped: int
    outputs: int
    retries: int = 0
    backoff_strategy: BackoffStrategy = "none"
    gpu: GpuSample | None = None
    model: tuple[str, str] | None = None
    sparse_model: tuple[str, str] | None = None
    error: str | None = None

    @property
    def documents(self) -> int:
        """How many the stage was given."""
        return self.completed + self.failed + self.skipped

    @property
    def has_failed(self) -> bool:
        """Whether it ended early, or no document passed."""
        return self.error is not None or (self.failed > 0 and self.failed == self.documents)


class Lineage(Protocol):
    """Told of batches and stages, in order. Calls return at once and never raise; where lineage is off there is no object."""

    def batch_started(self, batch: BatchRun) -> None:
        """A worker begins with the batch."""
        ...

    def stage_finished(self, batch: BatchRun, stage: StageRun) -> None:
        """A stage of the batch is over."""
        ...

    def batch_finished(self, batch: BatchRun, status: BatchStatus) -> None:
        """The batch is over."""
        ...

    def close(self) -> None:
        """Sends what is left, for a bounded time."""
        ...


def run_id(batch: BatchRun, stage: str | None = None) -> str:
    """The id of a batch's run, or of one of its stages: always the same for the same batch, attempt and stage."""
    return str(uuid.uuid5(_RUNS, f"{batch.tenant_id}\0{batch.batch_id}\0{batch.attempt}\0{stage or ''}"))
