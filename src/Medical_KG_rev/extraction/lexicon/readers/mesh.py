"""Medical Subject Headings: descriptors with tree numbers, supplementary concepts with the headings they are mapped to.

The type follows from the tree: C and F03 diseases, D chemicals, A anatomy, B species, E procedures. Proteins (D08.811 enzymes,
D12.776 proteins, D23.529 intercellular signalling peptides, where nothing else says what they are) are genes: what a text means
by them is a gene product. Other branches (geography, health care, information science) name nothing that is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from Medical_KG_rev.extraction.lexicon.readers.tables import rows
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["read_mesh"]

_BRANCHES = (
    ("C", EntityType.DISEASE),
    ("F03", EntityType.DISEASE),
    ("F01.145.126", EntityType.DISEASE),
    ("F01.470", EntityType.DISEASE),
    ("D", EntityType.CHEMICAL),
    ("A", EntityType.ANATOMY),
    ("B", EntityType.SPECIES),
    ("E01", EntityType.PROCEDURE),
    ("E02", EntityType.PROCEDURE),
    ("E03", EntityType.PROCEDURE),
    ("E04", EntityType.PROCEDURE),
    ("E05", EntityType.PROCEDURE),
)
"""In this order: what is in several branches is what the first of them says."""

_PROTEINS = ("D08.811", "D12.776", "D23.529")
_ROOTS = {"D009369": ("neoplasm",)}


def read_mesh(descriptors: Path, supplementary: Path, mappings: Path) -> Iterator[Term]:
    """Terms of both files; ``mappings`` are the published mappings of MeSH ids to those of other vocabularies."""
    same = _mappings(mappings)
    by_tree: dict[str, str] = {}
    found: dict[str, tuple[EntityType, list[str]]] = {}
    table = list(rows(descriptors, 5, quoted=True))
    for mesh_id, _, _, trees, _ in table:
        for tree in trees.split("|"):
            by_tree[tree] = mesh_id
    for mesh_id, label, synonyms, trees, taxon in table:
        numbers = trees.split("|") if trees else []
        kind = _type(numbers)
        if kind is None:
            continue
        found[mesh_id] = (kind, numbers)
        parents = {by_tree[number.rpartition(".")[0]] for number in numbers if number.rpartition(".")[0] in by_tree}
        equal = (f"NCBITaxon:{taxon.partition('|')[0]}",) if taxon else same.get(mesh_id, ())
        yield Term(f"MESH:{mesh_id}", kind, _names(label, synonyms), equal, (), tuple(f"MESH:{one}" for one in sorted(parents)))
    for mesh_id, label, synonyms, headings in rows(supplementary, 4, quoted=True):
        parents = {heading.lstrip("*") for heading in headings.split(",") if heading}
        kind = _supplementary_type(mesh_id, label, [found[one][0] for one in sorted(parents) if one in found], same)
        if kind is not None:
            yield Term(
                f"MESH:{mesh_id}",
                kind,
                _names(label, synonyms),
                same.get(mesh_id, ()),
                (),
                tuple(f"MESH:{one}" for one in sorted(parents)),
            )


def _names(label: str, synonyms: str) -> list[tuple[str, NameKind]]:
    return [(label, NameKind.PREFERRED), *((name, NameKind.SYNONYM) for name in synonyms.split("|") if name)]


def _type(trees: list[str]) -> EntityType | None:
    for branch, kind in _BRANCHES:
        inside = [tree for tree in trees if tree.startswith(branch)]
        if inside:
            if kind is EntityType.CHEMICAL and all(tree.startswith(_PROTEINS) or tree.startswith("D12.644") for tree in inside):
                return EntityType.GENE
            return kind
    return None


def _supplementary_type(
    mesh_id: str, label: str, heading_types: list[EntityType], same: dict[str, tuple[str, ...]]
) -> EntityType | None:
    if any(one.startswith(("HGNC:", "uniprot:")) for one in same.get(mesh_id, ())):
        return EntityType.GENE
    if " protein, " in label or label.endswith(" protein"):
        return EntityType.GENE
    for kind in (EntityType.DISEASE, EntityType.CHEMICAL, EntityType.GENE, EntityType.SPECIES):
        if kind in heading_types:
            return kind
    return EntityType.CHEMICAL if not heading_types else None


def _mappings(path: Path) -> dict[str, tuple[str, ...]]:
    same: dict[str, list[str]] = {}
    for _, mesh_id, _, target, target_id, _ in rows(path, 6):
        curie = _curie(target, target_id)
        if curie:
            same.setdefault(mesh_id, []).append(curie)
    return {mesh_id: tuple(curies) for mesh_id, curies in same.items()}


def _curie(target: str, target_id: str) -> str:
    if target in ("CHEBI", "DOID", "HP", "GO", "UBERON", "CL"):
        return target_id if target_id.startswith(f"{target}:") else f"{target}:{target_id}"
    if target == "HGNC":
        return f"HGNC:{target_id.removeprefix('HGNC:')}"
    return f"uniprot:{target_id}" if target == "UP" else ""
