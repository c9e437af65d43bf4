"""The pairs of entities of a unit, as arrays."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.relations.cues import cue_class

PAIR_TYPES: Final = ((0, 1), (0, 0), (0, 2), (0, 3), (1, 2), (1, 3), (2, 2))
"""Types of the two entities of a pair, as indices in ``RELATED_TYPES``."""

HASH_BITS: Final = 17
_KNOWN_WORDS: Final = 200_000
_CUE_BITS: Final = 5


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of a unit. Pair *p* is of entities ``first[p]`` and ``second[p]`` and of type ``PAIR_TYPES[kind[p]]``.

    ``dense`` is (pairs, features) float32. ``hashed`` holds the word features of all pairs in one row, those of pair *p* at
    ``[bounds[p], bounds[p + 1])``, each a number below ``2 ** HASH_BITS``. ``meetings`` are the nearest places where one
    sentence names both.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    kind: NDArray[np.int64]
    dense: NDArray[np.float32]
    hashed: NDArray[np.int64]
    bounds: NDArray[np.int64]
    meetings: Meetings

    def of_kind(self, kind: int) -> Pairs | None:
        """Those of one kind, without their meetings; None where there are none."""
        chosen = np.nonzero(self.kind == kind)[0]
        if len(chosen) in (0, len(self.kind)):
            return self if len(chosen) else None
        owner, at = joined_ranges(self.bounds[chosen], self.bounds[chosen + 1])
        bounds = np.searchsorted(owner, np.arange(len(chosen) + 1))
        return Pairs(
            self.first[chosen],
            self.second[chosen],
            self.kind[chosen],
            self.dense[chosen],
            self.hashed[at],
            bounds,
            Meetings.none(),
        )


@dataclass(frozen=True, slots=True)
class Meetings:
    """Meeting *m* is of pair ``pair[m]``: occurrences ``first[m]`` and ``second[m]`` of its entities.

    They are in order of pairs, the nearest first. ``hashed`` are the word features of meetings, and ``owner``
    tells of each whose it is.
    """

    pair: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    owner: NDArray[np.int64]
    hashed: NDArray[np.int64]

    @classmethod
    def none(cls) -> Meetings:
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, empty, empty, empty, empty)

    def scores(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """How much the words of each meeting speak for a relation: the sum of their weights."""
        return np.bincount(self.owner, weights=weights[self.hashed], minlength=len(self.pair)).astype(np.float64)


class WordCodes:
    """Number and cue class of each word, remembered."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __call__(self, items: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        known = self._known
        if len(known) > _KNOWN_WORDS:
            known.clear()
        for item in items:
            if item not in known:
                code = zlib.crc32(item.encode("utf-8", "surrogatepass"))
                known[item] = (code << _CUE_BITS) | (cue_class(item) + 1)
        both = np.array([known[item] for item in items], dtype=np.int64)
        return (both >> _CUE_BITS).astype(np.uint64) << np.uint64(1), (both & ((1 << _CUE_BITS) - 1)) - 1


def joined_ranges(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All numbers of all ranges, each with the index of its range."""
    lengths = np.maximum(ends - starts, 0)
    owner = np.repeat(np.arange(len(starts)), lengths)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return owner, starts[owner] + offset
