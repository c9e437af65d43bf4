"""Names and texts in the form in which they are compared: tokens without case, accents, hyphens, plural and spelling variants.

One form for both sides: ``IL-6``, ``IL 6`` and ``il6`` are `il 6`; ``TNFα`` and ``TNF-alpha`` are `tnf alpha`; ``Parkinson's
disease`` and ``parkinson diseases`` are `parkinson diseas`; ``leukaemia`` is `leukemia`; ``type II`` is `type 2`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["APOSTROPHES", "DASHES", "capitals_of", "key", "token_forms", "tokens"]

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\s]")
"""The tokens of :mod:`Medical_KG_rev.extraction.analysis`."""

DASHES = frozenset("-‐‑‒–—―−﹣－\u00ad\u2027\u2043")
APOSTROPHES = frozenset("'’‘ʼ′`´＇")
_GREEK = {chr(code): unicodedata.name(chr(code)).split()[-1].lower().replace("lamda", "lambda") for code in range(0x3B1, 0x3CA)}
"""Small letters; others become one of them when they are folded."""

_GREEK_RUN = re.compile("([" + "".join(_GREEK) + "])")
_SPELLED_GREEK = re.compile(r"(.{2,})(alpha|beta|gamma|kappa|delta)")
_ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9", "xi": "11", "xii": "12"}
_LONG_WORD = 6
"""From this length on spelling variants and plurals are told apart from short words that only look like them."""


def tokens(name: str) -> list[str]:
    """Runs of letters, runs of digits, single other signs."""
    return _TOKEN.findall(name)


@lru_cache(maxsize=1 << 17)
def token_forms(token: str) -> tuple[str, ...]:
    """The comparable form of one token: none for a hyphen or an apostrophe, several where a Greek letter is part of it."""
    if token in DASHES or token in APOSTROPHES:
        return ()
    if token.isascii():
        return _spelled(token.lower())
    folded = unicodedata.normalize("NFKD", token).casefold()
    folded = "".join(sign for sign in folded if not unicodedata.combining(sign)) or token
    parts = [part for part in _GREEK_RUN.split(folded) if part]
    return tuple(form for part in parts for form in ((_GREEK[part],) if part in _GREEK else _spelled(part)))


def key(name: str) -> tuple[str, ...]:
    """The comparable form of a name."""
    found: list[str] = []
    words = tokens(name)
    skip_at = -1
    for at, word in enumerate(words):
        if at == skip_at:
            continue
        if word in APOSTROPHES and at + 1 < len(words) and words[at + 1] in ("s", "S"):
            skip_at = at + 1
            continue
        found += token_forms(word)
    return tuple(found)


def capitals_of(text: str) -> str:
    """Its capital letters: of two texts with the same comparable form, whether they are written in the same case."""
    return "".join(sign for sign in text if sign.isupper())


def _spelled(word: str) -> tuple[str, ...]:
    if word in _ROMAN:
        return (_ROMAN[word],)
    greek = _SPELLED_GREEK.fullmatch(word)
    if greek:
        return (*_spelled(greek.group(1)), greek.group(2))
    return (_singular(_american(word)),)


def _american(word: str) -> str:
    if len(word) < _LONG_WORD:
        return word
    if "ae" in word or "oe" in word:
        word = word.replace("ae", "e").replace("oe", "e")
    if "our" in word:
        word = re.sub(r"our(?=s?$|al$|less$|ed$|ing$|rhage)", "or", word)
    if "sulph" in word:
        word = word.replace("sulph", "sulf")
    return word


def _singular(word: str) -> str:
    if len(word) < 4:
        return word
    if word[-1] == "s":
        if word.endswith(("ss", "us")):
            return word
        if word.endswith("ies"):
            return word[:-3] + "y" if len(word) > 4 else word[:-1]
        if word.endswith(("sses", "uses", "xes", "ches", "shes")):
            return word[:-2]
        if word.endswith(("ses", "sis")):
            return word[:-2]
        if word.endswith("is"):
            return word
        if word.endswith("itides"):
            return word[:-4] + "s"
        return word[:-1]
    if word.endswith("se"):
        return word[:-1]
    return word
