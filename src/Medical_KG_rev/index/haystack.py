"""The retriever as a Haystack component; importing it imports Haystack."""

from __future__ import annotations

from typing import Any

from haystack import Document, component

from Medical_KG_rev.index.results import Hit
from Medical_KG_rev.index.retriever import Retriever


@component
class HaystackRetriever(Retriever):
    """A :class:`Retriever` that a Haystack pipeline can hold. Serving code calls ``search`` and needs no pipeline."""

    @component.output_types(documents=list[Document])
    def run(self, query: str, tenant_id: str = "default", top_k: int = 10, legs: list[str] | None = None) -> dict[str, Any]:
        """The best ``top_k`` passages as Haystack documents, with provenance in ``meta``."""
        result = self.search(tenant_id, query, k=top_k, legs=legs)
        return {"documents": [_document(hit) for hit in result.hits]}


def _document(hit: Hit) -> Document:
    meta = {name: value for name, value in hit.to_dict().items() if name not in ("text", "score")}
    return Document(id=hit.chunk_id, content=hit.text, score=hit.score, meta=meta)
