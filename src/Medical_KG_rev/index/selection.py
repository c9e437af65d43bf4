"""Readers of segments: several searched as one, under a filter that facet segments turn into a selection of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.index.facets import FacetSegment
from Medical_KG_rev.index.filters import EVERYTHING, Filter
from Medical_KG_rev.index.impacts import ImpactSegment, search_impacts
from Medical_KG_rev.index.ports import Scored
from Medical_KG_rev.index.vectors import DenseSegment
from Medical_KG_rev.models import SparseVector

_REMEMBERED_FILTERS = 32

Vids = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Selection:
    """The vids that a filter lets through; those of the last filters are remembered."""

    def __init__(self, facets: Sequence[FacetSegment]) -> None:
        self._facets = facets
        self.vids = lru_cache(_REMEMBERED_FILTERS)(self._vids)

    def _vids(self, wanted: Filter) -> Vids:
        parts = [segment.vids[segment.allowed(wanted)] for segment in self._facets]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


class _Masks:
    """Which rows of each segment a filter lets through; None: all of them."""

    def __init__(self, segment_vids: Sequence[Vids], selection: Selection) -> None:
        self._segment_vids = segment_vids
        self._selection = selection
        self._selected = lru_cache(_REMEMBERED_FILTERS)(self._masks)

    def of(self, wanted: Filter) -> Sequence[Mask | None]:
        return [None] * len(self._segment_vids) if wanted.is_empty else self._selected(wanted)

    def _masks(self, wanted: Filter) -> Sequence[Mask]:
        vids = self._selection.vids(wanted)
        return [np.isin(own, vids) for own in self._segment_vids]


class DenseReader:
    """Dense segments as one; a port of kind VectorReader."""

    def __init__(self, segments: Sequence[DenseSegment], selection: Selection) -> None:
        self._segments = segments
        self._masks = _Masks([segment.vids for segment in segments], selection)

    def search(self, vector: NDArray[np.float32], limit: int, wanted: Filter = EVERYTHING) -> Scored:
        masks = self._masks.of(wanted)
        found = [hit for segment, mask in zip(self._segments, masks, strict=True) for hit in segment.search(vector, limit, mask)]
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:limit]


class ImpactReader:
    """Impact segments as one; a port of kind SparseReader."""

    def __init__(self, segments: Sequence[ImpactSegment], selection: Selection) -> None:
        self._segments = segments
        self._masks = _Masks([segment.vids for segment in segments], selection)

    def search(self, query: SparseVector, limit: int, wanted: Filter = EVERYTHING) -> Scored:
        return search_impacts(zip(self._segments, self._masks.of(wanted), strict=True), query, limit)
