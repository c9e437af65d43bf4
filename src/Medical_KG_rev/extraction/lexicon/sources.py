"""The table of term sources: what is read from which file, in which version, under which licence.

The order ranks: where sources name the same concept, the first gives it its preferred name and its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from Medical_KG_rev.extraction.lexicon import readers
from Medical_KG_rev.extraction.lexicon.terms import Term

__all__ = ["SOURCES", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """``files``: the roles of the files in the model table, handed to ``read`` in this order."""

    name: str
    version: str
    licence: str
    files: tuple[str, ...]
    read: Callable[..., Iterator[Term]]

    def terms(self, paths: dict[str, Path]) -> Iterator[Term]:
        return self.read(*(paths[role] for role in self.files))


SOURCES = (
    Source("HGNC", "2024-07-23", "CC0-1.0", ("hgnc",), readers.read_hgnc),
    Source(
        "MeSH",
        "2025-07-30",
        "NLM terms (free, name the source)",
        ("mesh", "mesh-supplementary", "mesh-mappings"),
        readers.read_mesh,
    ),
    Source("MONDO", "2024-07-23", "CC-BY-4.0", ("mondo",), readers.read_mondo),
    Source("DOID", "2024-07-23", "CC0-1.0", ("doid",), readers.read_disease_ontology),
    Source("HPO", "2024-07-23", "HPO licence (free, unaltered, name the source)", ("hp",), readers.read_human_phenotypes),
    Source("DrugBank", "2024-07-23", "CC0-1.0", ("drugbank",), readers.read_drugbank),
    Source("ChEBI", "2024-07-23", "CC-BY-4.0", ("chebi",), readers.read_chebi),
    Source("GO", "2024-07-23", "CC-BY-4.0", ("go",), readers.read_gene_ontology),
)
