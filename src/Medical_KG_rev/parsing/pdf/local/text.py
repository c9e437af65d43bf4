"""Lines joined to running text, words that were broken at line ends made whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from Medical_KG_rev.parsing.pdf.local.pieces import Line

_BROKEN = re.compile(r"([^\W\d_]+)[-\u2010]$")
_FIRST_WORD = re.compile(r"^([^\W\d_]+)")
_LINK = re.compile(r"(?:https?://|www\.)\S+$", re.IGNORECASE)
_LINK_REST = re.compile(r"[^\s/]*/")
_LINK_END = re.compile(r"(?:https?://|www\.|doi\.org/|10\.\d{4,}/)\S*[/._=?&-]$", re.IGNORECASE)

Vocabulary = Mapping[str, int]
"""How often each word of the file stands within a line, in lower case, hyphenated words whole."""

WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")


def joined_lines(lines: Sequence[Line], vocabulary: Vocabulary | None = None) -> str:
    """One text of lines under each other."""
    return joined_texts([line.text for line in lines], vocabulary)


def joined_texts(texts: Iterable[str], vocabulary: Vocabulary | None = None) -> str:
    """One text of pieces, each of which goes on in the next."""
    whole = ""
    for text in texts:
        whole = _joined(whole, text, vocabulary or {}) if whole else text
    return whole


def _joined(whole: str, text: str, vocabulary: Vocabulary) -> str:
    broken, following = _BROKEN.search(whole), _FIRST_WORD.match(text)
    if broken and following:
        first, second = broken[1].casefold(), following[1].casefold()
        is_one_word = following[1].islower() and vocabulary.get(f"{first}-{second}", 0) <= vocabulary.get(first + second, 0)
        if following[1].islower() and not is_one_word:
            return whole + text
        if is_one_word and not (vocabulary.get(first, 0) > 2 and vocabulary.get(second, 0) > 2 and first in _PREFIXES):
            return whole[:-1] + text
        return whole + text
    if whole.endswith(("-", "\u2010")) and whole[-2:-1].isalnum() and text[:1].isalnum():
        return whole + text
    if whole.endswith(("/", "\u2013")) and not whole.endswith((" /", " \u2013")):
        return whole + text
    if _LINK_END.search(whole) or (_LINK.search(whole) and _LINK_REST.match(text)):
        return whole + text
    return f"{whole} {text}"


_PREFIXES = frozenset(
    {"non", "self", "half", "cross", "well", "high", "low", "long", "short", "double", "single", "two", "three", "anti", "follow"}
)
"""First parts that keep their hyphen where both parts are words of the file."""
