"""Folding segments: one file of the live rows of several, made of their arrays, without making rows of them first.

Segments are mostly of consecutive vids, each above those of the one before, so that their lists only have to be put one behind
the other; where they are not, the result is sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, InvalidDocumentError
from Medical_KG_rev.index.facets import FacetSegment, facet_file
from Medical_KG_rev.index.impacts import BLOCK_BITS, Allowed, ImpactSegment, impact_file, row_numbers, sorted_impacts
from Medical_KG_rev.index.vectors import DenseSegment, dense_file

Rows = NDArray[np.int64]


def merge_dense(parts: Sequence[tuple[DenseSegment, Allowed]]) -> bytes:
    """The file of one segment that holds the allowed rows of all these."""
    vids, _, order = _renumbered(parts)
    codes = np.concatenate([segment.codes[_rows(segment, allowed)] for segment, allowed in parts])
    return dense_file(vids, codes[order], parts[0][0].dimension)


def merge_impacts(parts: Sequence[tuple[ImpactSegment, Allowed]]) -> bytes:
    """The file of one segment that holds the allowed rows of all these.

    Raises:
        IndexMismatchError: the segments come from different models.
        InvalidDocumentError: a vid is in two of them.
    """
    fingerprints = {segment.fingerprint for segment, _ in parts}
    if len(fingerprints) != 1:
        raise IndexMismatchError(
            f"Impact segments of {', '.join(sorted(fingerprints)) or 'no model'} cannot be merged.", found=sorted(fingerprints)
        )
    model, fingerprint = parts[0][0].model, parts[0][0].fingerprint
    vids, targets, order = _renumbered(parts)
    segments = [segment for segment, _ in parts]
    if not isinstance(order, slice):
        pieces = [segment.moved(target, segment.terms) for segment, target in zip(segments, targets, strict=True)]
        terms, rows, weights = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        return sorted_impacts(vids, terms, rows, weights, model, fingerprint)
    vocabulary = np.unique(np.concatenate([segment.terms for segment in segments]))
    blocks = -(-len(vids) >> BLOCK_BITS)
    counts = np.zeros((len(parts), blocks * len(vocabulary)), np.int64)
    for number, (segment, target) in enumerate(zip(segments, targets, strict=True)):
        counts[number] = np.bincount(_lists(segment, target, vocabulary)[0], minlength=counts.shape[1])
    lengths = counts.sum(axis=0)
    firsts = np.cumsum(lengths) - lengths + np.cumsum(counts, axis=0) - counts
    postings = np.empty(lengths.sum(), np.uint16), np.empty(lengths.sum(), np.float16)
    for number, (segment, target) in enumerate(zip(segments, targets, strict=True)):
        lists, rows, weights = _lists(segment, target, vocabulary)
        if (np.diff(lists) < 0).any():  # it reaches into another block
            own = np.argsort(lists, kind="stable")
            rows, weights = rows[own], weights[own]
        before = np.cumsum(counts[number]) - counts[number]
        places = np.repeat(firsts[number] - before, counts[number])
        places += np.arange(len(places))
        postings[0][places] = rows.astype(np.uint16)
        postings[1][places] = weights
    used = lengths.reshape(blocks, len(vocabulary)).any(axis=0)
    return impact_file(
        vids, vocabulary[used], lengths.reshape(blocks, len(vocabulary))[:, used].ravel(), *postings, model, fingerprint
    )


def merge_facets(parts: Sequence[tuple[FacetSegment, Allowed]]) -> bytes:
    """The file of one segment that holds the allowed rows of all these."""
    vids, targets, order = _renumbered(parts)
    days = np.concatenate([segment.days[_rows(segment, allowed)] for segment, allowed in parts])[order]
    held = [segment.tokens() for segment, _ in parts]
    tokens = sorted(set().union(*held))
    number_of = {token: number for number, token in enumerate(tokens)}
    keys = []
    for (segment, _), own, target in zip(parts, held, targets, strict=True):
        numbers = np.array([number_of[token] for token in own], np.int64)
        rows = target[segment.postings]
        keys.append(((np.repeat(numbers, np.diff(segment.offsets)) << 32) | rows)[rows >= 0])
    postings = np.sort(np.concatenate(keys), kind="stable")
    lengths = np.bincount(postings >> 32, minlength=len(tokens))
    used = [token for token, length in zip(tokens, lengths.tolist(), strict=True) if length]
    return facet_file(vids, days, used, lengths[lengths > 0], postings & 0xFFFFFFFF)


def _renumbered(
    parts: Sequence[tuple[DenseSegment | ImpactSegment | FacetSegment, Allowed]],
) -> tuple[Rows, list[NDArray[np.int32]], Rows | slice]:
    """All allowed vids, ascending; by part, the new number of each row; and the order of the allowed rows.

    A row that is left out has the number -1. The order is the one that the allowed rows of all parts, one part behind the other,
    have to be brought into.
    """
    kept = [_rows(segment, allowed) for segment, allowed in parts]
    vids = np.concatenate([segment.vids[rows] for (segment, _), rows in zip(parts, kept, strict=True)])
    steps = np.diff(vids)
    order: Rows | slice = slice(None)
    rank = np.arange(len(vids), dtype=np.int32)
    if (steps < 0).any():
        order = np.argsort(vids, kind="stable")
        rank = np.empty(len(vids), np.int32)
        rank[order] = np.arange(len(vids), dtype=np.int32)
        vids = vids[order]
        steps = np.diff(vids)
    if (steps == 0).any():
        raise InvalidDocumentError("A segment cannot hold one vid twice.")
    targets, start = [], 0
    for (segment, _), rows in zip(parts, kept, strict=True):
        target = np.full(len(segment), -1, np.int32)
        target[rows] = rank[start : start + len(rows)]
        targets.append(target)
        start += len(rows)
    return vids, targets, order


def _rows(segment: DenseSegment | ImpactSegment | FacetSegment, allowed: Allowed) -> Rows:
    return np.arange(len(segment)) if allowed is None else row_numbers(allowed)


def _lists(
    segment: ImpactSegment, target: NDArray[np.int32], vocabulary: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float16]]:
    """The postings that go on: the list of each in the new file, its row there, its weight."""
    numbers = np.searchsorted(vocabulary, segment.terms)
    places, rows, weights = segment.moved(target, numbers)
    return places + (rows >> BLOCK_BITS) * np.int64(len(vocabulary)), rows, weights
