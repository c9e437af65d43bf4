"""Changing the models of an index while it goes on answering.

The new vectors are made beside the old ones, from the stored chunks, in generations of their own: a run that is broken off goes
on where it stopped. Once no chunk is without, one commit switches; old and new never mix. The old ones are kept for a return
until they are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from Medical_KG_rev.errors import IndexMismatchError, UsageError
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.catalogue import Catalogue
from Medical_KG_rev.index.changes import Addition, Change
from Medical_KG_rev.index.formats import FORMATS
from Medical_KG_rev.index.maintenance import MakeVectors, rows_of
from Medical_KG_rev.index.snapshot import open_segment
from Medical_KG_rev.index.spaces import Kind, Space
from Medical_KG_rev.index.stores import IndexStores, Step, nothing
from Medical_KG_rev.index.tenant import TenantIndex, open_for_writing
from Medical_KG_rev.models import Chunk

_CHUNKS_A_STEP = 1024
_FEW = 256
"""So few missing rows are made under the lock, with the switch; more are made before, while writers go on."""


class Target(NamedTuple):
    """A model that the index is to have; ``fingerprint`` None: none of that kind."""

    kind: Kind
    model: str
    fingerprint: str | None
    dimension: int


class ReembedReport(msgspec.Struct, frozen=True):
    """``made``: chunks that got new vectors in this run. ``active`` and ``retired``: models by space, as they are now."""

    tenant_id: str
    chunks: int
    made: int
    generation: int
    active: dict[str, str]
    retired: dict[str, str]


@dataclass(frozen=True)
class Reembedding:
    """Brings one tenant's index to other models.

    Args:
        stores: where the indexes lie.
        make_vectors: the embed stage with the new models.
        progress: is told how many chunks have their new vectors, and how many there are.
        step: is told each step of the protocol by name.
    """

    stores: IndexStores
    make_vectors: MakeVectors
    progress: Callable[[int, int], None] = lambda _done, _all: None
    lock_timeout_seconds: float = 60.0
    chunks_a_step: int = _CHUNKS_A_STEP
    step: Step = nothing

    def run(self, tenant_id: str, targets: Sequence[Target]) -> ReembedReport:
        """Makes what is missing and switches, in one commit for all kinds.

        Raises:
            IndexMismatchError: there is no index, or the embed stage is not that of the targets.
            StoreUnavailableError: another writer held the lock for too long.
        """
        made = 0
        while True:
            with self._locked(tenant_id) as index:
                spaces = self._spaces(index, targets)
                missing = self._missing(index, list(spaces.values()))
                if len(missing) <= _FEW:
                    generation = self._switch(index, spaces, targets, missing)
                    made += len(missing)
                    self.progress(made, made)
                    return self._report(tenant_id, index.catalogue, made, generation)
                chunks = index.catalogue.chunks(missing[: self.chunks_a_step])
            additions = self._made(chunks, list(spaces.values()))
            with self._locked(tenant_id) as index:
                made += self._add(index, chunks, additions)
                self.progress(made, made + len(missing) - len(chunks))

    def drop_retired(self, tenant_id: str) -> ReembedReport:
        """Removes the vectors that were kept for a return, and those of runs that were never ended."""
        with self._locked(tenant_id) as index:
            dropped = [space for space in index.catalogue.spaces() if space.state != "active"]
            generation = index.apply(Change(dropped=dropped, purge=True)) if dropped else 0
            return self._report(tenant_id, index.catalogue, 0, generation)

    def _locked(self, tenant_id: str) -> AbstractContextManager[TenantIndex]:
        with self.stores.reading(tenant_id) as catalogue:
            if catalogue is None:
                raise UsageError(f"Tenant {tenant_id!r} has no index.", remedy="Ingest documents first.", tenant=tenant_id)
        return open_for_writing(self.stores, tenant_id, Analyser(), timeout_seconds=self.lock_timeout_seconds, step=self.step)

    def _spaces(self, index: TenantIndex, targets: Sequence[Target]) -> dict[Kind, Space]:
        """The space of each target: there already in whatever state, or new."""
        known = index.catalogue.spaces()
        spaces: dict[Kind, Space] = {}
        for target in targets:
            if target.fingerprint is not None:
                same = [each for each in known if (each.kind, each.fingerprint) == (target.kind, target.fingerprint)]
                spaces[target.kind] = same[0] if same else self._begun(index, target)
        return spaces

    @staticmethod
    def _begun(index: TenantIndex, target: Target) -> Space:
        name = f"{target.kind}-{index.catalogue.next_generation()}"
        space = Space(name, target.kind, target.model, target.fingerprint or "", target.dimension, "building")
        index.apply(Change(spaces=[space]))
        return space

    @staticmethod
    def _missing(index: TenantIndex, spaces: Sequence[Space]) -> list[int]:
        """Live chunks without a row in one of the spaces."""
        live = np.array(index.catalogue.live_vids(), dtype=np.int64)
        lacking = np.zeros(len(live), dtype=np.bool_)
        for space in spaces:
            own = [open_segment(index.files, each).vids for each in index.catalogue.segments() if each.space == space.name]
            lacking |= ~np.isin(live, np.concatenate(own)) if own else True
        vids: list[int] = live[lacking].tolist()
        return vids

    def _made(self, chunks: dict[int, Chunk], spaces: Sequence[Space]) -> list[Addition]:
        if not chunks:
            return []
        vids = np.array(sorted(chunks), dtype=np.int64)
        batch = self.make_vectors([chunks[vid] for vid in vids.tolist()])
        return [Addition(space, vids, rows_of(batch, space)) for space in spaces]

    @staticmethod
    def _add(index: TenantIndex, chunks: dict[int, Chunk], additions: Sequence[Addition]) -> int:
        """Rows of chunks that were replaced meanwhile are left out."""
        change = Change(additions=[only_missing(index, each) for each in additions])
        index.apply(change)
        return len(chunks)

    def _switch(self, index: TenantIndex, spaces: dict[Kind, Space], targets: Sequence[Target], missing: list[int]) -> int:
        """One commit: the last rows, and the new spaces in place of the old; 0 where all is so already."""
        kinds = {target.kind for target in targets}
        active = [each for each in index.catalogue.spaces() if each.kind in kinds and each.state == "active"]
        if not missing and {each.name for each in active} == {space.name for space in spaces.values()}:
            return 0
        chunks = index.catalogue.chunks(missing)
        additions = [only_missing(index, each) for each in self._made(chunks, list(spaces.values()))]
        new = [msgspec.structs.replace(space, state="active") for space in spaces.values()]
        names = {space.name for space in new}
        old = [msgspec.structs.replace(each, state="retired") for each in active if each.name not in names]
        return index.apply(Change(spaces=[*new, *old], additions=additions))

    @staticmethod
    def _report(tenant_id: str, catalogue: Catalogue, made: int, generation: int) -> ReembedReport:
        spaces = [space for space in catalogue.spaces() if space.kind != "facets"]
        active: dict[str, str] = {space.kind: space.model for space in spaces if space.state == "active"}
        retired: dict[str, str] = {space.kind: space.model for space in spaces if space.state == "retired"}
        return ReembedReport(tenant_id, catalogue.counts()[1], made, generation, active, retired)


def only_missing(index: TenantIndex, addition: Addition) -> Addition:
    """The rows of live chunks that the space does not hold yet."""
    live = index.catalogue.doc_ids(addition.vids.tolist())
    held = [open_segment(index.files, each).vids for each in index.catalogue.segments() if each.space == addition.space.name]
    alive = np.isin(addition.vids, np.fromiter(live, dtype=np.int64, count=len(live)))
    wanted = np.flatnonzero(alive & ~np.isin(addition.vids, np.concatenate(held))) if held else np.flatnonzero(alive)
    return Addition(addition.space, addition.vids[wanted], FORMATS[addition.space.kind].select(addition.rows, wanted))


def returning(catalogue: Catalogue) -> list[Target]:
    """The models that the index had before.

    Raises:
        IndexMismatchError: none are kept.
    """
    retired = [space for space in catalogue.spaces() if space.state == "retired"]
    if not retired:
        raise IndexMismatchError(
            "The index keeps no vectors of an earlier model.", remedy="Run `medkg index reembed --model MODEL`."
        )
    return [Target(space.kind, space.model, space.fingerprint, space.dimension) for space in retired]
