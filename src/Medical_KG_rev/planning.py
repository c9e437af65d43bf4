"""What an ingest would do: counts, what is done already, and an estimate from what this ledger has measured."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.orchestration.lookahead import find_unchanged
from Medical_KG_rev.orchestration.pipeline import Pipeline
from Medical_KG_rev.orchestration.products import payload_digest
from Medical_KG_rev.parts import PlatformParts

ESTIMATED_FROM = 1000
"""An estimate rests on about this many of the latest documents."""
_EXTRACT = "extract"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """``to_fetch`` and ``bytes`` are known where the listing says so. ``total`` is what the source itself counts.

    ``estimated_seconds``, and ``extract_seconds`` as a part of it, are None where this ledger has measured too little to say.
    """

    source: str
    pipeline: str
    pipeline_version: str
    stages: tuple[str, ...]
    documents: int
    total: int | None
    unchanged: int
    invalid: tuple[dict[str, str], ...]
    to_fetch: int
    to_run: int
    bytes: int
    estimated_seconds: float | None
    extract_seconds: float | None
    estimate_basis: str
    tagger: str | None
    """What finds names in texts, beside the lexicon; None where texts are not read."""
    model: str
    """The dense model."""
    sparse_model: str | None
    """The model of learned sparse vectors; None where there is none."""
    model_cost: float
    """In money; local models and endpoints of one's own cost none."""

    def to_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def make_plan(parts: PlatformParts, request: AdapterRequest, pipeline_name: str) -> Plan:
    """Lists what the request means without recording it. Of a remote query only the first page is asked for."""
    pipeline = parts.pipeline(pipeline_name)
    documents = unchanged = to_fetch = size_bytes = 0
    total: int | None = None
    invalid: list[dict[str, str]] = []
    for page in parts.adapters.get(request.source).list_records(request):
        carried = {str(i): record.payload for i, record in enumerate(page.records) if record.payload is not None}
        digests = {name: payload_digest([payload]) for name, payload in carried.items()}
        unchanged += len(find_unchanged(pipeline, parts.ledger, request.tenant_id, digests))
        documents += len(page.records)
        size_bytes += sum(len(payload.content) for payload in carried.values())
        invalid += [
            {"source_id": record.source_id, "code": record.error.code, "message": record.error.message}
            for record in page.records
            if record.error is not None
        ]
        to_fetch += sum(record.payload is None and record.error is None for record in page.records)
        total = page.total if page.total is not None else total
        if request.query is not None and page.total is not None:
            documents = max(documents, min(page.total, request.limit or page.total))
            break
    to_run = documents - unchanged - len(invalid)
    seconds, basis = _estimate(parts.ledger, request.tenant_id, pipeline.name, pipeline.order, to_run)
    return Plan(
        source=request.source,
        pipeline=pipeline.name,
        pipeline_version=pipeline.version,
        stages=pipeline.order,
        documents=documents,
        total=total,
        unchanged=unchanged,
        invalid=tuple(invalid),
        to_fetch=to_fetch,
        to_run=to_run,
        bytes=size_bytes,
        estimated_seconds=seconds,
        extract_seconds=_estimate_extract(parts.ledger, request.tenant_id, pipeline, to_run),
        estimate_basis=basis,
        tagger=_tagger(parts, pipeline),
        model=parts.settings.embedding.model,
        sparse_model=None if parts.settings.sparse_model == "none" else parts.settings.sparse_model,
        model_cost=0.0,
    )


def resolve_since(ledger: Ledger, tenant_id: str, source: str, query: str | None, since: str | None) -> str | None:
    """An ISO date as it is; ``last`` as the day on which the last complete listing of this query began.

    Raises:
        UsageError: neither, or there was no such listing.
    """
    if since is None:
        return None
    if since == "last":
        for earlier in ledger.find_submissions(tenant_id, source):
            asked = earlier.request
            whole = asked.get("limit") is None and not asked.get("ids")
            if earlier.complete and whole and asked.get("query") == query:
                return datetime.fromtimestamp(earlier.created_at, UTC).date().isoformat()
        raise UsageError(
            f"There was no complete listing of this query of {source} yet.", remedy="Give a date, or no --since the first time."
        )
    try:
        return datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError:
        raise UsageError(f"{since!r} is not a date.", remedy="Write --since 2026-01-31 or --since last.") from None


def _estimate(ledger: Ledger, tenant_id: str, pipeline: str, stages: tuple[str, ...], documents: int) -> tuple[float | None, str]:
    if documents <= 0:
        return 0.0, "nothing to run"
    per_document, count = ledger.seconds_per_document(tenant_id, pipeline, ESTIMATED_FROM)
    if per_document is None:
        return None, "no document has been through this pipeline here yet"
    return round(per_document * documents, 1), f"the last {count} documents that went through {', '.join(stages)} here"


def _estimate_extract(ledger: Ledger, tenant_id: str, pipeline: Pipeline, documents: int) -> float | None:
    if documents <= 0 or _EXTRACT not in pipeline.order:
        return 0.0
    per_document = ledger.seconds_in_stage(tenant_id, pipeline.name, _EXTRACT, ESTIMATED_FROM)
    return None if per_document is None else round(per_document * documents, 1)


def _tagger(parts: PlatformParts, pipeline: Pipeline) -> str | None:
    settings = parts.settings.extraction
    return settings.tagger if settings.text and _EXTRACT in pipeline.order else None
