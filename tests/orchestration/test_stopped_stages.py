"""A stage that ends before its time is told to lineage as a run that failed; metrics wait until its documents are run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import StorageFullError
from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.lineage.observer import LineageObserver
from Medical_KG_rev.orchestration.lineage.runs import BatchRun, StageRun
from Medical_KG_rev.orchestration.stages.measured import MetricsObserver
from Medical_KG_rev.orchestration.stages.runner import StageRunner

from .conftest import Retrying

pytestmark = pytest.mark.component


class Told:
    """A lineage that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[StageRun] = []

    def batch_started(self, batch: BatchRun) -> None: ...

    def stage_finished(self, batch: BatchRun, stage: StageRun) -> None:
        self.stages.append(stage)

    def batch_finished(self, batch: BatchRun, status: str) -> None: ...

    def close(self) -> None: ...


def test_a_stage_that_ends_early_has_a_run_of_its_own_that_failed(world: Any, tmp_path: Path) -> None:
    told, metrics = Told(), Metrics()
    world.runner = StageRunner(
        ledger=world.ledger,
        store=world.store,
        settings=world.settings,
        pipeline_for=lambda _name, _version: world.pipeline,
        pin_callers=lambda: lambda _policy, _stage, on_retry: Retrying(on_retry),
        clock=world.clock,
        worker=world.registration.token,
        observers=(LineageObserver(told, lambda _policy: "none"), MetricsObserver(metrics)),
    )
    world.stages.errors["index"] = lambda: StorageFullError("No room at /data.")
    with pytest.raises(StorageFullError):
        world.ingest([("good", "some words"), ("bad", "fail:index")])
    stopped = told.stages[-1]
    assert (stopped.stage, stopped.has_failed) == ("index", True)
    assert stopped.error == "storage_full: No room at /data."
    assert stopped.finished_at > stopped.started_at
    assert [stage.stage for stage in told.stages if stage.has_failed] == ["index"]
    assert 'stage="index"' not in metrics.render()
