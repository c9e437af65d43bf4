"""Cuts text into sentences and lines, verbatim: the pieces joined are the text again."""

from __future__ import annotations

import re

from sentencex import segment

__all__ = ["split_units"]

_LINE = re.compile(r"[^\n]*\n+|[^\n]+")
_SLICE = re.compile(r".{1,20000}(?:\s+|\Z)|.{20000}", re.DOTALL)
"""Sentence search is bounded to this many characters at once, so that no input makes it slow."""

_SURROGATE = re.compile("[\ud800-\udfff]")

_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[])(?:approx|ca|cf|eqs?|etc|ext|figs?|incl|nos?|pp?|refs?|resp|sect|spp?|ssp|subsp|suppl|tabs?|var|viz|vols?|vs)"
    r"\.\s*\Z",
    re.IGNORECASE,
)
"""Scientific abbreviations after which the segmenter sees a sentence end."""

_LABEL = re.compile(r"(?:table|figure|fig\.?|box|scheme|appendix|note|step)\s[A-Z]?\d{1,3}\.\s*", re.IGNORECASE)
"""A caption's label belongs to the caption."""


def split_units(text: str) -> list[str]:
    """Sentences of running text; lines where the text has line breaks; a table row (a line with tabs) stays whole.

    White space after a piece belongs to it, so the pieces joined are ``text``. A module-level function, as
    Haystack's ``DocumentSplitter(split_by="function")`` needs it to be serialisable.
    """
    pieces: list[str] = []
    for line in _LINE.findall(text):
        if "\t" in line or len(line) < 40:
            pieces.append(line)
        elif len(line) <= 20_000:
            pieces += _sentences(line)
        else:
            pieces += [sentence for part in _SLICE.findall(line) for sentence in _sentences(part)]
    return pieces


def _sentences(line: str) -> list[str]:
    sentences: list[str] = []
    for piece in _segments(line):
        if sentences and (piece[:1].islower() or _goes_on(sentences[-1])):
            sentences[-1] += piece
        else:
            sentences.append(piece)
    return sentences


def _segments(line: str) -> list[str]:
    """What the segmenter cuts; half of a surrogate pair, which it cannot take, stands as some other sign meanwhile."""
    if _SURROGATE.search(line) is None:
        return list(segment("en", line))
    pieces, start = [], 0
    for piece in segment("en", _SURROGATE.sub("\ufffd", line)):
        pieces.append(line[start : start + len(piece)])
        start += len(piece)
    return pieces


def _goes_on(sentence: str) -> bool:
    return _ABBREVIATION.search(sentence[-16:]) is not None or _LABEL.fullmatch(sentence) is not None
