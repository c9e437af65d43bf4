"""The retriever as a Haystack component; importing it imports Haystack."""

from __future__ import annotations

from typing import Any

from haystack import Document, component

from Medical_KG_rev.index.requests import filter_of
from Medical_KG_rev.index.results import Hit
from Medical_KG_rev.index.retriever import Retriever


@component
class HaystackRetriever(Retriever):
    """A :class:`Retriever` that a Haystack pipeline can hold: one component, which runs the legs itself and side by side.

    Serving code calls ``search`` or ``retrieve`` and needs no pipeline.
    """

    @component.output_types(documents=list[Document], partial=bool)
    def run(
        self,
        query: str,
        tenant_id: str = "default",
        top_k: int = 10,
        legs: list[str] | None = None,
        filters: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The best ``top_k`` passages as Haystack documents, with provenance in ``meta``.

        ``filters`` holds a value or values by field, and dates as ``since`` and ``until``. ``partial``: a leg could not answer.
        """
        result = self.search(tenant_id, query, k=top_k, legs=legs, wanted=filter_of(filters or {}))
        return {"documents": [_document(hit) for hit in result.hits], "partial": result.partial}


def _document(hit: Hit) -> Document:
    meta = {name: value for name, value in hit.to_dict().items() if name not in ("text", "score")}
    return Document(id=hit.chunk_id, content=hit.text, score=hit.score, meta=meta)
