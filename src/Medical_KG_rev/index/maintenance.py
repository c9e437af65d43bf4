"""Keeping an index well: verifying it, repairing what is broken or missing, rewriting it without dead rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.changes import Addition, Change
from Medical_KG_rev.index.filters import day_of, facets_of
from Medical_KG_rev.index.formats import FORMATS, Rows, Vids
from Medical_KG_rev.index.inspection import Finding, Inspection, inspect
from Medical_KG_rev.index.spaces import Space
from Medical_KG_rev.index.stores import IndexStores, Step, nothing
from Medical_KG_rev.index.tenant import TenantIndex, open_for_writing
from Medical_KG_rev.models import Chunk, EmbeddingBatch

_CHUNKS_A_CALL = 256

MakeVectors = Callable[[Sequence[Chunk]], EmbeddingBatch]
"""The embed stage: dense vectors, and sparse ones where its models make them."""


class Verification(msgspec.Struct, frozen=True):
    """What an inspection of one tenant's index has found."""

    tenant_id: str
    documents: int
    chunks: int
    findings: tuple[Finding, ...]


class RepairReport(msgspec.Struct, frozen=True):
    """What was wrong, and what a repair has done about it; ``remaining`` it could not mend."""

    tenant_id: str
    found: tuple[Finding, ...]
    rebuilt_rows: int
    renewed_lexicon: bool
    removed_files: int
    remaining: tuple[Finding, ...]


class IndexMaintenance:
    """Verifies and repairs indexes; writers of the tenant wait meanwhile, readers do not.

    Args:
        stores: where the indexes lie.
        make_vectors: makes rows of segments that were lost anew, from stored chunks; called only if there are any.
        lock_timeout_seconds: how long to wait for another writer.
        step: is told each step of the protocol by name.
    """

    def __init__(
        self, stores: IndexStores, make_vectors: MakeVectors, *, lock_timeout_seconds: float = 60.0, step: Step = nothing
    ) -> None:
        self._stores = stores
        self._make_vectors = make_vectors
        self._timeout = lock_timeout_seconds
        self._step = step
        self._analyser = Analyser()

    def verify(self, tenant_id: str) -> Verification:
        """Reads the whole index and changes nothing.

        Raises:
            StoreUnavailableError: a store cannot be reached, or a writer held the lock for too long.
        """
        with self._stores.lock(tenant_id, self._timeout), self._stores.reading(tenant_id) as catalogue:
            if catalogue is None:
                return Verification(tenant_id, 0, 0, ())
            lexical = self._stores.lexical(tenant_id, catalogue.meta().get("lexicon_sparse", ""))
            found = inspect(catalogue, lexical, self._stores.files(tenant_id))
        return Verification(tenant_id, found.documents, found.chunks, tuple(found.findings))

    def repair(self, tenant_id: str) -> RepairReport:
        """Withdraws what dead writers left, makes lost rows and lexicons anew, and removes files that belong to nobody.

        Raises:
            IndexMismatchError: lost vectors were made by another model than the present one.
            StoreUnavailableError: as :meth:`verify`.
        """
        before = self.verify(tenant_id).findings
        if not before:
            return RepairReport(tenant_id, (), 0, False, 0, ())
        with open_for_writing(self._stores, tenant_id, self._analyser, timeout_seconds=self._timeout, step=self._step) as index:
            found = inspect(index.catalogue, index.lexical, index.files)
            rebuilt = self._rebuild(index, found)
            index.files.drop(*found.orphaned_files)
            for name in found.orphaned_lexicons:
                index.lexical.drop(name)
            after = inspect(index.catalogue, index.lexical, index.files)
        removed = len(found.orphaned_files) + len(found.orphaned_lexicons)
        return RepairReport(tenant_id, before, rebuilt, found.is_lexicon_wrong, removed, tuple(after.findings))

    def _rebuild(self, index: TenantIndex, found: Inspection) -> int:
        """Makes everything anew that was lost, then rewrites what was miscounted; how many rows were made anew."""
        if not (found.lost or found.missing or found.is_lexicon_wrong or found.is_miscounted):
            return 0
        spaces = {space.name: space for space in index.catalogue.spaces()}
        additions = [Addition(spaces[name], vids, self._rows(index, spaces[name], vids)) for name, vids in found.missing.items()]
        lost = [(segment.space, segment.generation) for segment in found.lost]
        index.apply(Change(additions=additions, lost=lost, renew_lexicon=found.is_lexicon_wrong))
        if found.is_miscounted:
            index.apply(Change(compact=True))
        return sum(len(vids) for vids in found.missing.values())

    def _rows(self, index: TenantIndex, space: Space, vids: Vids) -> Rows:
        parts = []
        for start in range(0, len(vids), _CHUNKS_A_CALL):
            own = vids[start : start + _CHUNKS_A_CALL].tolist()
            chunks = index.catalogue.chunks(own)
            parts.append(self._made(space, [chunks[vid] for vid in own]))
        return FORMATS[space.kind].join(parts)

    def _made(self, space: Space, chunks: Sequence[Chunk]) -> Rows:
        if space.kind == "facets":
            return [(facets_of(chunk), day_of(chunk)) for chunk in chunks]
        return rows_of(self._make_vectors(chunks), space)


def rows_of(batch: EmbeddingBatch, space: Space) -> Rows:
    """The rows of a batch that belong into a space.

    Raises:
        IndexMismatchError: another model has made them.
    """
    made_by = batch.fingerprint if space.kind == "dense" else batch.sparse.fingerprint if batch.sparse is not None else "none"
    if made_by != space.fingerprint:
        setting = "MK_EMBEDDING__MODEL" if space.kind == "dense" else "MK_SPARSE__MODEL"
        raise IndexMismatchError(
            f"The {space.kind} vectors of this index come from {space.model} ({space.fingerprint}); the model now is {made_by}.",
            remedy=f"Set {setting} to the model of the index, or run `medkg index reembed`.",
            expected=space.fingerprint,
            found=made_by,
        )
    return np.asarray(batch.dense) if space.kind == "dense" else batch.sparse
