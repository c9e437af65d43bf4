"""What each leg finds for each query, once, so that any way of fusing can be tried on it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from Medical_KG_rev.index import Retriever
from Medical_KG_rev.index.evaluation import Run
from Medical_KG_rev.index.fusion import Fusion
from Medical_KG_rev.index.ranking import in_layers, layers

TENANT = "default"
DOCUMENTS = 100


@dataclass
class LegLists:
    """``found[leg]`` has a list a query, of (passage, score), best first; passages are numbers into ``doc_ids``."""

    depth: int
    queries: list[str]
    found: dict[str, list[list[tuple[int, float]]]] = field(default_factory=dict)
    doc_ids: list[str] = field(default_factory=list)

    def run(self, fusion: Fusion, legs: Sequence[str] = ()) -> Run:
        """The documents of each query by their best passage, fused as a search fuses them."""
        depths = layers(self.depth, self.depth + 1)
        run: Run = {}
        for number, query_id in enumerate(self.queries):
            lists = {leg: self.found[leg][number] for leg in legs or self.found}
            documents = dict.fromkeys(self.doc_ids[place.vid] for place in in_layers(lists, fusion, depths))
            run[query_id] = list(documents)[:DOCUMENTS]
        return run


def leg_lists(retriever: Retriever, queries: Sequence[tuple[str, str]], legs: Sequence[str], depth: int) -> LegLists:
    """Asks every leg for every query, deep enough for the first hundred documents of nearly all."""
    lists = LegLists(depth, [query_id for query_id, _ in queries])
    numbers: dict[str, int] = {}
    deepest = layers(depth, depth + 1)[-1]
    for leg in legs:
        lists.found[leg] = []
        for _, text in queries:
            hits = retriever.search(TENANT, text, k=deepest, legs=(leg,), explain=True).hits
            scored = []
            for hit in hits:
                number = numbers.setdefault(hit.chunk_id, len(numbers))
                if number == len(lists.doc_ids):
                    lists.doc_ids.append(hit.doc_id)
                scored.append((number, float((hit.explanation or {})["legs"][leg]["score"])))
            lists.found[leg].append(scored)
    return lists


def searched(
    retriever: Retriever, queries: Sequence[tuple[str, str]], legs: Sequence[str] | None
) -> tuple[Run, Mapping[str, list[float]]]:
    """The documents that searches find as a user makes them, and milliseconds of each: in all, and of each leg."""
    run: Run = {}
    times: dict[str, list[float]] = {"all": []}
    for query_id, text in queries:
        started = time.perf_counter()
        result = retriever.search_documents(TENANT, text, k=DOCUMENTS, legs=legs)
        times["all"].append((time.perf_counter() - started) * 1000)
        for leg, report in result.legs.items():
            times.setdefault(leg, []).append(report.took_ms)
        run[query_id] = [hit.doc_id for hit in result.hits]
    return run, times
