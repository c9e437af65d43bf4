"""One reading of a text that everything else works on: tokens and sentences, and abbreviations with what they stand for.

A token is a run of letters, a run of digits, or any other single character that is no white space; so `IL-6` is `IL`, `-`, `6`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from Medical_KG_rev.extraction.abbreviations import Abbreviation, find_abbreviations
from Medical_KG_rev.sentences import split_units

TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\s]")


@dataclass(frozen=True, slots=True)
class AnalysedText:
    """A text with its tokens in order: token *i* is ``words[i] == text[starts[i]:ends[i]]``.

    ``sentences`` are ranges of tokens ``[first, last)``, in order and not overlapping; tokens outside the ranges that were to be
    read are absent.
    """

    text: str
    words: list[str]
    starts: list[int]
    ends: list[int]
    sentences: list[tuple[int, int]]
    abbreviations: tuple[Abbreviation, ...] = ()


def analyse(text: str, ranges: Sequence[tuple[int, int]] | None = None) -> AnalysedText:
    """Tokens, sentences and abbreviations of a text, or of those character ranges of it; a sentence never crosses a range."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    sentences: list[tuple[int, int]] = []
    for range_start, range_end in ranges if ranges is not None else [(0, len(text))]:
        offset = range_start
        for piece in split_units(text[range_start:range_end]):
            first = len(words)
            for token in TOKEN.finditer(piece):
                words.append(token.group())
                starts.append(offset + token.start())
                ends.append(offset + token.end())
            if len(words) > first:
                sentences.append((first, len(words)))
            offset += len(piece)
    return AnalysedText(text, words, starts, ends, sentences, find_abbreviations(text, words, starts, ends, sentences))
