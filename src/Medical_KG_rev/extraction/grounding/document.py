"""Grounds the mentions of one text together: a short form means what its definition says, and what is sure helps what is not."""

# ruff: noqa: RUF001 - typographic marks are meant

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from Medical_KG_rev.extraction.abbreviations import variants
from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.grounding.candidates import Grounder
from Medical_KG_rev.extraction.grounding.coordination import parts
from Medical_KG_rev.extraction.grounding.variants import variant_candidates
from Medical_KG_rev.extraction.lexicon import LexiconName
from Medical_KG_rev.extraction.spans import Candidate, FoundMention
from Medical_KG_rev.models import EntityType

__all__ = ["Span", "ground"]

LEAST_SCORE: dict[EntityType, float] = {EntityType.DISEASE: 0.5, EntityType.CHEMICAL: 0.55, EntityType.GENE: 0.6}
"""Below it a mention is NIL; chosen on the training parts of the corpora."""

_LEAST_OTHER = 0.6
_SHORT = re.compile(r"[^\W_](?:[^\s]{0,9})")
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_SEEN_ELSEWHERE = 0.08
_DEFINED = 0.985
AGAINST_DEFINITION = "though defined as"
"""So begins the reason of a candidate that is meant although the text defines the short form as something unknown."""
_AGAINST_DEFINITION = 0.75
_LEAST_PART = 0.7
_FEWEST_INITIALS = 3
_INDUCED = frozenset(("-induced ", " induced ", " - induced ", " "))


@dataclass(frozen=True, slots=True)
class Span:
    """A typed range of a text that names something. ``names``: what the lexicon has for it, where it was found by the lexicon."""

    start: int
    end: int
    type: EntityType
    score: float
    found_by: str
    names: tuple[LexiconName, ...] = ()


def ground(text: AnalysedText, spans: Sequence[Span], grounder: Grounder) -> list[FoundMention]:
    """A mention for each span, in their order, with ranked candidates, or none where nothing is sure enough."""
    return _Document(text, spans, grounder).mentions()


class _Document:
    """What is known of one text while its mentions are grounded."""

    def __init__(self, text: AnalysedText, spans: Sequence[Span], grounder: Grounder) -> None:
        self._text = text.text
        self._spans = spans
        self._grounder = grounder
        self._long: dict[str, str] = {}
        for found in text.abbreviations:
            long = self._text[found.long_start : found.long_end]
            for short in (found.short, *variants(found.short)):
                self._long.setdefault(short, long)
        self._in_apposition()
        self._by_initials()
        self._induced = self._drug_induced()

    def mentions(self) -> list[FoundMention]:
        known: dict[tuple[str, EntityType], tuple[tuple[Candidate, ...], tuple[Candidate, ...]]] = {}
        for span in self._spans:
            surface = self._surface(span)
            if (surface, span.type) not in known:
                known[surface, span.type] = self._candidates(surface, span)
        sure = _sure(candidates for candidates, _ in known.values())
        found = []
        for span in self._spans:
            candidates, also = known[self._surface(span), span.type]
            if _is_capital(self._surface(span)):
                candidates = _with_context(candidates, sure)
            least = LEAST_SCORE.get(span.type, _LEAST_OTHER)
            if not candidates or candidates[0].score < least:
                candidates, also = (), ()
            found.append(FoundMention(span.start, span.end, span.type, span.score, span.found_by, candidates, also=also))
        return found

    def _surface(self, span: Span) -> str:
        return self._text[span.start : span.end]

    def _in_apposition(self) -> None:
        """`myotonic dystrophy (DM)`: what brackets name after a name of the same type is that, where nothing defines it."""
        for before, span in zip(self._spans, self._spans[1:], strict=False):
            short = self._surface(span)
            if before.type is not span.type or short in self._long or not _SHORT.fullmatch(short) or not _is_capital(short):
                continue
            between = self._text[before.end : span.start]
            if between.strip() in ("(", "[") and self._text[span.end : span.end + 1] in (")", "]", ";", ","):
                long = self._surface(before)
                if len(long) > len(short) + 2:
                    for form in (short, *variants(short)):
                        self._long.setdefault(form, long)

    def _by_initials(self) -> None:
        """`CHF` is the congestive heart failure that the text names elsewhere, where nothing defines it."""
        long: dict[tuple[str, EntityType], set[str]] = {}
        for span in self._spans:
            words = _WORD.findall(self._surface(span).replace("-", " "))
            if len(words) >= _FEWEST_INITIALS:
                initials = "".join(word[0] for word in words).upper()
                long.setdefault((initials, span.type), set()).add(self._surface(span))
        for span in self._spans if long else ():
            short = self._surface(span)
            if short in self._long or not short.isupper():
                continue
            meant = long.get((short, span.type), set())
            if meant:
                self._long[short] = min(meant)

    def _drug_induced(self) -> frozenset[str]:
        """Diseases that the text calls a drug's doing: `levodopa-induced dyskinesia`, `halothane hepatitis`."""
        return frozenset(
            self._surface(span).casefold()
            for before, span in zip(self._spans, self._spans[1:], strict=False)
            if before.type is EntityType.CHEMICAL
            and span.type is EntityType.DISEASE
            and self._text[before.end : span.start].casefold() in _INDUCED
        )

    def _as_drug_induced(self, surface: str, name: str) -> tuple[Candidate, ...]:
        """Candidates for a disease that a drug induces, where a vocabulary has a concept of its own for that."""
        if surface.casefold() not in self._induced:
            cause, link, name = name.partition("-induced ")
            if not link or not (cause.casefold() == "drug" or self._grounder.exactly(cause, EntityType.CHEMICAL)):
                return ()
        for worded in (f"{name}, drug-induced", f"{name}, substance-induced"):
            found = self._grounder.exactly(worded, EntityType.DISEASE)
            if found:
                return _reasoned(found, _DEFINED, f"induced by a drug, {worded!r}: ")
        return ()

    def _candidates(self, surface: str, span: Span) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
        """Ranked candidates, and what a coordination names besides the first of them."""
        if span.type is EntityType.VARIANT:
            return variant_candidates(surface), ()
        long = self._long.get(surface)
        induced = self._as_drug_induced(surface, long or surface) if span.type is EntityType.DISEASE else ()
        if induced:
            return induced, ()
        if long is not None and long != surface:
            defined = self._plain(self._expanded(long), span.type)
            if defined:
                return _reasoned(defined, _DEFINED, f"short for {long!r}: "), ()
            return _reasoned(self._plain(surface, span.type), _AGAINST_DEFINITION, f"{AGAINST_DEFINITION} {long!r}: "), ()
        expanded = self._expanded(surface)
        found = self._whole(surface, span)
        if expanded != surface:
            full = self._whole(expanded, span)
            if full[0] and (not found[0] or full[0][0].score * _DEFINED >= found[0][0].score):
                return _reasoned(full[0], _DEFINED, f"in full {expanded!r}: "), full[1]
        return found

    def _whole(self, name: str, span: Span) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
        if span.names and name == self._surface(span):
            found = self._grounder.of_names(name, span.type, span.names)
        else:
            found = self._plain(name, span.type)
        if found and found[0].score >= 0.9:
            return found, ()
        named = [self._plain(part, span.type) for part in parts(name)]
        if len(named) < 2 or not all(each and each[0].score >= _LEAST_PART for each in named):
            return found, ()
        if found and found[0].score >= min(each[0].score for each in named):
            return found, ()
        others = {each[0].id: each[0] for each in named if each[0].id != named[0][0].id}
        return named[0], tuple(others.values())

    def _plain(self, name: str, kind: EntityType) -> tuple[Candidate, ...]:
        return self._grounder.candidates(" ".join(name.split()), kind)

    def _expanded(self, name: str) -> str:
        """The name with the short forms in it written out, and without their brackets."""
        if not self._long:
            return name
        bare = name
        for short in self._long:
            bare = bare.replace(f" ({short})", "")
        return _WORD.sub(lambda word: self._written_out(word.group()), bare)

    def _written_out(self, word: str) -> str:
        if word in self._long:
            return self._long[word]
        if "-" in word:
            return "-".join(self._long.get(part, part) for part in word.split("-"))
        return word


def _is_capital(short: str) -> bool:
    return sum(letter.isupper() or letter.isdigit() for letter in short) * 2 >= len(short)


def _sure(found: Iterable[tuple[Candidate, ...]]) -> frozenset[str]:
    """Ids that the text names without doubt: by a name with one meaning."""
    return frozenset(
        candidates[0].id
        for candidates in found
        if candidates
        and candidates[0].score >= 0.9
        and (len(candidates) == 1 or candidates[1].score < candidates[0].score - 0.05)
    )


def _with_context(candidates: tuple[Candidate, ...], sure: frozenset[str]) -> tuple[Candidate, ...]:
    """Candidates ranked anew where the text names one of several by a surer name elsewhere."""
    if len(candidates) < 2 or candidates[0].id in sure or not any(candidate.id in sure for candidate in candidates):
        return candidates
    raised = [
        replace(
            candidate,
            score=min(1.0, candidate.score + _SEEN_ELSEWHERE),
            reason=f"{candidate.reason}; named elsewhere in the text",
        )
        if candidate.id in sure
        else candidate
        for candidate in candidates
    ]
    return tuple(sorted(raised, key=lambda candidate: (-candidate.score, candidate.id)))


def _reasoned(candidates: tuple[Candidate, ...], factor: float, reason: str) -> tuple[Candidate, ...]:
    return tuple(replace(each, score=round(each.score * factor, 4), reason=reason + each.reason) for each in candidates)
