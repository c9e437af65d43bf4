"""What a unit tells of each pair of its entities, as numbers for the classifiers. All of it vectorised: no loop over pairs."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.relations.cues import CLASSES
from Medical_KG_rev.extraction.relations.pairs import HASH_BITS, PAIR_TYPES, Meetings, Pairs, WordCodes, joined_ranges
from Medical_KG_rev.extraction.relations.units import Unit

Narrower = Callable[[str], frozenset[str]]

_K: Final = len(CLASSES)
_NEAR: Final = 3
_FAR: Final = 99.0
_MEETINGS: Final = 4
_KIND_SALT: Final = np.uint64(0xD6E8FEB86659FD93)
_MIX: Final = np.uint64(0xFF51AFD7ED558CCD)

_Words = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Word features, each after the index of its owner."""

_PAIR_TYPE: Final = np.full((4, 4), -1)
for _number, (_first, _second) in enumerate(PAIR_TYPES):
    _PAIR_TYPE[_first, _second] = _number


def pairs_of(unit: Unit, codes: WordCodes, narrower: Narrower | None = None) -> Pairs | None:
    """The pairs with their features; None where no two entities are of types that a relation may link.

    ``narrower`` gives the ids below an id. What a pair's features count are entities of its own two types, so that a text
    looks the same when other types were looked for too.
    """
    return _Reader(unit, codes, narrower).read()


class _Reader:
    def __init__(self, unit: Unit, codes: WordCodes, narrower: Narrower | None) -> None:
        self.unit = unit
        self.types = np.array(unit.types, dtype=np.int64)
        self.entity = np.array(unit.entity_of, dtype=np.int64)
        self.item = np.array(unit.item_of, dtype=np.int64)
        self.sentence = np.array(unit.sentence_of, dtype=np.int64)
        self.ends = np.array(unit.item_ends)
        self.starts = np.concatenate(([0], self.ends[:-1]))
        self.codes, self.cues = codes(unit.items)
        self.bigrams = self.codes * np.uint64(31)
        self.bigrams[:-1] += self.codes[1:]
        self.trigrams = self.bigrams * np.uint64(131)
        self.trigrams[:-1] += self.bigrams[1:]
        self.narrower = narrower

    def read(self) -> Pairs | None:
        kinds = _PAIR_TYPE[self.types[:, None], self.types[None, :]]
        same = self.types[:, None] == self.types[None, :]
        kinds = np.where(same & ~np.triu(np.ones(kinds.shape, dtype=bool), 1), -1, kinds)
        self.first, self.second = np.nonzero(kinds >= 0)
        if not len(self.first):
            return None
        self.kind = kinds[self.first, self.second]
        self.pair_at = np.full(kinds.shape, -1)
        self.pair_at[self.first, self.second] = np.arange(len(self.first))
        self._meet()
        dense = self._dense()
        hashed, bounds, meetings = self._hashed()
        return Pairs(self.first, self.second, self.kind, dense, hashed, bounds, meetings)

    def _meet(self) -> None:
        """Occurrences of both entities of a pair in one sentence: ``a`` of the first, ``b`` of the second, nearest first."""
        pair_of = self.pair_at[self.entity[:, None], self.entity[None, :]]
        apart = np.abs(self.sentence[:, None] - self.sentence[None, :])
        a, b = np.nonzero((pair_of >= 0) & (apart == 0))
        pair = pair_of[a, b]
        distance = np.abs(self.item[a] - self.item[b])
        order = np.lexsort((distance, pair))
        self.a, self.b, self.pair, self.distance = a[order], b[order], pair[order], distance[order]
        starts = np.searchsorted(self.pair, np.arange(len(self.first)))
        self.rank = np.arange(len(order)) - starts[self.pair]
        self.nearest = np.nonzero(self.rank == 0)[0]
        self.adjacent = np.bincount(pair_of[(pair_of >= 0) & (apart == 1)], minlength=len(self.first))
        gap = np.where(pair_of >= 0, apart, 10_000)
        self.gap = np.full(len(self.first), 10_000)
        np.minimum.at(self.gap, pair_of[pair_of >= 0], gap[pair_of >= 0])

    def _dense(self) -> NDArray[np.float32]:
        unit, first, second = self.unit, self.first, self.second
        self.counts = self._cue_counts()
        self.mentioned = self._mention_counts()
        count = len(first)
        n = len(self.types)
        named = np.bincount(self.entity, minlength=n)
        total = np.bincount(self.types, weights=named, minlength=4)[self.types]
        others = np.bincount(self.types, minlength=4)[self.types]
        rank = ((self.types[:, None] == self.types[None, :]) & (named[None, :] > named[:, None])).sum(1)
        start = np.full(n, 10_000)
        np.minimum.at(start, self.entity, self.item)
        end = np.zeros(n, dtype=np.int64)
        np.maximum.at(end, self.entity, self.item)
        last = np.zeros(n, dtype=np.int64)
        np.maximum.at(last, self.entity, self.sentence)
        opening = np.full(n, 10_000)
        np.minimum.at(opening, self.entity, self.sentence)
        length = max(1, len(unit.items))
        sentences = len(self.ends)
        in_sentence = np.zeros((n, sentences))
        in_sentence[self.entity, self.sentence] = 1
        together = (in_sentence[first] * in_sentence[second]).sum(1)
        spread = in_sentence.sum(1)
        titled = np.array(unit.titled, dtype=np.int64)
        per_entity = np.stack([
            named, np.log1p(named), named / total, rank, others, titled, start / length, end / length, spread,
            spread / sentences, sentences - 1 - last, opening, *self._around(n).T,
        ], axis=1)  # fmt: skip
        broader, narrow = self._hierarchy()
        both = np.stack(
            [
                titled[first] & titled[second],
                titled[first] | titled[second],
                np.minimum(named[first], named[second]),
                together,
                together / spread[first],
                together / spread[second],
                self.adjacent,
                np.minimum(self.gap, 20),
                np.abs(opening[first] - opening[second]),
                start[first] < start[second],
                (last[first] == sentences - 1) & (last[second] == sentences - 1),
                in_sentence[first, -1] * in_sentence[second, -1],
                broader[first],
                narrow[first],
                broader[second],
                narrow[second],
                others[first] + np.where(self.types[first] == self.types[second], 0, others[second]),
                np.full(count, sentences),
                np.bincount(self.kind)[self.kind],
                np.full(count, length),
            ],
            axis=1,
        )
        columns = [np.eye(len(PAIR_TYPES))[self.kind], per_entity[first], per_entity[second], both, self._met(count)]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _named(self, start: NDArray[np.int64], end: NDArray[np.int64], pair: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many mentions of the types of a pair lie in ranges of items."""
        first, second = self.types[self.first[pair]], self.types[self.second[pair]]
        of_type = self.mentioned[end] - self.mentioned[start]
        rows = np.arange(len(pair))
        return np.asarray(of_type[rows, first] + np.where(first == second, 0, of_type[rows, second]))

    def _hierarchy(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each entity, how many others of the unit it is broader than, and narrower than."""
        n = len(self.types)
        broader, narrow = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        if self.narrower is not None:
            index = {curie: entity for entity, curie in enumerate(self.unit.ids)}
            for curie, entity in index.items():
                if self.types[entity] < 2:
                    for below in index.keys() & self.narrower(curie):
                        broader[entity] += 1
                        narrow[index[below]] += 1
        return broader, narrow

    def _cue_counts(self) -> NDArray[np.int64]:
        """(items + 1, classes): how many words of each class lie before each item."""
        counts = np.zeros((len(self.cues) + 1, _K), dtype=np.int64)
        at = np.nonzero(self.cues >= 0)[0]
        counts[at + 1, self.cues[at]] = 1
        return np.cumsum(counts, axis=0)

    def _mention_counts(self) -> NDArray[np.int64]:
        """(items + 1, types): how many mentions of each type lie before each item."""
        counts = np.zeros((len(self.cues) + 1, 4), dtype=np.int64)
        counts[self.item + 1, self.types[self.entity]] = 1
        return np.cumsum(counts, axis=0)

    def _around(self, n: int) -> NDArray[np.float64]:
        """(entities, 2 classes): mean counts of the cues in the few words before and after its mentions."""
        counts = self.counts
        lower, upper = self.starts[self.sentence], self.ends[self.sentence]
        before = counts[self.item] - counts[np.maximum(lower, self.item - _NEAR)]
        after = counts[np.minimum(upper, self.item + 1 + _NEAR)] - counts[np.minimum(upper, self.item + 1)]
        named = self.entity[None, :] == np.arange(n)[:, None]
        sums = named.astype(np.float64) @ np.concatenate([before, after], axis=1)
        return np.asarray(sums / named.sum(axis=1)[:, None])

    def _met(self, count: int) -> NDArray[np.float64]:
        """Of pairs that meet in a sentence: distance, order, and the cues between them, near them, and in the sentence."""
        counts = self.counts
        low = np.minimum(self.item[self.a], self.item[self.b])
        high = np.maximum(self.item[self.a], self.item[self.b])
        between = counts[high] - counts[np.minimum(low + 1, high)]
        summed = np.zeros((count, _K))
        if len(self.nearest):
            summed[self.pair[self.nearest]] = np.add.reduceat(np.minimum(between, 1), self.nearest, axis=0)
        result = np.zeros((count, 5 + 3 * _K))
        result[:, 0] = _FAR
        near = self.nearest
        pair, sentence = self.pair[near], self.sentence[self.a[near]]
        result[pair, 0] = self.distance[near]
        result[pair, 1] = np.where(self.item[self.a[near]] < self.item[self.b[near]], 1, -1)
        result[pair, 2] = self._named(np.minimum(low + 1, high)[near], high[near], pair)
        result[pair, 3] = self._named(self.starts[sentence], self.ends[sentence], pair)
        result[:, 4] = np.bincount(self.pair, minlength=count)
        result[pair, 5 : 5 + _K] = between[near]
        result[pair, 5 + _K : 5 + 2 * _K] = counts[self.ends[sentence]] - counts[self.starts[sentence]]
        result[:, 5 + 2 * _K :] = summed
        return result

    def _hashed(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Meetings]:
        few = np.nonzero(self.rank < _MEETINGS)[0]
        owner, met = self._meeting_words(few)
        around, named = self._entity_words()
        keyed = np.unique(np.concatenate([(self.pair[few][owner] << HASH_BITS) | met, (around << HASH_BITS) | named]))
        bounds = np.searchsorted(keyed, np.arange(len(self.first) + 1) << HASH_BITS)
        return keyed & ((1 << HASH_BITS) - 1), bounds, Meetings(self.pair[few], self.a[few], self.b[few], owner, met)

    def _meeting_words(self, few: NDArray[np.int64]) -> _Words:
        """Words and their neighbours between and beside the two mentions of a meeting, by the order of the two."""
        a, b = self.item[self.a[few]], self.item[self.b[few]]
        low, high = np.minimum(a, b), np.maximum(a, b)
        order = (a < b).astype(np.uint64)
        start, end = self.starts[self.sentence[self.a[few]]], self.ends[self.sentence[self.a[few]]]
        codes, bigrams, trigrams = self.codes, self.bigrams, self.trigrams
        owner, at = joined_ranges(np.minimum(low + 1, high), high)
        keep = (at - low[owner] <= 8) | (high[owner] - at <= 4)
        owner, at = owner[keep], at[keep]
        all_of_them = np.arange(len(few))
        found = [
            (owner, _salted(1, codes[at] + order[owner])),
            (owner, _salted(2, bigrams[at] + order[owner])),
            (all_of_them, _salted(3, trigrams[low] + order)),
            (all_of_them, _salted(4, bigrams[np.maximum(high - 1, 0)] + order)),
        ]
        for back in (1, 2):
            inside = np.nonzero(low - back >= start)[0]
            found.append((inside, _salted(5, codes[low[inside] - back] + order[inside])))
            inside = np.nonzero(high + back < end)[0]
            found.append((inside, _salted(6, codes[high[inside] + back] + order[inside])))
        return self._joined(found, self.kind[self.pair[few]])

    def _entity_words(self) -> _Words:
        """Words around every mention of either entity, and the entities themselves."""
        ids = np.array([zlib.crc32(curie.encode("utf-8", "surrogatepass")) for curie in self.unit.ids], dtype=np.uint64)
        found = []
        for side, entities in ((0, self.first), (1, self.second)):
            owner, occurrence = self._occurrences(entities)
            where = self.item[occurrence]
            start, end = self.starts[self.sentence[occurrence]], self.ends[self.sentence[occurrence]]
            for template, source, reach, offset in (
                (10, self.codes, -1, -1),
                (11, self.codes, 1, 1),
                (12, self.codes, -2, -2),
                (13, self.codes, 2, 2),
                (14, self.bigrams, -2, -2),
                (15, self.bigrams, 2, 1),
            ):
                inside = (where + reach >= start) & (where + reach < end)
                found.append((owner[inside], _salted(template + 10 * side, source[where[inside] + offset])))
            found.append((np.arange(len(entities)), _salted(40 + side, ids[entities])))
        return self._joined(found, self.kind)

    def _joined(self, found: list[tuple[NDArray[np.int64], NDArray[np.uint64]]], kind: NDArray[np.int64]) -> _Words:
        owner = np.concatenate([owner for owner, _ in found])
        code = np.concatenate([code for _, code in found])
        kinds = (kind[owner].astype(np.uint64) + np.uint64(1)) * _KIND_SALT
        return owner, (((code ^ kinds) * _MIX) >> np.uint64(64 - HASH_BITS)).astype(np.int64)

    def _occurrences(self, entities: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.entity, kind="stable")
        bounds = np.searchsorted(self.entity[order], np.arange(len(self.types) + 1))
        limit = np.minimum(bounds[entities + 1], bounds[entities] + 6)
        owner, at = joined_ranges(bounds[entities], limit)
        return owner, order[at]


def _salted(template: int, code: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return code ^ np.uint64((template * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)


_ENTITY_NAMES: Final = (
    "named",
    "log_named",
    "share",
    "rank",
    "rivals",
    "titled",
    "start",
    "end",
    "spread",
    "spread_share",
    "last",
    "opening",
    *(f"before_{name}" for name in CLASSES),
    *(f"after_{name}" for name in CLASSES),
)
NAMES: Final = (
    *(f"kind_{number}" for number in range(len(PAIR_TYPES))),
    *(f"first_{name}" for name in _ENTITY_NAMES),
    *(f"second_{name}" for name in _ENTITY_NAMES),
    "both_titled",
    "one_titled",
    "min_named",
    "together",
    "together_first",
    "together_second",
    "adjacent",
    "gap",
    "openings_apart",
    "order",
    "both_end",
    "both_last",
    "broader_first",
    "narrow_first",
    "broader_second",
    "narrow_second",
    "entities",
    "sentences",
    "pairs",
    "length",
    "distance",
    "nearest_order",
    "entities_between",
    "entities_sentence",
    "meetings",
    *(f"between_{name}" for name in CLASSES),
    *(f"sentence_{name}" for name in CLASSES),
    *(f"summed_{name}" for name in CLASSES),
)
"""What the columns of ``dense`` hold."""
