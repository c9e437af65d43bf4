"""Ontologies as lists of JSON records with names, synonyms, cross-references and relations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["read_chebi", "read_disease_ontology", "read_gene_ontology", "read_human_phenotypes", "read_mondo"]


class _Reference(msgspec.Struct):
    id: str
    namespace: str


class _Record(msgspec.Struct):
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
_MESH_ID = re.compile(r"[CD]\d{6,9}")
_QUALIFIER = re.compile(r"\s*\((?:disease|disorder|finding)\)$", re.IGNORECASE)


def read_mondo(path: Path) -> Iterator[Term]:
    return _terms(path, "MONDO", lambda _: EntityType.DISEASE)


def read_disease_ontology(path: Path) -> Iterator[Term]:
    return _terms(path, "DOID", lambda _: EntityType.DISEASE)


def read_human_phenotypes(path: Path) -> Iterator[Term]:
    return _terms(path, "HP", lambda _: EntityType.PHENOTYPE)


def read_chebi(path: Path) -> Iterator[Term]:
    return _terms(path, "CHEBI", lambda _: EntityType.CHEMICAL)


def read_gene_ontology(path: Path) -> Iterator[Term]:
    """Cellular components: the places in a cell. Processes and functions are none of the types that are looked for."""
    return _terms(path, "GO", lambda record: EntityType.ANATOMY if record.namespace == "cellular_component" else None)


def _terms(path: Path, vocabulary: str, kind_of: Callable[[_Record], EntityType | None]) -> Iterator[Term]:
    for record in msgspec.json.decode(path.read_bytes(), type=list[_Record]):
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


def _references(record: _Record, wanted: Mapping[str, str]) -> Iterator[str]:
    for reference in record.xrefs:
        start = wanted.get(reference.namespace.partition("_US_")[0] + ("_US" if "_US_" in reference.namespace else ""))
        if start and (start != "MESH:" or _MESH_ID.fullmatch(reference.id)):
            yield start + reference.id.removeprefix(start)
