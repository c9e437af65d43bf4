"""Chemicals: ChEBI's names, DrugBank's open names, and published mappings between their ids and those of MeSH."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from Medical_KG_rev.extraction.lexicon.readers.ontologies import below, read_records
from Medical_KG_rev.extraction.lexicon.readers.tables import rows
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["read_chebi", "read_drugbank"]

_SUBSTANCE = "CHEBI:24431"
"""What is not below it is a role (`inhibitor`, `probe`) or a particle (`electron`)."""


def read_chebi(
    chebi: Path, mesh_to_cas: Path, cas_to_chebi: Path, pubchem_to_mesh: Path, chebi_to_pubchem: Path
) -> Iterator[Term]:
    """ChEBI's terms. Those that share a CAS number or a PubChem compound with one MeSH concept alone are the same as it."""
    mesh = _through(rows(mesh_to_cas, 2), rows(cas_to_chebi, 2, header=True))
    by_compound = ((mesh_id, compound) for compound, mesh_id in rows(pubchem_to_mesh, 2))
    through_compound = _through(
        by_compound, ((compound, chebi_id) for chebi_id, compound, _ in rows(chebi_to_pubchem, 3, header=True))
    )
    for term in below(_SUBSTANCE, read_records(chebi, "CHEBI", lambda _: EntityType.CHEMICAL)):
        number = term.id.removeprefix("CHEBI:")
        term.same = tuple(f"MESH:{found[number]}" for found in (mesh, through_compound) if number in found)
        yield term


def _through(to_middle: Iterable[Iterable[str]], from_middle: Iterable[Iterable[str]]) -> dict[str, str]:
    """Target → start of pairs that meet in the middle, as far as both belong to one pair only."""
    starts: dict[str, set[str]] = {}
    for start, middle in to_middle:
        starts.setdefault(middle, set()).add(start)
    pairs = {(start, target) for middle, target in from_middle for start in starts.get(middle, ())}
    of_start = Counter(start for start, _ in pairs)
    of_target = Counter(target for _, target in pairs)
    return {target: start for start, target in pairs if of_start[start] == 1 and of_target[target] == 1}


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
        preferred = [(name, NameKind.PREFERRED)]
        yield Term(f"DRUGBANK:{drug}", EntityType.CHEMICAL, preferred, tuple(same.get(drug, ())), tuple(xrefs.get(drug, ())))
