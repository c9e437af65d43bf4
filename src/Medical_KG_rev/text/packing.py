"""Chooses where to cut a run of units: the segmentation of least cost within the token budget, by dynamic programming."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.text.passages import Level, Unit

__all__ = ["Packer"]

_CUT_COST = {Level.SENTENCE: 0.3, Level.BLOCK: 0.1, Level.EDGE: -0.05, Level.SECTION: -0.05, Level.FORCED: 0.0}
_COHESION_COST = 0.2
_AFTER_HEADER_COST = 10.0
_CHUNK_COST = 0.2
_OVERSIZE_COST = 0.25
_UNDERSIZE_COST = 1.0


class Packer:
    """Prefers few chunks near ``target`` tokens, cut where structure or vocabulary changes, and never after a header."""

    def __init__(self, *, minimum: int, target: int, maximum: int) -> None:
        self._maximum = maximum
        self._size_cost = [
            _size_cost(tokens, min(minimum, maximum), min(target, maximum), maximum) for tokens in range(maximum + 1)
        ]

    def cut(self, units: Sequence[Unit], similarity: Sequence[float]) -> list[int]:
        """Indexes at which chunks begin; the first is 0. ``similarity[i]`` is that of the texts around the gap before unit i."""
        count = len(units)
        best = [0.0] + [float("inf")] * count
        origin = [0] * (count + 1)
        cost_before = [self._cut_cost(units, similarity, index) for index in range(count)]
        for end in range(1, count + 1):
            tokens = 0
            for start in range(end - 1, -1, -1):
                unit = units[start]
                tokens += unit.tokens
                if tokens > self._maximum and start < end - 1:
                    break
                cost = best[start] + cost_before[start] + self._size_cost[min(tokens, self._maximum)]
                if cost < best[end]:
                    best[end], origin[end] = cost, start
                if unit.level is Level.FORCED:
                    break
        return _trace(origin, count)

    def _cut_cost(self, units: Sequence[Unit], similarity: Sequence[float], index: int) -> float:
        if index == 0:
            return 0.0
        level = units[index].level
        cohesion = _COHESION_COST * similarity[index] if level <= Level.BLOCK else 0.0
        return _CUT_COST[level] + cohesion + (_AFTER_HEADER_COST if units[index - 1].header else 0.0)


def _size_cost(tokens: int, minimum: int, target: int, maximum: int) -> float:
    if tokens > target:
        return _CHUNK_COST + _OVERSIZE_COST * ((tokens - target) / (maximum - target)) ** 2
    missing = ((target - tokens) / target) ** 2
    return _CHUNK_COST + missing + (_UNDERSIZE_COST if tokens < minimum else 0.0)


def _trace(origin: Sequence[int], end: int) -> list[int]:
    cuts = []
    while end > 0:
        end = origin[end]
        cuts.append(end)
    return cuts[::-1]
