"""Where a passage says what a query asks, word by word, as the lexical leg understands words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from Medical_KG_rev.index.analysis import Analyser

_HYPHENS = r"\-\u2010-\u2013\u2212"
_LETTERS = r"(?:[^\W_][\u0300-\u036f]*)+"
_WORD = re.compile(rf"{_LETTERS}(?:[{_HYPHENS}'\u2019.,]{_LETTERS})*")
_GAP = re.compile(rf"[ {_HYPHENS}]{{1,3}}")

Range = tuple[int, int]


def highlights(text: str, wanted: Collection[str], analyser: Analyser) -> tuple[Range, ...]:
    """The ranges ``start, end`` of ``text``, in order, of the words that have one of the ``wanted`` tokens.

    A name written in two (``IL 6``) is one range where only both together have it.
    """
    return tuple(_ranges(text, frozenset(wanted), analyser))


def _ranges(text: str, wanted: frozenset[str], analyser: Analyser) -> Iterator[Range]:
    before: re.Match[str] | None = None
    for word in _WORD.finditer(text):
        if not wanted.isdisjoint(analyser.tokens(word[0])):
            yield word.span()
            before = None
        elif before is not None and _is_name_in_two(text, before, word, wanted, analyser):
            yield before.start(), word.end()
            before = None
        else:
            before = word


def _is_name_in_two(text: str, one: re.Match[str], other: re.Match[str], wanted: frozenset[str], analyser: Analyser) -> bool:
    gap = text[one.end() : other.start()]
    return (
        any(character.isdigit() for character in other[0])
        and _GAP.fullmatch(gap) is not None
        and not wanted.isdisjoint(analyser.tokens(text[one.start() : other.end()]))
    )
