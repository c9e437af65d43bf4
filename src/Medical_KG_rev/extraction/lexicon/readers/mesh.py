"""Medical Subject Headings: descriptors with tree numbers, supplementary concepts with the headings they are mapped to.

The type follows from the tree: C and F03 diseases, D chemicals, A anatomy, B species, E01 to E05 procedures. Enzymes and proteins
(D08.811, D12.776), as far as no branch but those of proteins, peptides, glycoproteins and the like holds them too, are genes:
what a text means by them is a gene product. Hormones and antibodies stay chemicals: they are given as drugs. Other branches
(geography, people, health care, information science) name nothing that is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from Medical_KG_rev.extraction.lexicon.readers.tables import rows
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["heading_types", "read_mesh", "supplementary_types"]

_BRANCHES = (
    (("C", "F03"), EntityType.DISEASE),
    (("D",), EntityType.CHEMICAL),
    (("A",), EntityType.ANATOMY),
    (("B",), EntityType.SPECIES),
    (("E01", "E02", "E03", "E04", "E05"), EntityType.PROCEDURE),
)
"""In this order: what is in several branches is what the first of them says."""

_GENE_PRODUCTS = ("D08.811", "D12.776")
_BESIDE_GENE_PRODUCTS = (*_GENE_PRODUCTS, "D12.644", "D23.529", "D05.500", "D05.875", "D09.400")
_ANTIBODIES = ("D12.776.124.486.485.114", "D12.776.124.790.651.114")
_OF_HEADINGS = (EntityType.DISEASE, EntityType.CHEMICAL, EntityType.GENE, EntityType.SPECIES)


def read_mesh(descriptors: Path, supplementary: Path, mappings: Path) -> Iterator[Term]:
    """Terms of both files; ``mappings`` are the published mappings of MeSH ids to those of other vocabularies."""
    same = _mappings(mappings)
    table = list(rows(descriptors, 5, quoted=True))
    by_tree = {tree: mesh_id for mesh_id, _, _, trees, _ in table for tree in trees.split("|")}
    types: dict[str, EntityType] = {}
    for mesh_id, label, synonyms, trees, taxon in table:
        kind = _type(trees.split("|"))
        if kind is not None:
            types[mesh_id] = kind
            above = {by_tree.get(tree.rpartition(".")[0]) for tree in trees.split("|")} - {None}
            equal = (f"NCBITaxon:{taxon.partition('|')[0]}",) if taxon else same.get(mesh_id, ())
            yield Term(f"MESH:{mesh_id}", kind, _names(label, synonyms), equal, (), _curies(str(one) for one in above))
    for mesh_id, label, synonyms, cell in rows(supplementary, 4, quoted=True):
        headings = [heading.lstrip("*") for heading in cell.split(",") if heading]
        equal = same.get(mesh_id, ())
        kind = _supplementary_type(label, equal, [types.get(heading) for heading in headings])
        if kind is not None:
            yield Term(f"MESH:{mesh_id}", kind, _names(label, synonyms), equal, (), _curies(headings))


def heading_types(descriptors: Path) -> dict[str, tuple[str, EntityType]]:
    """Heading in small letters → its CURIE and type."""
    found = ((label, mesh_id, _type(trees.split("|"))) for mesh_id, label, _, trees, _ in rows(descriptors, 5, quoted=True))
    return {label.lower(): (f"MESH:{mesh_id}", kind) for label, mesh_id, kind in found if kind is not None}


def supplementary_types(descriptors: Path, supplementary: Path) -> dict[str, tuple[str, EntityType]]:
    """Name of a supplementary concept in small letters → its CURIE and type, as far as its name or headings say so."""
    types = dict(heading_types(descriptors).values())
    found: dict[str, tuple[str, EntityType]] = {}
    for mesh_id, label, _, cell in rows(supplementary, 4, quoted=True):
        kind = _supplementary_type(label, (), [types.get(f"MESH:{heading.lstrip('*')}") for heading in cell.split(",")])
        if kind is not None:
            found[label.lower()] = (f"MESH:{mesh_id}", kind)
    return found


def _names(label: str, synonyms: str) -> list[tuple[str, NameKind]]:
    return [(label, NameKind.PREFERRED), *((name, NameKind.SYNONYM) for name in synonyms.split("|") if name)]


def _curies(mesh_ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(f"MESH:{mesh_id}" for mesh_id in mesh_ids))


def _type(trees: Sequence[str]) -> EntityType | None:
    for branches, kind in _BRANCHES:
        inside = [tree for tree in trees if tree.startswith(branches)]
        if inside:
            return EntityType.GENE if kind is EntityType.CHEMICAL and _is_gene_product(inside) else kind
    return None


def _is_gene_product(trees: Sequence[str]) -> bool:
    return (
        any(tree.startswith(_GENE_PRODUCTS) for tree in trees)
        and all(tree.startswith(_BESIDE_GENE_PRODUCTS) for tree in trees)
        and not any(tree.startswith(_ANTIBODIES) for tree in trees)
    )


def _supplementary_type(label: str, same: Sequence[str], headings: Sequence[EntityType | None]) -> EntityType | None:
    """What its mapping or name says; else what its headings are. A class of people, a protocol or a place is nothing."""
    if any(curie.startswith(("HGNC:", "uniprot:")) for curie in same) or " protein, " in label:
        return EntityType.GENE
    return next((kind for kind in _OF_HEADINGS if kind in headings), None)


def _mappings(path: Path) -> dict[str, tuple[str, ...]]:
    same: dict[str, list[str]] = {}
    for _, mesh_id, _, target, target_id, _ in rows(path, 6):
        curie = _mapped(target, target_id)
        if curie:
            same.setdefault(mesh_id, []).append(curie)
    return {mesh_id: tuple(curies) for mesh_id, curies in same.items()}


def _mapped(target: str, target_id: str) -> str:
    if target in ("CHEBI", "DOID", "HP", "GO", "UBERON", "CL"):
        return f"{target}:{target_id.removeprefix(f'{target}:')}"
    if target == "HGNC":
        return f"HGNC:{target_id.removeprefix('HGNC:')}"
    return f"uniprot:{target_id}" if target == "UP" else ""
