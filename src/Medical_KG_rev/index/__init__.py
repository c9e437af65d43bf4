"""The hybrid index: catalogue, lexical and vector stores, writer, retriever and the measures of retrieval quality."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from Medical_KG_rev.index.analysis import Analyser
    from Medical_KG_rev.index.evaluation import Evaluation, evaluate, read_judgements, read_run, write_run
    from Medical_KG_rev.index.haystack import HaystackRetriever
    from Medical_KG_rev.index.results import Hit, LegReport, SearchResult
    from Medical_KG_rev.index.retriever import Retriever
    from Medical_KG_rev.index.writer import HaystackIndexWriter

_HOMES = {
    "Analyser": "analysis",
    "Evaluation": "evaluation",
    "HaystackIndexWriter": "writer",
    "HaystackRetriever": "haystack",
    "Hit": "results",
    "LegReport": "results",
    "Retriever": "retriever",
    "SearchResult": "results",
    "evaluate": "evaluation",
    "read_judgements": "evaluation",
    "read_run": "evaluation",
    "write_run": "evaluation",
}

__all__ = [
    "Analyser",
    "Evaluation",
    "HaystackIndexWriter",
    "HaystackRetriever",
    "Hit",
    "LegReport",
    "Retriever",
    "SearchResult",
    "evaluate",
    "read_judgements",
    "read_run",
    "write_run",
]


def __getattr__(name: str) -> Any:
    """Heavy libraries come in with the first use of what needs them."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
