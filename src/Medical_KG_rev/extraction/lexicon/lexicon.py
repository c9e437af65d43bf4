"""The lexicon: names of biomedical concepts in a file that is mapped into memory, looked up and found in texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.lexicon.hierarchy import Hierarchy
from Medical_KG_rev.extraction.lexicon.normal import capitals_of, key
from Medical_KG_rev.extraction.lexicon.storage import ArrayFile
from Medical_KG_rev.extraction.lexicon.terms import Concept, LexiconName, NameKind, Use
from Medical_KG_rev.extraction.lexicon.trie import Trie
from Medical_KG_rev.models import EntityType

__all__ = ["Lexicon", "LexiconMatch"]

_CACHED = 200_000
"""States of the trie whose names are remembered at most."""
_LONGEST_NAME = 2_000
"""Characters; what is longer is no name."""


@dataclass(frozen=True, slots=True)
class LexiconMatch:
    """Tokens ``[first, last)`` of a text that are a name, and what they name.

    ``how``: as the lexicon writes it but for letter case, or by morphology (plural, hyphen, Greek letter, word order, spelling).
    """

    first: int
    last: int
    names: tuple[LexiconName, ...]
    how: Literal["exact", "morphology"]

    @property
    def concepts(self) -> tuple[str, ...]:
        """Their CURIEs, each once, in the order of the names."""
        return tuple(dict.fromkeys(name.concept for name in self.names))

    @property
    def types(self) -> tuple[EntityType, ...]:
        return tuple(dict.fromkeys(name.type for name in self.names))


class Lexicon:
    """Read-only, safe to use from several threads; processes that open the same file share its memory."""

    def __init__(self, file: ArrayFile) -> None:
        self._file = file
        self._trie = Trie(file)
        self._hierarchy = Hierarchy(file)
        self._types = [EntityType(kind) for kind in file.facts["types"]]
        self._sources: list[dict[str, str]] = file.facts["sources"]
        self._named: dict[int, tuple[tuple[LexiconName, ...], bool]] = {}

    @classmethod
    def open(cls, path: Path) -> Lexicon:
        """Maps the file; its parts are checked when they are first used.

        Raises:
            ModelCorruptError: the file is none of ours or was changed. Every method raises it too, for the part that it reads.
        """
        return cls(ArrayFile(path))

    @property
    def fingerprint(self) -> str:
        """Changes with the versions and bytes of all sources, and with how they are joined: 16 hex digits."""
        return self._file.digest[:16]

    def check(self) -> None:
        """Reads the whole file and compares it with what was written.

        Raises:
            ModelCorruptError: it is another.
        """
        self._file.check()

    def counts(self) -> dict[str, tuple[int, int]]:
        """Concepts and names of each type."""
        types, concepts = self._file.array("concept_type"), self._file.array("name_concept")
        per_concept = np.bincount(types, minlength=len(self._types))
        per_name = np.bincount(types[concepts], minlength=len(self._types))
        return {
            kind.value: (int(many), int(names))
            for kind, many, names in zip(self._types, per_concept, per_name, strict=True)
            if many
        }

    def match(self, text: AnalysedText, *, nested: bool = False) -> list[LexiconMatch]:
        """All longest matches, in order: no match lies inside another. They may overlap. ``nested``: shorter ones as well.

        A match begins and ends at the border of a word and lies in one sentence.
        """
        found: list[LexiconMatch] = []
        reach = 0
        for first, last, state in self._trie.paths(text):
            if nested or last > reach:
                match = self._match(text, first, last, state)
                if match is not None:
                    found.append(match)
                    reach = last
        return found

    def lookup(self, name: str) -> tuple[LexiconName, ...]:
        """What a name may mean, whatever its letter case, hyphens, plural or spelling; none when it is unknown."""
        state = self._trie.state_of(key(name)) if len(name) <= _LONGEST_NAME else 0
        return self._names(state)[0] if state else ()

    def resolve(self, curie: str) -> str | None:
        """The canonical CURIE of a concept, from any of its ids in any letter case; None when there is no such concept."""
        at = self._concept_number(curie)
        return None if at is None else self._file.text("concept_id", at)

    def concept(self, curie: str) -> Concept | None:
        """All that is known of a concept, by any of its ids in any letter case."""
        at = self._concept_number(curie)
        if at is None:
            return None
        first, last = self._file.array("concept_name")[at : at + 2]
        names = tuple(self._name(number) for number in range(first, last))
        sources = [source for source in self._sources if any(name.source == source["name"] for name in names)]
        xrefs = self._file.text("concept_xrefs", at)
        return Concept(
            id=self._file.text("concept_id", at),
            type=self._types[self._file.array("concept_type")[at]],
            name=names[0].name if names else curie,
            names=names,
            xrefs=tuple(xrefs.split("|")) if xrefs else (),
            sources=tuple(source["name"] for source in sources),
            licences=tuple(source["licence"] for source in sources),
        )

    def label(self, curie: str) -> str | None:
        """The preferred name of a concept, by any of its ids in any letter case."""
        at = self._concept_number(curie)
        if at is None:
            return None
        first, last = self._file.array("concept_name")[at : at + 2]
        return self._file.text("name", int(first)) if last > first else curie

    def narrower(self, curie: str) -> frozenset[str]:
        """All concepts below one, itself left out: kinds of it by the ontologies, and what is below it in the MeSH trees."""
        at = self._concept_number(curie)
        return frozenset(self._file.text("concept_id", one) for one in (self._hierarchy.below(at) if at is not None else ()))

    def broader(self, curie: str) -> tuple[str, ...]:
        """The concepts directly above one, in the order of their ids."""
        at = self._concept_number(curie)
        return tuple(self._file.text("concept_id", one) for one in (self._hierarchy.above(at) if at is not None else ()))

    def _match(self, text: AnalysedText, first: int, last: int, state: int) -> LexiconMatch | None:
        names, any_case = self._names(state)
        surface = text.text[text.starts[first] : text.ends[last - 1]]
        if not any_case:
            capitals = capitals_of(surface)
            names = tuple(name for name in names if _counts(name, capitals))
        if not names:
            return None
        folded = surface.casefold()
        exact = any(len(name.name) == len(surface) and name.name.casefold() == folded for name in names)
        return LexiconMatch(first, last, names, "exact" if exact else "morphology")

    def _names(self, state: int) -> tuple[tuple[LexiconName, ...], bool]:
        found = self._named.get(state)
        if found is None:
            if len(self._named) >= _CACHED:
                self._named.clear()
            first, last = self._file.array("state_first")[state : state + 2]
            numbers, uses = self._file.array("state_name")[first:last], self._file.array("state_use")[first:last]
            names = tuple(self._name(int(number), Use(case)) for number, case in zip(numbers, uses, strict=True))
            found = self._named[state] = (names, all(use == Use.ANY_CASE for use in uses))
        return found

    def _name(self, number: int, use: Use = Use.ANY_CASE) -> LexiconName:
        concept = int(self._file.array("name_concept")[number])
        return LexiconName(
            name=self._file.text("name", number),
            concept=self._file.text("concept_id", concept),
            type=self._types[self._file.array("concept_type")[concept]],
            kind=NameKind(int(self._file.array("name_kind")[number])),
            source=self._sources[self._file.array("name_source")[number]]["name"],
            use=use,
        )

    def _concept_number(self, curie: str) -> int | None:
        wanted = curie.lower()
        low, high = 0, len(self._file.array("id_end"))
        while low < high:
            middle = (low + high) // 2
            if self._file.text("id", middle) < wanted:
                low = middle + 1
            else:
                high = middle
        if low == len(self._file.array("id_end")) or self._file.text("id", low) != wanted:
            return None
        return int(self._file.array("id_concept")[low])


def _counts(name: LexiconName, capitals: str) -> bool:
    if name.use is Use.ANY_CASE:
        return True
    return name.use is Use.OWN_CASE and capitals_of(name.name) == capitals
