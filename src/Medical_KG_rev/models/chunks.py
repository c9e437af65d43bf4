"""Chunks and their vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import InvalidDocumentError
from Medical_KG_rev.models.sparse import SparseMatrix
from Medical_KG_rev.models.text import BoundingBox, SectionKind


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A passage: the range ``start:end`` of its document's canonical text, of which ``text`` is the exact quotation.

    ``chunk_id`` is ``<doc_id>:chunk:<n>``, n from 0. ``n_tokens`` counts the embedding model's own tokens. ``coherence`` is in
    [0, 1]: the mean cosine of the chunk's sentence vectors to their centroid; ``boundary_depth`` says how clear the break at its
    end is; ``coherence_method`` names the vectors used. ``context`` is what a further piece of a table is told of it: caption and
    head, read from elsewhere in the document; it is indexed with the text.
    """

    chunk_id: str
    doc_id: str
    tenant_id: str
    source: str
    title: str
    text: str
    start: int
    end: int
    section: str = ""
    section_path: tuple[str, ...] = ()
    section_kind: SectionKind = SectionKind.BODY
    block_ids: tuple[str, ...] = ()
    page: int | None = None
    bbox: BoundingBox | None = None
    n_tokens: int = 0
    coherence: float | None = None
    coherence_method: str = ""
    boundary_depth: float | None = None
    chunker: str = ""
    facets: Mapping[str, tuple[str, ...]] = {}
    context: str = ""

    @property
    def indexed_text(self) -> str:
        """What models and lexicons read: the text, after its context where it has one."""
        return f"{self.context}\n{self.text}" if self.context else self.text

    def __post_init__(self) -> None:
        if self.end - self.start != len(self.text) or not self.text:
            raise InvalidDocumentError(
                f"Chunk {self.chunk_id} quotes {len(self.text)} characters at {self.start}:{self.end}.", doc_id=self.doc_id
            )


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingBatch:
    """Chunks with their vectors: row *i* of ``dense`` belongs to ``chunks[i]``.

    ``dense`` is float32 of shape ``(len(chunks), dimension)`` with rows of unit length; never NaN. ``sparse`` has a row per chunk
    where the pipeline makes learned sparse vectors.
    """

    chunks: tuple[Chunk, ...]
    dense: NDArray[np.float32]
    model: str
    fingerprint: str
    sparse: SparseMatrix | None = None

    def __post_init__(self) -> None:
        if self.sparse is not None and len(self.sparse) != len(self.chunks):
            raise InvalidDocumentError(f"{len(self.sparse)} sparse vectors were made for {len(self.chunks)} chunks.")
        if self.dense.ndim != 2 or len(self.dense) != len(self.chunks) or self.dense.dtype != np.float32:
            raise InvalidDocumentError(
                f"An embedding batch needs a float32 matrix with a row per chunk; got {self.dense.dtype} {self.dense.shape} "
                f"for {len(self.chunks)} chunks."
            )

    @property
    def dimension(self) -> int:
        return int(self.dense.shape[1])

    def per_document(self) -> Iterator[tuple[str, EmbeddingBatch]]:
        """The batch cut into one per document, in order; a document's chunks must be adjacent."""
        start = 0
        for doc_id, chunks in groupby(self.chunks, key=lambda chunk: chunk.doc_id):
            own = tuple(chunks)
            rows = slice(start, start + len(own))
            sparse = self.sparse.rows(np.arange(rows.start, rows.stop)) if self.sparse is not None else None
            yield doc_id, EmbeddingBatch(own, self.dense[rows], self.model, self.fingerprint, sparse)
            start += len(own)

    @staticmethod
    def concatenate(batches: Sequence[EmbeddingBatch]) -> EmbeddingBatch:
        """One batch of many; all must come from one model."""
        if len({batch.fingerprint for batch in batches}) != 1:
            raise InvalidDocumentError("Only batches of one and the same model can be joined.")
        sparse = [batch.sparse for batch in batches if batch.sparse is not None]
        if sparse and len(sparse) != len(batches):
            raise InvalidDocumentError("Batches with and without sparse vectors cannot be joined.")
        return EmbeddingBatch(
            tuple(chunk for batch in batches for chunk in batch.chunks),
            np.concatenate([batch.dense for batch in batches]),
            batches[0].model,
            batches[0].fingerprint,
            SparseMatrix.concatenate(sparse) if sparse else None,
        )


class Outcome(msgspec.Struct, frozen=True):
    """What became of one document in a batched write.

    ``status`` is ``written``, ``unchanged`` or ``failed`` (then with ``code`` and ``message``).
    """

    status: str
    count: int = 0
    code: str = ""
    message: str = ""


class IndexReceipt(msgspec.Struct, frozen=True):
    """What an index commit made visible. ``generation`` is the catalogue's; 0 when nothing had to be written."""

    generation: int
    per_document: Mapping[str, Outcome]

    @property
    def chunks(self) -> int:
        return sum(outcome.count for outcome in self.per_document.values())


class Violation(msgspec.Struct, frozen=True):
    """One broken constraint of the graph, with the row that breaks it.

    ``doc_id`` is empty where no document of the call can be held responsible. ``constraint`` names it as the schema does
    (``Claim.score.bounds``, ``SUPPORTS.each_to``), ``reason`` says what is wrong.
    """

    doc_id: str
    reason: str
    constraint: str = ""
    row: Mapping[str, Any] = {}

    def to_dict(self) -> dict[str, Any]:
        """JSON values only; a number that JSON lacks is text."""
        row = {key: str(value) if isinstance(value, float) and not isfinite(value) else value for key, value in self.row.items()}
        return {"doc_id": self.doc_id, "constraint": self.constraint, "reason": self.reason, "row": row}


class GraphWriteReceipt(msgspec.Struct, frozen=True):
    """What a write put into the graph. ``violations`` are those of the documents that were left out."""

    nodes: int
    relationships: int
    per_document: Mapping[str, Outcome]
    violations: tuple[Violation, ...] = ()
