"""Names that share a word: `breast and ovarian cancer` names breast cancer and ovarian cancer."""

from __future__ import annotations

import re

__all__ = ["parts"]

MAX_PARTS = 5
_LINK = re.compile(
    r"\s*(?:,\s*and/or|,\s*and|,\s*or|,|\band/or\b|\band\b|\bor\b|/)\s+|\s+(?:and/or|and|or)\s+|(?<=[^\W\d_]{3})/(?=[^\W\d_]{3})"
)
_WORDS = re.compile(r"\S+")


def parts(name: str) -> tuple[str, ...]:
    """The single names in a coordination, each with the word that they share; empty when there is none.

    >>> parts("breast and ovarian cancer")
    ('breast cancer', 'ovarian cancer')
    >>> parts("cancer of the breast and ovary")
    ('cancer of the breast', 'cancer of the ovary')
    """
    pieces = [piece.strip() for piece in _LINK.split(name) if piece.strip()]
    if not 1 < len(pieces) <= MAX_PARTS:
        return ()
    shared = re.fullmatch(r"(.+ of (?:the )?)\S.*", pieces[0])
    if shared and not any(" of " in piece for piece in pieces[1:]):
        return (pieces[0], *(shared.group(1) + piece for piece in pieces[1:]))
    last = _WORDS.findall(pieces[-1])
    if len(last) > 1:
        tail = " ".join(last[1:])
        return (*(piece if piece.endswith(f" {last[-1]}") else f"{piece} {tail}" for piece in pieces[:-1]), pieces[-1])
    first = _WORDS.findall(pieces[0])
    if len(first) > 1:
        head = " ".join(first[:-1])
        return (pieces[0], *(f"{head} {piece}" for piece in pieces[1:]))
    return tuple(pieces)
