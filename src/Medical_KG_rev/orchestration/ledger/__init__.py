"""The durable record of jobs, batches, stage attempts and artifacts, with the queue and the outbox that live beside them."""

from Medical_KG_rev.orchestration.ledger.ledger import Ledger
from Medical_KG_rev.orchestration.ledger.records import (
    ArtifactRow,
    AuditEntry,
    Batch,
    DeadLetter,
    Job,
    Lease,
    PdfTask,
    StageAttempt,
    Submission,
)
from Medical_KG_rev.orchestration.ledger.states import TERMINAL, JobStatus

__all__ = [
    "TERMINAL",
    "ArtifactRow",
    "AuditEntry",
    "Batch",
    "DeadLetter",
    "Job",
    "JobStatus",
    "Lease",
    "Ledger",
    "PdfTask",
    "StageAttempt",
    "Submission",
]
