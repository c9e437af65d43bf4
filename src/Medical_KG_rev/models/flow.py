"""What a stage is given beside its data, and what adapters exchange with the pipeline."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

import msgspec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StageContext:
    """Who asks, for what, and under which correlation.

    For stages that take many documents at once (embed, index, kg) ``doc_id`` is None and ``documents`` lists the ids;
    ``versions`` maps each to the version that the stores record: a digest of its content and of all that made it.
    ``producer`` is the fingerprint of the stage whose output this one takes; empty where a gate brought it.
    """

    tenant_id: str
    doc_id: str | None = None
    correlation_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    documents: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    job_id: str | None = None
    pipeline_name: str = ""
    pipeline_version: str = ""
    stage: str = ""
    producer: str = ""


class AdapterRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to bring from a source: records by ``ids``, or those that match ``query`` (in the source's own syntax).

    ``since`` is an ISO date: only what changed on or after it. ``limit`` bounds the number of records. ``paths`` is for
    ``local``. ``rendition`` chooses where a source has a record in several formats: ``pdf``, or what the source prefers.
    """

    source: str
    tenant_id: str = "default"
    ids: tuple[str, ...] = ()
    query: str | None = None
    since: str | None = None
    limit: int | None = None
    paths: tuple[str, ...] = ()
    rendition: Literal["", "pdf"] = ""


class RawPayload(msgspec.Struct, frozen=True, kw_only=True):
    """One record as the source served it.

    ``format`` names its parser (``ctgov-json``, ``openalex-json``, ``jats-xml``,
    ``text``, ``record-json``); ``content`` is never decoded here.
    """

    source: str
    source_id: str
    format: str
    content: bytes
    uri: str = ""
    adapter_version: str = ""
    retrieved_at: datetime | None = None
    metadata: Mapping[str, Any] = {}

    def digest(self) -> str:
        """sha256 of format and content."""
        return hashlib.sha256(self.format.encode() + b"\0" + self.content).hexdigest()


class ErrorInfo(msgspec.Struct, frozen=True):
    """An error as ledger, events and JSON carry it."""

    code: str
    message: str


class ListedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a listing.

    ``payload`` is there when the listing already carried the whole record; ``error`` when it
    could not be read; ``doc_id`` when it is known before parsing.
    """

    source_id: str
    doc_id: str | None = None
    payload: RawPayload | None = None
    error: ErrorInfo | None = None


class ListingPage(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a listing.

    ``next_cursor`` resumes the listing after this page; None at the end. ``total`` is the source's own count, if it gives one.
    """

    records: tuple[ListedRecord, ...]
    next_cursor: str | None = None
    total: int | None = None


class Caller(Protocol):
    """Makes one remote request under a resilience policy: limiter, timeout, retry by error class.

    It is built in the composition root and handed to whatever talks to the outside, so that retry lives in one place.
    """

    def call(self, request: Callable[[], T]) -> T:
        """The result of ``request``; raises RetriesExhaustedError when the policy's attempts are used up."""
        ...


class Adapter(Protocol):
    """A source of records. Built by its plugin with settings, an HTTP client and a :class:`Caller`."""

    name: str
    version: str

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        """Pages of what the request means, from ``cursor`` on."""
        ...

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        """The records of ``request.ids``, in any order; an id that the source does not know is absent from the answer.

        Raises:
            RemoteError: nothing could be fetched.
        """
        ...
