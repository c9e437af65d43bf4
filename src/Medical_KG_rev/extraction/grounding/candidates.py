"""What a name may mean: concepts of the lexicon, ranked, each with a score and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from Medical_KG_rev.extraction.grounding.wording import element, meaning, rewrites
from Medical_KG_rev.extraction.lexicon import LexiconName, NameKind
from Medical_KG_rev.extraction.lexicon.normal import key
from Medical_KG_rev.extraction.spans import Candidate
from Medical_KG_rev.models import EntityType

__all__ = ["Grounder", "Names", "compatible"]

MAX_CANDIDATES = 5
_CACHED = 100_000
_ENOUGH = 0.9
"""A rewrite that is this much less sure than the best found is not looked up."""

_COMPATIBLE: dict[EntityType, dict[EntityType, float]] = {
    EntityType.DISEASE: {EntityType.DISEASE: 1.0, EntityType.PHENOTYPE: 0.98},
    EntityType.PHENOTYPE: {EntityType.PHENOTYPE: 1.0, EntityType.DISEASE: 1.0},
    EntityType.CHEMICAL: {EntityType.CHEMICAL: 1.0, EntityType.GENE: 0.8},
    EntityType.GENE: {EntityType.GENE: 1.0, EntityType.CHEMICAL: 0.72},
    EntityType.SPECIES: {EntityType.SPECIES: 1.0},
    EntityType.CELL_LINE: {EntityType.CELL_LINE: 1.0},
    EntityType.ANATOMY: {EntityType.ANATOMY: 1.0},
    EntityType.PROCEDURE: {EntityType.PROCEDURE: 1.0},
}
"""How well a concept's type fits a mention's."""

_PREFIXES: dict[EntityType, dict[str, float]] = {
    EntityType.DISEASE: {"MESH": 1.0, "MONDO": 0.95, "DOID": 0.93, "HP": 0.94},
    EntityType.PHENOTYPE: {"MESH": 1.0, "HP": 0.98, "MONDO": 0.95, "DOID": 0.93},
    EntityType.CHEMICAL: {"MESH": 1.0, "CHEBI": 0.95, "DRUGBANK": 0.95, "UNII": 0.94},
    EntityType.GENE: {"NCBIGene": 1.0, "HGNC": 0.97, "MESH": 0.8},
    EntityType.ANATOMY: {"UBERON": 1.0, "CL": 1.0, "GO": 0.995, "MESH": 0.985},
}
_OTHER_PREFIX = 0.97
_CHEMICALS = ("MESH:", "CHEBI:", "DRUGBANK:", "UNII:")
"""Whose concepts may be meant by a chemical: a hormone of MeSH may, a gene may not."""

_SAID_BY_OTHERS = 0.985
"""A name that another source gives to a concept of MeSH."""

_REPLACED = {"MONDO": 1.0, "DOID": 0.97, "HP": 0.7, "CHEBI": 0.6, "DRUGBANK": 0.6, "UNII": 0.6}
"""Vocabularies whose concepts are replaced by broader ones of the wanted vocabulary, and how much surety is left."""

_AGAINST_MEANING = 0.95
"""What a name is literally, where medicine means something else by it."""

_TOO_GENERAL = frozenset(("MESH:D004194", "MESH:D013577", "MESH:D030342", "MESH:D040181", "MESH:D020271", "MESH:D003677"))
"""Concepts that say next to nothing of what is below them: disease, syndrome, genetic disease …"""

_GENERAL_FORMS = frozenset(
    form for word in ("disease", "syndrome", "disorder", "familial", "hereditary", "abnormality") for form in key(word)
)
_KINDS = {NameKind.PREFERRED: 1.0, NameKind.SYNONYM: 0.98, NameKind.SYMBOL: 0.97, NameKind.BRAND: 0.95}
_KIND_WORDS = {
    NameKind.PREFERRED: "its name",
    NameKind.SYNONYM: "a synonym",
    NameKind.SYMBOL: "a symbol",
    NameKind.BRAND: "a brand name",
}


class Names(Protocol):
    """What grounding asks of a lexicon."""

    def lookup(self, name: str) -> tuple[LexiconName, ...]: ...
    def label(self, curie: str) -> str | None: ...
    def broader(self, curie: str) -> tuple[str, ...]: ...


def compatible(mention: EntityType, concept: EntityType) -> float:
    """How well a concept of one type fits a mention of another, in [0, 1]."""
    return _COMPATIBLE.get(mention, {}).get(concept, 0.0)


class Grounder:
    """Ranks concepts for names; remembers what it has found, so it is cheap on what texts repeat.

    ``vocabulary``: the prefix of the only ids wanted for diseases and chemicals (``MESH``); what has no such id is grounded to
    the nearest broader concept that has one.
    """

    def __init__(self, lexicon: Names, vocabulary: str | None = None) -> None:
        self._lexicon = lexicon
        self._vocabulary = vocabulary
        self._known: dict[tuple[str, EntityType], tuple[Candidate, ...]] = {}
        self._named: dict[tuple[str, EntityType], tuple[Candidate, ...]] = {}
        self._labels: dict[str, str] = {}

    def candidates(self, name: str, kind: EntityType) -> tuple[Candidate, ...]:
        """What a name may mean, the best first; none when nothing is near."""
        found = self._known.get((name, kind))
        if found is None:
            if len(self._known) >= _CACHED:
                self._known.clear()
            found = self._known[name, kind] = self._find(name, kind)
        return found

    def exactly(self, name: str, kind: EntityType) -> tuple[Candidate, ...]:
        """The same, of concepts that have this name."""
        return self.of_names(name, kind, self._lexicon.lookup(name))

    def of_names(self, name: str, kind: EntityType, names: Sequence[LexiconName]) -> tuple[Candidate, ...]:
        """The same where the lexicon's names are known already."""
        found = self._named.get((name, kind))
        if found is None:
            if len(self._named) >= _CACHED:
                self._named.clear()
            found = self._named[name, kind] = self._ranked(self._scored(names, name, kind, 1.0, ""))
        return found

    def _find(self, name: str, kind: EntityType) -> tuple[Candidate, ...]:
        found = list(self._scored(self._lexicon.lookup(name), name, kind, 1.0, ""))
        said = meaning(name, kind) or (element(name) if kind is EntityType.CHEMICAL else None)
        if said:
            meant = list(self._scored(self._lexicon.lookup(said), said, kind, 1.0, f"means {said!r}, "))
            found = [replace(each, score=each.score * _AGAINST_MEANING) if meant else each for each in found] + meant
        best = max((candidate.score for candidate in found), default=0.0)
        if best < _ENOUGH:
            for other, sure, done in rewrites(name, kind):
                if sure < best * _ENOUGH:
                    break
                said = meaning(other, kind)
                if said:
                    found += self._scored(self._lexicon.lookup(said), said, kind, sure * 0.985, f"{done}, means {said!r}, ")
                found += self._scored(self._lexicon.lookup(other), other, kind, sure, f"{done}, ")
                best = max((candidate.score for candidate in found), default=0.0)
        return self._ranked(found)

    def _scored(
        self, names: Iterable[LexiconName], written: str, kind: EntityType, sure: float, reason: str
    ) -> Iterator[Candidate]:
        for name in names:
            fits = compatible(kind, name.type)
            if not fits or (kind is EntityType.CHEMICAL and not name.concept.startswith(_CHEMICALS)):
                continue
            spelled = 1.0 if name.name == written else 0.995 if name.name.casefold() == written.casefold() else 0.98
            if name.needs_case and name.name.casefold() == written.casefold() and name.name != written:
                spelled = 0.9 if len(written) > 3 else 0.8
            prefix = _PREFIXES.get(kind, {}).get(name.concept.partition(":")[0], _OTHER_PREFIX)
            if name.concept.startswith("MESH:C"):
                prefix *= 0.99
            elif name.concept.startswith("MESH:") and name.source != "MeSH":
                prefix *= _SAID_BY_OTHERS
            score = sure * fits * spelled * _KINDS[name.kind] * prefix
            shown = name.name if name.name.casefold() == written.casefold() else f"{written!r} as {name.name!r}"
            said = f"{reason}{shown}: {_KIND_WORDS[name.kind]} in {name.source}"
            yield from self._in_vocabulary(Candidate(name.concept, name.name, score, said))

    def _ranked(self, found: Iterable[Candidate]) -> tuple[Candidate, ...]:
        best: dict[str, Candidate] = {}
        for candidate in found:
            known = best.get(candidate.id)
            if known is None or candidate.score > known.score:
                best[candidate.id] = candidate
        ranked = sorted(best.values(), key=lambda candidate: (-candidate.score, candidate.id))[:MAX_CANDIDATES]
        return tuple(Candidate(each.id, self._name_of(each.id), round(each.score, 4), each.reason) for each in ranked)

    def _name_of(self, curie: str) -> str:
        label = self._labels.get(curie)
        if label is None:
            if len(self._labels) >= _CACHED:
                self._labels.clear()
            label = self._labels[curie] = self._lexicon.label(curie) or curie
        return label

    def _in_vocabulary(self, candidate: Candidate) -> Iterator[Candidate]:
        """The candidate, or what is nearest above it in the wanted vocabulary."""
        prefix = candidate.id.partition(":")[0]
        if self._vocabulary is None or prefix == self._vocabulary or prefix not in _REPLACED:
            yield candidate
            return
        for depth, above in self._above(candidate.id, f"{self._vocabulary}:"):
            if above in _TOO_GENERAL:
                continue
            shared = _shares_word(candidate.name, self._name_of(above))
            score = candidate.score * (0.93 - 0.04 * depth) * _REPLACED[prefix] * (1.0 if shared else 0.85)
            yield Candidate(above, candidate.name, score, f"{candidate.reason}, which is a kind of this")

    def _above(self, curie: str, prefix: str, steps: int = 4) -> Iterator[tuple[int, str]]:
        level, seen = [curie], {curie}
        for depth in range(steps):
            level = [up for one in level for up in self._lexicon.broader(one) if up not in seen]
            seen.update(level)
            found = list(dict.fromkeys(up for up in level if up.startswith(prefix)))
            if found:
                yield from ((depth, up) for up in found)
                return


def _shares_word(name: str, other: str) -> bool:
    """Whether two names have a telling word in common."""
    words = {form for form in key(name) if len(form) > 3} - _GENERAL_FORMS
    return not words.isdisjoint(key(other))
