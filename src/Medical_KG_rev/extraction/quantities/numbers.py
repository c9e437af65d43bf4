"""Numbers as texts write them: `1,500`, `10 000`, `.05`, `5 x 10^9`, `twelve`."""

from __future__ import annotations

import re

_UNDER_TEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
WORDS = dict(zip((*_UNDER_TEN, *_TEENS), range(20), strict=True)) | dict(zip(_TENS, range(20, 100, 10), strict=True))
"""Number words → values."""

PLAIN = r"(?:\d{1,3}(?:[,\u202f\u2009 ]\d{3})+(?!\d)(?:\.\d{1,12})?|\d{1,15}(?:[.·]\d{1,12})?|0,\d{1,4}(?!\d)|\.\d{1,12})"
"""A number in digits; a comma, a space or a thin space may stand between its thousands."""

POWER = r"\s?[x×*·]\s?10\s?(?:\^|\*\*)?\s?(?P<{name}_open>\()?(?P<{name}>[-−–]?\d{{1,2}}|⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,2}})(?({name}_open)\))"
"""`x 10^9` after a number; format it with the name of its group."""

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−–", "0123456789---")
_SEPARATOR = re.compile(r"[,\u202f\u2009 ]")


def number(text: str) -> float:
    """The value of a number as matched by :data:`PLAIN`, of a word of :data:`WORDS`, with or without a sign."""
    word = WORDS.get(text.lower())
    if word is not None:
        return float(word)
    text = text.translate(_SUPERSCRIPT).replace("·", ".").strip()
    if re.fullmatch(r"-?0,\d{1,4}", text):
        return float(text.replace(",", "."))
    return float(_SEPARATOR.sub("", text))


def exponent(text: str) -> int:
    """The power of ten: `9`, `−3`, `⁹`."""
    return int(text.translate(_SUPERSCRIPT))


def scaled(value: float, power: int) -> float:
    """``value`` times ten to the power, without a rounding error of our own."""
    return float(f"{value!r}e{power}") if "e" not in repr(value) else value * 10.0**power
