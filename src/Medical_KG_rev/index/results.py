"""What a search answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from Medical_KG_rev.models import BoundingBox, Chunk


class HitEntity(msgspec.Struct, frozen=True):
    """An entity that a passage names, as the graph has it."""

    id: str
    type: str
    name: str


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A passage. ``text`` is the document's text at ``start:end``; ``ranks`` are its places in the legs that found it.

    ``entities`` are those that it names, most mentions first; None where the graph was not asked.

    Only when asked for: ``highlights``, the ranges ``start, end`` of ``text`` that have a word of the query;
    ``explanation``, the legs' own scores and what each added to ``score``, and with it ``context``, caption and head of the table
    that the passage is a further piece of.
    """

    rank: int
    score: float
    doc_id: str
    chunk_id: str
    title: str
    text: str
    source: str
    section: str
    page: int | None
    bbox: BoundingBox | None
    start: int
    end: int
    ranks: Mapping[str, int]
    entities: tuple[HitEntity, ...] | None = None
    context: str | None = None
    highlights: tuple[tuple[int, int], ...] | None = None
    explanation: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        chunk: Chunk,
        rank: int,
        score: float,
        ranks: Mapping[str, int],
        highlights: tuple[tuple[int, int], ...] | None = None,
        explanation: Mapping[str, Any] | None = None,
    ) -> Hit:
        """A chunk in its place."""
        return cls(
            rank=rank,
            score=score,
            doc_id=chunk.doc_id,
            chunk_id=chunk.chunk_id,
            title=chunk.title,
            text=chunk.text,
            source=chunk.source,
            section=chunk.section,
            page=chunk.page,
            bbox=chunk.bbox,
            start=chunk.start,
            end=chunk.end,
            ranks=ranks,
            context=(chunk.context or None) if explanation is not None else None,
            highlights=highlights,
            explanation=explanation,
        )

    def to_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in fields.items() if value is not None or name in _ALWAYS}


class LegReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long one leg took and how many passages it gave to fusion; ``error`` has ``code`` and ``message`` where it failed.

    ``waited_ms`` of that time it waited for its turn, because other searches kept all cores.
    """

    took_ms: float
    hits: int
    error: Mapping[str, str] | None = None
    waited_ms: float | None = None


class RerankReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the reranker did: its model, how long it took, and how many of the first hits it was given to order anew.

    With an ``error`` (``code``, ``message``) the order is that of fusion.
    """

    model: str
    took_ms: float
    hits: int
    error: Mapping[str, str] | None = None


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one query. ``partial`` is true when a part could not answer; ``legs`` says which.

    ``generation`` is that of the index (0: there is none yet): pages of one generation fit together. ``found`` counts all that
    the legs found and ``hits`` was taken from.
    """

    query: str
    took_ms: float
    legs: Mapping[str, LegReport]
    hits: tuple[Hit, ...]
    partial: bool = False
    generation: int = 0
    found: int = 0
    timings: Mapping[str, float] = {}
    """Milliseconds by step, beside those of the legs: ``legs``, ``fusion``, ``hits``."""
    reranker: RerankReport | None = None
    entities_error: Mapping[str, str] | None = None
    """Why hits have no entities (``code``, ``message``), where the graph could not be asked."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``medkg search``."""
        fields: dict[str, Any] = {
            "query": self.query,
            "took_ms": self.took_ms,
            "legs": {name: msgspec.to_builtins(leg) for name, leg in self.legs.items()},
            "hits": [hit.to_dict() for hit in self.hits],
            "partial": self.partial,
            "generation": self.generation,
        }
        if self.reranker is not None:
            fields["reranker"] = msgspec.to_builtins(self.reranker)
        if self.entities_error is not None:
            fields["entities_error"] = dict(self.entities_error)
        return fields


_ALWAYS = frozenset(Hit.__struct_fields__) - {"entities", "context", "highlights", "explanation"}
