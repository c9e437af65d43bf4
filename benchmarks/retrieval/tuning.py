"""Which fusion is best: a small grid, chosen on some queries and judged on others."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from legs import LegLists

from Medical_KG_rev.index.evaluation import Judgements, Run, evaluate
from Medical_KG_rev.index.fusion import Fusion

MEASURE = "ndcg@10"
BM25_WEIGHTS = (0.4, 0.6, 0.8, 1.0, 1.5, 2.5)
SPARSE_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
DENSE_WEIGHTS = (1.0,)
RRF_K = (20, 60)


def candidates(legs: Sequence[str]) -> list[Fusion]:
    """Every fusion that is tried."""
    grids = {"bm25": BM25_WEIGHTS, "sparse": SPARSE_WEIGHTS, "dense": DENSE_WEIGHTS}
    weights = [dict(zip(legs, values, strict=True)) for values in itertools.product(*(grids[leg] for leg in legs))]
    ranked = [Fusion("rrf", rrf_k=k) for k in RRF_K] + [Fusion("wrrf", own, k) for own in weights for k in RRF_K]
    return ranked + [Fusion("minmax", own) for own in weights]


@dataclass(frozen=True)
class Tuned:
    """``best`` of all queries for each method; ``cross_validated`` has the runs of fusions chosen without the query's fold."""

    best: Mapping[str, Fusion]
    chosen: list[Fusion]
    cross_validated: Run


def tune(lists: LegLists, judgements: Judgements, *, folds: int = 5, seed: int = 0) -> Tuned:
    """Tries every candidate on every query; ties go to the one that stands first."""
    fusions = candidates(list(lists.found))
    runs = [lists.run(fusion) for fusion in fusions]
    gains = [
        {
            query_id: evaluate({query_id: found}, {query_id: judgements[query_id]}, (10,)).measures[MEASURE]
            for query_id, found in run.items()
        }
        for run in runs
    ]
    order = list(lists.queries)
    random.Random(seed).shuffle(order)
    fold_of = {query_id: place % folds for place, query_id in enumerate(order)}

    def best(queries: Sequence[str], among: Sequence[int]) -> int:
        return max(among, key=lambda index: sum(gains[index][query_id] for query_id in queries))

    everything = range(len(fusions))
    chosen = [best([query_id for query_id in order if fold_of[query_id] != fold], everything) for fold in range(folds)]
    methods = {method: [index for index in everything if fusions[index].method == method] for method in ("rrf", "wrrf", "minmax")}
    return Tuned(
        {method: fusions[best(order, among)] for method, among in methods.items()},
        [fusions[index] for index in chosen],
        {query_id: runs[chosen[fold_of[query_id]]][query_id] for query_id in lists.queries},
    )
