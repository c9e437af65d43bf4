"""The table of term sources: what is read from which file, in which version, under which licence.

The order ranks: where sources name the same concept, the first gives it its type, and its preferred name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from Medical_KG_rev.extraction.lexicon import readers
from Medical_KG_rev.extraction.lexicon.terms import Term

__all__ = ["SOURCES", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """``files``: the roles of the files in the table of models, handed to ``read`` in this order."""

    name: str
    version: str
    licence: str
    files: tuple[str, ...]
    read: Callable[..., Iterator[Term]]

    def terms(self, paths: Mapping[str, Path]) -> Iterator[Term]:
        return self.read(*(paths[role] for role in self.files))


_HPO = "HPO licence (free; name source and version)"
_MESH = "NLM terms (free; name the source)"

SOURCES = (
    Source("HGNC", "2024-07-23", "CC0-1.0", ("hgnc", "families-relations"), readers.read_hgnc),
    Source("MeSH", "2025-07-30", _MESH, ("mesh", "mesh-supplementary", "mesh-mappings"), readers.read_mesh),
    Source("MONDO", "2026-05-05", "CC-BY-4.0", ("mondo",), readers.read_newer_mondo),
    Source("MONDO mappings", "2024-07-23", "CC-BY-4.0", ("mondo-mappings",), readers.read_mondo),
    Source("DOID", "2024-07-23", "CC0-1.0", ("doid",), readers.read_disease_ontology),
    Source("HPO", "2024-07-23", _HPO, ("hp",), readers.read_human_phenotypes),
    Source("collected diseases", "0.4", f"MIT; {_MESH}", ("diseases", "mesh"), readers.read_collected_diseases),
    Source("DrugBank", "2024-07-23", "CC0-1.0", ("drugbank",), readers.read_drugbank),
    Source(
        "collected drugs",
        "2.0.9",
        f"MIT; {_MESH}, CC0-1.0",
        ("drugs", "mesh", "mesh-supplementary"),
        readers.read_collected_drugs,
    ),
    Source(
        "ChEBI",
        "2024-07-23",
        "CC-BY-4.0",
        ("chebi", "mesh-cas", "cas-chebi", "pubchem-mesh", "chebi-pubchem"),
        readers.read_chebi,
    ),
    Source("FamPlex", "2024-07-23", "CC0-1.0", ("families", "families-names", "families-relations"), readers.read_families),
    Source("UBERON", "2026-04-01", "CC-BY-3.0", ("uberon",), readers.read_anatomy),
    Source("CL", "2026-03-26", "CC-BY-4.0", ("cl",), readers.read_cell_types),
    Source("GO", "2024-07-23", "CC-BY-4.0", ("go",), readers.read_gene_ontology),
    Source("own names", "1", "MIT", (), readers.read_own_names),
    Source("Cellosaurus", "55.0", "CC-BY-4.0", ("cell-lines",), readers.read_cell_lines),
)
