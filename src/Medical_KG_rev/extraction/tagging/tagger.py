"""The tagger: two passes of a linear-chain model, the second knowing what the first found elsewhere in the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.lexicon import LexiconMatch
from Medical_KG_rev.extraction.tagging.decoding import FORBIDDEN, Layout, Scheme, best_labels, label_probabilities, spelled
from Medical_KG_rev.extraction.tagging.definitions import as_defined
from Medical_KG_rev.extraction.tagging.emissions import Emissions, Frame
from Medical_KG_rev.extraction.tagging.spans import TaggedSpan
from Medical_KG_rev.extraction.tagging.states import TokenStates
from Medical_KG_rev.extraction.tagging.symbols import ShortForms, Streams, first_streams, second_streams, short_forms
from Medical_KG_rev.extraction.tagging.weights import TaggerWeights
from Medical_KG_rev.models import EntityType

__all__ = ["SequenceTagger", "TaggedSpan"]

_SENTENCE_TOKENS = 300
"""Longer sentences are cut."""

_STRETCH_TOKENS = 1_500
"""So much is read at once, to whole sentences: it bounds memory, and what a name elsewhere in the text can tell."""


class SequenceTagger:
    """Tags by its weights; without state but for what it remembers of symbols, so each thread needs its own."""

    def __init__(self, weights: TaggerWeights, states: TokenStates | None = None) -> None:
        """``states``: the encoder whose states the weights know of, if they do."""
        if weights.groups is not None and states is None:
            raise UsageError("These weights need the states of an encoder.", remedy="Give open_tagger its states.")
        self._weights = weights
        self._states = states
        self._scheme = Scheme(tuple(weights.facts.types))
        self._transitions = np.where(self._scheme.allowed(), weights.transitions, FORBIDDEN).astype(np.float32)
        self._emissions: dict[str, Emissions] = {}

    @property
    def fingerprint(self) -> str:
        """Changes with the weights."""
        return f"crf-{self._weights.digest[:16]}" + (f"-{self._states.fingerprint}" if self._states else "")

    @property
    def lexicon_fingerprint(self) -> str:
        """Of the lexicon that the texts were matched with in training."""
        return self._weights.facts.lexicon

    def tag(self, text: AnalysedText, matches: Sequence[LexiconMatch], convention: str = "") -> list[TaggedSpan]:
        """Mentions in the order of the text, never overlapping.

        ``matches`` are the lexicon's for this text; ``convention``: the corpus whose ways of annotating are followed.

        Raises:
            UsageError: no such convention.
        """
        emissions = self._emissions_of(convention)
        forms = short_forms(text, matches)
        spans = [
            span
            for stretch, found in _stretches(text, matches)
            for span in self._spans(stretch, self._streams(stretch, found, forms), emissions)
        ]
        return as_defined(text, matches, spans)

    def _streams(self, text: AnalysedText, matches: Sequence[LexiconMatch], forms: ShortForms) -> Streams:
        streams = first_streams(text, matches, forms)
        if self._weights.groups is not None and self._states is not None:
            streams["state"] = self._weights.groups.stream(text, self._states)
        return streams

    def _emissions_of(self, convention: str) -> Emissions:
        if convention not in self._emissions:
            known = self._weights.facts.conventions
            if convention not in known:
                raise UsageError(f"There is no convention {convention!r}; there are {', '.join(map(repr, sorted(known)))}.")
            self._emissions[convention] = Emissions(self._weights, convention)
        return self._emissions[convention]

    def _spans(self, text: AnalysedText, streams: Streams, emissions: Emissions) -> list[TaggedSpan]:
        frame, layout = Frame(text.sentences, len(text.words)), Layout.of(text.sentences)
        first, *rest = emissions.of(streams, frame) + emissions.base
        names = self._scheme.labels
        labels = best_labels(first, self._transitions[0], layout)
        last, number = first, 0
        for number, later in enumerate(rest, start=1):
            found = spelled(names[label] for label in labels)
            last = later + emissions.of(second_streams(text, found), frame)[number]
            labels = best_labels(last, self._transitions[number], layout)
        sure = label_probabilities(last, self._transitions[number], layout)[np.arange(len(labels)), labels]
        return [
            TaggedSpan(
                text.starts[begin], text.ends[end], EntityType(kind), round(float(min(sure[begin : end + 1].min(), 1.0)), 4)
            )
            for begin, end, kind in spelled(names[label] for label in labels)
        ]


def _stretches(text: AnalysedText, matches: Sequence[LexiconMatch]) -> Iterator[tuple[AnalysedText, list[LexiconMatch]]]:
    """The text piece by piece, each piece of whole sentences and no match cut; offsets into the text stay."""
    at = 0
    for sentences in _groups(_cut(text.sentences)):
        first, last = sentences[0][0], sentences[-1][1]
        while at < len(matches) and matches[at].first < first:
            at += 1
        inside: list[LexiconMatch] = []
        while at < len(matches) and matches[at].last <= last:
            inside.append(replace(matches[at], first=matches[at].first - first, last=matches[at].last - first))
            at += 1
        yield (
            AnalysedText(
                text.text,
                text.words[first:last],
                text.starts[first:last],
                text.ends[first:last],
                [(begin - first, end - first) for begin, end in sentences],
                text.abbreviations,
            ),
            inside,
        )


def _cut(sentences: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for first, last in sentences:
        for begin in range(first, last, _SENTENCE_TOKENS):
            yield begin, min(begin + _SENTENCE_TOKENS, last)


def _groups(sentences: Iterator[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    group: list[tuple[int, int]] = []
    for sentence in sentences:
        if group and sentence[1] - group[0][0] > _STRETCH_TOKENS:
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group
