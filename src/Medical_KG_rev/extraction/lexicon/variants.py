"""Further spellings of a name, and when its letter case counts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from Medical_KG_rev.extraction.lexicon.terms import NameKind
from Medical_KG_rev.models import EntityType

__all__ = ["needs_case", "spellings"]

_INVERTIBLE = re.compile(r"[^,()\[\]]*[^\W\d_]{2}[^,()\[\]]*(?:, [^,()\[\]]*[^\W\d_]{2}[^,()\[\]]*){1,2}")
_PROTEIN = re.compile(r"(.+?)(?: protein)?, human", re.IGNORECASE)
_LONGEST_ACRONYM = 6


def spellings(name: str, kind: EntityType) -> Iterator[str]:
    """The name, and what it is written as in running text: `Arthritis, Juvenile` is also `Juvenile Arthritis`."""
    yield name
    protein = _PROTEIN.fullmatch(name) if kind is EntityType.GENE else None
    if protein:
        yield protein.group(1)
    elif _INVERTIBLE.fullmatch(name):
        yield " ".join(reversed(name.split(", ")))


def needs_case(name: str, kind: NameKind, *, shouted: bool = False) -> bool:
    """Whether a name counts only in its own letter case: symbols without digits, acronyms, and very short names.

    ``shouted``: the source writes every name in capitals, so capitals say nothing.
    """
    letters = [sign for sign in name if sign.isalpha()]
    if not letters:
        return False
    if len(name) <= 2:
        return True
    if shouted:
        return len(letters) <= 3
    if kind is NameKind.SYMBOL:
        return not any(sign.isdigit() for sign in name) or len(name) <= 3
    capitals = sum(sign.isupper() for sign in letters)
    return (len(letters) <= _LONGEST_ACRONYM and " " not in name and (capitals == len(letters) or capitals > 1)) or len(name) <= 3
