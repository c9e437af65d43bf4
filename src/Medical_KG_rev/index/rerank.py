"""An optional last step: a cross-encoder reads query and passage together and orders the first hits anew.

A search does not wait for a second attempt: a reranker that fails leaves the order as it is, and is named in the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from Medical_KG_rev.errors import RemoteError, UsageError
from Medical_KG_rev.index.ranking import Placed
from Medical_KG_rev.index.results import RerankReport

MOST_CANDIDATES = 1000


class Reranker(Protocol):
    """Scores passages for a query. ``name`` is that of its model."""

    name: str

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One finite score a text, in the order given; the higher, the better. Raises RemoteError."""
        ...


class Reranking:
    """The step as a retriever takes it.

    Args:
        reranker: who scores; None: the step is not taken.
        candidates: so many of the first hits are scored unless a search says otherwise.
        clock: monotonic, in seconds.
    """

    def __init__(self, reranker: Reranker | None, candidates: int, clock: Callable[[], float]) -> None:
        self._reranker = reranker
        self._candidates = candidates
        self._clock = clock

    @property
    def name(self) -> str:
        """Of the reranker's model; empty where there is none."""
        return self._reranker.name if self._reranker is not None else ""

    def candidates(self, asked: int | None) -> int:
        """How many hits to score when a search asks for so many (None: what is usual).

        Raises:
            UsageError: some are asked for, and there is no reranker.
        """
        if self._reranker is None:
            if asked:
                raise UsageError("There is no reranker.", remedy="Set MK_RERANK__SERVER and MK_RERANK__BASE_URL.")
            return 0
        if asked is not None and not 0 <= asked <= MOST_CANDIDATES:
            raise UsageError(f"A reranker is given 0 to {MOST_CANDIDATES} hits; got {asked}.", remedy="Give fewer.")
        return self._candidates if asked is None else asked

    def __call__(
        self, query: str, placed: Sequence[Placed], count: int, texts_of: Callable[[Sequence[int]], Sequence[str]]
    ) -> tuple[list[Placed], RerankReport | None]:
        """``placed`` with the first ``count`` in a new order; as it was where that fails, which the report says."""
        first = placed[:count]
        if self._reranker is None or not first:
            return list(placed), None
        started = self._clock()
        error: dict[str, str] | None = None
        order = list(placed)
        try:
            order = reordered(placed, self._reranker.scores(query, texts_of([place.vid for place in first])))
        except RemoteError as raised:
            error = {"code": raised.code, "message": str(raised)}
        took_ms = round((self._clock() - started) * 1000, 3)
        return order, RerankReport(self._reranker.name, took_ms, len(first), error)


def reordered(placed: Sequence[Placed], scores: Sequence[float]) -> list[Placed]:
    """The first ``len(scores)`` places by their new scores, equal ones as they were; the others after them as they were.

    Scores never rise from one place to the next: those that were not scored anew have at most the least new one.
    """
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    first = [placed[index]._replace(score=scores[index], from_rank=index + 1) for index in order]
    floor = min(scores, default=float("inf"))
    return first + [place._replace(score=min(place.score, floor)) for place in placed[len(scores) :]]
