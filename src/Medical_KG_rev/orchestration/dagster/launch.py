"""Executes a batch as one Dagster run in this process."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dagster import DagsterInstance, ExecuteInProcessResult
from dagster._utils import interrupts

from Medical_KG_rev.errors import LeaseLostError, StageError
from Medical_KG_rev.orchestration.dagster.faults import named_faults
from Medical_KG_rev.orchestration.dagster.history import close_earlier_runs
from Medical_KG_rev.orchestration.dagster.jobs import LaunchedJob
from Medical_KG_rev.orchestration.dagster.resources import Parts
from Medical_KG_rev.orchestration.dagster.run_tags import run_tags
from Medical_KG_rev.orchestration.ledger import Batch
from Medical_KG_rev.orchestration.stages.runner import reason_of


@contextmanager
def given_back(batch: Batch, parts: Parts) -> Iterator[None]:
    """What fails here is not yet in the runner's hands: the batch goes back to the queue, or this process would hold it idle."""
    try:
        yield
    except BaseException as error:
        with suppress(LeaseLostError):
            lease = parts.ledger.queue.lease_of(batch.batch_id, batch.worker or "")
            parts.ledger.recovery.finish(lease, reason_of(error))
        raise


@contextmanager
def own_signals() -> Iterator[None]:
    """Leaves SIGINT and SIGTERM to a process that answers them itself.

    While it runs, Dagster answers them: it raises as often as they come, in the middle of whatever the main thread is at, such as
    the transaction that records a stage; it forgets those that come while it writes; and one that comes while it changes the
    handlers leaves the wrong one behind, so that the process no longer ends.
    """
    change = interrupts._replace_interrupt_signal  # noqa: SLF001 - Dagster has no way to ask for this
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        interrupts._replace_interrupt_signal = _nothing  # noqa: SLF001
    try:
        yield
    finally:
        interrupts._replace_interrupt_signal = change  # noqa: SLF001


def _nothing(new_signal_handler: Any) -> None:
    """In the place of what gives SIGINT and SIGTERM a handler of Dagster's."""


def run_batch(job: LaunchedJob, batch: Batch, parts: Parts, instance: DagsterInstance) -> str:
    """Runs the batch, which this process has leased; returns the run's id.

    Raises:
        MedicalKGError: what stopped the run; the batch's unfinished jobs are queued again. Where Dagster's own history could not
            be written this is StoreUnavailableError, which is transient.
    """
    run_id = str(uuid.uuid4())
    failure: BaseException | None = None
    try:
        with given_back(batch, parts):
            parts.runner.open(batch.batch_id, run_id)  # from here on the runner gives it back, whatever happens to Dagster
        with named_faults(), own_signals():
            if batch.attempt > 1:
                close_earlier_runs(instance, batch)
            _require_success(_execute(job, batch, parts, instance, run_id), batch)
    except BaseException as error:
        failure = error
        raise
    finally:
        parts.runner.close(batch.batch_id, failure)
    return run_id


def _execute(job: LaunchedJob, batch: Batch, parts: Parts, instance: DagsterInstance, run_id: str) -> ExecuteInProcessResult:
    resources: dict[str, Any] = {
        "plugin_manager": parts.adapters,
        "job_ledger": parts.ledger,
        "haystack_pipeline": parts.components,
        "stage_runner": parts.runner,
    }
    return job.definition.execute_in_process(
        run_config=job.part.run_config(batch.batch_id),
        instance=instance,
        resources=resources,
        run_id=run_id,
        raise_on_error=True,
        tags=run_tags(batch, batch.attempt),
    )


def _require_success(result: ExecuteInProcessResult, batch: Batch) -> None:
    if not result.success:
        raise StageError(f"Run {result.run_id} of batch {batch.batch_id} failed.", remedy="`medkg ui` shows why.")
