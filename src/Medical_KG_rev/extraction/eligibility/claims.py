"""Criteria as claims of the study: who is required, who is excluded, who may take part."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.eligibility.criteria import Criterion, read_criteria, reading
from Medical_KG_rev.extraction.eligibility.kinds import EXCEPTION, Kind, kinds_of, main_kind, permits
from Medical_KG_rev.extraction.eligibility.limits import Limit, ages, measurements, windows
from Medical_KG_rev.extraction.quantities import PopulationFact, Quantity, populations, quantities
from Medical_KG_rev.extraction.spans import FoundClaim, FoundMention
from Medical_KG_rev.models import Annotation, Certainty, Document, EntityType

METHOD: Final = "eligibility"
_TIMELESS: Final = frozenset({Kind.AGE.value, Kind.CONSENT.value, Kind.SEX.value, Kind.SURVIVAL.value})
_VALUE_LENGTH = 1_000
_ABOVE_LENGTH = 300
_GENERAL: Final = frozenset(
    {"diagnosis", "diagnoses", "diagnosed", "data collection", "contraindication", "contraindications", "procedure", "procedures"}
    | {"pregnancy", "pregnant"}
)
"""Words that are concepts, and say nothing of who may take part."""
_HUMANS: Final = "NCBITaxon:9606"
_SENTENCE: Final = re.compile(r"[^.;]*(?:[.;](?!\s)[^.;]*)*(?:[.;]\s+|\Z)")
_SEX_REACH = 40
"""How far from the beginning of a criterion a sex is named that it is about."""

_KINDS: Final = {
    EntityType.DISEASE: Kind.CONDITION,
    EntityType.PHENOTYPE: Kind.CONDITION,
    EntityType.CHEMICAL: Kind.TREATMENT,
    EntityType.PROCEDURE: Kind.TREATMENT,
    EntityType.GENE: Kind.MARKER,
    EntityType.VARIANT: Kind.MARKER,
    EntityType.SPECIES: Kind.MARKER,
    EntityType.CELL_LINE: Kind.MARKER,
}
_SCORES: Final = {Kind.AGE: 0.95, Kind.LAB: 0.85, Kind.OTHER: 0.5}
_BY_WORDS: Final = 0.7
_BY_NAME: Final = 0.8


def eligibility_claims(document: Document, text: AnalysedText | None, mentions: Sequence[FoundMention] = ()) -> list[FoundClaim]:
    """What the criteria of a study constrain, as claims whose subject is the document's own id.

    Mentions (sorted, with their contexts) that stand in a criterion are objects of its claims; without an id, or without
    mentions, the words are the value. Every criterion yields at least one claim, and its words are the evidence; one that only
    announces others yields none.
    """
    facts = [claim for annotation in document.annotations for claim in _fact(document, annotation)]
    criteria = read_criteria(document)
    if not criteria:
        return facts
    analysed = reading(document, criteria, text)
    measured = quantities(analysed)
    people = populations(analysed, measured)
    claims = list(facts)
    for criterion in criteria:
        if criterion.announces:
            continue
        reader = _Reader(
            document, criterion, _inside(measured, criterion), _inside(people, criterion), _inside(mentions, criterion)
        )
        claims += reader.claims()
    return claims


def _inside(items: Sequence[Any], criterion: Criterion) -> list[Any]:
    """The items that begin in the criterion; they are in order."""
    first = bisect_left(items, criterion.start, key=attrgetter("start"))
    last = bisect_left(items, criterion.end, lo=first, key=attrgetter("start"))
    return list(items[first:last])


_FACTS: Final = {"minimum_age": ">=", "maximum_age": "<="}


def _fact(document: Document, annotation: Annotation) -> Iterator[FoundClaim]:
    """Sex and age limits that the record states beside the criteria."""
    if annotation.kind != "eligibility":
        return
    field, value = annotation.attributes.get("field"), document.text[annotation.start : annotation.end]
    place = ((annotation.start, annotation.end),)
    qualifiers: dict[str, Any] = {}
    predicate = p.REQUIRES
    if field in _FACTS:
        (quantity, *_) = [*quantities(reading(document, [Criterion(annotation.start, annotation.end, False)], None)), None]
        if quantity is None or quantity.value is None:
            return
        bound = "low" if field == "minimum_age" else "high"
        qualifiers = {"constraint": Kind.AGE.value, "comparator": _FACTS[field], bound: quantity.value, "unit": quantity.unit}
    elif field == "sex" and value.lower() != "all":
        qualifiers = {"constraint": Kind.SEX.value, "sex": value.lower()}
    elif field == "healthy_volunteers":
        predicate, value = (p.PERMITS if value == "Yes" else p.EXCLUDES), "healthy volunteers"
        qualifiers = {"constraint": Kind.OTHER.value}
    else:
        return
    yield FoundClaim(document.doc_id, predicate, None, place, 1.0, "record", value=value, qualifiers=qualifiers)


class _Reader:
    """Reads one criterion."""

    def __init__(
        self,
        document: Document,
        criterion: Criterion,
        measured: Sequence[Quantity],
        people: Sequence[PopulationFact],
        mentions: Sequence[FoundMention],
    ) -> None:
        self._study = document.doc_id
        self._text = document.text
        self._criterion = criterion
        self._words = document.text[criterion.start : criterion.end]
        self._measured = measured
        self._people = people
        self._mentions = mentions
        self._role = p.EXCLUDES if criterion.excludes else p.REQUIRES
        self._sentences = [(criterion.start + match.start(), permits(match.group())) for match in _SENTENCE.finditer(self._words)]
        self._exceptions = [
            (criterion.start + match.start(), criterion.start + match.end()) for match in EXCEPTION.finditer(self._words)
        ]

    def claims(self) -> list[FoundClaim]:
        """At least one, unless it only introduces those that are nested in it."""
        start, end = self._criterion.start, self._criterion.end
        age_limits = ages(self._text, start, end, self._measured)
        aged = {limit.quantity.start for limit in age_limits}
        others = [quantity for quantity in self._measured if quantity.start not in aged]
        labs = [limit for limit in measurements(self._text, start, end, others) if not self._is_excepted(limit.start)]
        self._windows = windows(self._text, start, end, others)
        found = [self._limit(Kind.AGE, limit) for limit in age_limits]
        found += [self._limit(Kind.LAB, limit) for limit in labs]
        told = kinds_of(self._words)
        named = list(self._named(told, labs))
        found += [claim for _, claim in named]
        told -= {kind for kind, _ in named}
        found += [self._worded(kind) for kind in sorted(told)]
        found += self._sex(told)
        if not named and not told and not age_limits:
            kind = main_kind(self._besides(labs))
            found += [self._worded(kind)] if kind else []
        if not found and self._words.endswith(":"):
            return []
        return found or [self._worded(Kind.OTHER)]

    def _predicate(self, at: int) -> str:
        """Required, excluded, or permitted by the sentence that holds this place."""
        permitted = next((permitted for start, permitted in reversed(self._sentences) if start <= at), False)
        return p.PERMITS if permitted else self._role

    def _limit(self, kind: Kind, limit: Limit) -> FoundClaim:
        stated = {"constraint": kind.value, **limit.quantity.as_qualifier()}
        if kind is Kind.LAB:
            stated["measure"] = limit.name
            mention = next((m for m in self._mentions if limit.start <= m.start and m.end <= limit.end and m.id), None)
            if mention is not None:
                stated["measure_id"] = mention.id
        return self._claim(None, " ".join(self._text[limit.start : limit.end].split()), _SCORES[kind], stated, at=limit.end)

    def _named(self, told: set[Kind], labs: Sequence[Limit]) -> Iterator[tuple[Kind, FoundClaim]]:
        """A claim for each thing that is named outside of measured values and exceptions."""
        exceptions = [m.id for m in self._mentions if m.id and self._is_excepted(m.start)]
        for mention in self._mentions:
            kind = _KINDS.get(mention.type)
            measured = any(limit.start <= mention.start < limit.end for limit in labs)
            general = mention.id == _HUMANS or self._text[mention.start : mention.end].lower() in _GENERAL
            if kind is None or general or measured or self._is_excepted(mention.start) or mention.end > self._criterion.end:
                continue
            if kind is Kind.TREATMENT and Kind.ALLERGY in told:
                kind = Kind.ALLERGY
            if told & {Kind.PREGNANCY} and kind is Kind.CONDITION:
                continue
            yield kind, self._about(kind, mention, exceptions)

    def _about(self, kind: Kind, mention: FoundMention, exceptions: Sequence[str]) -> FoundClaim:
        context = mention.context
        stated: dict[str, Any] = {"constraint": kind.value}
        predicate = self._predicate(mention.start)
        certainty = Certainty.STATED
        if context.negated and predicate == p.REQUIRES:
            predicate = p.EXCLUDES
        elif context.negated and predicate == p.EXCLUDES:
            stated["present"] = False
            certainty = Certainty.UNCERTAIN
        if context.historical:
            stated["history"] = True
        if context.family:
            stated["family"] = True
        if context.certainty is Certainty.UNCERTAIN:
            stated["suspected"] = True
        if exceptions:
            stated["exceptions"] = list(exceptions)
        words = " ".join(self._text[mention.start : mention.end].split())
        value = None if mention.id else words
        return self._claim(mention.id, value, _BY_NAME * mention.score, stated, predicate, certainty, mention.start)

    def _is_excepted(self, at: int) -> bool:
        return any(start <= at < end for start, end in self._exceptions)

    def _sex(self, told: set[Kind]) -> list[FoundClaim]:
        if told & {Kind.PREGNANCY, Kind.CONSENT}:
            return []
        first = next((fact for fact in self._people if fact.kind == "sex"), None)
        if first is None or first.value == "all" or first.start > self._criterion.start + _SEX_REACH:
            return []
        stated = {"constraint": Kind.SEX.value, "sex": first.value}
        return [self._claim(None, self._text[first.start : first.end], _BY_WORDS, stated)]

    def _besides(self, labs: Sequence[Limit]) -> str:
        """The words without the measured values."""
        words = self._words
        for limit in reversed(labs):
            words = words[: limit.start - self._criterion.start] + words[limit.end - self._criterion.start :]
        return words

    def _window(self, at: int | None) -> dict[str, Any] | None:
        """The window that follows a place in the same part of the criterion; the only one there is, otherwise."""
        if at is not None and len(self._windows) > 1:
            following = [found for found in self._windows if found[0].start >= at]
            if not following or ";" in self._text[at : following[0][0].start]:
                return None
            return following[0][1]
        return self._windows[0][1] if self._windows else None

    def _worded(self, kind: Kind) -> FoundClaim:
        return self._claim(None, self._words[:_VALUE_LENGTH], _SCORES.get(kind, _BY_WORDS), {"constraint": kind.value})

    def _claim(
        self,
        target: str | None,
        value: str | None,
        score: float,
        stated: Mapping[str, Any],
        predicate: str | None = None,
        certainty: Certainty = Certainty.STATED,
        at: int | None = None,
    ) -> FoundClaim:
        qualifiers = dict(stated)
        window = self._window(at) if stated["constraint"] not in _TIMELESS else None
        if window is not None:
            qualifiers["window"] = window
        above = self._criterion.above
        if above is not None:
            qualifiers["under"] = self._text[above[0] : above[1]][:_ABOVE_LENGTH]
        return FoundClaim(
            self._study,
            predicate or self._predicate(self._criterion.start if at is None else at),
            target,
            ((self._criterion.start, self._criterion.end),),
            score,
            METHOD,
            value=value,
            certainty=certainty,
            qualifiers=qualifiers,
        )
