"""Keeps Dagster's run history true and small: runs whose process died are closed, old runs are removed."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES

from Medical_KG_rev.errors import LedgerError
from Medical_KG_rev.orchestration.dagster.faults import named_faults
from Medical_KG_rev.orchestration.dagster.run_tags import ATTEMPT, BATCH
from Medical_KG_rev.orchestration.ledger import Batch, Ledger
from Medical_KG_rev.orchestration.ledger.queue import HELD

BEGUN = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
GRACE_SECONDS = 60.0
"""A run this young may not have leased its batch yet."""


def close_earlier_runs(instance: DagsterInstance, batch: Batch) -> list[str]:
    """Closes as failed the runs of earlier attempts of a batch that is leased anew; returns their ids.

    Call it while the batch is held: nobody else runs it, so that an unfinished run of an earlier attempt has no process.
    """
    runs = instance.get_runs(RunsFilter(tags={BATCH: batch.batch_id}, statuses=NOT_FINISHED_STATUSES))
    return [_close(instance, run) for run in runs if int(run.tags.get(ATTEMPT, 0)) < batch.attempt]


def close_lost_runs(
    instance: DagsterInstance, ledger: Ledger, now: float, *, limit: int = 100, grace_seconds: float = GRACE_SECONDS
) -> list[str]:
    """Closes as failed the runs that began but whose attempt nobody makes any more; returns their ids.

    The ledger decides: a run lives while its batch is held, or stuck, in the attempt that the run is for.
    """
    with named_faults():
        before = datetime.fromtimestamp(now - grace_seconds, UTC)
        found = instance.get_run_records(RunsFilter(statuses=BEGUN, updated_before=before), limit=limit, ascending=True)
        return [_close(instance, record.dagster_run) for record in found if not _is_worked_on(ledger, record)]


def prune_runs(instance: DagsterInstance, older_than_seconds: float, limit: int, *, now: float) -> int:
    """Removes finished runs, with their events, that ended so long ago: the oldest first, at most ``limit``. Returns how many.

    What became of documents is in the ledger and stays. Raises StoreUnavailableError.
    """
    with named_faults():
        before = datetime.fromtimestamp(now - older_than_seconds, UTC)
        old = instance.get_run_records(RunsFilter(statuses=FINISHED_STATUSES, updated_before=before), limit=limit, ascending=True)
        for record in old:
            instance.delete_run(record.dagster_run.run_id)
        return len(old)


def _is_worked_on(ledger: Ledger, record: RunRecord) -> bool:
    tags = record.dagster_run.tags
    if BATCH not in tags:
        return True  # not one of ours
    try:
        batch = ledger.batch(tags[BATCH])
    except LedgerError:
        return False
    return batch.status in (*HELD, "stuck") and int(tags.get(ATTEMPT, batch.attempt)) == batch.attempt


def _close(instance: DagsterInstance, run: DagsterRun) -> str:
    instance.report_run_failed(run, "The process of this run ended before the run did. The batch was taken back by the ledger.")
    return run.run_id
