"""One ingest from request to result: list, batch, run, wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.models import Adapter, AdapterRequest
from Medical_KG_rev.orchestration.ledger import Batch, Job, JobStatus, Ledger, Submission
from Medical_KG_rev.orchestration.ledger.workers import is_alive, recover_lost_workers
from Medical_KG_rev.orchestration.pipeline import Pipeline
from Medical_KG_rev.orchestration.submission import Listing, SubmissionParts, begin_submission

POLL_SECONDS = 0.5


class BatchRunner(Protocol):
    """Executes one batch as one run."""

    def __call__(self, batch: Batch) -> None:
        """Returns when the ledger has the outcome of every job."""
        ...


@dataclass(slots=True)
class IngestSession:
    """Runs requests one after the other in this process.

    ``tell`` is told what happens as dictionaries with an ``event``: ``listed``, ``batch`` and what the stage runner reports.
    """

    parts: SubmissionParts
    batch_size: int
    run_batch: BatchRunner
    tell: Callable[[dict[str, Any]], None]
    sleep: Callable[[float], None] = time.sleep
    _batches: int = field(default=0, init=False)

    @property
    def _ledger(self) -> Ledger:
        return self.parts.ledger

    def ingest(
        self,
        request: AdapterRequest,
        pipeline: Pipeline,
        adapter: Adapter,
        *,
        idempotency_key: str | None = None,
        wait: bool = True,
    ) -> dict[str, Any]:
        """Submits what the request means and, unless told not to wait, runs it. The result is that of ``ingest --json``."""
        started = self.parts.clock()
        recover_lost_workers(self._ledger)
        submission = begin_submission(self.parts, request, pipeline)
        listing = Listing(self.parts, submission, pipeline, idempotency_key)
        waiting: list[Job] = []
        foreign: list[Job] = []
        listed = 0
        for page in listing.pages(adapter, request):
            waiting += page.queued
            foreign += page.foreign
            listed += len(page.queued) + len(page.settled) + len(page.foreign)
            self.tell({"event": "listed", "documents": listed, "total": page.total, "settled": len(page.settled)})
            while wait and len(waiting) >= self.batch_size:
                foreign += self._run(submission, waiting[: self.batch_size])
                del waiting[: self.batch_size]
        if wait and waiting:
            foreign += self._run(submission, waiting)
        if wait:
            self._await(foreign)
        jobs = self._ledger.jobs_of_submission(submission.submission_id)
        own = {job.job_id for job in jobs}
        jobs += self._ledger.jobs_by_id(job.job_id for job in foreign if job.job_id not in own)
        return summary(submission.submission_id, jobs, self.parts.clock() - started)

    def retry(self, jobs: Sequence[Job]) -> dict[str, Any]:
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
        owned = [job for job in current if job.status == JobStatus.QUEUED and self._has_owner(job)]
        for job in current:
            if job.status != JobStatus.QUEUED:
                self._ledger.transition(
                    job.job_id, JobStatus.QUEUED, error_code=None, error_message=None, error_stage=None, unchanged=False
                )
        owned += self._run_again([job for job in current if job not in owned])
        self._await(owned)
        done = self._ledger.jobs_by_id(job.job_id for job in jobs)
        return summary(jobs[0].submission_id if jobs else "", done, self.parts.clock() - started)

    def _run(self, submission: Submission, jobs: Sequence[Job]) -> list[Job]:
        """Runs the jobs that are still queued as one batch; returns those that another process has taken."""
        now = self.parts.clock()
        batch = Batch(
            batch_id=self.parts.new_id("r"),
            submission_id=submission.submission_id,
            tenant_id=submission.tenant_id,
            pipeline_name=jobs[0].pipeline_name,
            pipeline_version=jobs[0].pipeline_version,
            created_at=now,
            updated_at=now,
            status="running",
            worker=self.parts.worker,
        )
        taken = {job.job_id for job in self._ledger.create_batch(batch, [job.job_id for job in jobs])}
        self._batches += 1
        self.tell({"event": "batch", "number": self._batches, "documents": len(taken)})
        if taken:
            self.run_batch(batch)
        else:
            self._ledger.finish_batch(batch.batch_id, "completed")
        return [job for job in jobs if job.job_id not in taken]

    def _await(self, foreign: Sequence[Job]) -> None:
        """Waits for jobs that another process has; runs them here when that process is gone."""
        waiting = [job.job_id for job in foreign if not job.terminal]
        while waiting:
            recover_lost_workers(self._ledger)
            current = [job for job in self._ledger.jobs_by_id(waiting) if not job.terminal]
            orphans = [job for job in current if job.status == JobStatus.QUEUED and not self._has_owner(job)]
            lost = self._run_again(orphans)
            waiting = [job.job_id for job in current if job not in orphans or job in lost]
            if waiting:
                self.tell({"event": "waiting", "documents": len(waiting)})
                self.sleep(POLL_SECONDS)

    def _has_owner(self, job: Job) -> bool:
        owner = self._ledger.submission(job.submission_id).worker
        return owner != self.parts.worker and is_alive(self._ledger, owner)

    def _is_outdated(self, job: Job) -> bool:
        """Whether a later job of the same document has completed."""
        last = self._ledger.last_completed(job.tenant_id, job.doc_id) if job.doc_id else None
        return last is not None and last.job_id > job.job_id

    def _run_again(self, jobs: Sequence[Job]) -> list[Job]:
        """Runs jobs in batches of their submissions and pipelines; returns those that another process has taken."""
        lost: list[Job] = []
        for (submission_id, _name, _version), group in _grouped(jobs):
            submission = self._ledger.submission(submission_id)
            for start in range(0, len(group), self.batch_size):
                lost += self._run(submission, group[start : start + self.batch_size])
        return lost


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


def _grouped(jobs: Sequence[Job]) -> Iterator[tuple[tuple[str, str, str], list[Job]]]:
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.submission_id, job.pipeline_name, job.pipeline_version), []).append(job)
    yield from groups.items()
