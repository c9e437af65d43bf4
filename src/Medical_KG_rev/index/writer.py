"""The index stage: makes documents searchable, all of a batch at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from Medical_KG_rev.errors import IndexMismatchError, InvalidDocumentError, StageContractError
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.catalogue import Catalogue, StoredDocument
from Medical_KG_rev.index.changes import Change, NewDocument, NewRows
from Medical_KG_rev.index.facets import FacetRow
from Medical_KG_rev.index.filters import day_of, facets_of
from Medical_KG_rev.index.inspection import holdings
from Medical_KG_rev.index.spaces import Kind, Space
from Medical_KG_rev.index.stores import IndexStores, Step, as_stores, nothing
from Medical_KG_rev.index.tenant import TenantIndex, open_for_writing
from Medical_KG_rev.models import Chunk, EmbeddingBatch, IndexReceipt, Outcome, StageContext

_NORM_TOLERANCE = 1e-2


class Erasure(NamedTuple):
    """What the stores of an index held of a document: its chunks with their vids, rows of the lexicon and of segments."""

    chunks: int = 0
    vids: tuple[int, ...] = ()
    lexicon_rows: int = 0
    segment_rows: int = 0


class HaystackIndexWriter:
    """Writes chunks and vectors to the tenants' indexes.

    Satisfies the IndexStage contract. Holds nothing open between calls; several writers, in one process or many, take turns
    by a lock per tenant.

    Args:
        stores: where the indexes lie; a folder stands for the embedded stores in it.
        lock_timeout_seconds: how long to wait for another writer of the same tenant.
        step: is told each step of the protocol by name; a test stops the process there.
    """

    fingerprint = f"index/2;{Analyser.fingerprint}"

    def __init__(self, stores: Path | IndexStores, *, lock_timeout_seconds: float = 60.0, step: Step = nothing) -> None:
        self._stores = as_stores(stores)
        self._timeout = lock_timeout_seconds
        self._step = step
        self._analyser = Analyser()

    def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt:
        """Replaces the documents of ``ctx.documents`` by what ``batch`` holds of them; all become visible together.

        A document without chunks in the batch ends with none. One that is live with the same version, chunks and vectors
        is left alone (``unchanged``).

        Raises:
            StageContractError: chunks of other documents or another tenant, or a document without a version.
            InvalidDocumentError: a chunk id occurs twice, or a vector is neither zero nor of unit length.
            IndexMismatchError: the index was made with another model or analyser, or is of another schema.
            StorageFullError: nothing of the batch became visible; what was committed before is kept.
            StoreUnavailableError: another writer held the lock for too long, or a store cannot be reached.
            IndexWriterFencedError: another writer took over in the middle; nothing of the batch became visible.
        """
        documents = ctx.documents or ((ctx.doc_id,) if ctx.doc_id else ())
        _check(ctx, documents, batch)
        rows = _rows_by_document(batch)
        wanted = [_new_document(ctx, doc_id, batch, rows.get(doc_id, [])) for doc_id in dict.fromkeys(documents)]
        with self._locked(ctx.tenant_id) as index:
            stored = index.catalogue.documents(document.doc_id for document in wanted)
            changed = [document for document in wanted if not _is_live(document, stored.get(document.doc_id))]
            _check_models(index.catalogue, ctx.tenant_id, batch, self._analyser.fingerprint)
            order = [row for document in changed for row in rows.get(document.doc_id, [])]
            change = Change(documents=changed, vectors=_vectors(batch, order))
            generation = index.apply(change) if changed else 0
        return IndexReceipt(generation, _outcomes(wanted, {document.doc_id for document in changed}))

    def live_versions(self, tenant_id: str, doc_ids: Iterable[str]) -> dict[str, str]:
        """The version of each document that can be found right now; the others are absent. Takes no lock."""
        with self._stores.reading(tenant_id) as catalogue:
            return catalogue.versions(doc_ids) if catalogue is not None else {}

    def chunks(self, tenant_id: str, doc_id: str) -> list[Chunk]:
        """The chunks of a document that can be found right now, in reading order. Takes no lock."""
        with self._stores.reading(tenant_id) as catalogue:
            if catalogue is None:
                return []
            with catalogue.reading():
                found = catalogue.chunks(catalogue.vids_of([doc_id]))
        return sorted(found.values(), key=lambda chunk: (chunk.start, chunk.end))

    def delete(self, tenant_id: str, doc_id: str) -> int:
        """Removes a document and answers how many chunks it had; 0 also where there was none. As :meth:`erase`."""
        return self.erase(tenant_id, doc_id).chunks

    def erase(self, tenant_id: str, doc_id: str) -> Erasure:
        """Removes a document and answers what each store has given up.

        At return its text is overwritten in the catalogue, the segments that held its vectors are rewritten without them,
        and its rows are deleted in the lexicon. A lexicon goes on holding the postings (which terms occurred, without order or
        text) of a deleted row until it merges that segment; :meth:`compact` removes them at once.
        """
        if not self._exists(tenant_id):
            return Erasure()
        with self._locked(tenant_id) as index:
            stored = index.catalogue.documents([doc_id]).get(doc_id)
            if stored is None:
                return Erasure()
            vids = index.catalogue.vids_of([doc_id])
            held = holdings(index.catalogue, index.lexical, index.files, vids)
            index.apply(Change(removed=(doc_id,), purge=True))
            index.catalogue.forget()
        return Erasure(stored.chunks, tuple(vids), *held)

    def remains(self, tenant_id: str, doc_id: str, vids: Sequence[int]) -> Erasure:
        """What the stores still hold of a document that was erased, and of its rows; all zero where it is gone."""
        with self._stores.reading(tenant_id) as catalogue:
            if catalogue is None:
                return Erasure()
            lexical = self._stores.lexical(tenant_id, catalogue.meta().get("lexicon_sparse", ""))
            held = holdings(catalogue, lexical, self._stores.files(tenant_id), vids)
            return Erasure(len(catalogue.vids_of([doc_id])), tuple(catalogue.doc_ids(vids)), *held)

    def compact(self, tenant_id: str) -> None:
        """Rewrites the lexicon and all segments with live rows only; nothing deleted is left in any file."""
        if not self._exists(tenant_id):
            return
        with self._locked(tenant_id) as index:
            index.apply(Change(compact=True))
            index.catalogue.forget()

    def _exists(self, tenant_id: str) -> bool:
        with self._stores.reading(tenant_id) as catalogue:
            return catalogue is not None

    def _locked(self, tenant_id: str) -> AbstractContextManager[TenantIndex]:
        return open_for_writing(self._stores, tenant_id, self._analyser, timeout_seconds=self._timeout, step=self._step)


def _check(ctx: StageContext, documents: Sequence[str], batch: EmbeddingBatch) -> None:
    known = set(documents)
    for chunk in batch.chunks:
        if chunk.tenant_id != ctx.tenant_id:
            raise _broken(f"Chunk {chunk.chunk_id} belongs to tenant {chunk.tenant_id!r}, the call to {ctx.tenant_id!r}.")
        if chunk.doc_id not in known:
            raise _broken(f"Chunk {chunk.chunk_id} is of document {chunk.doc_id}, which the call does not list.")
        if not chunk.text:
            raise InvalidDocumentError(f"Chunk {chunk.chunk_id} has no text.", doc_id=chunk.doc_id)
    for doc_id in documents:
        if not ctx.versions.get(doc_id):
            raise _broken(f"The call gives no version for document {doc_id}.")
    if len({chunk.chunk_id for chunk in batch.chunks}) != len(batch.chunks):
        raise InvalidDocumentError("A chunk id occurs twice in one batch.", doc_id=ctx.doc_id)
    norms = np.linalg.norm(batch.dense, axis=1)
    # A text in which the model knows no word has the zero vector: found by no query, and no error.
    faults = np.flatnonzero(~((np.abs(norms - 1) <= _NORM_TOLERANCE) | (norms == 0)))
    if faults.size:
        chunk = batch.chunks[int(faults[0])]
        raise InvalidDocumentError(
            f"The vector of chunk {chunk.chunk_id} must be zero or of unit length, and finite (norm {norms[faults[0]]:.3g}).",
            doc_id=chunk.doc_id,
        )


def _broken(message: str) -> StageContractError:
    return StageContractError(message, stage="index", implementation=HaystackIndexWriter.__name__, method="execute")


def _rows_by_document(batch: EmbeddingBatch) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, chunk in enumerate(batch.chunks):
        rows.setdefault(chunk.doc_id, []).append(row)
    return rows


def _new_document(ctx: StageContext, doc_id: str, batch: EmbeddingBatch, rows: list[int]) -> NewDocument:
    chunks = tuple(batch.chunks[row] for row in rows)
    facets = tuple((facets_of(chunk), day_of(chunk)) for chunk in chunks)
    return NewDocument(doc_id, ctx.versions[doc_id], _digest(chunks, facets, batch, rows), chunks, facets)


def _digest(chunks: Sequence[Chunk], marks: Sequence[FacetRow], batch: EmbeddingBatch, rows: list[int]) -> bytes:
    """Of what would be stored, so that a resubmission is told from a change even under the same version."""
    hashed = hashlib.sha256(batch.fingerprint.encode())
    for chunk, (own, day) in zip(chunks, marks, strict=True):
        facets = "\0".join((*own, str(day)))
        hashed.update(f"\0{chunk.chunk_id}\0{chunk.start}\0{chunk.indexed_text}\0{facets}".encode("utf-8", "surrogatepass"))
    hashed.update(np.ascontiguousarray(batch.dense[rows]).tobytes())
    if batch.sparse is not None:
        sparse = batch.sparse
        starts, ends = (sparse.indptr[np.asarray(rows, np.int64) + end].tolist() for end in (0, 1))
        hashed.update(sparse.fingerprint.encode())
        for array in (sparse.terms, sparse.weights):
            for start, end in zip(starts, ends, strict=True):
                hashed.update(array[start:end].data)
    return hashed.digest()


def _is_live(document: NewDocument, stored: StoredDocument | None) -> bool:
    return stored is not None and (stored.version, stored.digest) == (document.version, document.digest)


def _vectors(batch: EmbeddingBatch, order: list[int]) -> dict[Kind, NewRows]:
    """The rows of the batch that are written, by kind."""
    vectors: dict[Kind, NewRows] = {"dense": NewRows(batch.model, batch.fingerprint, batch.dimension, batch.dense[order])}
    if batch.sparse is not None:
        vectors["sparse"] = NewRows(batch.sparse.model, batch.sparse.fingerprint, 0, batch.sparse.rows(order))
    return vectors


def _check_models(catalogue: Catalogue, tenant_id: str, batch: EmbeddingBatch, analyser: str) -> None:
    """An index that holds chunks keeps the models and the analyser that it was made with."""
    if not batch.chunks or not catalogue.counts()[1]:
        return
    found_analyser = catalogue.meta().get("analyser", analyser)
    if found_analyser != analyser:
        raise _mismatch(
            tenant_id, "analyser", found_analyser, analyser, "Run `medkg index repair`, which makes the lexicon anew."
        )
    spaces = {space.kind: space for space in catalogue.spaces() if space.state == "active"}
    dense, sparse = spaces.get("dense"), spaces.get("sparse")
    if dense is not None:
        _check_dense(tenant_id, dense, batch)
    found, wanted = sparse.fingerprint if sparse else "none", batch.sparse.fingerprint if batch.sparse else "none"
    if found != wanted:
        remedy = (
            f"Set MK_SPARSE__MODEL={sparse.model if sparse else 'none'} again, or run "
            f"`medkg index reembed --sparse {batch.sparse.model if batch.sparse else 'none'}`."
        )
        raise _mismatch(tenant_id, "sparse model", found, wanted, remedy)


def _check_dense(tenant_id: str, dense: Space, batch: EmbeddingBatch) -> None:
    for name, found, wanted in (
        ("model", dense.model, batch.model),
        ("fingerprint", dense.fingerprint, batch.fingerprint),
        ("dimension", str(dense.dimension), str(batch.dimension)),
    ):
        if found != wanted:
            remedy = (
                f"Use the model {dense.model!r} again, or run `medkg index reembed --model {batch.model}`, which changes the "
                "whole index to the new one while it goes on answering."
            )
            raise _mismatch(tenant_id, name, found, wanted, remedy)


def _mismatch(tenant_id: str, what: str, found: str, wanted: str, remedy: str) -> IndexMismatchError:
    return IndexMismatchError(
        f"The index of tenant {tenant_id!r} was made with {what} {found!r}; this batch has {wanted!r}.",
        remedy=remedy,
        expected=found,
        found=wanted,
    )


def _outcomes(wanted: Sequence[NewDocument], changed: set[str]) -> Mapping[str, Outcome]:
    return {
        document.doc_id: Outcome("written" if document.doc_id in changed else "unchanged", len(document.chunks))
        for document in wanted
    }
