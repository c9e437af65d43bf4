"""One order of all that the legs find, the same whatever part of it is asked for.

The legs are asked for so many hits each, the *depth*, and for more only when a page lies deeper. Fusing longer lists would also
move what earlier pages have shown. So the order is built in layers: first all of the fusion of the lists cut at the first depth,
then what the next depth adds, and so on. The first *n* hits are thereby the same for every page and every number of hits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from Medical_KG_rev.index.fusion import Fusion
from Medical_KG_rev.index.ports import Scored

DEEPEST = 10_000
"""Hits of a leg beyond which no search goes; OpenSearch gives no more at once either."""

_DEEPER = 4


class Placed(NamedTuple):
    """A passage in its place. ``score`` never exceeds that of the place before; ``depth`` is that of its layer.

    ``from_rank`` is the place it had before a reranker gave it its ``score``; 0 where none did.
    """

    vid: int
    score: float
    depth: int
    from_rank: int = 0


def layers(first: int, wanted: int) -> list[int]:
    """The depths of the layers until one is at least ``wanted``, or the deepest of all."""
    depths = [min(first, DEEPEST)]
    while depths[-1] < min(wanted, DEEPEST):
        depths.append(min(depths[-1] * _DEEPER, DEEPEST))
    return depths


def in_layers(found: Mapping[str, Scored], fusion: Fusion, depths: Sequence[int]) -> list[Placed]:
    """All that was found, in order. ``found`` holds each leg's list to the last of ``depths``."""
    first = depths[0]
    fused = fusion({leg: scored[:first] for leg, scored in found.items()})
    if len(depths) == 1:
        return [Placed(vid, score, first) for vid, score in fused]
    placed = {vid: Placed(vid, score, first) for vid, score in fused}
    ceiling = fused[-1][1] if fused else float("inf")
    for depth in depths[1:]:
        for vid, score in fusion({leg: scored[:depth] for leg, scored in found.items()}):
            if vid not in placed:
                ceiling = min(ceiling, score)
                placed[vid] = Placed(vid, ceiling, depth)
    return list(placed.values())


def ranks(found: Mapping[str, Scored], depth: int) -> dict[int, dict[str, int]]:
    """The places, from 1, of each passage in the legs' lists cut at a depth."""
    places: dict[int, dict[str, int]] = {}
    for leg, scored in found.items():
        for rank, (vid, _) in enumerate(scored[:depth], start=1):
            places.setdefault(vid, {})[leg] = rank
    return places


class Explainer:
    """How hits came to their places, from the lists as they were when each was placed."""

    def __init__(self, fusion: Fusion, found: dict[str, Scored]) -> None:
        self._fusion = fusion
        self._found = found
        self._added: dict[int, dict[str, list[float]]] = {}

    def __call__(self, place: Placed, own: dict[str, int]) -> dict[str, Any]:
        if place.depth not in self._added:
            lists = {leg: [score for _, score in scored[: place.depth]] for leg, scored in self._found.items()}
            self._added[place.depth] = self._fusion.contributions(lists)
        added = self._added[place.depth]
        legs = {leg: {"score": self._found[leg][rank - 1][1], "contribution": added[leg][rank - 1]} for leg, rank in own.items()}
        settings = {"rrf_k": self._fusion.rrf_k} if self._fusion.method != "minmax" else {}
        weights = {leg: self._fusion.weights.get(leg, 1.0) for leg in own} if self._fusion.method != "rrf" else {}
        reranked = {"rerank": {"score": place.score, "from_rank": place.from_rank}} if place.from_rank else {}
        return {"method": self._fusion.method, **settings, **({"weights": weights} if weights else {}), "legs": legs, **reranked}
