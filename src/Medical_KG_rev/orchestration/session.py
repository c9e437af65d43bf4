"""One ingest from request to result: list, batch, run, wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from Medical_KG_rev.errors import LeaseLostError, MedicalKGError, UsageError, is_transient
from Medical_KG_rev.models import Adapter, AdapterRequest
from Medical_KG_rev.orchestration.ledger import Batch, Job, JobStatus, Lease, Ledger
from Medical_KG_rev.orchestration.ledger.queue import cut_into_batches
from Medical_KG_rev.orchestration.ledger.recovery import STOPPED
from Medical_KG_rev.orchestration.ledger.workers import is_alive, live_workers, recover_lost_workers
from Medical_KG_rev.orchestration.pipeline import Pipeline
from Medical_KG_rev.orchestration.submission import Listing, SubmissionParts, begin_submission

POLL_SECONDS = 0.5
MAX_FAULTS = 5
"""Runs in a row that may end because a server is away."""
FAULT_PAUSE_SECONDS = 3.0


class BatchRunner(Protocol):
    """Executes one batch as one run."""

    def __call__(self, batch: Batch) -> None:
        """Returns when the ledger has the outcome of every job."""
        ...


class ReplaceProcess(Exception):  # noqa: N818 - no error: a request to go on in another process
    """A call hangs in this process: what is left of a command must be done by another one.

    Attributes:
        command: what that one is to do.
    """

    def __init__(self, command: dict[str, Any]) -> None:
        super().__init__("this process is to be replaced")
        self.command = command


@dataclass(slots=True)
class IngestSession:
    """Runs requests one after the other in this process.

    ``tell`` is told what happens as dictionaries with an ``event``: ``submitted``, ``listed``, ``batch`` and what the stage
    runner reports. ``unfit`` says whether a call hangs in this process.
    """

    parts: SubmissionParts
    batch_size: int
    run_batch: BatchRunner
    tell: Callable[[dict[str, Any]], None]
    lease_seconds: float = 60.0
    unfit: Callable[[], bool] = lambda: False
    tick_gates: Callable[[], int] = lambda: 0
    """Lets jobs through gates; how many went on."""
    is_before_gate: Callable[[Job, str], bool] = lambda _job, _stage: True
    """Whether a stage of a job's pipeline is run before its gate, or there is none."""
    patient: bool = True
    """Waits out a server that is away, and runs the batch again. A resident worker does so itself."""
    sleep: Callable[[float], None] = time.sleep
    _batches: int = field(default=0, init=False)
    _faults: int = field(default=0, init=False)

    @property
    def _ledger(self) -> Ledger:
        return self.parts.ledger

    def ingest(
        self,
        request: AdapterRequest,
        pipeline: Pipeline,
        adapter: Adapter,
        *,
        pdf_pipeline: Pipeline | None = None,
        idempotency_key: str | None = None,
        wait: bool = True,
        priority: int = 1,
    ) -> dict[str, Any]:
        """Submits what the request means and, unless told not to wait, runs it. The result is that of ``ingest --json``.

        ``pdf_pipeline`` is for the records of the listing that are PDFs; without one they go the way of the others.
        """
        started = self.parts.clock()
        recover_lost_workers(self._ledger)
        submission = begin_submission(self.parts, request, pipeline, priority)
        self.tell({"event": "submitted", "submission_id": submission.submission_id})
        listing = Listing(self.parts, submission, pipeline, idempotency_key, pdf_pipeline)
        waiting: list[Job] = []
        foreign: list[Job] = []
        listed = 0
        for page in listing.pages(adapter, request):
            waiting += page.queued
            foreign += page.foreign
            listed += len(page.queued) + len(page.settled) + len(page.foreign)
            self.tell({"event": "listed", "documents": listed, "total": page.total, "settled": len(page.settled)})
            while len(waiting) >= self.batch_size and not self.unfit():
                foreign += self._hand_over(waiting[: self.batch_size], run=wait)
                del waiting[: self.batch_size]
                self.tick_gates()
        return self._complete(submission.submission_id, waiting, foreign, started, wait=wait)

    def resume(self, submission_id: str, foreign: Sequence[str], started: float) -> dict[str, Any]:
        """Goes on with a submission whose listing is complete, where another process had to stop."""
        recover_lost_workers(self._ledger)
        waiting = self._ledger.jobs_of_submission(submission_id, status=JobStatus.QUEUED)
        elsewhere = self._ledger.jobs_of_submission(submission_id, status=JobStatus.WAITING_AT_GATE)
        elsewhere += self._ledger.jobs_by_id(foreign)
        return self._complete(submission_id, waiting, elsewhere, started, wait=True)

    def retry(self, jobs: Sequence[Job], *, actor: str = "", from_stage: str | None = None) -> dict[str, Any]:
        """Runs jobs again that failed, or that are queued without anybody running them.

        Raises:
            UsageError: for all of them, a later record of the same document is live; old content would replace it.
        """
        started = self.parts.clock()
        current = [job for job in jobs if not self._is_outdated(job)]
        if jobs and not current:
            raise UsageError(
                f"A later record of {jobs[0].doc_id} is live already.", remedy="Ingest the record again to make it the latest."
            )
        for job in current:
            if job.status in (JobStatus.FAILED, JobStatus.DEAD):
                begins = from_stage is not None and self.is_before_gate(job, from_stage)
                self._ledger.requeue(job.job_id, actor=actor, from_stage=from_stage, before_gate=begins)
        self._run_all(self._ledger.jobs_by_id(job.job_id for job in current))
        self._await([job.job_id for job in current])
        done = self._ledger.jobs_by_id(job.job_id for job in jobs)
        return summary(jobs[0].submission_id if jobs else "", done, self.parts.clock() - started)

    def work(self) -> bool:
        """Runs the batch whose turn it is, of any submission; whether there was one."""
        recover_lost_workers(self._ledger)
        self.tick_gates()
        lease = self._ledger.queue.lease(self.parts.worker, self.lease_seconds)
        if lease is None:
            for group in cut_into_batches(self._unbatched(), self.batch_size):
                self._ledger.queue.enqueue(self._new_batch(group), [job.job_id for job in group])
            lease = self._ledger.queue.lease(self.parts.worker, self.lease_seconds)
        if lease is None:
            return False
        self._execute(lease)
        return True

    def _complete(
        self, submission_id: str, waiting: Sequence[Job], foreign: Sequence[Job], started: float, *, wait: bool
    ) -> dict[str, Any]:
        others = [*foreign, *self._hand_over(waiting, run=wait)]
        if wait:
            own = [job.job_id for job in waiting]
            self._await([*own, *(job.job_id for job in others)], submission_id, others, started)
        jobs = self._ledger.jobs_of_submission(submission_id)
        listed = {job.job_id for job in jobs}
        jobs += self._ledger.jobs_by_id(job.job_id for job in others if job.job_id not in listed)
        return summary(submission_id, jobs, self.parts.clock() - started)

    def _hand_over(self, jobs: Sequence[Job], *, run: bool) -> list[Job]:
        """Puts jobs into batches and runs those, or leaves them to workers.

        Returns the jobs that are to be waited for yet: they are at a gate, another process has them, or a fault has sent them
        back to the queue.
        """
        taken: set[str] = set()
        for group in cut_into_batches(jobs, self.batch_size):
            batch, job_ids = self._new_batch(group), [job.job_id for job in group]
            if not run or self.unfit():
                taken.update(job.job_id for job in self._ledger.queue.enqueue(batch, job_ids))
                continue
            lease = self._ledger.queue.enqueue_and_lease(batch, job_ids, self.parts.worker, self.lease_seconds)
            if lease is not None:
                leased = self._ledger.queue.job_ids_of(lease)
                if self._execute(lease):
                    taken.update(set(leased).difference(self._ledger.job_gates.waiting_of(lease.batch_id)))
        return [job for job in jobs if job.job_id not in taken]

    def _run_all(self, jobs: Sequence[Job]) -> None:
        """Runs those of the jobs that are queued: in the batches that they are in, or in new ones."""
        queued = [job for job in jobs if job.status == JobStatus.QUEUED]
        self._hand_over([job for job in queued if job.batch_id is None and not self._is_being_listed(job)], run=True)
        batch_ids = list(dict.fromkeys(job.batch_id for job in queued if job.batch_id is not None))
        while batch_ids and not self.unfit():
            lease = self._ledger.queue.lease(self.parts.worker, self.lease_seconds, batch_ids=batch_ids)
            if lease is None:
                return
            self._execute(lease)

    def _await(self, job_ids: Sequence[str], submission_id: str = "", foreign: Sequence[Job] = (), started: float = 0.0) -> None:
        """Waits until the jobs are done, whoever runs them; runs here what nobody has.

        Raises:
            ReplaceProcess: something is left, and a call hangs in this process.
        """
        waiting = list(dict.fromkeys(job_ids))
        while True:
            current = [job for job in self._ledger.jobs_by_id(waiting) if not job.terminal]
            waiting = [job.job_id for job in current]
            if not waiting:
                return
            if self.unfit():
                others = [job.job_id for job in foreign]
                raise ReplaceProcess(
                    {"command": "resume", "submission_id": submission_id, "foreign": others, "started": started}
                    if submission_id
                    else {"command": "retry", "job_ids": waiting}
                )
            recover_lost_workers(self._ledger)
            if self.tick_gates():
                current = self._ledger.jobs_by_id(waiting)
            if any(job.status == JobStatus.QUEUED for job in current):
                self._run_all(current)
                current = [job for job in self._ledger.jobs_by_id(waiting) if not job.terminal]
            if current:
                at_gate = sum(job.status == JobStatus.WAITING_AT_GATE for job in current)
                self.tell({"event": "waiting", "documents": len(current), "waiting_at_gate": at_gate})
                self.sleep(POLL_SECONDS)

    def _execute(self, lease: Lease) -> bool:
        """Runs a leased batch; False when it comes back: a server was away, or another worker has taken it."""
        batch = self._ledger.batch(lease.batch_id)
        self._batches += 1
        self.tell({"event": "batch", "number": self._batches, "documents": batch.documents})
        try:
            self.run_batch(batch)
        except LeaseLostError as error:
            self.tell({"event": "lease_lost", "batch_id": lease.batch_id, "message": error.message})
        except MedicalKGError as error:
            self._faults += 1
            if not is_transient(error) or self._faults > MAX_FAULTS or not self.patient:
                raise
            self.tell({"event": "fault", "code": error.code, "message": str(error)})
            self.sleep(FAULT_PAUSE_SECONDS * self._faults)
            self._ledger.recovery.release_worker(self.parts.worker, STOPPED)
        else:
            self._faults = 0
            return True
        return False

    def _new_batch(self, jobs: Sequence[Job]) -> Batch:
        now = self.parts.clock()
        return Batch(
            batch_id=self.parts.new_id("r"),
            submission_id=jobs[0].submission_id,
            tenant_id=jobs[0].tenant_id,
            pipeline_name=jobs[0].pipeline_name,
            pipeline_version=jobs[0].pipeline_version,
            part=jobs[0].part,
            priority=jobs[0].priority,
            created_at=now,
            updated_at=now,
        )

    def _unbatched(self) -> list[Job]:
        return self._ledger.queue.unbatched(is_listing=live_workers(self._ledger))

    def _is_being_listed(self, job: Job) -> bool:
        """Whether the process that lists this job's submission lives: it will put the job into a batch itself."""
        owner = self._ledger.submission(job.submission_id).worker
        return owner != self.parts.worker and is_alive(self._ledger, owner)

    def _is_outdated(self, job: Job) -> bool:
        """Whether a later job of the same document has completed."""
        last = self._ledger.last_completed(job.tenant_id, job.doc_id) if job.doc_id else None
        return last is not None and last.job_id > job.job_id


def summary(batch_id: str, jobs: Sequence[Job], seconds: float) -> dict[str, Any]:
    """The result of an ingest in the shape of ``ingest --json``."""
    return {
        "batch_id": batch_id,
        "submitted": len(jobs),
        "completed": sum(job.status == JobStatus.COMPLETED for job in jobs),
        "unchanged": sum(job.unchanged for job in jobs),
        "failed": sum(job.status in (JobStatus.FAILED, JobStatus.DEAD) for job in jobs),
        "waiting_at_gate": sum(job.status == JobStatus.WAITING_AT_GATE for job in jobs),
        "documents": [document_summary(job) for job in jobs],
        "seconds": round(seconds, 3),
    }


def document_summary(job: Job) -> dict[str, Any]:
    """One document of an ingest. ``superseded_by`` is there when a later record of the same document took its place."""
    entry: dict[str, Any] = {
        "job_id": job.job_id,
        "source_id": job.source_id,
        "doc_id": job.doc_id,
        "status": str(job.status),
        "unchanged": job.unchanged,
        "stage": job.error_stage or job.current_stage,
        "error": {"code": job.error_code, "message": job.error_message} if job.error_code else None,
        "chunks": job.chunks,
        "entities": job.entities,
        "claims": job.claims,
    }
    if job.superseded_by:
        entry["superseded_by"] = job.superseded_by
    return entry
