"""Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def reciprocal_rank_fusion(rankings: Mapping[str, Sequence[K]], k: int = 60) -> list[tuple[K, float]]:
    """Items by the sum of ``1 / (k + rank)`` over the rankings that hold them, ranks from 1.

    Equal sums go to the item with the better best rank, then to the one whose ranking comes first, so that the same input
    always gives the same order.
    """
    scores: dict[K, float] = {}
    best: dict[K, tuple[int, int]] = {}
    for position, ranking in enumerate(rankings.values()):
        for rank, item in enumerate(dict.fromkeys(ranking), start=1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (k + rank)
            best[item] = min(best.get(item, (rank, position)), (rank, position))
    return sorted(scores.items(), key=lambda entry: (-entry[1], best[entry[0]]))
