"""Where a text uses the short forms that it defines: they are of the type of what they stand for."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.extraction.abbreviations import variants
from Medical_KG_rev.extraction.analysis import TOKEN, AnalysedText
from Medical_KG_rev.extraction.grounding.document import Span
from Medical_KG_rev.models import EntityType

__all__ = ["follow_definitions", "merged", "uses"]


def follow_definitions(text: AnalysedText, spans: Sequence[Span]) -> list[Span]:
    """The spans, those of defined short forms replaced: by ones of the type of the long form, by none where that is no span."""
    if not text.abbreviations:
        return list(spans)
    types = _types(text, spans)
    found = uses(text, types)
    taken = {(start, end) for start, end, _ in found}
    kept = [span for span in spans if (span.start, span.end) not in taken]
    defined = [Span(start, end, kind, 0.85, "definition") for start, end, short in found if (kind := types[short]) is not None]
    return merged(defined, kept)


def _types(text: AnalysedText, spans: Sequence[Span]) -> dict[str, EntityType | None]:
    """The type of what each short form stands for: that of the span which ends where its first definition's long form ends."""
    ending = {span.end: span for span in spans}
    types: dict[str, EntityType | None] = {}
    for found in text.abbreviations:
        long = ending.get(found.long_end)
        fits = (
            long is not None
            and long.start >= found.long_start
            and 2 * (long.end - long.start) > found.long_end - found.long_start
        )
        for short in (found.short, *variants(found.short)):
            types.setdefault(short, long.type if fits and long is not None else None)
    return types


def uses(text: AnalysedText, shorts: Sequence[str] | dict[str, EntityType | None]) -> list[tuple[int, int, str]]:
    """Places ``(start, end, short form)`` where a text has a short form as a word, in order, the longest where several begin."""
    by_words: dict[tuple[str, ...], str] = {}
    lengths: dict[str, set[int]] = {}
    for short in shorts:
        words = tuple(TOKEN.findall(short))
        by_words[words] = short
        lengths.setdefault(words[0], set()).add(len(words))
    found: list[tuple[int, int, str]] = []
    reach = 0
    for at, word in enumerate(text.words):
        if word not in lengths or at < reach or _glued(text, at):
            continue
        for length in sorted(lengths[word], reverse=True):
            known = by_words.get(tuple(text.words[at : at + length]))
            if known is None or _glued(text, at + length):
                continue
            start, end = text.starts[at], text.ends[at + length - 1]
            if text.text[start:end] == known:
                found.append((start, end, known))
                reach = at + length
                break
    return found


def _glued(text: AnalysedText, at: int) -> bool:
    """Whether token ``at`` goes on the word of the token before: no space between, and letters or digits on both sides."""
    if not 0 < at < len(text.words) or text.starts[at] != text.ends[at - 1]:
        return False
    return text.words[at][0].isalnum() and text.words[at - 1][-1].isalnum()


def merged(first: Sequence[Span], second: Sequence[Span]) -> list[Span]:
    """All of the first, and the second where they overlap none of them."""
    kept = list(first)
    position = 0
    for span in second:
        while position < len(first) and first[position].end <= span.start:
            position += 1
        if position == len(first) or span.end <= first[position].start:
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)
