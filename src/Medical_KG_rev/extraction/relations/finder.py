"""Finds the relations that a text states, each with the sentences that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.relations.circumstances import circumstances
from Medical_KG_rev.extraction.relations.features import Narrower, pairs_of
from Medical_KG_rev.extraction.relations.model import Detector, RelationModel
from Medical_KG_rev.extraction.relations.naming import PREDICATE_OF, denied_predicate, ends
from Medical_KG_rev.extraction.relations.pairs import Pairs, WordCodes
from Medical_KG_rev.extraction.relations.units import UNIT_TOKENS, Unit, units
from Medical_KG_rev.extraction.relations.wording import Sentence, Stated, blames, certainty_about, denials, sentences, treatments
from Medical_KG_rev.extraction.spans import FoundClaim, FoundMention
from Medical_KG_rev.models import Certainty, EntityType

BY_MODEL: Final = "relation-model"
BY_RULE: Final = "relation-rule"

WEIGHTS: Final = Path(__file__).with_name("weights") / "relations.npz"
"""The weights that ship, written by ``benchmarks/extraction/train_relations.py``."""

_RULE_SCORE: Final = 0.8
"""What the rules get right of what they find in BioRED (docs/reference/relations.md)."""
_INDUCED_KIND: Final = 0
_MOST_EVIDENCE: Final = 3
_CLEARLY: Final = 0.5
"""From this probability a chemical causes a disease although a sentence says that it treats it."""
_ILLNESSES: Final = frozenset((EntityType.DISEASE, EntityType.PHENOTYPE))
_SURENESS: Final = (Certainty.STATED, Certainty.UNCERTAIN, Certainty.HYPOTHETICAL)


@dataclass(slots=True)
class _Draft:
    score: float
    method: str
    certainty: Certainty
    evidence: dict[tuple[int, int], None] = field(default_factory=dict)


class _Absent(Enum):
    """What of two mentions a sentence says is not there, where it denies no relation of them."""

    ILLNESS = "illness"
    OTHER = "other"
    """A chemical or gene: who was treated without it. That says nothing."""


_Key = tuple[str, str, str, bool]
_Place = tuple[int, int]
"""The items of two mentions, the smaller first."""


class Hierarchy(Protocol):
    """Knows what is below an id."""

    def narrower(self, curie: str) -> frozenset[str]: ...


class RelationFinder:
    """Says which entities of a text it relates, and how.

    A trained model judges every pair of entities of a part of the text as long as an abstract; rules add what one sentence says
    outright: that a chemical is given for a disease, that two things are not related. By the ``lexicon`` a general disease
    yields to the particular one.
    """

    def __init__(self, lexicon: Hierarchy | None = None, *, weights: Path = WEIGHTS) -> None:
        """Reads the weights.

        Raises:
            ModelCorruptError: they are not what their digest says.
        """
        self._model = RelationModel.open(weights)
        self._narrower: Narrower | None = lru_cache(2_000)(lexicon.narrower) if lexicon is not None else None
        self._codes = WordCodes()
        self.fingerprint = f"relations-3:{self._model.fingerprint[:16]}"

    def find(self, text: AnalysedText, mentions: Sequence[FoundMention]) -> list[FoundClaim]:
        """The claims, in the order in which parts of the text state them; each once, with its best sentences."""
        drafts: dict[_Key, _Draft] = {}
        for unit in units(text, mentions):
            reading = _Reading(text, unit, drafts)
            reading.state_rules()
            pairs = pairs_of(unit, self._codes, self._narrower)
            if pairs is not None:
                self._induced(reading, pairs)
                self._related(reading, pairs)
        told: dict[tuple[int, int], dict[str, Any]] = {}
        return [_claim(text, key, draft, told) for key, draft in drafts.items()]

    def _induced(self, reading: _Reading, pairs: Pairs) -> None:
        """Chemicals that cause diseases."""
        detector = self._model.induced
        toxic = pairs.of_kind(_INDUCED_KIND)
        if toxic is None:
            return
        chance = detector.probabilities(detector.rows(toxic))
        chances = dict(zip(np.nonzero(pairs.kind == _INDUCED_KIND)[0].tolist(), chance.tolist(), strict=True))
        chosen = [pair for pair, probable in chances.items() if probable >= detector.threshold]
        evidence = _Evidence(reading, pairs, detector, np.array(chosen, dtype=np.int64))
        for pair in chosen:
            if reading.is_part:
                evidence.keep_blaming(pair)
            if reading.is_part and not evidence.is_told(pair):
                continue
            if not (chances[pair] < _CLEARLY and reading.treated(pairs, pair)):
                reading.state(pairs, pair, p.CAUSES, chances[pair], evidence)

    def _related(self, reading: _Reading, pairs: Pairs) -> None:
        """All other relations."""
        detector = self._model.related
        rows = detector.rows(pairs)
        chance = detector.probabilities(rows)
        chosen = np.nonzero(chance >= detector.threshold)[0]
        if not len(chosen):
            return
        types = self._model.typer.probabilities(pairs, rows, chosen)
        evidence = _Evidence(reading, pairs, detector, chosen)
        for pair, of_types in zip(chosen.tolist(), types, strict=True):
            best = int(of_types.argmax())
            kind = int(pairs.kind[pair])
            predicate = PREDICATE_OF[kind][self._model.typer.labels[best]]
            probable = float(chance[pair] * of_types[best])
            caused = reading.caused(pairs, pair) if kind == _INDUCED_KIND else 0.0
            if reading.is_part and kind == _INDUCED_KIND and predicate == p.POSITIVELY_CORRELATED:
                evidence.keep_blaming(pair)
            if reading.is_part and not evidence.is_told(pair):
                continue
            if caused == 0 or (predicate == p.TREATS and probable > caused):
                reading.state(pairs, pair, predicate, probable, evidence)


class _Reading:
    """One unit while it is read; what it states goes to ``drafts``."""

    def __init__(self, text: AnalysedText, unit: Unit, drafts: dict[_Key, _Draft]) -> None:
        self.text = text
        self.unit = unit
        self.drafts = drafts
        self.is_part = len(text.words) > UNIT_TOKENS
        """The detectors learnt from whole abstracts, which are about what they name; elsewhere a sentence has to say it."""
        self.sentences: dict[int, Sentence] = {sentence.number: sentence for sentence in sentences(unit)}
        self.denied: dict[_Place, Stated] = {}
        for sentence in self.sentences.values():
            for stated in denials(sentence):
                self.denied.setdefault(_place(stated.first, stated.second), stated)

    def range_of(self, sentence: int) -> tuple[int, int]:
        """Characters of a sentence, without white space at its ends."""
        first, last = self.unit.sentences[sentence]
        return self.text.starts[first], self.text.ends[last - 1]

    def state_rules(self) -> None:
        """What single sentences say outright."""
        ids_at: dict[int, list[int]] = {}
        for occurrence, item in enumerate(self.unit.item_of):
            ids_at.setdefault(item, []).append(self.unit.entity_of[occurrence])
        for sentence in self.sentences.values():
            for stated in treatments(sentence):
                for first, second in _entities(ids_at, stated):
                    self._draft(
                        (self.unit.ids[first], p.TREATS, self.unit.ids[second], stated.negated),
                        _Draft(_RULE_SCORE, BY_RULE, stated.certainty, {self.range_of(sentence.number): None}),
                    )

    def treated(self, pairs: Pairs, pair: int) -> bool:
        return (self._id(pairs.first[pair]), p.TREATS, self._id(pairs.second[pair]), False) in self.drafts

    def caused(self, pairs: Pairs, pair: int) -> float:
        """The score of a claim, said or denied, that the first of a pair causes the second; 0 where there is none."""
        ends = self._id(pairs.first[pair]), p.CAUSES, self._id(pairs.second[pair])
        return max(self.drafts[key].score if (key := (*ends, negated)) in self.drafts else 0.0 for negated in (False, True))

    def state(self, pairs: Pairs, pair: int, predicate: str, score: float, evidence: _Evidence) -> None:
        """A relation that the model finds: said where a sentence says it, denied where all that name both deny it."""
        kind = int(pairs.kind[pair])
        subject, target = ends(kind, predicate, self._id(pairs.first[pair]), self._id(pairs.second[pair]))
        said, denied = evidence.of(pair)
        if said:
            certainty = min((certainty for _, certainty in said), key=_SURENESS.index)
            ranges = dict.fromkeys(place for found, _ in said for place in found)
            self._draft((subject, predicate, target, False), _Draft(score, BY_MODEL, certainty, ranges))
        for (found, certainty), verb in denied:
            of_absence = p.CAUSES if kind == _INDUCED_KIND else predicate
            denied_as = denied_predicate(kind, verb) if verb is not None else of_absence
            if denied_as is None:
                continue
            subject, target = ends(kind, denied_as, self._id(pairs.first[pair]), self._id(pairs.second[pair]))
            self._draft((subject, denied_as, target, True), _Draft(score, BY_RULE, certainty, dict.fromkeys(found)))

    def _id(self, entity: np.int64) -> str:
        return self.unit.ids[int(entity)]

    def _draft(self, key: _Key, new: _Draft) -> None:
        old = self.drafts.setdefault(key, new)
        if old is new:
            return
        old.evidence |= new.evidence
        old.certainty = min(old.certainty, new.certainty, key=_SURENESS.index)
        if new.score > old.score:
            old.score, old.method = new.score, new.method


class _Evidence:
    """The sentences that speak most for the relations of a unit, by the weights of their words."""

    def __init__(self, reading: _Reading, pairs: Pairs, detector: Detector, chosen: NDArray[np.int64]) -> None:
        self.reading = reading
        self.pairs = pairs
        self.meetings: dict[int, list[tuple[float, int, int]]] = {pair: [] for pair in chosen.tolist()}
        scores = pairs.meetings.scores(detector.weights)
        for meeting in np.nonzero(np.isin(pairs.meetings.pair, chosen))[0].tolist():
            place = int(pairs.meetings.first[meeting]), int(pairs.meetings.second[meeting])
            self.meetings[int(pairs.meetings.pair[meeting])].append((float(scores[meeting]), *place))

    def of(self, pair: int) -> tuple[list[_Said], list[tuple[_Said, str | None]]]:
        """Places that say so, the best first, and places that deny it: with the denied verb, None where it is the disease."""
        said: dict[int, _Said] = {}
        denied: dict[int, tuple[_Said, str | None]] = {}
        meetings = sorted(self.meetings[pair], reverse=True)
        best = meetings[0][0] if meetings else 0.0
        denied_at = [self._denial(first, second) for _, first, second in meetings]
        numbers = [self.reading.unit.sentence_of[first] for _, first, _ in meetings]
        affirming = {number for number, denial in zip(numbers, denied_at, strict=True) if denial is None}
        for (score, first, second), number, denial in zip(meetings, numbers, denied_at, strict=True):
            if denial is _Absent.OTHER or (denial is _Absent.ILLNESS and number in affirming):
                continue
            here = self._said(number, first, second)
            if denial is not None:
                denied.setdefault(number, (here, None if isinstance(denial, _Absent) else denial))
            elif not said or (score > 0 and score > best / 2 and len(said) < _MOST_EVIDENCE):
                said.setdefault(number, here)
        if not meetings:
            return [self._apart(pair)], []
        return list(said.values()), list(denied.values())

    def keep_blaming(self, pair: int) -> None:
        """Leaves a pair only the sentences that have a word of cause or harm for it."""
        unit, sentences = self.reading.unit, self.reading.sentences
        self.meetings[pair] = [
            (score, first, second)
            for score, first, second in self.meetings[pair]
            if blames(sentences[unit.sentence_of[first]], unit.item_of[first], unit.item_of[second])
        ]

    def is_told(self, pair: int) -> bool:
        """Whether a sentence names both."""
        return bool(self.meetings[pair])

    def _said(self, number: int, first: int, second: int) -> _Said:
        unit = self.reading.unit
        told = certainty_about(self.reading.sentences[number], unit.item_of[first], unit.item_of[second])
        spoken = (unit.mentions[first].context, unit.mentions[second].context)
        contexts = [Certainty.STATED if context.expected else context.certainty for context in spoken]
        return (self.reading.range_of(number),), max((told, *contexts), key=_SURENESS.index)

    def _denial(self, first: int, second: int) -> str | _Absent | None:
        """The verb that a sentence denies of two mentions, or else what of them is not there; None where nothing is denied."""
        unit = self.reading.unit
        stated = self.reading.denied.get(_place(unit.item_of[first], unit.item_of[second]))
        if stated is not None:
            return stated.kind
        absent = [unit.mentions[at].type for at in (first, second) if unit.mentions[at].context.negated]
        if not absent:
            return None
        return _Absent.ILLNESS if _ILLNESSES.intersection(absent) else _Absent.OTHER

    def _apart(self, pair: int) -> _Said:
        """The two nearest sentences, where none names both."""
        unit, first, second = self.reading.unit, self.pairs.first[pair], self.pairs.second[pair]
        places: list[list[int]] = [[], []]
        for occurrence, entity in enumerate(unit.entity_of):
            if entity in (first, second):
                places[int(entity == second)].append(unit.sentence_of[occurrence])
        one, other = min(((a, b) for a in places[0] for b in places[1]), key=lambda both: abs(both[0] - both[1]))
        return (self.reading.range_of(min(one, other)), self.reading.range_of(max(one, other))), Certainty.STATED


_Said = tuple[tuple[tuple[int, int], ...], Certainty]
"""Ranges, and how sure they are."""


def _place(first: int, second: int) -> _Place:
    return (first, second) if first < second else (second, first)


def _entities(ids_at: Mapping[int, list[int]], stated: Stated) -> Iterator[tuple[int, int]]:
    for first in ids_at[stated.first]:
        for second in ids_at[stated.second]:
            if first != second:
                yield first, second


def _claim(text: AnalysedText, key: _Key, draft: _Draft, told: dict[tuple[int, int], dict[str, Any]]) -> FoundClaim:
    """A claim; ``told`` remembers the circumstances that sentences tell."""
    subject, predicate, target, negated = key
    evidence = tuple(draft.evidence)
    qualifiers: dict[str, Any] = {}
    if predicate in (p.TREATS, p.CAUSES):
        if evidence[0] not in told:
            told[evidence[0]] = circumstances(text, *evidence[0])
        qualifiers = told[evidence[0]]
    return FoundClaim(
        subject,
        predicate,
        target,
        evidence,
        round(draft.score, 4),
        draft.method,
        negated=negated,
        certainty=draft.certainty,
        qualifiers=qualifiers,
    )
