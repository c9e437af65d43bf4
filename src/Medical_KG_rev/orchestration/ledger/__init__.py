"""The durable record of jobs, batches, stage attempts and artifacts."""

from Medical_KG_rev.orchestration.ledger.ledger import Ledger
from Medical_KG_rev.orchestration.ledger.records import ArtifactRow, Batch, Job, StageAttempt, Submission
from Medical_KG_rev.orchestration.ledger.states import TERMINAL, JobStatus

__all__ = ["TERMINAL", "ArtifactRow", "Batch", "Job", "JobStatus", "Ledger", "StageAttempt", "Submission"]
