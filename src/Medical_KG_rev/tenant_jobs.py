"""One tenant's jobs: found where they are its own, and checked before they are run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.orchestration.ledger import Job, JobStatus
from Medical_KG_rev.orchestration.ledger.pdf_queue import PARSE
from Medical_KG_rev.parts import PlatformParts

_ENDED_BADLY = (JobStatus.FAILED, JobStatus.DEAD)


@dataclass(frozen=True, slots=True)
class TenantJobs:
    """The jobs of ``tenant``; those of others do not exist for it."""

    parts: PlatformParts
    tenant: str

    def own(self, job_id: str) -> Job:
        """Raises JobNotFoundError where this tenant has no such job."""
        job = self.parts.ledger.job(job_id)
        return job if job.tenant_id == self.tenant else self.parts.ledger.job(f"{job_id} of tenant {self.tenant}")

    def current(self, job_ids: Sequence[str], submission: str | None) -> list[Job]:
        """These jobs, or those of a submission, as they are now.

        Raises:
            JobNotFoundError: this tenant has no such job or submission.
        """
        if submission is None:
            return [self.own(job_id) for job_id in job_ids]
        found = self.parts.ledger.submission(submission)
        if found.tenant_id != self.tenant:
            self.parts.ledger.submission(f"{submission} of tenant {self.tenant}")
        return self.parts.ledger.jobs_of_submission(submission)

    def check_retry(self, job_id: str, from_stage: str | None) -> None:
        """Whether a job may be run again, from where it stopped or from a stage.

        Raises:
            JobNotFoundError: this tenant has no such job.
            UsageError: it is in another state, or its pipeline has no such stage; lists those it has.
        """
        job = self.own(job_id)
        if from_stage is not None:
            self._check_stage(job, from_stage)
        elif job.status not in (*_ENDED_BADLY, JobStatus.QUEUED):
            raise UsageError(f"Job {job_id} is {job.status}; only failed, dead and queued jobs can be retried.", job_id=job_id)

    def _check_stage(self, job: Job, stage: str) -> None:
        if job.status not in _ENDED_BADLY:
            raise UsageError(
                f"Job {job.job_id} is {job.status}; only failed and dead jobs go back to the queue, and so to an earlier stage.",
                remedy="Ingest the record again, or wait until the job has ended.",
                job_id=job.job_id,
            )
        topology = self.parts.topologies.load(job.pipeline_name, job.pipeline_version)
        names = [each.name for each in topology.stages]
        if topology.gates and PARSE not in names:
            names.append(PARSE)  # what a PDF worker does at the gate
        if stage not in names:
            raise UsageError(
                f"Pipeline {job.pipeline_name} of job {job.job_id} has no stage {stage!r}.",
                remedy=f"Valid: {', '.join(names)}.",
                valid=names,
            )
