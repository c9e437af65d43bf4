"""Ontologies as lists of JSON records with names, synonyms, cross-references and relations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = [
    "DISEASE",
    "below",
    "read_disease_ontology",
    "read_gene_ontology",
    "read_human_phenotypes",
    "read_mondo",
    "read_records",
]


class _Reference(msgspec.Struct):
    id: str
    namespace: str


class Record(msgspec.Struct):
    """One term of an ontology."""

    id: str
    name: str
    namespace: str
    synonyms: list[str] = []
    xrefs: list[_Reference] = []
    relations: dict[str, list[str]] = {}


_SAME = {"MESH": "MESH:", "MSH": "MESH:", "DOID": "DOID:", "HP": "HP:", "MONDO": "MONDO:"}
_OTHER = {
    "UMLS": "UMLS:", "UMLS_CUI": "UMLS:", "SCTID": "SNOMEDCT:", "SNOMEDCT_US": "SNOMEDCT:", "NCIT": "NCIT:", "NCI": "NCIT:",
    "OMIM": "OMIM:", "OMIMPS": "OMIMPS:", "Orphanet": "ORPHANET:", "ORDO": "ORPHANET:", "EFO": "EFO:", "ICD10CM": "ICD10CM:",
    "ICDO": "ICDO:", "MedDRA": "MEDDRA:", "MEDDRA": "MEDDRA:",
}  # fmt: skip
_RELEASE = re.compile(r"(_US)_\d.*")
_LONG_WORD = 9
_MESH_ID = re.compile(r"[CD]\d{6,9}")
_QUALIFIER = re.compile(r"\s*\((?:disease|disorder|finding)\)$", re.IGNORECASE)
_ABNORMALITY = "HP:0000118"
"""What is not below it says when, how often or how something is inherited."""
DISEASE = "MONDO:0000001"
"""What is not below it is a characteristic (`rare`, `congenital`)."""


def read_mondo(path: Path) -> Iterator[Term]:
    """Diseases, with their ids elsewhere; short names in small letters are left out.

    The file does not tell exact synonyms from related ones, which are common words often: `child`, `soft`, `face`.
    """
    for term in below(DISEASE, read_records(path, "MONDO", lambda _: EntityType.DISEASE)):
        term.names = [term.names[0], *(name for name in term.names[1:] if not (name[0].islower() and len(name[0]) < _LONG_WORD))]
        yield term


def read_disease_ontology(path: Path) -> Iterator[Term]:
    return read_records(path, "DOID", lambda _: EntityType.DISEASE)


def read_human_phenotypes(path: Path) -> Iterator[Term]:
    """Phenotypic abnormalities; modifiers, onsets, frequencies and modes of inheritance are none."""
    return below(_ABNORMALITY, read_records(path, "HP", lambda _: EntityType.PHENOTYPE))


def read_gene_ontology(path: Path) -> Iterator[Term]:
    """Cellular components: the places in a cell. Processes and functions are none of the types that are looked for."""
    return read_records(path, "GO", lambda record: EntityType.ANATOMY if record.namespace == "cellular_component" else None)


def below(root: str, terms: Iterable[Term]) -> Iterator[Term]:
    """The terms that are a kind of ``root``, itself left out."""
    by_id = {term.id: term for term in terms}
    inside: dict[str, bool] = {root: True}

    def is_below(curie: str) -> bool:
        if curie not in inside:
            inside[curie] = False
            inside[curie] = curie in by_id and any(is_below(parent) for parent in by_id[curie].parents)
        return inside[curie]

    return (term for term in by_id.values() if term.id != root and is_below(term.id))


def read_records(path: Path, vocabulary: str, kind_of: Callable[[Record], EntityType | None]) -> Iterator[Term]:
    """The terms of one file; those without a type are left out."""
    for record in msgspec.json.decode(path.read_bytes(), type=list[Record]):
        kind = kind_of(record)
        if kind is None or not record.name or record.name.startswith("obsolete"):
            continue
        names = [(_QUALIFIER.sub("", record.name), NameKind.PREFERRED)]
        names += [(_QUALIFIER.sub("", synonym), NameKind.SYNONYM) for synonym in record.synonyms]
        yield Term(
            _curie(vocabulary, record.id),
            kind,
            names,
            tuple(_references(record, _SAME)),
            tuple(_references(record, _OTHER)),
            tuple(_curie(vocabulary, parent) for parent in record.relations.get("is_a", ())),
        )


def _curie(vocabulary: str, local: str) -> str:
    return f"{vocabulary}:{local.removeprefix(f'{vocabulary}:')}"


def _references(record: Record, wanted: Mapping[str, str]) -> Iterator[str]:
    for reference in record.xrefs:
        start = wanted.get(_RELEASE.sub(r"\1", reference.namespace))
        if start and (start != "MESH:" or _MESH_ID.fullmatch(reference.id)):
            yield start + reference.id.removeprefix(start)
