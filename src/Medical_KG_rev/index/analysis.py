"""The analyser of the lexical leg: text to tokens, made once and indexed as they are by every lexical store.

A *unit* is what stands between blanks and brackets: a word, a number, or a compound such as ``IL-6`` or ``5-HT2A``. Units are
analysed one by one and remembered, so that a text costs little more than being split.
"""

from __future__ import annotations

import re
import unicodedata

ANALYSER = "biomedical-english/1"
"""Names the rules below; it changes whenever they would give other tokens for the same text."""

_REMEMBERED_UNITS = 400_000
_MAX_UNIT_LENGTH = 64

_HYPHENS = r"\-\u2010-\u2013"
_APOSTROPHES = r"'\u2019"
_UNIT = re.compile(rf"[^\W_]+(?:[{_HYPHENS}{_APOSTROPHES}.,][^\W_]+)*")
_SEPARATORS = re.compile(rf"[{_HYPHENS}.,]")
_POSSESSIVE = re.compile(rf"[{_APOSTROPHES}]s?(?=$|[{_HYPHENS}])")
_APOSTROPHE = re.compile(f"[{_APOSTROPHES}]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUANTITY = re.compile(
    r"(\d+(?:\.\d+)?)"
    r"([kmunpd]?g|mcg|[mud]?l|[kcmun]?m|[mun]?mol|mmhg|k?hz|kda|k?bp|kb|iu|hr?|min)"
)
_MICRO = re.compile(r"\u03bc(?=(?:g|l|m|mol|iu)\b)")
_GREEK_LETTER = re.compile(r"[\u03b1-\u03c9]")

_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
        "to was will with",
    )
)
"""Lucene's default English list: small, and known to cost nothing in quality under BM25."""


class Analyser:
    """Makes the tokens of chunks and of queries alike. Deterministic; one object may serve many threads.

    Lower case, NFKC, accents removed, Greek letters spelled out. A compound gives its joined form and its parts (``IL-6`` →
    ``il6 il``, ``NF-kappaB`` → ``nfkappab nf kappab``), so that spelling variants meet. Words are stemmed (Snowball English).
    """

    fingerprint = ANALYSER

    def __init__(self) -> None:
        import Stemmer  # type: ignore[import-not-found,unused-ignore]  # it has no type hints

        self._tokens_of: dict[str, str] = {}
        self._stem = Stemmer.Stemmer("english").stemWord

    def joined(self, text: str) -> str:
        """The tokens of ``text`` with a blank between each two: what a store with a whitespace tokenizer indexes."""
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)
        remembered = self._tokens_of
        parts = []
        for unit in _UNIT.findall(text.lower()):
            tokens = remembered.get(unit)
            if tokens is None:
                tokens = self._remember(unit)
            if tokens:
                parts.append(tokens)
        return " ".join(parts)

    def tokens(self, text: str) -> list[str]:
        """The tokens of ``text`` in order, repeated as often as they occur."""
        return self.joined(text).split()

    def _remember(self, unit: str) -> str:
        if len(self._tokens_of) >= _REMEMBERED_UNITS:
            self._tokens_of.clear()
        self._tokens_of[unit] = tokens = " ".join(self._analyse(unit))
        return tokens

    def _analyse(self, unit: str) -> list[str]:
        unit = _APOSTROPHE.sub("", _POSSESSIVE.sub("", unit[: _MAX_UNIT_LENGTH * 4]))
        if unit in _STOP_WORDS:
            return []
        unit = _fold(unit)
        if _NUMBER.fullmatch(unit):
            return [unit.replace(",", "")]
        quantity = _QUANTITY.fullmatch(unit)
        if quantity:
            return list(quantity.groups())
        parts = [part for part in _SEPARATORS.split(unit) if part]
        if len(parts) == 1:
            return [self._word(parts[0])]
        whole = [self._word("".join(parts))] if _is_compound(unit, parts) else []
        return whole + [self._word(part) for part in parts if len(part) > 1 and part not in _STOP_WORDS]

    def _word(self, word: str) -> str:
        word = word[:_MAX_UNIT_LENGTH]
        return self._stem(word) if word.isalpha() else word


def _fold(unit: str) -> str:
    """Micro units to ``u``, Greek letters to their names, set off by hyphens, and accented letters to plain ones."""
    if unit.isascii():
        return unit
    unit = _MICRO.sub("u", unit)
    unit = _GREEK_LETTER.sub(lambda match: f"-{_greek_name(match[0])}-", unit).strip("-")
    decomposed = unicodedata.normalize("NFKD", unit)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _greek_name(letter: str) -> str:
    """Unicode's own name for it, but with the usual spelling of lambda."""
    return unicodedata.name(letter).rsplit(" ", 1)[-1].lower().replace("lamda", "lambda")


def _is_compound(unit: str, parts: list[str]) -> bool:
    """Hyphens bind a name and stops an abbreviation (``U.S.``); a stop or comma between words is a missing blank."""
    return ("." not in unit and "," not in unit) or all(len(part) == 1 for part in parts)
