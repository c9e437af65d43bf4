"""The pairs of entities of annotated abstracts, with their features and what the annotators said of them."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from corpora import GoldDocument
from measuring import TEST_DATA
from numpy.typing import NDArray

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.relations.features import pairs_of
from Medical_KG_rev.extraction.relations.pairs import Pairs, WordCodes
from Medical_KG_rev.extraction.relations.units import Unit, units
from Medical_KG_rev.extraction.spans import Candidate, FoundMention
from Medical_KG_rev.models import EntityType

Key = tuple[str, frozenset[str]]
"""Document, and the two ids."""

Find = Callable[[GoldDocument], Sequence[FoundMention]]


def gold_mentions(document: GoldDocument) -> list[FoundMention]:
    """The annotators' mentions; of a composite one for each of its ids."""
    return [
        FoundMention(mention.start, mention.end, mention.type, 1.0, "gold", (first,), also=tuple(others))
        for mention in document.mentions
        if mention.ids
        for first, *others in [[Candidate(curie, "", 1.0, "annotated") for curie in mention.ids]]
    ]


def gold_relations(document: GoldDocument) -> dict[Key, str]:
    """The type of each relation, by document and ids."""
    return {(document.id, frozenset((relation.subject, relation.object))): relation.type for relation in document.relations}


@cache
def _below() -> dict[str, frozenset[str]]:
    number_of: dict[str, str] = {}
    with gzip.open(TEST_DATA / "terms" / "mesh_tree_2017.txt.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            number, descriptor = line.rstrip("\n").split("\t")[:2]
            number_of[number] = f"MESH:{descriptor}"
    below: defaultdict[str, set[str]] = defaultdict(set)
    for number, descriptor in number_of.items():
        parent = number
        while "." in parent:
            parent = parent.rpartition(".")[0]
            if parent in number_of and number_of[parent] != descriptor:
                below[number_of[parent]].add(descriptor)
    return {descriptor: frozenset(others) for descriptor, others in below.items()}


def narrower(curie: str) -> frozenset[str]:
    """Everything below a MeSH descriptor in its trees."""
    return _below().get(curie, frozenset())


class MeshTree:
    """The MeSH trees, as a finder takes them."""

    def narrower(self, curie: str) -> frozenset[str]:
        return narrower(curie)


@dataclass(frozen=True, slots=True)
class PairSet:
    """All pairs of some documents. Pair *p* is ``keys[p]``, which relates as ``labels[p]`` says (empty: not at all).

    ``units`` are in the order of the pairs; ``document_of`` numbers the documents. ``gold`` has every relation, also one whose
    entities are in no pair.
    """

    units: list[tuple[Unit, Pairs]]
    keys: list[Key]
    kinds: NDArray[np.int64]
    labels: list[str]
    document_of: NDArray[np.int64]
    gold: dict[Key, str]

    @property
    def related(self) -> NDArray[np.int64]:
        return np.array([bool(label) for label in self.labels], dtype=np.int64)


def pair_set(
    documents: Iterable[GoldDocument],
    find: Find = gold_mentions,
    types: frozenset[EntityType] | None = None,
    only: int | None = None,
) -> PairSet:
    """The pairs of documents, of entities of ``types`` alone and of one of ``PAIR_TYPES`` alone where given."""
    codes = WordCodes()
    result = PairSet([], [], np.zeros(0, np.int64), [], np.zeros(0, np.int64), {})
    owners: list[int] = []
    kinds: list[NDArray[np.int64]] = []
    for number, document in enumerate(documents):
        result.gold.update(gold_relations(document))
        mentions = [mention for mention in find(document) if types is None or mention.type in types]
        for unit in units(analyse(document.text), mentions):
            pairs = pairs_of(unit, codes, narrower)
            if pairs is not None and only is not None:
                pairs = pairs.of_kind(only)
            if pairs is None:
                continue
            result.units.append((unit, pairs))
            kinds.append(pairs.kind)
            for first, second in zip(pairs.first, pairs.second, strict=True):
                key = (document.id, frozenset((unit.ids[first], unit.ids[second])))
                result.keys.append(key)
                result.labels.append(result.gold.get(key, ""))
                owners.append(number)
    return PairSet(result.units, result.keys, np.concatenate(kinds), result.labels, np.array(owners, dtype=np.int64), result.gold)


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 of a set of relations against another."""

    right: int
    found: int
    wanted: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        total = self.found + self.wanted
        return 2 * self.right / total if total else 0.0

    def __str__(self) -> str:
        return (
            f"F1 {self.f1:.3f} (P {self.precision:.3f} / R {self.recall:.3f}; {self.right} of {self.wanted}, {self.found} found)"
        )


def score(found: dict[Key, str], gold: dict[Key, str], *, typed: bool) -> Score:
    """``found`` and ``gold`` hold the relation's type by pair; it counts where ``typed``."""
    right = sum(1 for key, label in found.items() if key in gold and (not typed or gold[key] == label))
    return Score(right, len(found), len(gold))
