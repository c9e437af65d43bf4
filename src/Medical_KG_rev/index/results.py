"""What a search answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from Medical_KG_rev.models.text import BoundingBox


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A passage. ``text`` is the document's text at ``start:end``; ``ranks`` are its places in the legs that found it.

    ``explanation`` (only when asked for) has the legs' own scores and what each added to ``score``.
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
    explanation: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(self)
        if self.explanation is None:
            del fields["explanation"]
        return fields


class LegReport(msgspec.Struct, frozen=True):
    """How long one leg took and how many passages it gave to fusion."""

    took_ms: float
    hits: int


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one query. ``partial`` is true when a leg could not answer."""

    query: str
    took_ms: float
    legs: Mapping[str, LegReport]
    hits: tuple[Hit, ...]
    partial: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``medkg search``."""
        return {
            "query": self.query,
            "took_ms": self.took_ms,
            "legs": {name: msgspec.to_builtins(leg) for name, leg in self.legs.items()},
            "hits": [hit.to_dict() for hit in self.hits],
            "partial": self.partial,
        }
