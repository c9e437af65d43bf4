"""Jobs that end outside the outcome of a stage: cancelled, failed or dead at a gate, dead because they kill their workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from Medical_KG_rev.orchestration.ledger.records import Job
from Medical_KG_rev.orchestration.ledger.states import JobStatus


class JobEnd(msgspec.Struct, frozen=True):
    """How a job ended, and how many seconds after its submission, without its time at gates."""

    pipeline_name: str
    status: JobStatus
    seconds: float


class JobEnds:
    """Tells who listens in this process of the ends that it brought about, each once its transaction has been committed."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[JobEnd], None]] = []

    def listen(self, listener: Callable[[JobEnd], None]) -> None:
        """The listener hears every end from now on."""
        self._listeners.append(listener)

    def tell(self, ends: Iterable[JobEnd]) -> None:
        """These jobs have ended."""
        for end in ends:
            for listener in self._listeners:
                listener(end)


def job_end(job: Job, status: JobStatus, now: float) -> JobEnd:
    """The end of a job that is now as ``job`` says, the one at a gate among them."""
    at_gate = now - (job.gate_since or now) if job.status == JobStatus.WAITING_AT_GATE else 0.0
    return JobEnd(job.pipeline_name, status, now - job.created_at - job.gate_seconds - at_gate)
