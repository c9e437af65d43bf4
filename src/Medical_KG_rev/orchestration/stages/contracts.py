"""What each stage of a pipeline promises: one Protocol a stage, satisfied by shape alone.

An implementation needs no base class and no import from here. Two attributes are asked for where an implementation has them:

- ``fingerprint``: a short string that changes whenever the same input would give another output; it is part of every
  artifact's key. Without one, the class's name is used.
- ``live_versions(tenant_id, doc_ids) -> dict[str, str]`` of index and kg: what the store holds now, so that what is there in
  exactly this version is not written again. Without it, everything is written.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from Medical_KG_rev.models import (
    AdapterRequest,
    Chunk,
    Claim,
    Document,
    EmbeddingBatch,
    Entity,
    GraphWriteReceipt,
    IndexReceipt,
    RawPayload,
    StageContext,
)

__all__ = [
    "ChunkStage",
    "DownloadStage",
    "EmbedStage",
    "ExtractStage",
    "IndexStage",
    "IngestStage",
    "IrValidationStage",
    "KGStage",
    "ParseStage",
    "StageContext",
]


@runtime_checkable
class IngestStage(Protocol):
    """Brings records from a source."""

    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:
        """The payloads of ``request.ids``; an id that the source does not know is absent."""
        ...


@runtime_checkable
class DownloadStage(Protocol):
    """Brings the files that payloads point to."""

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> list[RawPayload]:
        """The payloads with the files' contents."""
        ...


@runtime_checkable
class ParseStage(Protocol):
    """Turns one record's payloads into the IR."""

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        """The document. Raises PayloadError where the payload cannot be read."""
        ...


@runtime_checkable
class IrValidationStage(Protocol):
    """Lets only documents pass that later stages can trust."""

    def execute(self, ctx: StageContext, document: Document) -> Document:
        """The document itself. Raises InvalidDocumentError with all reasons."""
        ...


@runtime_checkable
class ChunkStage(Protocol):
    """Cuts a document into passages."""

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        """Chunks in reading order; never none for a document that has text to index."""
        ...


@runtime_checkable
class EmbedStage(Protocol):
    """Gives chunks their vectors."""

    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        """One row a chunk, in the order given."""
        ...


@runtime_checkable
class IndexStage(Protocol):
    """Makes documents searchable; each replaces what the index held of it."""

    def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt:
        """Writes the documents of ``ctx.documents`` with their ``ctx.versions``, all visible at once."""
        ...


@runtime_checkable
class ExtractStage(Protocol):
    """Finds what a document states."""

    def execute(self, ctx: StageContext, document: Document) -> tuple[list[Entity], list[Claim]]:
        """Entities with their mentions, and claims with their evidence."""
        ...


@runtime_checkable
class KGStage(Protocol):
    """Writes entities and claims to the graph; each document replaces what the graph held of it."""

    def execute(self, ctx: StageContext, entities: list[Entity], claims: list[Claim]) -> GraphWriteReceipt:
        """Writes for the documents of ``ctx.documents`` with their ``ctx.versions``, in one transaction."""
        ...
