"""The names of all concepts, and a trie over their tokens.

Names are paths of token numbers. States are numbered level by level, so that state *i* + 1 is reached by edge *i*, and an edge is
one number: ``state * tokens + token``. The edges are in order, so a step is a binary search.
"""

from __future__ import annotations

import hashlib
from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.lexicon.concepts import ConceptTable, id_rank
from Medical_KG_rev.extraction.lexicon.normal import capitals_of, key
from Medical_KG_rev.extraction.lexicon.storage import text_pool
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term, Use
from Medical_KG_rev.extraction.lexicon.variants import how_used, spellings
from Medical_KG_rev.models import EntityType

__all__ = ["LONGEST_NAME", "NameTable", "word_hash"]

LONGEST_NAME = 24
"""Tokens; longer names (systematic names of chemicals) are not in running text."""


def word_hash(word: str) -> int:
    """64 bits by which a token is found."""
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class NameTable:
    """Names in the order of their concepts, the one to show first; and each spelling of a name as a path of tokens."""

    def __init__(self, concepts: ConceptTable) -> None:
        self.texts: list[str] = []
        self._concept, self._first = array("i"), array("i")
        self._kind, self._source = array("B"), array("B")
        self._vocabulary: dict[str, int] = {}
        self._paths, self._ends = array("i"), array("i")
        self._spelt, self._use, self._rank = array("i"), array("B"), array("B")
        for at, members in enumerate(concepts.members):
            self._first.append(len(self.texts))
            self._add(at, concepts.ids[at], concepts.types[at], members)
        self._first.append(len(self.texts))

    def _add(self, concept: int, curie: str, kind: EntityType, members: list[tuple[int, Term]]) -> None:
        """Names of one concept; of synonyms that count as equal the first alone."""
        listed = [(name, name_kind, source) for source, term in members for name, name_kind in term.names]
        listed.sort(key=lambda each: (each[1] != NameKind.PREFERRED, each[2]))
        rank = 4 * id_rank(kind, curie)
        seen: set[Any] = set()
        for name, name_kind, source in listed:
            spelt = self._spell(name, name_kind, kind)
            if name_kind is NameKind.PREFERRED and name.casefold() not in seen:
                seen.add(name.casefold())
            else:
                spelt = {path: use for path, use in spelt.items() if not seen & {(path, Use.ANY_CASE), _sort(path, use, name)}}
                if not spelt:
                    continue
            number = len(self.texts)
            self.texts.append(name)
            self._concept.append(concept)
            self._kind.append(name_kind)
            self._source.append(source)
            for path, use in spelt.items():
                seen |= {(path, use), _sort(path, use, name)}
                self._paths.extend([self._vocabulary.setdefault(token, len(self._vocabulary)) for token in path])
                self._ends.append(len(self._paths))
                self._spelt.append(number)
                self._use.append(use)
                self._rank.append(rank + name_kind)

    def _spell(self, name: str, name_kind: NameKind, kind: EntityType) -> dict[tuple[str, ...], Use]:
        symbol = name_kind is NameKind.PREFERRED and kind is EntityType.GENE and " " not in name
        paths: dict[tuple[str, ...], Use] = {}
        for spelling, as_symbol in spellings(name, kind):
            path = key(spelling)
            if 0 < len(path) <= LONGEST_NAME:
                paths.setdefault(path, how_used(spelling, path, NameKind.SYMBOL if symbol or as_symbol else name_kind, kind))
        return paths

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Tokens, the trie, and what its states name."""
        words = sorted(self._vocabulary)
        renumber = np.empty(len(words), np.int32)
        renumber[[self._vocabulary[word] for word in words]] = np.arange(len(words), dtype=np.int32)
        ends = np.array(self._ends, np.int64)
        edges, states = _trie(renumber[np.array(self._paths, np.int32)], ends, len(words))
        spelt, rank = np.array(self._spelt, np.int32), np.array(self._rank, np.uint8)
        order = np.lexsort((spelt, rank, states))
        first = np.searchsorted(states[order], np.arange(len(edges) + 2))
        hashes = np.array([word_hash(word) for word in words], np.uint64)
        by_hash = np.argsort(hashes, kind="stable")
        return {
            **text_pool("word", words),
            "word_hash": hashes[by_hash],
            "word_number": by_hash.astype(np.int32),
            "edge": edges,
            "state_first": first.astype(np.int32),
            "state_name": spelt[order],
            "state_use": np.array(self._use, np.uint8)[order],
            **text_pool("name", self.texts),
            "name_concept": np.array(self._concept, np.int32),
            "name_kind": np.array(self._kind, np.uint8),
            "name_source": np.array(self._source, np.uint8),
            "concept_name": np.array(self._first, np.int32),
        }


def _sort(path: tuple[str, ...], use: Use, name: str) -> tuple[tuple[str, ...], Use, str]:
    """What names of one concept have in common that count as equal."""
    return path, use, capitals_of(name) if use is Use.OWN_CASE else ""


def _trie(flat: NDArray[np.int32], ends: NDArray[np.int64], words: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Edges in order, and the state in which each path ends. State 0 is the root."""
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))[: len(ends)]
    state = np.zeros(len(starts), np.int64)
    edges = [np.empty(0, np.uint64)]
    count = depth = 0
    active = np.arange(len(starts))
    while len(active):
        keys = state[active].astype(np.uint64) * np.uint64(words) + flat[starts[active] + depth].astype(np.uint64)
        unique, inverse = np.unique(keys, return_inverse=True)
        state[active] = count + 1 + inverse
        edges.append(unique)
        count += len(unique)
        depth += 1
        active = active[starts[active] + depth < ends[active]]
    return np.concatenate(edges), state
