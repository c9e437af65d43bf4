"""What happened, as it is kept in the outbox until it has been published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact, with the attributes that its CloudEvent will have.

    ``event_id`` is derived from what happened (``{job_id}/{stage}/{attempt}/started``), so that writing it twice is harmless.
    ``type`` is short (``stage.started``); ``time`` is seconds since the epoch (UTC). ``job_id`` is the order key: the events
    of one job, or of one batch or configuration where no job is concerned, are published in the order in which they were
    written.
    """

    event_id: str
    type: str
    source: str
    time: float
    tenant_id: str
    job_id: str
    subject: str | None = None
    batch_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    data: Mapping[str, Any] = {}


class EventSubject(msgspec.Struct, frozen=True):
    """What an event is about: a job with its document, or a batch of jobs, whose id then is the order key ``job_id`` too.

    ``doc_id`` is the document's id, or the source's own id while that is all that is known. ``traceparent`` is W3C trace
    context.
    """

    tenant_id: str
    job_id: str
    doc_id: str | None = None
    batch_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
