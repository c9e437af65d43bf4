"""Families and complexes of genes (`AKT`, `NFkappaB`): what texts mean when they name no single member."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from Medical_KG_rev.extraction.lexicon.readers.tables import comma_rows
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["read_families"]


def read_families(entities: Path, names_of: Path, relations: Path) -> Iterator[Term]:
    """One term for each family with its names; ``relations`` say what is part of what."""
    names: dict[str, list[tuple[str, NameKind]]] = {}
    for name, vocabulary, local, *_ in comma_rows(names_of, 7):
        if vocabulary == "FPLX":
            names.setdefault(local, []).append((name, NameKind.SYMBOL if " " not in name else NameKind.SYNONYM))
    parents: dict[str, list[str]] = {}
    for vocabulary, local, _, parent_vocabulary, parent in comma_rows(relations, 5):
        if vocabulary == parent_vocabulary == "FPLX":
            parents.setdefault(local, []).append(f"FPLX:{parent}")
    for (local,) in comma_rows(entities, 1):
        shown = [(local.replace("_", " "), NameKind.PREFERRED), *names.get(local, ())]
        yield Term(f"FPLX:{local}", EntityType.GENE, shown, (), (), tuple(parents.get(local, ())))
