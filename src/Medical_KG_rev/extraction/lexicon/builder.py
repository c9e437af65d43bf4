"""Builds the lexicon's file from terms: joins sources, spells names, lays tries and tables out as arrays.

Names are paths in a trie of token numbers. States are numbered level by level, so that state *i* + 1 is reached by edge *i*, and an
edge is one number: ``state * tokens + token``. The edges are in order, so a step is a binary search.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.lexicon.merging import Clusters, prefix
from Medical_KG_rev.extraction.lexicon.normal import key
from Medical_KG_rev.extraction.lexicon.sources import SOURCES, Source
from Medical_KG_rev.extraction.lexicon.storage import write_arrays
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.extraction.lexicon.variants import needs_case, spellings
from Medical_KG_rev.models import EntityType

__all__ = ["TYPES", "build_lexicon"]

TYPES = tuple(kind for kind in EntityType)
_FIRST = {
    EntityType.DISEASE: ("MESH", "MONDO", "DOID", "HP"),
    EntityType.PHENOTYPE: ("MESH", "HP", "MONDO", "DOID"),
    EntityType.CHEMICAL: ("MESH", "CHEBI", "DRUGBANK", "UNII"),
    EntityType.GENE: ("NCBIGene", "HGNC", "MESH"),
    EntityType.SPECIES: ("NCBITaxon", "MESH"),
    EntityType.ANATOMY: ("UBERON", "CL", "GO", "MESH"),
    EntityType.CELL_LINE: ("cellosaurus", "CL"),
    EntityType.PROCEDURE: ("MESH",),
}
"""Whose id a concept has, by type."""

LONGEST_NAME = 24
"""Tokens; longer names (systematic names of chemicals) are not in running text."""


def build_lexicon(
    files: Mapping[str, Path], target: Path, progress: Callable[[str], None] = lambda _: None, sources: Sequence[Source] = SOURCES
) -> None:
    """Writes the lexicon of all sources to the file ``target``; the same files give the same bytes."""
    terms: list[tuple[int, Term]] = []
    for rank, source in enumerate(sources):
        before = len(terms)
        terms += ((rank, term) for term in source.terms(dict(files)))
        progress(f"{source.name} {source.version}: {len(terms) - before:,} concepts")
    clusters = _join(term for _, term in terms)
    concepts = _Concepts(terms, clusters)
    progress(f"{len(concepts.ids):,} concepts in all")
    names = _Names(concepts)
    progress(f"{len(names.texts):,} names")
    facts = {
        "types": [str(kind) for kind in TYPES],
        "sources": [{"name": source.name, "version": source.version, "licence": source.licence} for source in sources],
    }
    write_arrays(target, {**concepts.arrays(), **names.arrays()}, facts)


def _join(terms: Iterable[Term]) -> Clusters:
    clusters = Clusters()
    kept = list(terms)
    for term in kept:
        clusters.add(term.id)
    for term in kept:
        for other in term.same:
            clusters.add(other)
            if not (term.id.startswith("MESH:D") and other.startswith(("HGNC:", "NCBIGene:", "uniprot:"))):
                clusters.join(term.id, other)
    return clusters


class _Concepts:
    """Clusters of terms, in the order of their canonical ids."""

    def __init__(self, terms: list[tuple[int, Term]], clusters: Clusters) -> None:
        grouped: dict[str, list[tuple[int, Term]]] = {}
        for rank, term in terms:
            grouped.setdefault(clusters.root(term.id), []).append((rank, term))
        self._clusters = clusters
        found = sorted((self._canonical(members), members) for members in grouped.values())
        self.ids = [canonical for canonical, _ in found]
        self.members = [members for _, members in found]
        self.types = [members[0][1].type for members in self.members]
        number = {canonical: at for at, canonical in enumerate(self.ids)}
        self.of_id = {curie: number[canonical] for canonical, members in found for curie in clusters.members(members[0][1].id)}

    def _canonical(self, members: list[tuple[int, Term]]) -> str:
        kind = members[0][1].type
        ids = sorted(self._clusters.members(members[0][1].id))
        order = _FIRST[kind]
        return min(ids, key=lambda curie: (order.index(prefix(curie)) if prefix(curie) in order else len(order), curie))

    def arrays(self) -> dict[str, NDArray[Any]]:
        ids = sorted(self.of_id, key=lambda curie: (curie.lower(), curie))
        lowered = list(dict.fromkeys(curie.lower() for curie in ids))
        owner = {curie.lower(): self.of_id[curie] for curie in reversed(ids)}
        children: list[tuple[int, int]] = []
        for at, members in enumerate(self.members):
            parents = {self.of_id[one] for _, term in members for one in term.parents if one in self.of_id}
            children += ((parent, at) for parent in parents if parent != at)
        children.sort()
        first = np.searchsorted(np.array([parent for parent, _ in children], np.int64), np.arange(len(self.ids) + 1))
        xrefs = []
        for canonical, members in zip(self.ids, self.members, strict=True):
            merged = set(self._clusters.members(members[0][1].id)) | {one for _, term in members for one in term.xrefs}
            xrefs.append("|".join(sorted(merged - {canonical})))
        return {
            **_pool("concept_id", self.ids),
            "concept_type": np.array([TYPES.index(kind) for kind in self.types], np.uint8),
            **_pool("concept_xrefs", xrefs),
            **_pool("id", lowered),
            "id_concept": np.array([owner[one] for one in lowered], np.int32),
            "child_first": first.astype(np.int32),
            "child": np.array([child for _, child in children], np.int32),
        }


class _Names:
    """Names in the order of their concepts, the preferred one first; and the trie over their tokens."""

    def __init__(self, concepts: _Concepts) -> None:
        self.texts: list[str] = []
        self._concept, self._first = array("i"), array("i")
        self._kind, self._source, self._case = array("B"), array("B"), array("B")
        self._vocabulary: dict[str, int] = {}
        self._paths, self._ends, self._named = array("i"), array("i"), array("i")
        for at, members in enumerate(concepts.members):
            self._first.append(len(self.texts))
            self._add(at, concepts.types[at], members)
        self._first.append(len(self.texts))

    def _add(self, concept: int, kind: EntityType, members: list[tuple[int, Term]]) -> None:
        seen: set[str] = set()
        listed = sorted(
            (min(1, name_kind) if name_kind < 2 else 2, rank, at, name, name_kind)
            for rank, term in members for at, (name, name_kind) in enumerate(term.names)
        )  # fmt: skip
        for _, rank, _, name, name_kind in listed:
            if name in seen:
                continue
            seen.add(name)
            shown_as = NameKind.SYMBOL if kind is EntityType.GENE and name_kind == 0 else name_kind
            written = {key(spelling): needs_case(spelling, shown_as) for spelling in spellings(name, kind)}
            written = {path: case for path, case in written.items() if 0 < len(path) <= LONGEST_NAME}
            if not written:
                continue
            number = len(self.texts)
            self.texts.append(name)
            self._concept.append(concept)
            self._kind.append(name_kind)
            self._source.append(rank)
            for path, case in sorted(written.items()):
                self._paths.extend(self._vocabulary.setdefault(token, len(self._vocabulary)) for token in path)
                self._ends.append(len(self._paths))
                self._named.append(number)
                self._case.append(case)

    def arrays(self) -> dict[str, NDArray[Any]]:
        words = sorted(self._vocabulary)
        renumber = np.empty(len(words), np.int32)
        renumber[[self._vocabulary[word] for word in words]] = np.arange(len(words), dtype=np.int32)
        ends = np.array(self._ends, np.int64)
        starts = np.concatenate(([0], ends[:-1])) if len(ends) else ends
        edges, states = _trie(renumber[np.array(self._paths, np.int32)], starts, ends, len(words))
        order = np.lexsort((np.array(self._named), states))
        first = np.searchsorted(states[order], np.arange(len(edges) + 2))
        hashes = np.array([int.from_bytes(word_hash(word), "little") for word in words], np.uint64)
        by_hash = np.argsort(hashes, kind="stable")
        return {
            **_pool("word", words),
            "word_hash": hashes[by_hash],
            "word_number": by_hash.astype(np.int32),
            "edge": edges,
            "state_first": first.astype(np.int32),
            "state_name": np.array(self._named, np.int32)[order],
            "state_case": np.array(self._case, np.uint8)[order],
            **_pool("name", self.texts),
            "name_concept": np.array(self._concept, np.int32),
            "name_kind": np.array(self._kind, np.uint8),
            "name_source": np.array(self._source, np.uint8),
            "concept_name": np.array(self._first, np.int32),
        }


def word_hash(word: str) -> bytes:
    """8 bytes by which a token is found."""
    return hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _trie(
    flat: NDArray[np.int32], starts: NDArray[np.int64], ends: NDArray[np.int64], words: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Edges in order, and the state in which each path ends. State 0 is the root."""
    state = np.zeros(len(starts), np.int64)
    edges: list[NDArray[np.uint64]] = []
    count = 0
    active = np.arange(len(starts))
    depth = 0
    while len(active):
        keys = state[active].astype(np.uint64) * np.uint64(words) + flat[starts[active] + depth].astype(np.uint64)
        unique, inverse = np.unique(keys, return_inverse=True)
        state[active] = count + 1 + inverse
        edges.append(unique)
        count += len(unique)
        depth += 1
        active = active[starts[active] + depth < ends[active]]
    return (np.concatenate(edges) if edges else np.empty(0, np.uint64)), state


def _pool(name: str, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Texts as one run of UTF-8 bytes and where each ends."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    ends = np.cumsum([len(one) for one in encoded], dtype=np.int64) if encoded else np.empty(0, np.int64)
    return {f"{name}_end": ends.astype(np.uint32), f"{name}_text": np.frombuffer(b"".join(encoded), np.uint8)}
