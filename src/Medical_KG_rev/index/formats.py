"""What all kinds of segments have in common: a file of vids with a row each, opened by mapping it, folded by merging."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.index.facets import FacetRow, FacetSegment, facet_bytes
from Medical_KG_rev.index.impacts import Allowed, ImpactSegment, impact_bytes
from Medical_KG_rev.index.merging import merge_dense, merge_facets, merge_impacts
from Medical_KG_rev.index.vectors import DenseSegment, dense_bytes
from Medical_KG_rev.models import SparseMatrix

Vids = NDArray[np.int64]
Rows = Any
"""A row a vid: float32 matrix (dense), :class:`SparseMatrix` (sparse), list of :data:`FacetRow` (facets)."""


class OpenSegment(Protocol):
    """A segment file mapped into memory."""

    vids: Vids

    def read(self) -> tuple[Vids, Rows]: ...


class Format(NamedTuple):
    """How one kind of segment is written, opened, cut and joined."""

    encode: Callable[[Vids, Rows], bytes]
    open: Callable[[Path], OpenSegment]
    select: Callable[[Rows, Vids], Rows]
    """The rows with these numbers, in that order."""
    join: Callable[[Sequence[Rows]], Rows]
    merge: Callable[[Sequence[tuple[Any, Allowed]]], bytes]
    """The file of the allowed rows of several segments, in the order of their vids."""


def _select_facets(rows: Sequence[FacetRow], numbers: Vids) -> list[FacetRow]:
    return [rows[number] for number in numbers.tolist()]


def _join_facets(parts: Sequence[Sequence[FacetRow]]) -> list[FacetRow]:
    return [row for part in parts for row in part]


FORMATS: Mapping[str, Format] = {
    "dense": Format(dense_bytes, DenseSegment, lambda rows, numbers: rows[numbers], np.concatenate, merge_dense),
    "sparse": Format(impact_bytes, ImpactSegment, SparseMatrix.rows, SparseMatrix.concatenate, merge_impacts),
    "facets": Format(facet_bytes, FacetSegment, _select_facets, _join_facets, merge_facets),
}
