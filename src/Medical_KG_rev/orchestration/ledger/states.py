"""Job states and the only transitions between them."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    RUNNING = "running"
    STUCK = "stuck"
    WAITING_AT_GATE = "waiting_at_gate"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD = "dead"


WAITING = (JobStatus.QUEUED, JobStatus.LEASED)
"""States with one :func:`phase`."""

TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.DEAD})

SOURCES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset(
        {JobStatus.LEASED, JobStatus.RUNNING, JobStatus.STUCK, JobStatus.FAILED, JobStatus.DEAD, JobStatus.WAITING_AT_GATE}
    ),
    JobStatus.LEASED: frozenset({JobStatus.QUEUED}),
    JobStatus.RUNNING: frozenset({JobStatus.QUEUED, JobStatus.LEASED, JobStatus.RUNNING}),
    JobStatus.STUCK: frozenset({JobStatus.LEASED, JobStatus.RUNNING}),
    JobStatus.WAITING_AT_GATE: frozenset({JobStatus.RUNNING}),
    JobStatus.COMPLETED: frozenset({JobStatus.QUEUED, JobStatus.RUNNING}),
    JobStatus.FAILED: frozenset({JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.STUCK, JobStatus.WAITING_AT_GATE}),
    JobStatus.CANCELLED: frozenset({JobStatus.QUEUED, JobStatus.LEASED, JobStatus.RUNNING, JobStatus.WAITING_AT_GATE}),
    JobStatus.DEAD: frozenset({JobStatus.FAILED, JobStatus.STUCK, JobStatus.WAITING_AT_GATE}),
}
"""Target → the states that may lead to it. ``failed`` and ``dead`` go back to ``queued`` only by retry."""


def phase(status: JobStatus) -> str:
    """What indexes hold in place of the status: ``waiting`` for a queued or leased job, else the status itself.

    So a lease changes no index: on PostgreSQL a row whose indexed values stay costs a tenth of one that enters every index anew.
    """
    return "waiting" if status in WAITING else str(status)
