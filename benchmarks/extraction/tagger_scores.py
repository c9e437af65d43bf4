"""Strict scores of taggers on the corpora: a mention counts when start, end and type are those of the annotators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from corpora import TYPES, GoldDocument
from measuring import MODELS_DIR, need_model, skip

from Medical_KG_rev.errors import ModelNotInstalledError
from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.extraction.tagging import TaggedSpan, Tagger, TokenStates, open_tagger
from Medical_KG_rev.models import EntityType

Spans = Iterable[tuple[int, int, EntityType]]


@dataclass
class Scores:
    """Counts by type."""

    right: Counter[EntityType] = field(default_factory=Counter)
    found: Counter[EntityType] = field(default_factory=Counter)
    expected: Counter[EntityType] = field(default_factory=Counter)

    def add(self, document: GoldDocument, spans: Spans) -> None:
        """Of the types that the document's corpus annotates."""
        kinds = TYPES[document.corpus]
        given = {span for span in spans if span[2] in kinds}
        wanted = {(mention.start, mention.end, mention.type) for mention in document.mentions}
        for counts, several in ((self.right, given & wanted), (self.found, given), (self.expected, wanted)):
            counts.update(kind for _, _, kind in several)

    def of(self, kind: EntityType | None = None) -> tuple[float, float, float]:
        """Precision, recall and F1 of a type, or of all mentions."""
        right, found, expected = (counts[kind] if kind else counts.total() for counts in (self.right, self.found, self.expected))
        return right / max(found, 1), right / max(expected, 1), 2 * right / max(found + expected, 1)


def scored(documents: Iterable[GoldDocument], lexicon: Lexicon, tagger: Tagger, convention: str) -> Scores:
    """Scores of a tagger under a convention."""
    scores = Scores()
    for document in documents:
        text = analyse(document.text)
        scores.add(document, places(tagger.tag(text, lexicon.match(text), convention)))
    return scores


def places(spans: Iterable[TaggedSpan]) -> Spans:
    """Without their scores."""
    return ((span.start, span.end, span.type) for span in spans)


def open_lexicon(path: Path | None) -> Lexicon:
    """The lexicon in a file, or the one that was fetched; ends the benchmark with a reason where there is none."""
    from Medical_KG_rev.text import ModelStore

    try:
        return Lexicon.open(path or ModelStore(MODELS_DIR).path("lexicon", "lexicon"))
    except ModelNotInstalledError:
        return skip("the lexicon is not installed; run `medkg models fetch lexicon`")


def open_states() -> TokenStates:
    """The states of bge-small; ends the benchmark with a reason where it is not installed."""
    from Medical_KG_rev.text import ModelStore
    from Medical_KG_rev.text.token_states import TokenStates as States

    need_model("bge-small")
    return States("bge-small", ModelStore(MODELS_DIR))


def shipped_tagger(name: Literal["fast", "accurate"], lexicon: Lexicon) -> Tagger:
    """The tagger of that name, with the encoder that it needs."""
    return open_tagger(name, lexicon, open_states() if name == "accurate" else None)
