"""The sensor that hands queued batches to Dagster's run queue.

The ledger stays the one who decides: a run leases its batch when it begins, so that a batch handed over twice, or leased by a
warm worker meanwhile, is still run once; the other run ends without having done anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    RunRecord,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from sqlalchemy import Connection, func, select

from Medical_KG_rev.orchestration.dagster.history import close_lost_runs
from Medical_KG_rev.orchestration.dagster.jobs import LaunchedJob, PipelinePart
from Medical_KG_rev.orchestration.dagster.resources import Parts
from Medical_KG_rev.orchestration.dagster.run_tags import RUN_KEY, run_key, run_tags
from Medical_KG_rev.orchestration.ledger import Batch, Ledger
from Medical_KG_rev.orchestration.ledger.admission import LEASING, closed_gates
from Medical_KG_rev.orchestration.ledger.schema import batches
from Medical_KG_rev.orchestration.ledger.workers import recover_lost_workers

SENSOR = "queued_batches_sensor"
AT_ONCE = 50
"""Runs asked for in a tick, and runs waiting or running in all: a longer queue in Dagster would stand in priorities' way."""
AGAIN_SECONDS = 5.0
"""A run that ended without having leased its batch is followed by another one after this time, which doubles with each."""
LONGEST_PAUSE_SECONDS = 300.0


def queued_batches_sensor(jobs: Sequence[LaunchedJob], open_parts: Callable[[], Parts]) -> SensorDefinition:
    """Hands over the batches that begin these pipelines, in the versions that the jobs have."""
    first = {job.part.key: job.part for job in jobs if job.part.part is None}

    def tick(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        parts = open_parts()
        recover_lost_workers(parts.ledger)
        close_lost_runs(context.instance, parts.ledger, time.time())
        requests = requests_for(context.instance, parts.ledger, first)
        return SensorResult(run_requests=requests) if requests else SkipReason("No batch waits, or the queue is paused.")

    return SensorDefinition(
        name=SENSOR,
        evaluation_fn=tick,
        jobs=[job.definition for job in jobs],
        minimum_interval_seconds=1,
        default_status=DefaultSensorStatus.RUNNING,
        description="Hands queued batches of the ledger to the run queue.",
    )


def queued_batches(ledger: Ledger, parts: Iterable[tuple[str, str, str | None]], limit: int) -> list[Batch]:
    """Batches of these parts of pipelines that may be leased now.

    By priority, then one of each tenant by turns, the longest waiting first. None while leasing is paused.
    """
    wanted = [f"{name}\n{pin}\n{part or ''}" for name, pin, part in parts]
    named = batches.c.pipeline_name + "\n" + batches.c.pipeline_version + "\n" + func.coalesce(batches.c.part, "")

    def work(connection: Connection) -> list[Batch]:
        if LEASING in closed_gates(connection):
            return []
        turn = func.row_number().over(
            partition_by=(batches.c.tenant_id, batches.c.priority), order_by=(batches.c.created_at, batches.c.batch_id)
        )
        query = (
            select(batches)
            .where(
                batches.c.status == "queued",
                batches.c.not_before <= ledger.database.now(connection),
                named.in_(wanted),
            )
            .order_by(batches.c.priority.desc(), turn, batches.c.created_at, batches.c.batch_id)
            .limit(limit)
        )
        return [Batch(**row) for row in connection.execute(query).mappings()]

    return ledger.database.read(work)


def requests_for(
    instance: DagsterInstance, ledger: Ledger, parts: Mapping[tuple[str, str, str | None], PipelinePart]
) -> list[RunRequest]:
    """Runs for queued batches of these parts that have none yet: as many as there is room for."""
    candidates = queued_batches(ledger, parts, 2 * AT_ONCE)
    if not candidates:
        return []
    room = AT_ONCE - instance.get_runs_count(RunsFilter(statuses=NOT_FINISHED_STATUSES))
    made = _runs_by_key(instance, candidates)
    requests = []
    for batch in candidates:
        key = _key(batch, made)
        if key is not None:
            requests.append(_request(batch, parts[batch.pipeline_name, batch.pipeline_version, batch.part], key))
    return requests[: max(0, room)]


def _runs_by_key(instance: DagsterInstance, candidates: Sequence[Batch]) -> dict[str, list[RunRecord]]:
    keys = [run_key(batch.batch_id, batch.attempt + 1) for batch in candidates]
    made: dict[str, list[RunRecord]] = {}
    for record in instance.get_run_records(RunsFilter(tags={RUN_KEY: keys})):
        made.setdefault(record.dagster_run.tags[RUN_KEY], []).append(record)
    return made


def _key(batch: Batch, made: Mapping[str, Sequence[RunRecord]]) -> str | None:
    """The key for Dagster, which takes each only once; None while a run for this attempt waits, runs, or has just ended."""
    key = run_key(batch.batch_id, batch.attempt + 1)
    earlier = made.get(key, ())
    if not earlier:
        return key
    if any(not record.dagster_run.is_finished for record in earlier):
        return None
    ended = max(record.update_timestamp.timestamp() for record in earlier)
    pause = min(AGAIN_SECONDS * 2.0 ** (len(earlier) - 1), LONGEST_PAUSE_SECONDS)
    return f"{key}/{len(earlier) + 1}" if time.time() - ended >= pause else None


def _request(batch: Batch, part: PipelinePart, key: str) -> RunRequest:
    return RunRequest(
        run_key=key,
        job_name=part.job_name,
        run_config=part.run_config(batch.batch_id),
        tags=run_tags(batch, batch.attempt + 1),
    )
