"""The names of events. One scheme: ``com.medical-kg.{type}.v1``, the short type being ``{what}.{what happened}``."""

from __future__ import annotations

from Medical_KG_rev.errors import UsageError

TOPIC = "orchestration.events.v1"
"""The channel of all of them."""
PDF_REQUESTED = "pdf.requested"
PDF_QUEUE_TOPIC = "mineru.queue.v1"
"""The channel on which PDF workers are told of a file."""

_PREFIX, _SUFFIX = "com.medical-kg.", ".v1"

STAGE_TYPES = ("stage.started", "stage.completed", "stage.failed", "stage.retrying")
JOB_TYPES = (
    "job.queued",
    "job.completed",
    "job.unchanged",
    "job.failed",
    "job.cancelled",
    "job.dead",
    "job.stuck",
    "job.retried",
)
BATCH_TYPES = ("batch.created", "batch.leased", "batch.completed", "batch.lost")
GATE_TYPES = ("gate.waiting", "gate.passed", "gate.opened", "gate.expired", PDF_REQUESTED)
CONFIG_TYPES = ("config.reloaded", "config.rejected")
EVENT_TYPES = (*STAGE_TYPES, *JOB_TYPES, *BATCH_TYPES, *GATE_TYPES, *CONFIG_TYPES)
"""Short types."""


def cloudevent_type(short: str) -> str:
    """The CloudEvents ``type`` of a short one: ``com.medical-kg.stage.completed.v1``."""
    return f"{_PREFIX}{short}{_SUFFIX}"


def short_type(name: str) -> str:
    """The short type of a CloudEvents ``type``; a short one stays as it is."""
    return name.removeprefix(_PREFIX).removesuffix(_SUFFIX)


def matching_types(name: str) -> frozenset[str]:
    """The CloudEvents types that a person means by a type, short or full, or by its first word (``stage``).

    Raises:
        UsageError: none; lists those there are.
    """
    short = short_type(name)
    found = frozenset(cloudevent_type(kind) for kind in EVENT_TYPES if short in (kind, kind.partition(".")[0]))
    if not found:
        raise UsageError(f"{name!r} is no type of event.", remedy=f"Types: {', '.join(EVENT_TYPES)}.", valid=EVENT_TYPES)
    return found
