"""What each leg asks of an index, and the models that make its question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, UsageError
from Medical_KG_rev.index.filters import Filter
from Medical_KG_rev.index.gate import Turns
from Medical_KG_rev.index.ports import Scored
from Medical_KG_rev.index.snapshot import Snapshot
from Medical_KG_rev.index.spaces import Space
from Medical_KG_rev.models import SparseVector

V = TypeVar("V")

EncodeQuery = Callable[[str], NDArray[np.float32]]
"""A query's dense vector, of unit length."""

ExpandQuery = Callable[[str], SparseVector]
"""A query's weights of vocabulary terms."""

Fingerprint = str | Callable[[], str] | None
"""Of a model; a function is called once a leg needs the model, and may load it."""


@dataclass(frozen=True, slots=True)
class QueryEncoders:
    """The models of a retriever. A leg whose model is None cannot be searched; one without a fingerprint is not checked."""

    dense: EncodeQuery | None = None
    sparse: ExpandQuery | None = None
    dense_fingerprint: Fingerprint = None
    sparse_fingerprint: Fingerprint = None

    def servable(self, snapshot: Snapshot | None) -> tuple[str, ...]:
        """The legs that the index has and a model is there for; without an index, those a model is there for but ``sparse``."""
        kinds = snapshot.spaces if snapshot is not None else {"dense": None}
        models = {"sparse": self.sparse, "dense": self.dense}
        return ("bm25", *(leg for leg, model in models.items() if model is not None and leg in kinds))

    def check(self, snapshot: Snapshot, tenant_id: str, legs: Sequence[str]) -> None:
        """Refuses legs that the index does not have, and models that did not make it. Loads the models that are needed.

        Raises:
            UsageError: the index has no such leg, or no model is there for it; lists the legs that can be searched.
            IndexMismatchError: the index was made with another model.
        """
        spaces = snapshot.spaces
        for leg, model, fingerprint in (
            ("sparse", self.sparse, self.sparse_fingerprint),
            ("dense", self.dense, self.dense_fingerprint),
        ):
            if leg not in legs:
                continue
            if leg not in spaces or model is None:
                lack = "needs a query encoder" if model is None else f"is not in the index of tenant {tenant_id!r}"
                valid = self.servable(snapshot)
                raise UsageError(f"The leg {leg} {lack}.", remedy=f"Use --legs {','.join(valid)}.", valid=valid)
            wanted = fingerprint() if callable(fingerprint) else fingerprint
            if wanted is not None and wanted != spaces[leg].fingerprint:
                raise mismatch(tenant_id, "fingerprint", spaces[leg].fingerprint, wanted, spaces[leg].model)

    def searches(
        self, snapshot: Snapshot, query: str, tokens: Sequence[str], legs: Sequence[str], wanted: Filter, turns: Turns
    ) -> dict[str, Callable[[int], Scored]]:
        """What each leg does, from a depth to its hits. A query's vector is made once, by the leg that needs it.

        A leg that searches in this process takes its turn for that alone: one that waits for a model or a server holds up nobody.
        """

        @cache
        def sparse_query() -> SparseVector:
            return _needed(self.sparse)(query)

        @cache
        def dense_query() -> NDArray[np.float32]:
            vector = np.asarray(_needed(self.dense)(query), dtype=np.float32).ravel()
            _check_dimension(vector, snapshot.spaces["dense"])
            return vector

        def lexical(depth: int) -> Scored:
            with turn("bm25"):
                return snapshot.search_lexical(tokens, depth, wanted)

        def sparse(depth: int) -> Scored:
            vector = sparse_query()
            with turn("sparse"):
                return snapshot.search_sparse(vector, depth, wanted)

        def dense(depth: int) -> Scored:
            vector = dense_query()
            with turn("dense"):
                return snapshot.search_vectors(vector, depth, wanted)

        def turn(leg: str) -> AbstractContextManager[None]:
            return nullcontext() if leg in snapshot.served else turns.of(leg)

        every: dict[str, Callable[[int], Scored]] = {"bm25": lexical, "sparse": sparse, "dense": dense}
        return {leg: search for leg, search in every.items() if leg in legs}


def mismatch(tenant_id: str, what: str, found: str, wanted: str, model: str) -> IndexMismatchError:
    """The error of an index that was made otherwise than the search is."""
    return IndexMismatchError(
        f"The index of tenant {tenant_id!r} was made with {what} {found!r}; this search has {wanted!r}.",
        remedy=f"Search with the model {model!r}, or change the index by `medkg index reembed`."
        if what == "fingerprint"
        else "Ingest again into another data folder.",
        expected=found,
        found=wanted,
    )


def _needed(model: Callable[[str], V] | None) -> Callable[[str], V]:
    if model is None:
        raise UsageError("A leg without a query encoder was searched.")
    return model


def _check_dimension(vector: NDArray[np.float32], space: Space) -> None:
    if len(vector) != space.dimension:
        raise IndexMismatchError(
            f"The query vector has {len(vector)} dimensions, the index {space.dimension}.",
            remedy=f"Search with the model {space.model!r}.",
            expected=space.dimension,
            found=len(vector),
        )
