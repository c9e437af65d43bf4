"""What all kinds of segments have in common: a file of vids with a row each, opened by mapping it, folded by its live rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.index.facets import FacetRow, FacetSegment, facet_bytes
from Medical_KG_rev.index.impacts import ImpactSegment, impact_bytes
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


def _select_facets(rows: Sequence[FacetRow], numbers: Vids) -> list[FacetRow]:
    return [rows[number] for number in numbers.tolist()]


def _join_facets(parts: Sequence[Sequence[FacetRow]]) -> list[FacetRow]:
    return [row for part in parts for row in part]


FORMATS: Mapping[str, Format] = {
    "dense": Format(dense_bytes, DenseSegment, lambda rows, numbers: rows[numbers], np.concatenate),
    "sparse": Format(impact_bytes, ImpactSegment, SparseMatrix.rows, SparseMatrix.concatenate),
    "facets": Format(facet_bytes, FacetSegment, _select_facets, _join_facets),
}


def folded(kind: str, parts: Sequence[tuple[Vids, Rows]]) -> tuple[Vids, Rows]:
    """All parts as one, in the order of their vids."""
    form = FORMATS[kind]
    vids = np.concatenate([vids for vids, _ in parts])
    order = np.argsort(vids, kind="stable")
    return vids[order], form.select(form.join([rows for _, rows in parts]), order)


def kept(kind: str, part: tuple[Vids, Rows], live: Vids) -> tuple[Vids, Rows]:
    """The part without the rows whose vids are not in ``live``."""
    vids, rows = part
    numbers = np.flatnonzero(np.isin(vids, live))
    return vids[numbers], FORMATS[kind].select(rows, numbers)
