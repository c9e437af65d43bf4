"""Trigger phrases as a tree of tokens, and their longest matches in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from Medical_KG_rev.extraction.context.triggers import Trigger, table

_TOKEN = re.compile(r"<\w+>|[^\W\d_]+|\d+|\S")
_CHOICE = re.compile(r"\{([^{}]*)\}")
_YEAR = re.compile(r"(?:19|20)\d\d")
_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_CONTRACTED = frozenset({"did", "does", "do", "could", "would", "should", "has", "have", "had", "was", "were", "is", "are"})
_STRESSED = frozenset({"NOT", "MAY", "MUST", "IF", "FH", "FHX", "PMH", "PMHX", "HX", "PRN", "AND", "OR", "BUT", "WITH"})
"""Capitals that stress a word or shorten one of the table; others of 2 to 4 letters are names (`NO` synthase)."""


class Match(NamedTuple):
    """Tokens ``[first, last)`` are a phrase; ``triggers`` is empty for the end of scopes."""

    first: int
    last: int
    triggers: tuple[Trigger, ...]


class Node:
    """What may follow a token, and what the phrase that ends here does: None when none ends here."""

    __slots__ = ("following", "triggers")

    def __init__(self) -> None:
        self.following: dict[str, Node] = {}
        self.triggers: tuple[Trigger, ...] | None = None


@cache
def phrase_tree() -> Node:
    """All phrases of the table, built once."""
    root, listed = Node(), table()
    for trigger, phrases in listed.triggers:
        for phrase in phrases:
            for tokens in expand(phrase, listed.choices):
                node = _node(root, tokens)
                node.triggers = (*(node.triggers or ()), trigger)
    for phrase in listed.ends:
        for tokens in expand(phrase, listed.choices):
            node = _node(root, tokens)
            node.triggers = node.triggers or ()
    return root


def _node(root: Node, tokens: Sequence[str]) -> Node:
    node = root
    for token in tokens:
        node = node.following.setdefault(token, Node())
    return node


def expand(phrase: str, choices: Mapping[str, str]) -> Iterator[list[str]]:
    """Every sequence of tokens that a phrase of the table stands for."""
    for name, options in choices.items():
        phrase = re.sub(rf"\b{name}\b", options, phrase)
    parts = _CHOICE.split(phrase)
    alternatives = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    for choice in product(*alternatives):
        tokens = _TOKEN.findall(" ".join(choice))
        if tokens:
            yield tokens
            yield from _contractions(tokens)


def _contractions(tokens: list[str]) -> Iterator[list[str]]:
    for index in range(1, len(tokens)):
        if tokens[index] == "not" and tokens[index - 1] in _CONTRACTED:
            for apostrophe in _APOSTROPHES:
                yield [*tokens[: index - 1], tokens[index - 1] + "n", apostrophe, "t", *tokens[index + 1 :]]


def kinds(words: Sequence[str]) -> list[str]:
    """How the table names the tokens of a sentence: in lower case, unless they are names; numbers by kind."""
    shouts = not any(map(str.islower, words))
    found = [_kind(word, shouts) for word in words]
    if found[:1] == ["should"]:
        found[0] = "<should>"
    return found


def _kind(word: str, shouts: bool) -> str:
    if word.isdecimal():
        return "<year>" if _YEAR.fullmatch(word) else "<number>"
    if word.isupper() and 2 <= len(word) <= 4 and not shouts and word not in _STRESSED:
        return word
    return word.lower()


def matches(words: Sequence[str], free: Sequence[bool]) -> list[Match]:
    """The longest phrases, from left to right and not overlapping, made of free tokens alone."""
    following, found, index, count = phrase_tree().following, list[Match](), 0, len(words)
    while index < count:
        node, at, end = following.get(words[index]), index, 0
        triggers: tuple[Trigger, ...] | None = None
        while node is not None and free[at]:
            at += 1
            if node.triggers is not None:
                end, triggers = at, node.triggers
            node = node.following.get(words[at]) if at < count else None
        if triggers is None:
            index += 1
        else:
            found.append(Match(index, end, triggers))
            index = end
    return found
