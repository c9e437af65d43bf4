"""How the legs' lists become one ranking.

Each method says what a leg's list adds to the score of each of its items; the scores are the sums.

- ``rrf``: ``1 / (k + rank)`` (Cormack, Clarke and Büttcher, SIGIR 2009);
- ``wrrf``: the same times the leg's weight;
- ``minmax``: the leg's score scaled to [0, 1] between the worst and the best of its list, as a weighted mean over the legs;
  a leg that does not have the item adds 0 (Lee, SIGIR 1997: "CombSUM").
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, TypeVar, get_args

from Medical_KG_rev.errors import UsageError

K = TypeVar("K", bound=Hashable)

Method = Literal["rrf", "wrrf", "minmax"]
METHODS: tuple[str, ...] = get_args(Method)


@dataclass(frozen=True, slots=True)
class Fusion:
    """One way of fusing. A leg without a weight has weight 1; ``rrf`` has no weights, and ``minmax`` no ``rrf_k``.

    Raises:
        UsageError: an unknown method, a weight below 0, or an ``rrf_k`` below 1.
    """

    method: Method = "rrf"
    weights: Mapping[str, float] = field(default_factory=dict)
    rrf_k: int = 60

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"{self.method!r} is not a way to fuse.", remedy=f"Valid: {', '.join(METHODS)}.", valid=METHODS)
        if self.rrf_k < 1 or any(weight < 0 or not isfinite(weight) for weight in self.weights.values()):
            raise UsageError("Weights of legs must be 0 or more, and rrf_k 1 or more.", remedy="Correct MK_SEARCH__….")

    @property
    def fingerprint(self) -> str:
        """The same for two fusions that give every item the same score."""
        weights = ",".join(f"{leg}:{weight:g}" for leg, weight in sorted(self.weights.items()))
        parts = {"rrf": [f"k={self.rrf_k}"], "wrrf": [f"k={self.rrf_k}", weights], "minmax": [weights]}[self.method]
        return ";".join([self.method, *parts])

    def contributions(self, lists: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
        """What each place of each leg's list adds, given the legs' scores in order."""
        if self.method != "minmax":
            weights = self.weights if self.method == "wrrf" else {}
            return {
                leg: [weights.get(leg, 1.0) / (self.rrf_k + rank) for rank in range(1, len(scores) + 1)]
                for leg, scores in lists.items()
            }
        total = sum(self.weights.get(leg, 1.0) for leg in lists)
        return {leg: _scaled(scores, self.weights.get(leg, 1.0) / total if total else 0.0) for leg, scores in lists.items()}

    def __call__(self, found: Mapping[str, Sequence[tuple[K, float]]]) -> list[tuple[K, float]]:
        """Items by score, the best first. ``found`` holds each leg's items with its own scores, the best first.

        Equal scores go to the item with the better best place, then to the one whose leg comes first in ``found``, so that
        the same lists always give the same order. An item that a list repeats counts once, at its first place.
        """
        lists = {leg: _without_repetition(hits) for leg, hits in found.items()}
        added = self.contributions({leg: list(hits.values()) for leg, hits in lists.items()})
        scores: dict[K, float] = {}
        best: dict[K, tuple[int, int]] = {}
        for position, (leg, hits) in enumerate(lists.items()):
            for rank, (item, share) in enumerate(zip(hits, added[leg], strict=True)):
                scores[item] = scores.get(item, 0.0) + share
                place = (rank, position)
                if item not in best or place < best[item]:
                    best[item] = place
        return sorted(scores.items(), key=lambda entry: (-entry[1], best[entry[0]]))


def _without_repetition(hits: Iterable[tuple[K, float]]) -> dict[K, float]:
    first: dict[K, float] = {}
    for item, score in hits:
        first.setdefault(item, score)
    return first


def _scaled(scores: Sequence[float], weight: float) -> list[float]:
    """Weight times (score - worst) / (best - worst); the whole weight for each where all are equal."""
    if not scores:
        return []
    worst, best = min(scores), max(scores)
    if best == worst:
        return [weight] * len(scores)
    return [weight * (score - worst) / (best - worst) for score in scores]
