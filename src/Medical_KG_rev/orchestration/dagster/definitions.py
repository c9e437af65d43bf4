"""The Dagster code location: every shipped pipeline as a job, and the sensor that starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dagster import Definitions

from Medical_KG_rev.orchestration.dagster.gate_sensor import pdf_ir_ready_sensor
from Medical_KG_rev.orchestration.dagster.jobs import LaunchedJob, parts_of
from Medical_KG_rev.orchestration.dagster.resources import Beside, Parts, build_resources, nothing_beside
from Medical_KG_rev.orchestration.dagster.sensor import queued_batches_sensor
from Medical_KG_rev.orchestration.topology import PipelineTopologyConfig


def build_definitions(
    topologies: Iterable[PipelineTopologyConfig],
    open_parts: Callable[[], Parts],
    *,
    beside: Beside = nothing_beside,
    hand_over: bool = False,
    role: Callable[[str], str] = str,
) -> Definitions:
    """Jobs, resources and, to hand queued batches over, the sensors. Nothing is opened or written before a run or tick starts.

    ``beside`` is what goes on beside a run in its process: the heartbeat of its lease, the relay of its events. ``role``: the
    built-in type whose promise a stage's type keeps.
    """
    launched = [LaunchedJob(part, part.job()) for topology in topologies for part in parts_of(topology, role)]
    return Definitions(
        jobs=[each.definition for each in launched],
        resources=build_resources(open_parts, beside),
        sensors=[queued_batches_sensor(launched, open_parts), pdf_ir_ready_sensor(launched, open_parts)] if hand_over else [],
    )
