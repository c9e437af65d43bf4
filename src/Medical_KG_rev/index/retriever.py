"""Hybrid search: the legs side by side over one snapshot, fused into one order, cut into pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.encoders import EncodeQuery, ExpandQuery, Fingerprint, QueryEncoders, mismatch
from Medical_KG_rev.index.filters import EVERYTHING, Filter
from Medical_KG_rev.index.fusion import Fusion
from Medical_KG_rev.index.gate import Gate, Turns, places_of_this_machine
from Medical_KG_rev.index.highlights import highlights
from Medical_KG_rev.index.legs import LegOutcome, LegRun, Threads, Wait, wait_for_all
from Medical_KG_rev.index.ports import Scored
from Medical_KG_rev.index.queries import Query
from Medical_KG_rev.index.ranking import DEEPEST, Explainer, Placed, in_layers, layers, ranks
from Medical_KG_rev.index.requests import PROFILES, RetrievalResult, RetrieveRequest, retrieval_result
from Medical_KG_rev.index.rerank import Reranker, Reranking
from Medical_KG_rev.index.results import Hit, RerankReport, SearchResult
from Medical_KG_rev.index.snapshot import Snapshot, TenantReader
from Medical_KG_rev.index.stores import EmbeddedStores

VERSION = "hybrid/1"


@dataclass(slots=True)
class _Answer:
    """What a query has found so far; as it is made, so it stays where nothing can be found."""

    legs: dict[str, LegOutcome]
    turns: Turns
    generation: int = 0
    found: int = 0
    hits: tuple[Hit, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    reranker: RerankReport | None = None


class Retriever:
    """Searches indexes. May be used by several threads; never waits for a writer.

    Args:
        source: the folder of all tenants' indexes, as the writer was given it, or what opens a tenant's index.
        encode_query: makes the query's vector (unit length); None where the leg ``dense`` is not asked for.
        expand_query: makes the query's sparse vector; None where the leg ``sparse`` is not asked for.
        depth: hits taken from each leg before fusion.
        fusion: how the legs' lists become one.
        leg_timeout_seconds: how long each leg may take, its query vector included, the loading of its model not.
        model_fingerprint: of the model behind ``encode_query``; an index made with another one is refused.
        sparse_fingerprint: the same of ``expand_query``.
        clock: monotonic, in seconds.
        reranker: orders the first hits anew; None: none does.
        candidates: so many of the first hits are given to it.
        wait_for: waits for the legs.
        legs_at_once: so many legs, of all queries, search in this process at a time, and others wait for their turn within
            their budget; None: as many as there are cores.
    """

    def __init__(
        self,
        source: Path | Callable[[str], TenantReader],
        encode_query: EncodeQuery | None = None,
        *,
        expand_query: ExpandQuery | None = None,
        depth: int = 100,
        fusion: Fusion | None = None,
        leg_timeout_seconds: float = 5.0,
        model_fingerprint: Fingerprint = None,
        sparse_fingerprint: Fingerprint = None,
        reranker: Reranker | None = None,
        candidates: int = 50,
        clock: Callable[[], float] = time.perf_counter,
        wait_for: Wait = wait_for_all,
        legs_at_once: int | None = None,
    ) -> None:
        self._open_reader = (
            (lambda tenant_id: TenantReader(EmbeddedStores(source), tenant_id)) if isinstance(source, Path) else source
        )
        self._encoders = QueryEncoders(encode_query, expand_query, model_fingerprint, sparse_fingerprint)
        self._depth = depth
        self._fusion = fusion or Fusion()
        self._timeout = leg_timeout_seconds
        self._reranking = Reranking(reranker, candidates, clock)
        self._clock = clock
        self._wait_for = wait_for
        self._analyser = Analyser()
        self._threads = Threads()
        self._gate = Gate(legs_at_once or places_of_this_machine())
        self._readers: dict[str, TenantReader] = {}
        self._guard = threading.Lock()

    def close(self) -> None:
        """Closes the connections; the retriever cannot be used afterwards."""
        self._threads.close()
        for reader in self._readers.values():
            reader.close()

    def search(
        self,
        tenant_id: str,
        query: str,
        *,
        k: int = 10,
        legs: Sequence[str] | None = None,
        wanted: Filter = EVERYTHING,
        offset: int = 0,
        generation: int | None = None,
        collapse: bool = False,
        highlight: bool = False,
        explain: bool = False,
        rerank: int | None = None,
    ) -> SearchResult:
        """The best ``k`` passages of the tenant after the first ``offset``.

        A query without a single word or number finds nothing. The order is one and the same for every ``offset`` and ``k``
        within a generation of the index; give that of the first page with the next one to be sure that they fit together.

        Args:
            tenant_id: whose documents.
            query: words, never syntax.
            k: how many hits.
            legs: which legs; None: all that the index has and a model is there for.
            wanted: applied by every leg before it ranks.
            offset: how many hits to leave out.
            generation: the index must still be this one.
            collapse: one hit a document, its best passage.
            highlight: give the ranges of matched words.
            explain: say how each hit came to its place.
            rerank: so many of the first hits are ordered anew; 0: none, None: as many as the retriever was made for.

        Raises:
            UsageError: an unknown leg, no leg, a leg that cannot be searched, ``k`` or ``offset`` out of range, an index that
                has changed since ``generation``, or ``rerank`` without a reranker.
            IndexMismatchError: the index was made with another model or analyser, or is damaged.
            PartUnavailableError: the index cannot be read, or no leg could answer.
        """
        started = self._clock()
        asked = Query.checked(
            tenant_id,
            query,
            k=k,
            legs=legs,
            wanted=wanted,
            offset=offset,
            generation=generation,
            collapse=collapse,
            highlight=highlight,
            explain=explain,
            rerank=self._reranking.candidates(rerank),
        )
        tokens = self._analyser.tokens(asked.text)
        with ExitStack() as stack:
            answer = self._answer(asked, tokens, stack)
        waited_ms = answer.turns.waited_ms
        reports = {leg: outcome.report(waited_ms.get(leg)) for leg, outcome in answer.legs.items()}
        return SearchResult(
            query=asked.text,
            took_ms=self._milliseconds_since(started),
            legs=reports,
            hits=answer.hits,
            partial=any(report is not None and report.error is not None for report in (*reports.values(), answer.reranker)),
            generation=answer.generation,
            found=answer.found,
            timings=answer.timings,
            reranker=answer.reranker,
        )

    def search_documents(
        self,
        tenant_id: str,
        query: str,
        *,
        k: int = 100,
        legs: Sequence[str] | None = None,
        wanted: Filter = EVERYTHING,
        explain: bool = False,
    ) -> SearchResult:
        """The best ``k`` documents, each by its best passage; the legs go deeper until there are ``k`` or no more."""
        return self.search(tenant_id, query, k=k, legs=legs, wanted=wanted, collapse=True, explain=explain)

    def retrieve(self, request: RetrieveRequest) -> RetrievalResult:
        """Documents for a service's request.

        Raises:
            IndexMismatchError, PartUnavailableError: as :meth:`search`.
        """
        found = self.search(
            request.tenant_id,
            request.query,
            k=request.top_k,
            legs=PROFILES[request.profile],
            wanted=request.wanted(),
            offset=request.skip,
            collapse=True,
            explain=request.explain,
            rerank=request.rerank_top_k if request.rerank and self._reranking.name else 0,
        )
        return retrieval_result(request, found, self.version)

    @property
    def version(self) -> str:
        """Of how hits are found and ordered, models of the index apart."""
        parts = [VERSION, self._analyser.fingerprint, f"depth={self._depth}", self._fusion.fingerprint, self._reranking.name]
        return ";".join(filter(None, parts))

    def _answer(self, asked: Query, tokens: Sequence[str], stack: ExitStack) -> _Answer:
        snapshot = stack.enter_context(self._reader(asked.tenant_id).snapshot())
        legs = asked.legs or self._encoders.servable(snapshot)
        turns = Turns(self._gate, self._timeout, self._clock)
        answer = _Answer({leg: LegOutcome([]) for leg in legs}, turns, snapshot.generation if snapshot is not None else 0)
        if asked.generation is not None and asked.generation != answer.generation:
            raise UsageError(
                f"The index has changed: it is at generation {answer.generation}, not {asked.generation}.",
                remedy="Begin again at the first page.",
                generation=answer.generation,
            )
        if snapshot is None:
            return answer
        self._check_index(snapshot, asked.tenant_id)
        self._encoders.check(snapshot, asked.tenant_id, legs)
        if tokens:
            searches = self._encoders.searches(snapshot, asked.text, tokens, legs, asked.wanted, turns)
            run = LegRun(searches, self._threads, self._timeout, self._clock, self._wait_for)
            try:
                self._fill(answer, asked, tokens, snapshot, run)
            finally:
                run.close_after(stack)
        return answer

    def _fill(self, answer: _Answer, asked: Query, tokens: Sequence[str], snapshot: Snapshot, run: LegRun) -> None:
        begun = self._clock()
        placed = self._placed(asked, snapshot, run)
        fused = self._clock()
        placed, answer.reranker = self._reranking(asked.text, placed, asked.rerank, lambda vids: _texts(vids, snapshot))
        page = placed[asked.offset : asked.depth]
        answer.legs, answer.found = run.outcomes, len(placed)
        answer.hits = tuple(self._hits(asked, tokens, page, snapshot, {leg: o.scored for leg, o in run.outcomes.items()}))
        legs_ms = max(outcome.took_ms for outcome in run.outcomes.values())
        answer.timings = {
            "legs": legs_ms,
            "fusion": round(max(0.0, (fused - begun) * 1000 - legs_ms), 3),
            "hits": round(self._milliseconds_since(fused) - (answer.reranker.took_ms if answer.reranker else 0.0), 3),
        }

    def _placed(self, asked: Query, snapshot: Snapshot, run: LegRun) -> list[Placed]:
        """All that was found, in order, at least to the end of the page where there is so much."""
        needed = max(asked.depth, asked.rerank)
        depths = layers(self._depth, needed)
        while True:
            found = {leg: outcome.scored for leg, outcome in run(depths[-1]).items()}
            placed = in_layers(found, self._fusion, depths)
            if asked.collapse:
                placed = _best_of_documents(placed, snapshot)
            if len(placed) >= needed or run.is_exhausted(depths[-1]) or depths[-1] >= DEEPEST:
                return placed
            depths = layers(self._depth, depths[-1] + 1)

    def _hits(
        self, asked: Query, tokens: Sequence[str], page: Sequence[Placed], snapshot: Snapshot, found: dict[str, Scored]
    ) -> Iterator[Hit]:
        chunks = snapshot.chunks([place.vid for place in page])
        places = {depth: ranks(found, depth) for depth in {place.depth for place in page}}
        explain = Explainer(self._fusion, found) if asked.explain else None
        for rank, place in enumerate(page, start=asked.offset + 1):
            chunk, own = chunks[place.vid], places[place.depth][place.vid]
            marked = highlights(chunk.text, tokens, self._analyser) if asked.highlight else None
            yield Hit.of(chunk, rank, place.score, own, marked, explain(place, own) if explain else None)

    def _check_index(self, snapshot: Snapshot, tenant_id: str) -> None:
        for key, value in (("tenant", tenant_id), ("analyser", self._analyser.fingerprint)):
            if snapshot.meta[key] != value:
                raise mismatch(tenant_id, key, snapshot.meta[key], value, snapshot.meta.get("model", ""))

    def _reader(self, tenant_id: str) -> TenantReader:
        with self._guard:
            if tenant_id not in self._readers:
                self._readers[tenant_id] = self._open_reader(tenant_id)
            return self._readers[tenant_id]

    def _milliseconds_since(self, started: float) -> float:
        return round((self._clock() - started) * 1000, 3)


def _best_of_documents(placed: Sequence[Placed], snapshot: Snapshot) -> list[Placed]:
    doc_ids = snapshot.doc_ids([place.vid for place in placed])
    best: dict[str, Placed] = {}
    for place in placed:
        best.setdefault(doc_ids[place.vid], place)
    return list(best.values())


def _texts(vids: Sequence[int], snapshot: Snapshot) -> list[str]:
    chunks = snapshot.chunks(vids)
    return [chunks[vid].indexed_text for vid in vids]
