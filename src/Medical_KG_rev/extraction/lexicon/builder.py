"""Builds the lexicon's file from the terms of all sources."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from Medical_KG_rev.extraction.lexicon.concepts import ConceptTable, join_terms
from Medical_KG_rev.extraction.lexicon.names import NameTable
from Medical_KG_rev.extraction.lexicon.sources import SOURCES, Source
from Medical_KG_rev.extraction.lexicon.storage import write_arrays
from Medical_KG_rev.extraction.lexicon.terms import TYPES, Term

__all__ = ["build_lexicon"]


def build_lexicon(
    files: Mapping[str, Path],
    target: Path,
    progress: Callable[[str], None] = lambda _: None,
    sources: Sequence[Source] = SOURCES,
) -> None:
    """Writes the lexicon of all sources to the file ``target``; the same files give the same bytes.

    ``files``: role of each file → where it lies. ``progress`` is called with a line for people after each step.

    Raises:
        ModelCorruptError: a file is not of the form that its source has.
    """
    gc.disable()  # millions of objects that all stay: looking for garbage among them takes half of the time
    try:
        _build(files, target, progress, sources)
    finally:
        gc.enable()


def _build(files: Mapping[str, Path], target: Path, progress: Callable[[str], None], sources: Sequence[Source]) -> None:
    terms: list[tuple[int, Term]] = []
    for rank, source in enumerate(sources):
        before = len(terms)
        terms += [(rank, term) for term in source.terms(files)]
        progress(f"{source.name} {source.version}: {len(terms) - before:,} terms")
    concepts = ConceptTable(terms, join_terms([term for _, term in terms]))
    progress(f"{len(concepts.ids):,} concepts")
    names = NameTable(concepts)
    progress(f"{len(names.texts):,} names")
    facts = {
        "types": [str(kind) for kind in TYPES],
        "sources": [{"name": source.name, "version": source.version, "licence": source.licence} for source in sources],
    }
    write_arrays(target, {**concepts.arrays(), **names.arrays()}, facts)
