"""Taggers: trained finders of mentions, by name. Their weights are part of this package."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal, Protocol

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.lexicon import Lexicon, LexiconMatch
from Medical_KG_rev.extraction.tagging.states import StateGroups, TokenStates
from Medical_KG_rev.extraction.tagging.tagger import SequenceTagger, TaggedSpan
from Medical_KG_rev.extraction.tagging.weights import TaggerWeights

__all__ = ["SequenceTagger", "StateGroups", "TaggedSpan", "Tagger", "TaggerWeights", "TokenStates", "open_tagger"]

logger = logging.getLogger(__name__)


class Tagger(Protocol):
    """Finds mentions in a text."""

    @property
    def fingerprint(self) -> str:
        """Changes with all that decides what is found."""

    def tag(self, text: AnalysedText, matches: Sequence[LexiconMatch], convention: str = "") -> list[TaggedSpan]:
        """Mentions in the order of the text, never overlapping; ``matches`` are the lexicon's for this text."""


def open_tagger(name: Literal["fast", "accurate"], lexicon: Lexicon, states: TokenStates | None = None) -> Tagger:
    """A tagger for texts matched with this lexicon.

    The weights were trained with one lexicon. Another of the same sources serves nearly as well, for a tagger sees of a match
    only its extent, types and sources; that it is another is logged. ``accurate`` needs the ``states`` of bge-small.

    Raises:
        UsageError: it needs states and none are given.
        ModelCorruptError: the weights in this package were changed.
    """
    tagger = SequenceTagger(TaggerWeights.open(name), states)
    if tagger.lexicon_fingerprint != lexicon.fingerprint:
        logger.info(
            "The tagger %s was trained with the lexicon %s, this is %s; benchmarks/extraction/train_tagger.py trains it again.",
            name,
            tagger.lexicon_fingerprint,
            lexicon.fingerprint,
        )
    return tagger
