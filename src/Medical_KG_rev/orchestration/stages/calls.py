"""How documents are put into calls and taken out again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from Medical_KG_rev.errors import (
    ConfigurationError,
    EmptyOutputError,
    IndexMismatchError,
    LeaseLostError,
    LedgerAccessError,
    LedgerUnavailableError,
    ModelCorruptError,
    ModelNotInstalledError,
    RetriesExhaustedError,
    StageContractError,
    StorageFullError,
    is_transient,
)
from Medical_KG_rev.models import Chunk, Document, EmbeddingBatch, StageContext
from Medical_KG_rev.orchestration.batch import DocumentState
from Medical_KG_rev.orchestration.pipeline import PipelineStage
from Medical_KG_rev.orchestration.products import CHUNKS, DOCUMENT, EMBEDDINGS, STATEMENTS, Product

SYSTEMIC = (
    ConfigurationError,
    IndexMismatchError,
    LeaseLostError,
    LedgerAccessError,
    LedgerUnavailableError,
    ModelCorruptError,
    ModelNotInstalledError,
    StorageFullError,
)
"""Errors that no document is guilty of: the run stops, and every document waits for the next."""


NAMED_LOSSES = 2
"""So many records of a slice may use up their attempts, one by one; at the next their source is taken to be down."""


class Slicer:
    """Cuts documents into slices of a bounded size and runs a call for each.

    A slice that fails with an error that would come again is halved, so that only the guilty document fails. One that failed
    after all retries fails as a whole, for halving it would only repeat the attempts; unless the error names a record
    (``source_id``): then that one fails, and the call is made for the others.
    """

    def __init__(self, documents: Sequence[DocumentState], size: int, sizes: Sequence[int] | None = None) -> None:
        self._documents = documents
        self._size = size
        self._sizes = sizes or [1] * len(documents)

    def run(
        self,
        call: Callable[[Sequence[DocumentState]], None],
        fail: Callable[[DocumentState, BaseException], None],
    ) -> None:
        """Runs ``call`` on each slice; ``fail`` is told each document that could not be helped, and why."""
        waiting: list[tuple[Sequence[DocumentState], int]] = [(part, 0) for part in self._slices()][::-1]
        while waiting:
            part, losses = waiting.pop()
            try:
                call(part)
            except SYSTEMIC:
                raise
            except Exception as error:  # noqa: BLE001 - the border that turns any failure into a recorded one
                if len(part) == 1 or is_transient(error) or isinstance(error, RetriesExhaustedError):
                    guilty, others = _apart(part, error) if losses < NAMED_LOSSES else (part, [])
                    for document in guilty:
                        fail(document, error)
                    if others:
                        waiting.append((others, losses + 1))
                else:
                    middle = len(part) // 2
                    waiting += [(part[middle:], losses), (part[:middle], losses)]

    def _slices(self) -> Iterator[Sequence[DocumentState]]:
        start = total = 0
        for position, size in enumerate(self._sizes):
            if total and total + size > self._size:
                yield self._documents[start:position]
                start, total = position, 0
            total += size
        if start < len(self._documents):
            yield self._documents[start:]


def _apart(part: Sequence[DocumentState], error: Exception) -> tuple[Sequence[DocumentState], Sequence[DocumentState]]:
    """Those that the error concerns, and the others: all of them, and none, where it names no record of the slice."""
    named = getattr(error, "source_id", None)
    guilty = [document for document in part if document.job.source_id == named]
    return (guilty, [document for document in part if document.job.source_id != named]) if guilty else (part, [])


def merge_inputs(product: Product | None, values: Sequence[Any]) -> tuple[Any, ...]:
    """The inputs of many documents as the arguments of one call."""
    if product is CHUNKS:
        return ([chunk for chunks in values for chunk in chunks],)
    if product is EMBEDDINGS:
        return (EmbeddingBatch.concatenate(values),)
    if product is STATEMENTS:
        return (
            [entity for entities, _ in values for entity in entities],
            [claim for _, claims in values for claim in claims],
        )
    return tuple(values)


def split_output(made: EmbeddingBatch, doc_ids: Sequence[str]) -> list[EmbeddingBatch]:
    """The vectors of a call, one batch a document. Raises EmptyOutputError when a document has none."""
    parts = dict(made.per_document())
    missing = [doc_id for doc_id in doc_ids if doc_id not in parts]
    if missing:
        raise EmptyOutputError(f"No vectors came back for {', '.join(missing[:3])}.", stage="embed")
    return [parts[doc_id] for doc_id in doc_ids]


def check_output(stage: PipelineStage, made: Any, context: StageContext, given: Sequence[Any] = ()) -> None:
    """Refuses what a stage may not return: another kind of value, another tenant's or another document's, too much or too little.

    Raises:
        StageContractError: says what came instead.
    """
    fault = _fault(stage.kind.makes, made, context, given)
    if fault:
        raise StageContractError(
            f"Stage {stage.name} returned {fault}.",
            remedy="Correct its implementation; the conformance kit finds such faults before a run.",
            stage=stage.name,
            implementation=type(stage.implementation).__qualname__,
        )


def _fault(product: Product | None, made: Any, context: StageContext, given: Sequence[Any]) -> str | None:
    if product is DOCUMENT:
        return None if isinstance(made, Document) else f"{type(made).__name__} instead of a Document"
    if product is CHUNKS:
        if not isinstance(made, list) or not all(isinstance(chunk, Chunk) for chunk in made):
            return f"{type(made).__name__} instead of a list of chunks"
        return _foreign(made, context.tenant_id, {context.doc_id})
    if product is EMBEDDINGS:
        if not isinstance(made, EmbeddingBatch):
            return f"{type(made).__name__} instead of an EmbeddingBatch"
        if given and len(made.chunks) != len(given[0]):
            return f"vectors for {len(made.chunks)} chunks where {len(given[0])} were given"
        return _foreign(made.chunks, context.tenant_id, set(context.documents))
    return None


def _foreign(chunks: Sequence[Chunk], tenant_id: str, doc_ids: Collection[str | None]) -> str | None:
    for chunk in chunks:
        if chunk.tenant_id != tenant_id:
            return f"a chunk of tenant {chunk.tenant_id} for tenant {tenant_id}"
        if chunk.doc_id not in doc_ids:
            return f"a chunk of document {chunk.doc_id}, which was not given"
    return None
