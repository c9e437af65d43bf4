"""Spelling variants that mean the same, made one: characters, Greek letters, British words, plurals that no stemmer joins."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_MICRO = re.compile(r"\u03bc(?=(?:g|l|m|mol|iu)\b)")
_GREEK_LETTER = re.compile(r"[\u03b1-\u03c9]")
_GREEK_NAMES = frozenset(
    re.findall(
        r"\w+",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi "
        "psi omega",
    )
)
_SPELLED = "alpha|beta|gamma|delta|epsilon|kappa|lambda|omega|sigma|theta|zeta"
_GREEK_TO_SET_OFF = re.compile(rf"(?<=\d)(?=(?:{_SPELLED})(?![a-z]))|(?<![a-z])((?:{_SPELLED})(?=\d)|kappa(?=b(?![a-z])))")
_WHOLE_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "ł": "l", "đ": "d", "\u0131": "i"})
_MAX_LETTERS_OF_A_SYMBOL = 5

_BRITISH = tuple(
    (letters, re.compile(pattern), replacement)
    for letters, pattern, replacement in (
        ("e", r"ae(?!$|r)|oe(?!$|s$|x|ff)", "e"),
        ("our", r"(?<=[a-z]{2})our(?=$|s$|ed$|ing$|al$|ally$|able$|less$)", "or"),
        ("is", r"(?<=[a-z]{3})is(?=(?:e|ed|es|ing|er|ers|ation|ations)$)", "iz"),
        ("yz", r"yz(?=e|ing|at)", "ys"),
        ("re", r"(?<=[a-z]{2})([bt])re(?=s?$)", r"\1er"),
        ("sulph", r"^sulph", "sulf"),
        ("sis", r"(?<=[a-z]{2}[aeiouy])sis$", "ses"),
    )
)
"""Letters that a word must have for the pattern to match, the pattern, what is written instead."""
_SHORTEST_CHANGED = 6
_WORDS = {
    "bacterium": "bacteria",
    "criterion": "criteria",
    "fungi": "fungus",
    "mcg": "ug",
    "mice": "mouse",
    "nuclei": "nucleus",
    "programme": "program",
    "programmes": "program",
    "stimuli": "stimulus",
    "tumour": "tumor",
    "vertebrae": "vertebra",
}


def plain_text(text: str) -> str:
    """The text in lower case and in compatibility form."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()


def folded(unit: str) -> str:
    """A unit in plain letters: micro units with ``u``, Greek letters by their names between hyphens, no accents."""
    if not unit.isascii():
        unit = _MICRO.sub("u", unit)
        unit = _GREEK_LETTER.sub(lambda match: f"-{_greek_name(match[0])}-", unit).strip("-")
        unit = unit.translate(_WHOLE_LETTERS)
        unit = "".join(char for char in unicodedata.normalize("NFKD", unit) if not unicodedata.combining(char))
    return _set_off(unit)


def _set_off(unit: str) -> str:
    """Greek names beside a number set off by hyphens, as their letters are: ``IL-1beta`` is ``IL-1β``."""
    if unit.isalpha():
        return unit
    return _GREEK_TO_SET_OFF.sub(lambda match: f"{match[1]}-" if match[1] else "-", unit)


def _greek_name(letter: str) -> str:
    """Unicode's own name for it, but with the usual spelling of lambda."""
    return unicodedata.name(letter).rsplit(" ", 1)[-1].lower().replace("lamda", "lambda")


def is_greek(piece: str) -> bool:
    return piece in _GREEK_NAMES


def with_latin_letter(pieces: Sequence[str]) -> str | None:
    """A symbol with a Greek letter as it is written without one: ``NF-κB`` → ``nfkb``."""
    others = sum(len(piece) for piece in pieces if not is_greek(piece))
    if others == sum(map(len, pieces)) or not 2 <= others <= _MAX_LETTERS_OF_A_SYMBOL:
        return None
    return "".join(piece[0] if is_greek(piece) else piece for piece in pieces)


def normal_spelling(word: str) -> str:
    """A word of plain letters in the spelling under which its variants meet (``haemoglobin``, ``tumour``, ``metastasis``)."""
    word = _WORDS.get(word, word)
    if len(word) >= _SHORTEST_CHANGED:
        for letters, pattern, replacement in _BRITISH:
            if letters in word:
                word = pattern.sub(replacement, word)
    return word
