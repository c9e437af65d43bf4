"""From streams of symbols to a weight for each label of each token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.tagging.attributes import BORDER, HALF_WIDTHS, Attribute, attribute_functions
from Medical_KG_rev.extraction.tagging.decoding import FORBIDDEN, Scheme
from Medical_KG_rev.extraction.tagging.symbols import Streams
from Medical_KG_rev.extraction.tagging.weights import Facts, TaggerWeights

__all__ = ["Emissions", "Frame"]

_HALF_WIDTH = 3
_CACHED = 20_000
"""Symbols of a stream remembered at most."""


class Emissions:
    """Weights of labels under one convention. What a symbol weighs is computed once and remembered."""

    def __init__(self, weights: TaggerWeights, convention: str) -> None:
        facts, labels = weights.facts, Scheme(tuple(weights.facts.types)).labels
        projection = _projection(facts, labels, facts.conventions[convention])
        functions = attribute_functions(weights.clusters)
        self.base = np.array([_base(label, facts.bonuses[convention]) for label in labels], np.float32)
        self._tables = {
            stream: _Table(weights, projection, function, HALF_WIDTHS[stream]) for stream, function in functions.items()
        }
        self._shape = (facts.passes, len(labels))
        self._width = facts.passes * len(labels)

    def of(self, streams: Streams, frame: Frame) -> NDArray[np.float32]:
        """Passes x tokens x labels: the sum of what all symbols in the window of each token weigh; ``base`` not added."""
        total = np.zeros((len(frame.places) - 2 * _HALF_WIDTH, self._width), np.float32)
        for stream, symbols in streams.items():
            table = self._tables[stream]
            numbers = np.append(table.numbers(symbols), (0, 0 if stream != "word" else 1))[frame.places]
            for offset in range(-table.half_width, table.half_width + 1):
                start = _HALF_WIDTH + offset
                total += table.weights[numbers[start : start + len(total)], table.half_width + offset]
        return total[frame.tokens].reshape(-1, *self._shape).transpose(1, 0, 2)


class Frame:
    """Tokens with borders around each sentence, so that windows never reach into another."""

    def __init__(self, sentences: Sequence[tuple[int, int]], count: int) -> None:
        """``count``: number of tokens. ``places`` hold tokens, ``count`` for nothing, ``count + 1`` for a border."""
        places = [count] * _HALF_WIDTH
        tokens = np.zeros(count, np.int64)
        for first, last in sentences:
            places.append(count + 1)
            tokens[first:last] = np.arange(len(places) - _HALF_WIDTH, len(places) - _HALF_WIDTH + last - first)
            places += range(first, last)
            places += [count + 1, count, count]
        self.places = np.array(places + [count] * _HALF_WIDTH, np.int64)
        self.tokens = tokens


class _Table:
    """What the symbols of one stream weigh. Symbol 0 weighs nothing, symbol 1 is the border."""

    def __init__(
        self,
        weights: TaggerWeights,
        projection: NDArray[np.float32],
        attributes: Callable[[str], list[Attribute]],
        half_width: int,
    ) -> None:
        self.half_width = half_width
        self._rows, self._projection, self._attributes = weights, projection, attributes
        self.clear()

    def clear(self) -> None:
        """Forgets all symbols."""
        self._numbers: dict[str, int] = {}
        self.weights = np.zeros((2, 2 * self.half_width + 1, self._rows.values.shape[1] * self._projection.shape[1]), np.float32)
        self._add([BORDER])

    def numbers(self, symbols: Sequence[str]) -> NDArray[np.int64]:
        """The number of each symbol; those that are new are weighed."""
        if len(self._numbers) > _CACHED:
            self.clear()
        known = self._numbers
        new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in known]
        if new:
            self._add(new)
        return np.fromiter((known[symbol] for symbol in symbols), np.int64, len(symbols))

    def _add(self, symbols: Sequence[str]) -> None:
        first = len(self._numbers) + 1
        self._numbers.update(zip(symbols, range(first, first + len(symbols)), strict=True))
        needed = first + len(symbols)
        if needed > len(self.weights):
            grown = np.zeros((max(needed, 2 * len(self.weights)), *self.weights.shape[1:]), np.float32)
            grown[:first] = self.weights[:first]
            self.weights = grown
        self.weights[first:needed] = self._weigh(symbols)

    def _weigh(self, symbols: Sequence[str]) -> NDArray[np.float32]:
        """Symbols x places of the window x (passes x labels)."""
        rows: list[int] = []
        targets: list[int] = []
        places = 2 * self.half_width + 1
        for number, symbol in enumerate(symbols):
            middle = number * places + self.half_width
            for reach, name in self._attributes(symbol):
                row = self._rows.attributes.get(name)
                if row is not None:
                    rows += range(row, row + 2 * reach + 1)
                    targets += range(middle - reach, middle + reach + 1)
        passes, columns = self._rows.values.shape[1:]
        summed = np.zeros((len(symbols) * places, passes, columns), np.float32)
        at = np.array(rows, np.int64)
        values = self._rows.values[at] * self._rows.scales[at, None, None]
        np.add.at(summed, np.array(targets, np.int64), values)
        return (summed @ self._projection).reshape(len(symbols), places, -1)


def _projection(facts: Facts, labels: Sequence[str], shares: Mapping[str, float]) -> NDArray[np.float32]:
    """Columns x labels: what part of a column goes into the weight of its label."""
    whole: dict[str, float] = dict.fromkeys(labels, 0.0)
    for corpus, label in facts.columns:
        whole[label] += shares.get(corpus, 0.0)
    projection = np.zeros((len(facts.columns), len(labels)), np.float32)
    for row, (corpus, label) in enumerate(facts.columns):
        share = shares.get(corpus, 0.0)
        projection[row, labels.index(label)] = share / whole[label] if share else not corpus
    return projection


def _base(label: str, bonuses: dict[str, float]) -> np.float32:
    place, _, kind = label.partition("-")
    if not kind:
        return np.float32(0)
    if kind not in bonuses:
        return FORBIDDEN
    return np.float32(bonuses[kind] if place in "BS" else 0)
