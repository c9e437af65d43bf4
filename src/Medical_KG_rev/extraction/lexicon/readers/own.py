"""Names of our own for concepts of the sources: toxicities, adjectives, people; the list beside the sources' table."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from Medical_KG_rev.extraction.lexicon.readers.tables import rows
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["read_own_names"]


def read_own_names() -> Iterator[Term]:
    """One term for each concept."""
    names: dict[tuple[EntityType, str], list[tuple[str, NameKind]]] = {}
    with resources.as_file(resources.files("Medical_KG_rev.extraction.lexicon") / "own_terms.tsv") as path:
        for kind, curie, name in rows(Path(path), 3):
            names.setdefault((EntityType(kind), curie), []).append((name, NameKind.SYNONYM))
    for (kind, curie), synonyms in names.items():
        yield Term(curie, kind, synonyms)
