"""The analyser of the lexical leg: text to tokens, made once and indexed as they are by every lexical store.

A *unit* is what stands between blanks and brackets: a word, a number, or a compound such as ``IL-6`` or ``5-HT2A``. Units are
analysed one by one and remembered, and so are the *words* of a text, units with whatever stands around them up to the next
blanks: a text costs little more than being split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from Medical_KG_rev.index.spelling import folded, is_greek, normal_spelling, plain_text, with_latin_letter

ANALYSER = "biomedical-english/2"
"""Names the rules below and those of ``spelling``; it changes whenever they would give other tokens for the same text."""

_REMEMBERED = 400_000
"""So many words, and as many units."""
_MAX_UNIT_LENGTH = 64
_LONG_NAME = 5
"""So many letters before a number are a word of their own (``COVID-19``); fewer are half a name (``IL-6``, ``BRCA1``)."""

_HYPHENS = r"\-\u2010-\u2013\u2212"
_APOSTROPHES = r"'\u2019"
_UNIT = re.compile(rf"[^\W_]+(?:[{_HYPHENS}{_APOSTROPHES}.,][^\W_]+)*")
_HYPHEN = re.compile(f"[{_HYPHENS}]+")
_STOP = re.compile("[.,]")
_POSSESSIVE = re.compile(rf"(?<=[^\W\d_])[{_APOSTROPHES}]s?(?=$|[{_HYPHENS}])")
_PRIME = re.compile(rf"(?<=\d)[{_APOSTROPHES}]")
_APOSTROPHE = re.compile(f"[{_APOSTROPHES}]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")
_QUANTITY = re.compile(
    r"(\d+(?:\.\d+)?)"
    r"([kmunpd]?g|mcg|[mud]?l|[kcmun]?m|[mun]?mol|mmhg|k?hz|kda|k?bp|kb|iu|hr?|min)"
)
_NAME_WITH_NUMBER = re.compile(rf"([a-z]{{{_LONG_NAME},}})\d+")
_NUMBER_AFTER_BLANK = re.compile(rf" (?:[{_HYPHENS}] ?)?([a-z]{{0,2}}[0-9][a-z0-9]{{0,3}})(?![\w%]|[.,{_HYPHENS}]\w)")
_SHORT_NAME = re.compile(rf"(?<![\w{_HYPHENS}.,])([a-z]{{1,4}})[{_HYPHENS}]?$")

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

    Lower case, NFKC, accents removed, Greek letters spelled out, British spelling made American. Words are stemmed (Snowball
    English). A compound gives its joined form and its parts (``beta-blocker`` → ``betablock beta blocker``); letters and the
    number they end with are one part (``anti-PD-1`` → ``antipd1 anti pd1``), and few letters are no word of their own, so that
    ``IL-6`` meets ``IL6`` and ``IL 6``, and does not meet ``IL-2``.
    """

    fingerprint = ANALYSER

    def __init__(self) -> None:
        import Stemmer  # type: ignore[import-not-found,unused-ignore]  # it has no type hints

        self._tokens_of_word: dict[str, str] = {}
        self._tokens_of_unit: dict[str, str] = {}
        self._stem = Stemmer.Stemmer("english").stemWord

    def joined(self, text: str) -> str:
        """The tokens of ``text`` with a blank between each two: what a store with a whitespace tokenizer indexes."""
        text = plain_text(text)
        words = text.split()
        parts = list(map(self._tokens_of_word.get, words))
        if None in parts:
            parts = [self._word_tokens(word) if known is None else known for word, known in zip(words, parts, strict=True)]
        parts += _spaced_names(text)
        return " ".join(filter(None, parts))

    def tokens(self, text: str) -> list[str]:
        """The tokens of ``text``, repeated as often as they occur."""
        return self.joined(text).split()

    def _word_tokens(self, word: str) -> str:
        units = (self._tokens_of_unit.get(unit) or self._unit_tokens(unit) for unit in _UNIT.findall(word))
        return _remember(self._tokens_of_word, word, " ".join(filter(None, units)))

    def _unit_tokens(self, unit: str) -> str:
        return _remember(self._tokens_of_unit, unit, " ".join(dict.fromkeys(self._analyse(unit))))

    def _analyse(self, unit: str) -> list[str]:
        unit = _PRIME.sub("-", _POSSESSIVE.sub("", unit[: _MAX_UNIT_LENGTH * 4]))
        unit = _APOSTROPHE.sub("", unit)
        if unit in _STOP_WORDS:
            return []
        pieces = [piece for piece in _HYPHEN.split(folded(unit)) if piece]
        numbers = [_number(piece) for piece in pieces]
        if all(numbers):
            return [token for number in numbers for token in number]
        if len(pieces) == 1:
            return self._words(pieces[0])
        if any(_STOP.search(piece) for piece in pieces):
            return [token for piece in pieces for token in _number(piece) or self._words(piece)]
        return self._compound(pieces)

    def _words(self, piece: str) -> list[str]:
        """A word; words with a stop or comma in place of a blank; or an abbreviation (``U.S.``), its stops removed."""
        words = [word for word in _STOP.split(piece) if word]
        if len(words) > 1 and all(len(word) == 1 for word in words):
            words = ["".join(words)]
        elif len(words) > 1:
            words = [word for word in words if len(word) > 1 and word not in _STOP_WORDS]
        name = _NAME_WITH_NUMBER.fullmatch(piece)
        return [self._word(word) for word in words] + ([self._word(name[1])] if name else [])

    def _compound(self, pieces: list[str]) -> list[str]:
        tokens = [self._word("".join(pieces))]
        variant = with_latin_letter(pieces)
        if variant is not None:
            tokens.append(variant)
        is_bound = False
        for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
            has_number = piece.isalpha() and following[:1].isdigit()
            if has_number:
                tokens.append(self._word(piece + following))
            is_word = len(piece) > 1 and piece not in _STOP_WORDS
            if is_word and not is_bound and (not has_number or len(piece) >= _LONG_NAME or is_greek(piece)):
                tokens.append(self._word(piece))
            is_bound = has_number
        return tokens

    def _word(self, word: str) -> str:
        word = word[:_MAX_UNIT_LENGTH]
        return self._stem(normal_spelling(word)) if word.isalpha() else word


def _remember(memory: dict[str, str], key: str, tokens: str) -> str:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = tokens
    return tokens


def _spaced_names(text: str) -> Iterator[str]:
    """Short names and their numbers with a blank between, joined: ``IL 6``, ``HLA B27``, ``CTLA - 4``, ``type 2``."""
    for number in _NUMBER_AFTER_BLANK.finditer(text):
        start = number.start()
        name = _SHORT_NAME.search(text, max(start - 6, 0), start)
        if name is not None and name[1] not in _STOP_WORDS:
            yield name[1] + number[1]


def _number(piece: str) -> list[str]:
    """The token of a number, or those of a quantity; none where it is neither."""
    if _NUMBER.fullmatch(piece):
        return [_THOUSANDS.sub("", piece).replace(",", ".")[:_MAX_UNIT_LENGTH]]
    quantity = _QUANTITY.fullmatch(piece)
    if quantity is None:
        return []
    number, unit = quantity.groups()
    return [number[:_MAX_UNIT_LENGTH], normal_spelling(unit)]
