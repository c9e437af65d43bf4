"""The table of triggers (`triggers.yaml`), read once: what each phrase does, and the word lists that scopes end by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_TABLE = Path(__file__).with_name("triggers.yaml")


class Sign(IntFlag):
    """What a trigger says of a mention."""

    NONE = 0
    NEGATED = 1
    UNCERTAIN = 2
    HYPOTHETICAL = 4
    FAMILY = 8
    HISTORICAL = 16
    EXPECTED = 32


class Side(StrEnum):
    """Where a trigger acts. ``EITHER``: after it when a mention follows closely, before it otherwise."""

    AFTER = "after"
    BEFORE = "before"
    EITHER = "either"


class Scope(StrEnum):
    """How far a trigger acts, at most to the end of its clause; the table explains each."""

    PHRASE = "phrase"
    LIST = "list"
    CLAUSE = "clause"
    NOUNS = "nouns"
    PREDICATE = "predicate"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a phrase does. ``reach`` is the largest number of tokens."""

    sign: Sign
    side: Side = Side.AFTER
    scope: Scope = Scope.LIST
    reach: int = 30


@dataclass(frozen=True, slots=True)
class Table:
    """The triggers with their phrases, phrases that end scopes, and word lists by name."""

    triggers: tuple[tuple[Trigger, tuple[str, ...]], ...]
    ends: tuple[str, ...]
    choices: dict[str, str]
    words: dict[str, frozenset[str]]


@cache
def table() -> Table:
    """The shipped table."""
    content = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    choices = {name: words.replace("| ", "|") for name, words in content.pop("words").items()}
    triggers = tuple((_trigger(row), _phrases(row["phrases"])) for row in content.pop("triggers"))
    ends = _phrases(content.pop("ends"))
    words = {name: frozenset(listed.split()) for name, listed in content.items()}
    return Table(triggers, ends, choices, words | {"occur": frozenset(choices["OCCUR"].split("|"))})


def _trigger(row: dict[str, Any]) -> Trigger:
    sign = Sign.NONE
    for name in row["sign"]:
        sign |= Sign[name.upper()]
    return Trigger(sign, Side(row.get("side", "after")), Scope(row.get("scope", "list")), row.get("reach", 30))


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split(";") if phrase.strip())
