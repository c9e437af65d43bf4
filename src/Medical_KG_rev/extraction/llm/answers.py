"""Reads a model's answer and keeps only what the passage bears out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from Medical_KG_rev.extraction.llm.prompt import MAX_CLAIMS, RELATIONS
from Medical_KG_rev.extraction.spans import FoundClaim, FoundMention
from Medical_KG_rev.models import Certainty

METHOD = "llm"
SCORE = 0.7
"""Of a claim that a model makes: it says nothing of its own certainty that could be relied on."""
_MIN_QUOTE = 8


class SaidClaim(msgspec.Struct, frozen=True):
    """One statement, as the model writes it."""

    subject: str
    relation: str
    object: str
    quote: str
    negated: bool
    certainty: Certainty


class _Said(msgspec.Struct, frozen=True):
    claims: list[SaidClaim]


class UnreadableAnswerError(ValueError):
    """The answer is not JSON of the schema."""


def read_answer(text: str) -> list[SaidClaim]:
    """The statements of an answer.

    Raises:
        UnreadableAnswerError: it is prose, broken JSON, or JSON of another shape.
    """
    try:
        return msgspec.json.decode(text, type=_Said).claims[:MAX_CLAIMS]
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UnreadableAnswerError(str(error)) from error


def verified(said: SaidClaim, passage: str, offset: int, mentions: Sequence[FoundMention], text: str) -> FoundClaim | str:
    """The claim with the place of its quote in ``text``, or why it is refused.

    ``passage`` is ``text[offset:offset + len(passage)]``; ``mentions`` are those of the passage. The quote must stand in it,
    white space apart, and must name both ends.
    """
    predicate = RELATIONS.get(said.relation)
    if predicate is None:
        return "unknown relation"
    place = _locate(said.quote, passage)
    if place is None:
        return "quote not in the passage"
    start, end = offset + place[0], offset + place[1]
    inside = {
        " ".join(text[mention.start : mention.end].casefold().split()): mention.id
        for mention in mentions
        if mention.id is not None and start <= mention.start and mention.end <= end
    }
    subject, target = _named(said.subject, inside), _named(said.object, inside)
    if subject is None or target is None:
        return "quote does not name both ends"
    if subject == target:
        return "both ends are the same"
    return FoundClaim(subject, predicate, target, ((start, end),), SCORE, METHOD, negated=said.negated, certainty=said.certainty)


def _named(name: str, inside: Mapping[str, str]) -> str | None:
    return inside.get(" ".join(name.casefold().split()))


def _locate(quote: str, passage: str) -> tuple[int, int] | None:
    """Where the quote stands; runs of white space count as one blank. None where it does not, or is hardly a quote."""
    words = quote.split()
    if len("".join(words)) < _MIN_QUOTE:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), passage)
    return found.span() if found else None
