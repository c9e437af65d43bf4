"""The hybrid index: catalogue, lexical and vector stores, writer, retriever and the measures of retrieval quality."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from Medical_KG_rev.index.analysis import Analyser
    from Medical_KG_rev.index.evaluation import Evaluation, evaluate, read_judgements, read_run, write_run
    from Medical_KG_rev.index.filters import Filter, make_filter
    from Medical_KG_rev.index.fusion import Fusion
    from Medical_KG_rev.index.haystack import HaystackRetriever
    from Medical_KG_rev.index.requests import RetrievalResult, RetrievedDocument, RetrieveRequest
    from Medical_KG_rev.index.results import Hit, LegReport, RerankReport, SearchResult
    from Medical_KG_rev.index.retriever import Retriever
    from Medical_KG_rev.index.writer import HaystackIndexWriter

_HOMES = {
    "Analyser": "analysis",
    "Evaluation": "evaluation",
    "Filter": "filters",
    "Fusion": "fusion",
    "HaystackIndexWriter": "writer",
    "HaystackRetriever": "haystack",
    "Hit": "results",
    "LegReport": "results",
    "RerankReport": "results",
    "RetrievalResult": "requests",
    "RetrieveRequest": "requests",
    "RetrievedDocument": "requests",
    "Retriever": "retriever",
    "SearchResult": "results",
    "evaluate": "evaluation",
    "make_filter": "filters",
    "read_judgements": "evaluation",
    "read_run": "evaluation",
    "write_run": "evaluation",
}

__all__ = [
    "Analyser",
    "Evaluation",
    "Filter",
    "Fusion",
    "HaystackIndexWriter",
    "HaystackRetriever",
    "Hit",
    "LegReport",
    "RerankReport",
    "RetrievalResult",
    "RetrieveRequest",
    "RetrievedDocument",
    "Retriever",
    "SearchResult",
    "evaluate",
    "make_filter",
    "read_judgements",
    "read_run",
    "write_run",
]


def __getattr__(name: str) -> Any:
    """Heavy libraries come in with the first use of what needs them."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
