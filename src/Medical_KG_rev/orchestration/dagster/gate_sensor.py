"""The sensor that lets jobs through gates and hands the batches that they form to Dagster's run queue.

The ledger decides: jobs leave a gate by compare-and-set, so that a tick that is repeated, made by two daemons, or broken off in
the middle starts no job twice. Batches that a broken tick left without a run are queued, and get theirs at the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SensorResult, SkipReason

from Medical_KG_rev.orchestration.dagster.jobs import LaunchedJob
from Medical_KG_rev.orchestration.dagster.resources import Parts
from Medical_KG_rev.orchestration.dagster.sensor import requests_for

GATE_SENSOR = "pdf_ir_ready_sensor"


def pdf_ir_ready_sensor(jobs: Sequence[LaunchedJob], open_parts: Callable[[], Parts]) -> SensorDefinition:
    """Starts the jobs behind gates, as often as the most impatient gate asks; run keys are ``{batch}:{attempt}``."""
    behind = {job.part.key: job.part for job in jobs if job.part.part is not None}
    intervals = [gate.poll_interval_seconds for part in behind.values() for gate in part.topology.gates]

    def tick(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        parts = open_parts()
        passed = parts.gates.tick()
        requests = requests_for(context.instance, parts.ledger, behind)
        if not requests:
            return SkipReason(f"{passed} jobs passed; none is ready to be run, or the queue is paused.")
        return SensorResult(run_requests=requests)

    return SensorDefinition(
        name=GATE_SENSOR,
        evaluation_fn=tick,
        jobs=[job.definition for job in jobs],
        minimum_interval_seconds=int(min(intervals, default=1)),
        default_status=DefaultSensorStatus.RUNNING,
        description="Lets jobs through gates whose condition holds, ends those whose time is over, and starts what is behind.",
    )
