"""One small document in the shape that each stage takes it: what the stage kit runs on unless it is given something else.

The study in it is invented.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from Medical_KG_rev.models import (
    Chunk,
    Claim,
    Document,
    EmbeddingBatch,
    Entity,
    EntityType,
    Evidence,
    Mention,
    RawPayload,
    StageContext,
)
from Medical_KG_rev.parsing.builder import DocumentBuilder

TENANT = "kit"
DOC_ID = "local:kit-sample"
TITLE = "Metformin and lactic acidosis: an invented study"
PARAGRAPHS = (
    "Forty adults took metformin for a year. Their lactate was measured every month, and no value left the normal range.",
    "Two participants stopped early because of nausea. Nobody had lactic acidosis, and no death was seen in either group.",
)
DIMENSION = 8


def sample_context(*, effect: bool = False, tenant_id: str = TENANT) -> StageContext:
    """A context for the sample document; with ``effect`` as index and kg get it, for many documents at once."""
    if effect:
        return StageContext(tenant_id, documents=(DOC_ID,), versions={DOC_ID: "kit-1"}, stage="kit")
    return StageContext(tenant_id, doc_id=DOC_ID, correlation_id="kit", stage="kit")


def sample_payload() -> RawPayload:
    """The sample as plain text."""
    content = "\n\n".join((TITLE, *PARAGRAPHS)).encode()
    return RawPayload(source="local", source_id="kit-sample", format="text", content=content)


def sample_document() -> Document:
    """The sample, parsed."""
    builder = DocumentBuilder(doc_id=DOC_ID, source="local", title=TITLE)
    builder.title()
    for paragraph in PARAGRAPHS:
        builder.annotate("condition", builder.block(paragraph))
    return builder.build(
        metadata={"kind": "text"}, adapter_version="kit-1", parser_version="kit-1", parsed_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def sample_chunks() -> list[Chunk]:
    """The sample's paragraphs as chunks."""
    document = sample_document()
    return [
        Chunk(
            chunk_id=f"{DOC_ID}:chunk:{number}",
            doc_id=DOC_ID,
            tenant_id=TENANT,
            source="local",
            title=TITLE,
            text=paragraph,
            start=document.text.index(paragraph),
            end=document.text.index(paragraph) + len(paragraph),
            n_tokens=len(paragraph.split()),
        )
        for number, paragraph in enumerate(PARAGRAPHS)
    ]


def sample_embeddings(dimension: int = DIMENSION) -> EmbeddingBatch:
    """The sample's chunks with unit vectors: the first axes."""
    chunks = tuple(sample_chunks())
    return EmbeddingBatch(chunks, np.eye(len(chunks), dimension, dtype=np.float32), "kit", "kit-model-1")


def sample_knowledge() -> tuple[list[Entity], list[Claim]]:
    """A drug, a disease, the text itself and a claim with its evidence."""
    text = sample_document().text
    study = Entity(id=DOC_ID, type=EntityType.TEXT, name=TITLE)
    drug = _entity("MESH:D008687", EntityType.CHEMICAL, "metformin", text)
    disease = _entity("MESH:D000140", EntityType.DISEASE, "lactic acidosis", text)
    claim = Claim(
        id=f"{DOC_ID}:claim:0",
        doc_id=DOC_ID,
        subject_id=DOC_ID,
        predicate="biolink:mentions",
        object_id=drug.id,
        evidence=(Evidence(doc_id=DOC_ID, **_place("metformin", text)),),
    )
    return [study, drug, disease], [claim]


def _entity(identifier: str, kind: EntityType, name: str, text: str) -> Entity:
    return Entity(id=identifier, type=kind, name=name, mentions=(Mention(doc_id=DOC_ID, **_place(name, text)),))


def _place(quote: str, text: str) -> dict[str, Any]:
    start = text.index(quote)
    return {"start": start, "end": start + len(quote), "text": quote}
