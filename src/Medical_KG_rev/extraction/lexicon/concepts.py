"""Terms of several sources as concepts, each with one canonical id, all its other ids, and what is narrower."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.lexicon.merging import Clusters, prefix
from Medical_KG_rev.extraction.lexicon.storage import text_pool
from Medical_KG_rev.extraction.lexicon.terms import TYPES, Term
from Medical_KG_rev.models import EntityType

__all__ = ["ConceptTable", "id_rank", "join_terms"]

_FIRST = {
    EntityType.DISEASE: ("MESH", "MONDO", "DOID", "HP"),
    EntityType.PHENOTYPE: ("MESH", "HP", "MONDO", "DOID"),
    EntityType.CHEMICAL: ("MESH", "CHEBI", "DRUGBANK"),
    EntityType.GENE: ("NCBIGene", "HGNC", "MESH", "FPLX"),
    EntityType.SPECIES: ("NCBITaxon", "MESH"),
    EntityType.ANATOMY: ("UBERON", "CL", "GO", "MESH"),
    EntityType.CELL_LINE: ("cellosaurus",),
    EntityType.PROCEDURE: ("MESH",),
}
"""Whose id a concept has, by type."""

_GENE_IDS = ("HGNC:", "NCBIGene:", "uniprot:")


def id_rank(kind: EntityType, curie: str) -> int:
    """The lower, the sooner an id is the canonical one of a concept of this type."""
    order = _FIRST.get(kind, ())
    return order.index(prefix(curie)) if prefix(curie) in order else len(order)


def join_terms(terms: Sequence[Term]) -> Clusters:
    """Which terms are the same, by what they say themselves, in their order.

    A MeSH heading (D…) is never joined to a gene: it means the protein of any species, or all of a family.
    """
    clusters = Clusters()
    for term in terms:
        clusters.add(term.id)
    for term in terms:
        for other in term.same:
            if not (term.id.startswith("MESH:D") and other.startswith(_GENE_IDS)):
                clusters.add(other)
                clusters.join(term.id, other)
    return clusters


class ConceptTable:
    """Concepts in the order of their canonical ids. ``members``: the terms of each, with the rank of their source."""

    def __init__(self, terms: Iterable[tuple[int, Term]], clusters: Clusters) -> None:
        grouped: dict[str, list[tuple[int, Term]]] = {}
        for rank, term in terms:
            grouped.setdefault(clusters.root(term.id), []).append((rank, term))
        found = []
        for root, members in grouped.items():
            kind = members[0][1].type
            canonical = min(clusters.members(root), key=lambda curie: (id_rank(kind, curie), curie))
            found.append((canonical, root, members))
        found.sort(key=lambda each: each[0])
        self.ids = [canonical for canonical, _, _ in found]
        self.members = [members for _, _, members in found]
        self.types = [members[0][1].type for members in self.members]
        self._merged = [sorted(clusters.members(root)) for _, root, _ in found]
        self._number = {curie: at for at, ids in enumerate(self._merged) for curie in ids}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Ids and what they stand for; types; cross-references; narrower concepts."""
        known = self._known_ids()
        lowered = sorted(known)
        children = self._children()
        first = np.searchsorted(children[:, 0], np.arange(len(self.ids) + 1))
        return {
            **text_pool("concept_id", self.ids),
            "concept_type": np.array([TYPES.index(kind) for kind in self.types], np.uint8),
            **text_pool("concept_xrefs", ["|".join(sorted(self._xrefs(at))) for at in range(len(self.ids))]),
            **text_pool("id", lowered),
            "id_concept": np.array([known[curie] for curie in lowered], np.int32),
            "child_first": first.astype(np.int32),
            "child": children[:, 1].astype(np.int32),
        }

    def _xrefs(self, at: int) -> set[str]:
        others = {curie for _, term in self.members[at] for curie in (*term.xrefs, *term.former)}
        return others.union(self._merged[at]) - {self.ids[at]}

    def _known_ids(self) -> dict[str, int]:
        """Every id in small letters: merged ones, and former and foreign ones where they stand for one concept alone."""
        known = {curie.lower(): at for curie, at in sorted(self._number.items(), reverse=True)}
        foreign: dict[str, int | None] = {}
        for at in range(len(self.ids)):
            for curie in self._xrefs(at):
                lowered = curie.lower()
                if lowered not in known:
                    foreign[lowered] = at if lowered not in foreign or foreign[lowered] == at else None
        return known | {curie: at for curie, at in foreign.items() if at is not None}

    def _children(self) -> NDArray[np.int64]:
        pairs = {
            (self._number[parent], at)
            for at, members in enumerate(self.members)
            for _, term in members
            for parent in term.parents
            if self._number.get(parent, at) != at
        }
        return np.array(sorted(pairs), np.int64).reshape(-1, 2)
