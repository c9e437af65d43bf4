"""A search as a service is asked for it, and what that answers: documents, each by its best passage.

An HTTP route only has to translate: OData's ``$top`` is ``top_k``, ``$skip`` is ``skip``, ``$filter`` is ``filters``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.index.filters import Filter, make_filter
from Medical_KG_rev.index.rerank import MOST_CANDIDATES
from Medical_KG_rev.index.results import Hit, SearchResult

MOST_DOCUMENTS = 50

PROFILES: Mapping[str, tuple[str, ...] | None] = {
    "hybrid": None,
    "lexical": ("bm25",),
    "sparse": ("sparse",),
    "dense": ("dense",),
}
"""Legs by profile; None: all that the index has."""


class RetrieveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to find.

    ``filters`` holds a value or values by field, and dates as ``since`` and ``until``. ``rerank`` lets a reranker, where one is
    configured, order the first ``rerank_top_k`` documents anew; those after them follow as they were if ``rerank_overflow`` is
    true, else they are left out. ``profile`` names the legs. ``metadata`` comes back with the answer as it is.

    Raises:
        UsageError: a number out of range, an unknown profile, an unknown filter or a value that it cannot have.
    """

    tenant_id: str
    query: str
    top_k: int = 5
    filters: Mapping[str, str | Sequence[str]] = {}
    rerank: bool = True
    rerank_top_k: int = 10
    rerank_overflow: bool = False
    profile: str = "hybrid"
    metadata: Mapping[str, Any] = {}
    explain: bool = False
    skip: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.top_k <= MOST_DOCUMENTS:
            raise UsageError(f"top_k is {self.top_k}.", remedy=f"Give 1 to {MOST_DOCUMENTS}.")
        if not 1 <= self.rerank_top_k <= MOST_CANDIDATES:
            raise UsageError(f"rerank_top_k is {self.rerank_top_k}.", remedy=f"Give 1 to {MOST_CANDIDATES}, or rerank=false.")
        if self.skip < 0:
            raise UsageError(f"skip is {self.skip}.", remedy="Give 0 or more.")
        if self.profile not in PROFILES:
            raise UsageError(
                f"There is no profile {self.profile!r}.", remedy=f"Valid: {', '.join(PROFILES)}.", valid=list(PROFILES)
            )
        self.wanted()

    def wanted(self) -> Filter:
        """The filter."""
        return filter_of(self.filters)


class RetrievedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was found. ``summary`` is its best passage; ``metadata`` says where that is and how it was found."""

    id: str
    title: str
    score: float
    summary: str
    source: str
    metadata: Mapping[str, Any]
    explain: Mapping[str, Any] | None = None


class RetrievalResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a :class:`RetrieveRequest`.

    ``total`` counts the documents that were found before the best were taken. ``partial``: a leg could not answer. ``degraded``:
    something of the request was not done, be it a leg or the reranker; ``errors`` names each with ``part``, ``code`` and
    ``message``. ``stage_timings`` are in milliseconds. ``pipeline_version`` is the same for two answers made the same way.
    """

    query: str
    documents: tuple[RetrievedDocument, ...]
    total: int
    rerank_metrics: Mapping[str, Any]
    pipeline_version: str
    partial: bool
    degraded: bool
    errors: tuple[Mapping[str, str], ...]
    stage_timings: Mapping[str, float]
    metadata: Mapping[str, Any] = {}

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields


def filter_of(filters: Mapping[str, str | Sequence[str]]) -> Filter:
    """A filter from a value or values by field, and dates as ``since`` and ``until``. Raises as :func:`make_filter`."""
    values = {field: [value] if isinstance(value, str) else list(value) for field, value in filters.items()}
    since, until = values.pop("since", [None]), values.pop("until", [None])
    if len(since) != 1 or len(until) != 1:
        raise UsageError("since and until take one date each.", remedy="Give a year, a month (2021-03) or a day (2021-03-15).")
    return make_filter(values, since=since[0], until=until[0])


def retrieval_result(request: RetrieveRequest, found: SearchResult, pipeline_version: str) -> RetrievalResult:
    """A search's answer as one to the request that it was made for."""
    reranker = found.reranker
    legs = [{"part": name, **leg.error} for name, leg in found.legs.items() if leg.error is not None]
    failed = [{"part": "reranker", **reranker.error}] if reranker is not None and reranker.error is not None else []
    hits = found.hits
    if reranker is not None and reranker.error is None and not request.rerank_overflow:
        hits = tuple(hit for hit in hits if hit.rank <= request.rerank_top_k)
    took = {"rerank": reranker.took_ms} if reranker is not None else {}
    timings = {**{name: leg.took_ms for name, leg in found.legs.items()}, **found.timings, **took, "total": found.took_ms}
    return RetrievalResult(
        query=found.query,
        documents=tuple(_document(hit) for hit in hits),
        total=found.found,
        rerank_metrics=_metrics(found),
        pipeline_version=pipeline_version,
        partial=bool(legs),
        degraded=found.partial,
        errors=tuple(legs + failed),
        stage_timings=timings,
        metadata=request.metadata,
    )


def _metrics(found: SearchResult) -> dict[str, Any]:
    reranker = found.reranker
    if reranker is None:
        return {"applied": False}
    return {"applied": reranker.error is None, "model": reranker.model, "candidates": reranker.hits, "took_ms": reranker.took_ms}


def _document(hit: Hit) -> RetrievedDocument:
    fields = hit.to_dict()
    kept = ("chunk_id", "section", "page", "bbox", "start", "end", "ranks", "rank")
    return RetrievedDocument(
        id=hit.doc_id,
        title=hit.title,
        score=hit.score,
        summary=hit.text,
        source=hit.source,
        metadata={name: fields[name] for name in kept},
        explain=hit.explanation,
    )
