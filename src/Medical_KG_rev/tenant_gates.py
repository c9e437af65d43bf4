"""A tenant's jobs at gates, as people and programs see them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from Medical_KG_rev.jobs_view import job_view
from Medical_KG_rev.orchestration.ledger.records import iso
from Medical_KG_rev.os_user import os_user
from Medical_KG_rev.tenant_jobs import TenantJobs

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.ledger import Job
    from Medical_KG_rev.parts import PlatformParts


@dataclass(frozen=True, slots=True)
class TenantGates:
    """Looks at the gates of one tenant, and opens them."""

    parts: PlatformParts
    tenant: str

    def waiting(self, *, gate: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Jobs that wait, the longest first, with their flags and the state of their PDF in the queue (JSON values only)."""
        ledger = self.parts.ledger
        jobs = ledger.job_gates.waiting(self.tenant, gate=gate, limit=limit)
        tasks = ledger.pdfs.tasks(job.job_id for job in jobs)
        return [_view(job, tasks[job.job_id].state if job.job_id in tasks else None) for job in jobs]

    def explain(self, job_id: str) -> dict[str, Any]:
        """What one job waits for: each flag with what it must be and what it is, its time, and its row of the PDF queue.

        Raises:
            JobNotFoundError: this tenant has no such job.
        """
        job = TenantJobs(self.parts, self.tenant).own(job_id)
        rule = self.parts.gate_rule(job.pipeline_name, job.pipeline_version, job.gate) if job.gate is not None else None
        return self.parts.ledger.job_gates.explain(job, rule)

    def open(self, job_id: str, *, reason: str) -> Job:
        """Lets a job through, whatever its flags say; the audit trail keeps who did it and why. A worker runs what is behind.

        Raises:
            JobNotFoundError: this tenant has no such job.
            InvalidTransitionError: it waits at no gate.
        """
        TenantJobs(self.parts, self.tenant).own(job_id)
        return self.parts.gates.open(job_id, actor=os_user(), reason=reason)


def _view(job: Job, pdf: str | None) -> dict[str, Any]:
    shown = job_view(job, ())
    kept = ("job_id", "doc_id", "source", "source_id", "pipeline_name", "current_stage", "flags")
    return {
        **{name: shown[name] for name in kept},
        "gate": job.gate,
        "waiting_since": iso(job.gate_since) if job.gate_since is not None else None,
        "waiting_seconds": round(time.time() - job.gate_since, 1) if job.gate_since is not None else None,
        "deadline": iso(job.gate_deadline) if job.gate_deadline is not None else None,
        "pdf": pdf,
    }
