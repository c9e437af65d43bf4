"""Hybrid search: BM25 and dense legs side by side over one snapshot, fused by rank."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, UsageError
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.fusion import Fusion
from Medical_KG_rev.index.ports import Scored
from Medical_KG_rev.index.results import Hit, LegReport, SearchResult
from Medical_KG_rev.index.snapshot import Snapshot, TenantReader
from Medical_KG_rev.index.tenant import tenant_folder
from Medical_KG_rev.models import Chunk

LEGS = ("bm25", "dense")
"""The legs there are, in the order in which ties are decided."""

_DEEPER = 4
_MAX_QUERY_CHARACTERS = 100_000

EncodeQuery = Callable[[str], NDArray[np.float32]]


@dataclass(frozen=True)
class _Leg:
    """What one leg found: vids with its own scores, best first."""

    scored: Scored
    took_ms: float

    @property
    def vids(self) -> list[int]:
        return [vid for vid, _ in self.scored]


class Retriever:
    """Searches the indexes under ``root``. May be used by several threads; never waits for a writer.

    Args:
        root: the folder of all tenants' indexes, as the writer was given it.
        encode_query: makes the query's vector (unit length); None where only ``bm25`` is asked for.
        depth: hits taken from each leg before fusion.
        fusion: how the legs' lists become one.
        model_fingerprint: of the model behind ``encode_query``; an index made with another one is refused.
    """

    def __init__(
        self,
        root: Path,
        encode_query: EncodeQuery | None = None,
        *,
        depth: int = 100,
        fusion: Fusion | None = None,
        model_fingerprint: str | None = None,
    ) -> None:
        self._root = root
        self._encode_query = encode_query
        self._depth = depth
        self._fusion = fusion or Fusion()
        self._model_fingerprint = model_fingerprint
        self._analyser = Analyser()
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="search-leg")
        self._readers: dict[str, TenantReader] = {}
        self._guard = threading.Lock()

    def close(self) -> None:
        """Ends the threads and closes the connections; the retriever cannot be used afterwards."""
        self._threads.shutdown()
        for reader in self._readers.values():
            reader.close()

    def search(
        self, tenant_id: str, query: str, *, k: int = 10, legs: Sequence[str] = LEGS, explain: bool = False
    ) -> SearchResult:
        """The best ``k`` passages of the tenant. A query without a single word or number finds nothing.

        Raises:
            UsageError: an unknown leg, no leg, ``k`` below 1, or ``dense`` without a query encoder.
            IndexMismatchError: the index was made with another model or analyser, or is damaged.
            StoreUnavailableError: the index cannot be read.
        """
        return self._search(tenant_id, query, k, self._checked(legs, k), explain, self._chunk_ranking)

    def search_many(
        self, tenant_id: str, queries: Sequence[str], *, k: int = 10, legs: Sequence[str] = LEGS, explain: bool = False
    ) -> Iterator[SearchResult]:
        """One result per query, in order."""
        return (self.search(tenant_id, query, k=k, legs=legs, explain=explain) for query in queries)

    def search_documents(
        self, tenant_id: str, query: str, *, k: int = 100, legs: Sequence[str] = LEGS, explain: bool = False
    ) -> SearchResult:
        """The best ``k`` documents, each by its best passage; the legs go deeper until there are ``k`` or no more."""
        return self._search(tenant_id, query, k, self._checked(legs, k), explain, self._document_ranking)

    def _checked(self, legs: Sequence[str], k: int) -> tuple[str, ...]:
        unknown = [leg for leg in legs if leg not in LEGS]
        if unknown or not legs:
            raise UsageError(
                f"{unknown[0]!r} is not a search leg." if unknown else "No search leg is named.",
                remedy=f"Valid legs: {', '.join(LEGS)}.",
                valid=LEGS,
            )
        if k < 1:
            raise UsageError(f"The number of hits must be at least 1; got {k}.", remedy="Give -k 1 or more.")
        if "dense" in legs and self._encode_query is None:
            raise UsageError("The dense leg needs a query encoder.", remedy="Use --legs bm25.", valid=("bm25",))
        return tuple(leg for leg in LEGS if leg in legs)

    def _search(self, tenant_id: str, query: str, k: int, legs: tuple[str, ...], explain: bool, rank: _Rank) -> SearchResult:
        started = time.perf_counter()
        tokens = self._analyser.tokens(query[:_MAX_QUERY_CHARACTERS])
        found = {leg: _Leg([], 0.0) for leg in legs}
        hits: tuple[Hit, ...] = ()
        with self._reader(tenant_id).snapshot() as snapshot:
            if snapshot is not None and tokens:
                self._check_index(snapshot, tenant_id, legs)
                run = _LegRun(snapshot, query, tokens, legs, self._threads, self._encode_query)
                found, ranked = rank(run, k)
                chunks = snapshot.chunks([vid for vid, _ in ranked])
                hits = tuple(self._hits(ranked, chunks, found, explain))
        reports = {name: LegReport(round(leg.took_ms, 3), len(leg.scored)) for name, leg in found.items()}
        return SearchResult(query=query, took_ms=_milliseconds_since(started), legs=reports, hits=hits)

    def _chunk_ranking(self, run: _LegRun, k: int) -> tuple[dict[str, _Leg], Scored]:
        found = run(max(self._depth, k))
        return found, self._fused(found)[:k]

    def _document_ranking(self, run: _LegRun, k: int) -> tuple[dict[str, _Leg], Scored]:
        depth = max(self._depth, k)
        while True:
            found = run(depth)
            fused = self._fused(found)
            doc_ids = run.snapshot.doc_ids([vid for vid, _ in fused])
            best: dict[str, tuple[int, float]] = {}
            for vid, score in fused:
                best.setdefault(doc_ids[vid], (vid, score))
            if len(best) >= k or all(len(leg.scored) < depth for leg in found.values()):
                return found, list(best.values())[:k]
            depth *= _DEEPER

    def _fused(self, found: dict[str, _Leg]) -> Scored:
        return self._fusion({name: leg.scored for name, leg in found.items()})

    def _hits(self, ranked: Scored, chunks: dict[int, Chunk], found: dict[str, _Leg], explain: bool) -> Iterator[Hit]:
        ranks = {name: {vid: rank for rank, vid in enumerate(leg.vids, start=1)} for name, leg in found.items()}
        for rank, (vid, score) in enumerate(ranked, start=1):
            own = {name: places[vid] for name, places in ranks.items() if vid in places}
            explanation = self._explanation(own, found) if explain else None
            yield _hit(chunks[vid], rank, score, own, explanation)

    def _explanation(self, ranks: dict[str, int], found: dict[str, _Leg]) -> dict[str, Any]:
        added = self._fusion.contributions({name: [score for _, score in leg.scored] for name, leg in found.items()})
        return {
            "method": self._fusion.method,
            "rrf_k": self._fusion.rrf_k,
            "legs": {
                name: {"score": found[name].scored[rank - 1][1], "contribution": added[name][rank - 1]}
                for name, rank in ranks.items()
            },
        }

    def _check_index(self, snapshot: Snapshot, tenant_id: str, legs: tuple[str, ...]) -> None:
        wanted = {"tenant": tenant_id, "analyser": self._analyser.fingerprint}
        if "dense" in legs and self._model_fingerprint is not None:
            wanted["fingerprint"] = self._model_fingerprint
        for key, value in wanted.items():
            if snapshot.meta[key] != value:
                raise IndexMismatchError(
                    f"The index of tenant {tenant_id!r} was made with {key} {snapshot.meta[key]!r}; this search has {value!r}.",
                    remedy=f"Search with the model {snapshot.meta['model']!r}, or ingest again with the new one into another "
                    "data folder.",
                    expected=snapshot.meta[key],
                    found=value,
                )

    def _reader(self, tenant_id: str) -> TenantReader:
        with self._guard:
            if tenant_id not in self._readers:
                self._readers[tenant_id] = TenantReader(tenant_folder(self._root, tenant_id))
            return self._readers[tenant_id]


@dataclass(frozen=True)
class _LegRun:
    """One query's legs; called with a depth it runs them side by side."""

    snapshot: Snapshot
    query: str
    tokens: list[str]
    legs: tuple[str, ...]
    threads: ThreadPoolExecutor
    encode_query: EncodeQuery | None

    def __call__(self, depth: int) -> dict[str, _Leg]:
        others = {leg: self.threads.submit(self._timed, leg, depth) for leg in self.legs[1:]}
        first = self.legs[0]
        found = {first: self._timed(first, depth)}
        return found | {leg: future.result() for leg, future in others.items()}

    def _timed(self, leg: str, depth: int) -> _Leg:
        started = time.perf_counter()
        scored = self.snapshot.search_lexical(self.tokens, depth) if leg == "bm25" else self._dense(depth)
        return _Leg(scored, _milliseconds_since(started))

    def _dense(self, depth: int) -> Scored:
        return self.snapshot.search_vectors(self._vector, depth)

    @cached_property
    def _vector(self) -> NDArray[np.float32]:
        """Made once, however often the legs go deeper."""
        if self.encode_query is None:
            raise UsageError("The dense leg needs a query encoder.", remedy="Use --legs bm25.", valid=("bm25",))
        vector: NDArray[np.float32] = np.asarray(self.encode_query(self.query), dtype=np.float32).ravel()
        dimension = int(self.snapshot.meta["dimension"])
        if len(vector) != dimension:
            raise IndexMismatchError(
                f"The query vector has {len(vector)} dimensions, the index {dimension}.",
                remedy=f"Search with the model {self.snapshot.meta['model']!r}.",
                expected=dimension,
                found=len(vector),
            )
        return vector


_Rank = Callable[[_LegRun, int], tuple[dict[str, _Leg], Scored]]


def _hit(chunk: Chunk, rank: int, score: float, ranks: dict[str, int], explanation: dict[str, Any] | None) -> Hit:
    return Hit(
        rank=rank,
        score=score,
        doc_id=chunk.doc_id,
        chunk_id=chunk.chunk_id,
        title=chunk.title,
        text=chunk.text,
        source=chunk.source,
        section=chunk.section,
        page=chunk.page,
        bbox=chunk.bbox,
        start=chunk.start,
        end=chunk.end,
        ranks=ranks,
        explanation=explanation,
    )


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
