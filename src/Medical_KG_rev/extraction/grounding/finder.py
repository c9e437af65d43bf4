"""Finds the mentions of a text: the lexicon's names and a tagger's spans merged, variants by rules, then grounded together."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.grounding.acceptance import addresses, glued_to_code, in_company, lexicon_spans, program_share
from Medical_KG_rev.extraction.grounding.candidates import Grounder
from Medical_KG_rev.extraction.grounding.default_convention import informative, methods_of_research
from Medical_KG_rev.extraction.grounding.definitions import follow_definitions, merged, uses
from Medical_KG_rev.extraction.grounding.document import Span, ground
from Medical_KG_rev.extraction.grounding.variants import find_variants
from Medical_KG_rev.extraction.lexicon import Lexicon, LexiconMatch
from Medical_KG_rev.extraction.spans import FoundMention
from Medical_KG_rev.models import EntityType

__all__ = ["MentionFinder", "SpanTagger"]

VERSION = "5"

_VOCABULARIES = {"bc5cdr": "MESH", "ncbi": "MESH", "biored": "MESH"}
"""What the ids of diseases and chemicals are, by convention; the others take the lexicon's first choice."""

_TAGGED = frozenset(
    (EntityType.DISEASE, EntityType.CHEMICAL, EntityType.GENE, EntityType.VARIANT, EntityType.SPECIES, EntityType.CELL_LINE)
)
"""The types that taggers are trained on: of these the tagger decides."""


_SYMBOLIC = frozenset((EntityType.GENE, EntityType.VARIANT, EntityType.CELL_LINE))
_CODE_IN_IT, _CODE = 0.2, 0.5
_FEWEST_TAGGED = 2
_LONG_NAME = 6
_SHORTEST_REPEATED, _LONGEST_REPEATED = 4, 60


class Tagged(Protocol):
    """A span of a tagger: characters ``[start, end)``."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def type(self) -> EntityType: ...
    @property
    def score(self) -> float: ...


class SpanTagger(Protocol):
    """What finding asks of a tagger."""

    @property
    def fingerprint(self) -> str: ...
    def tag(self, text: AnalysedText, matches: Sequence[LexiconMatch], convention: str = "") -> Sequence[Tagged]: ...


class MentionFinder:
    """Finds and grounds mentions. Without a tagger the lexicon finds them alone."""

    def __init__(self, lexicon: Lexicon, tagger: SpanTagger | None) -> None:
        self._lexicon = lexicon
        self._tagger = tagger
        self._grounders: dict[str | None, Grounder] = {}

    @property
    def fingerprint(self) -> str:
        """Changes with all that decides what is found."""
        return f"mentions-{VERSION}:{self._lexicon.fingerprint}:{self._tagger.fingerprint if self._tagger else 'lexicon'}"

    @cached_property
    def _methods(self) -> frozenset[str]:
        return methods_of_research(self._lexicon)

    def find(self, text: AnalysedText, convention: str = "") -> list[FoundMention]:
        """Mentions in the order of the text, never overlapping.

        ``convention``: the corpus whose ways of annotating are followed (``bc5cdr``, ``ncbi``, ``biored``); none: all types.
        """
        matches = self._lexicon.match(text)
        named = follow_definitions(text, lexicon_spans(text, matches))
        if self._tagger is None:
            spans = merged(_variants(text), named)
        else:
            spans = _repeated(text, self._tagged(text, matches, convention))
            if not convention:
                spans = _typed_as_known(text, spans, matches)
            spans = merged(merged(spans, _variants(text)), [span for span in named if span.type not in _TAGGED])
        spans = _outside(in_company(text.text, spans), addresses(text.text))
        mentions = ground(text, spans, self._grounder(_VOCABULARIES.get(convention)))
        return mentions if convention else informative(text, mentions, self._methods)

    def _tagged(self, text: AnalysedText, matches: Sequence[LexiconMatch], convention: str) -> list[Span]:
        """The tagger's spans; of program text only those that are no symbols."""
        if self._tagger is None:
            return []
        tagged = [
            Span(each.start, each.end, each.type, each.score, "tagger") for each in self._tagger.tag(text, matches, convention)
        ]
        share = program_share(text.text)
        if share > _CODE_IN_IT:
            tagged = [span for span in tagged if not glued_to_code(text.text, span.start, span.end)]
        return [span for span in tagged if span.type not in _SYMBOLIC] if share > _CODE else tagged

    def _grounder(self, vocabulary: str | None) -> Grounder:
        return self._grounders.setdefault(vocabulary, Grounder(self._lexicon, vocabulary))


def _variants(text: AnalysedText) -> list[Span]:
    """Variants in what was read of the text: from the start of a token to the end of one."""
    starts, ends = text.starts, text.ends
    found = []
    for start, end in find_variants(text.text) if text.words else ():
        first, last = bisect_left(starts, start), bisect_left(ends, end)
        if first < len(starts) and starts[first] == start and last < len(ends) and ends[last] == end:
            found.append(Span(start, end, EntityType.VARIANT, 0.9, "notation"))
    return found


def _typed_as_known(text: AnalysedText, tagged: list[Span], matches: Sequence[LexiconMatch]) -> list[Span]:
    """The spans, each of a long name that has one meaning in the lexicon of the type of that: a monoclonal antibody is no gene.

    Corpora differ in this, so it is no part of their conventions.
    """
    meant = {
        (text.starts[match.first], text.ends[match.last - 1]): match.names[0].type
        for match in matches
        if len(match.types) == 1 and match.names[0].type in _TAGGED
    }
    return [
        replace(span, type=kind)
        if span.end - span.start >= _LONG_NAME
        and (kind := meant.get((span.start, span.end), span.type)) is not span.type
        and span.type is not EntityType.VARIANT
        else span
        for span in tagged
    ]


def _repeated(text: AnalysedText, tagged: list[Span]) -> list[Span]:
    """The spans, and wherever the text has again what was tagged more than once."""
    kinds: dict[str, Counter[EntityType]] = {}
    for span in tagged:
        surface = text.text[span.start : span.end]
        if _SHORTEST_REPEATED <= len(surface) <= _LONGEST_REPEATED:
            kinds.setdefault(surface, Counter())[span.type] += 1
    names = {surface: found.most_common(1)[0][0] for surface, found in kinds.items() if found.total() >= _FEWEST_TAGGED}
    if not names:
        return tagged
    again = [Span(start, end, names[surface], 0.6, "repetition") for start, end, surface in uses(text, tuple(names))]
    return merged(tagged, again)


def _outside(spans: list[Span], ranges: Sequence[tuple[int, int]]) -> list[Span]:
    if not ranges:
        return spans
    starts = [start for start, _ in ranges]
    kept = []
    for span in spans:
        at = bisect_left(starts, span.end)
        if at == 0 or ranges[at - 1][1] <= span.start:
            kept.append(span)
    return kept
