"""Further spellings of a name, and when its letter case counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import NamedTuple

from Medical_KG_rev.extraction.lexicon.normal import key
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Use
from Medical_KG_rev.models import EntityType

__all__ = ["CommonWords", "common_words", "how_used", "spellings"]

_INVERTIBLE = re.compile(r"[^,()\[\]]*[^\W\d_]{3}[^,()\[\]]*(?:, [^,()\[\]]*[^\W\d_]{3}[^,()\[\]]*){1,2}")
_PROTEIN = re.compile(r"(.+?)(?: protein)?, human", re.IGNORECASE)
_BINOMIAL = re.compile(r"([A-Z])[a-z]{2,} ([a-z]{3,})")
_ADJECTIVES = {
    "emia": "emic", "osis": "otic", "itis": "itic", "ension": "ensive", "epsy": "eptic", "betes": "betic", "besity": "bese",
    "mmation": "mmatory", "phrenia": "phrenic", "oxia": "oxic", "megaly": "megalic", "uria": "uric",
}  # fmt: skip
_LONGEST_ACRONYM = 6
_SHORTEST_CELL_LINE = 4


def spellings(name: str, kind: EntityType) -> Iterator[tuple[str, bool]]:
    """The name, and what it is written as in running text.

    `Arthritis, Juvenile` is also `Juvenile Arthritis`, `Escherichia coli` is also `E. coli`, `leukemia` is also `leukemic`.

    With each, whether it can be a symbol only: `p53 protein, human` is also the symbol `p53`.
    """
    yield name, False
    if kind is EntityType.DISEASE and " " not in name:
        yield from ((adjective, False) for adjective in _adjectives(name))
    if kind is EntityType.SPECIES and (binomial := _BINOMIAL.fullmatch(name)):
        yield f"{binomial.group(1)}. {binomial.group(2)}", False
    if ", " not in name:
        return
    protein = _PROTEIN.fullmatch(name) if kind is EntityType.GENE else None
    if protein:
        if not protein.group(1).islower() or " " in protein.group(1):
            yield protein.group(1), " " not in protein.group(1)
    elif _INVERTIBLE.fullmatch(name):
        yield " ".join(reversed(name.split(", "))), False


def _adjectives(name: str) -> Iterator[str]:
    """Of one word: `leukemia` → `leukemic`, `cirrhosis` → `cirrhotic`."""
    for ending, adjective in _ADJECTIVES.items():
        if name.endswith(ending) and len(name) > len(ending) + 2:
            yield name.removesuffix(ending) + adjective
            return


def how_used(name: str, path: tuple[str, ...], name_kind: NameKind, kind: EntityType) -> Use:
    """How a spelling counts: symbols without digits, acronyms, very short names and common words need their own letter case.

    Names only for those who look them up: a single letter, a number, a common word in small letters, a function word with a
    number (`at 3`), a cell line's name that is short or in small letters.
    """
    words = common_words()
    if len(name) == 1 or name in words.exact or not any(map(str.isalpha, name)):
        return Use.LOOKED_UP
    if path in words.keys:
        return Use.OWN_CASE if any(sign.isupper() for sign in name[1:]) else Use.LOOKED_UP
    if len(path) == 2 and path[:1] in words.keys and path[1].isdigit():
        return Use.LOOKED_UP
    if kind is EntityType.CELL_LINE:
        return Use.OWN_CASE if len(name) >= _SHORTEST_CELL_LINE and not name.islower() else Use.LOOKED_UP
    return Use.OWN_CASE if _needs_case(name, name_kind) else Use.ANY_CASE


def _needs_case(name: str, kind: NameKind) -> bool:
    if len(name) <= 3:
        return True
    if kind is NameKind.SYMBOL:
        return not any(map(str.isdigit, name)) or sum(map(str.isalpha, name)) <= 2
    return " " not in name and sum(map(str.isupper, name)) > 1 and sum(map(str.isalpha, name)) <= _LONGEST_ACRONYM


class CommonWords(NamedTuple):
    """``keys``: comparable forms that are common words in any letter case; ``exact``: names that are common as they are."""

    keys: frozenset[tuple[str, ...]]
    exact: frozenset[str]


@cache
def common_words() -> CommonWords:
    """The list beside this module."""
    text = (resources.files(__package__) / "common_words.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    exact = frozenset(line for line in lines if not line.islower())
    return CommonWords(frozenset(key(line) for line in lines if line not in exact), exact)
