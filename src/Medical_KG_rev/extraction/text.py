"""What a text says: the entities that it names and the relations that it states between them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from Medical_KG_rev.extraction.analysis import AnalysedText, analyse
from Medical_KG_rev.extraction.spans import FoundClaim, FoundMention

Claims = Callable[[AnalysedText, Sequence[FoundMention]], list[FoundClaim]]
"""Finds claims between the mentions of a text."""


class Mentions(Protocol):
    """Finds and grounds mentions; sorted by place, not overlapping."""

    def find(self, text: AnalysedText, convention: str = "") -> list[FoundMention]: ...


class Contexts(Protocol):
    """Says how a text speaks of what it names."""

    def annotate(self, text: AnalysedText, mentions: Sequence[FoundMention]) -> list[FoundMention]: ...


@dataclass(frozen=True, slots=True)
class Findings:
    """What one text says."""

    text: AnalysedText
    mentions: list[FoundMention]
    claims: list[FoundClaim]


class TextReader:
    """Reads free text: names, what they mean, how they are spoken of, and what is said about them.

    ``parts`` are the fingerprints of all that decides what is found.
    """

    def __init__(self, mentions: Mentions, contexts: Contexts, claims: Sequence[Claims], parts: Sequence[str]) -> None:
        self._mentions = mentions
        self._contexts = contexts
        self._claims = tuple(claims)
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        self.fingerprint = f"text-1:{digest[:16]}"

    def read(
        self,
        text: str,
        ranges: Sequence[tuple[int, int]] | None = None,
        *,
        telling: Sequence[tuple[int, int]] | None = None,
        convention: str = "",
    ) -> Findings:
        """Mentions in the ranges (default: the whole text), and claims.

        ``telling`` are those of the ranges that are running text (default: all); elsewhere things are named, and nothing is
        said about them.
        """
        analysed = analyse(text, ranges)
        mentions = self._contexts.annotate(analysed, self._mentions.find(analysed, convention))
        told = mentions if telling is None else _inside(mentions, telling)
        claims = [claim for find in self._claims for claim in find(analysed, told)] if told else []
        return Findings(analysed, mentions, claims)


def _inside(mentions: Sequence[FoundMention], ranges: Sequence[tuple[int, int]]) -> list[FoundMention]:
    """The mentions in ranges; both in order."""
    found, pending = [], iter(ranges)
    start, end = next(pending, (0, -1))
    for mention in mentions:
        while end >= 0 and end < mention.end:
            start, end = next(pending, (0, -1))
        if start <= mention.start and mention.end <= end:
            found.append(mention)
    return found
