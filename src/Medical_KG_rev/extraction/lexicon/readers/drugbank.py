"""DrugBank's open names, and the ids of its drugs elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from Medical_KG_rev.extraction.lexicon.readers.tables import rows
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["read_drugbank"]


def read_drugbank(mappings: Path) -> Iterator[Term]:
    """One term for each drug with a name."""
    names: dict[str, str] = {}
    same: dict[str, list[str]] = {}
    xrefs: dict[str, list[str]] = {}
    for drug, namespace, value, _ in rows(mappings, 4, header=True):
        if namespace == "NAME":
            names[drug] = value
        elif namespace == "CHEBI":
            same.setdefault(drug, []).append(f"CHEBI:{value.removeprefix('CHEBI:')}")
        elif namespace == "CHEMBL":
            xrefs.setdefault(drug, []).append(f"CHEMBL.COMPOUND:{value}")
    for drug, name in names.items():
        yield Term(
            f"DRUGBANK:{drug}",
            EntityType.CHEMICAL,
            [(name, NameKind.PREFERRED)],
            tuple(same.get(drug, ())),
            tuple(xrefs.get(drug, ())),
        )
