"""What a symbol is made of: its attributes, each with the half width of the window of tokens in which it counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["BORDER", "HALF_WIDTHS", "Attribute", "Clusters", "attribute_functions"]

Attribute = tuple[int, str]
Clusters = Mapping[str, tuple[int, ...]]
"""Groups of words used alike, by word in lower case: one number for each grouping."""

HALF_WIDTHS = {
    "word": 3,
    "lexicon": 2,
    "pair": 1,
    "chunk": 1,
    "glue": 1,
    "ending": 0,
    "sentence": 0,
    "abbreviation": 1,
    "ahead": 1,
    "behind": 1,
    "state": 2,
    "tag": 2,
    "repeated": 1,
    "elsewhere": 1,
}
"""The widest half width among the attributes of each stream."""

BORDER = "\n"
"""The symbol of the words' stream before and after a sentence."""

_SHAPES = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "A" * 26 + "a" * 26 + "0" * 10)
_RUN = re.compile(r"(.)\1+", re.DOTALL)


def attribute_functions(clusters: Clusters) -> dict[str, Callable[[str], list[Attribute]]]:
    """For each stream, from a symbol to its attributes."""

    def word(symbol: str) -> list[Attribute]:
        return _word(symbol, clusters)

    return {
        "word": word,
        "lexicon": _lexicon,
        "pair": _plain("2", 1),
        "chunk": _chunk,
        "glue": _plain("glue", 1),
        "ending": _plain("end", 0),
        "sentence": _plain("sent", 0),
        "abbreviation": _abbreviation,
        "ahead": _nearby("ah"),
        "behind": _nearby("be"),
        "state": _state,
        "tag": lambda symbol: [(2, f"tag={symbol or 'O'}")],
        "repeated": _with_and_without_last("re", "re1"),
        "elsewhere": _with_and_without_last("el", "el1"),
    }


def _word(symbol: str, clusters: Clusters) -> list[Attribute]:
    if symbol == BORDER:
        return [(3, "<s>")]
    lower, shape = symbol.lower(), symbol.translate(_SHAPES)
    found: list[Attribute] = [(3, f"w={lower}"), (3, f"c={_collapsed(shape)}")]
    if symbol.isdigit():
        found.append((1, f"d={min(len(symbol), 5)}"))
    if not symbol.isalpha():
        return found
    return found + _letters(lower, shape, clusters)


def _letters(lower: str, shape: str, clusters: Clusters) -> list[Attribute]:
    found: list[Attribute] = [(1, f"s={shape[:12]}")]
    length = len(lower)
    for size in (2, 3, 4, 5):
        if length >= size:
            found += [(1, f"p{size}={lower[:size]}"), (3 if size == 3 else 1, f"x{size}={lower[-size:]}")]
    if length > 5:
        for size in (6, 7):
            if length > size:
                found += [(0, f"x{size}={lower[-size:]}"), (0, f"p{size}={lower[:size]}")]
        inner = lower[:64]
        found += [(0, f"g={part}") for part in {inner[at : at + 4] for at in range(1, len(inner) - 4)}]
    if length == 1 and not lower.isascii():
        found.append((1, "greek" if "\u0370" <= lower <= "\u03ff" else "foreign"))
    return found + _groups(lower, clusters)


def _groups(lower: str, clusters: Clusters) -> list[Attribute]:
    groups = clusters.get(lower)
    if groups is None and len(lower) > 4 and lower[-1] == "s":
        groups = clusters.get(lower[:-1])
    return [(1, "k=none")] if groups is None else [(2, f"k{grouping}={group}") for grouping, group in enumerate(groups)]


def _collapsed(shape: str) -> str:
    return _RUN.sub(r"\1+", shape)


def _lexicon(symbol: str) -> list[Attribute]:
    if symbol == "O":
        return [(2, "l0")]
    place, _, signature = symbol.partition(":")
    types, _, sources = signature.partition("|")
    found: list[Attribute] = [(2, f"l={place}:{types}")]
    for source in sources.split(","):
        found += [(2, f"l1={place}:{source}"), (1, f"lt={source}")]
    return found + [(1, f"l2={place}:{kind}") for kind in types]


def _chunk(symbol: str) -> list[Attribute]:
    if not symbol:
        return [(0, "ch0")]
    place, _, chunk = symbol.partition("|")
    lower, shape = chunk.lower(), _collapsed(chunk.translate(_SHAPES))[:20]
    return [
        (1, f"chs={place}:{shape}"),
        (0, f"chl={place}:{lower}"),
        (0, f"chp={lower[:4]}"),
        (0, f"chx={lower[-4:]}"),
        (0, f"cht={shape}"),
    ]


def _abbreviation(symbol: str) -> list[Attribute]:
    if not symbol:
        return []
    if symbol == "long":
        return [(1, "ab=long")]
    form, _, ending = symbol.partition("|")
    return [(1, f"ab={form}"), (1, f"abt={form[1:]}"), (1, f"abs={form[0]}{ending}"), (1, "ab0")]


def _state(symbol: str) -> list[Attribute]:
    coarse, _, fine = symbol.partition(" ")
    return [(2, f"sa={coarse}"), (1, f"sb={fine}")]


def _nearby(name: str) -> Callable[[str], list[Attribute]]:
    return lambda symbol: [(1, f"{name}={symbol}"), (0, f"{name}p={symbol.partition(':')[0]}")] if symbol else []


def _plain(name: str, half_width: int) -> Callable[[str], list[Attribute]]:
    return lambda symbol: [(half_width, f"{name}={symbol}")]


def _with_and_without_last(name: str, coarse: str) -> Callable[[str], list[Attribute]]:
    return lambda symbol: [(1, f"{name}={symbol}"), (1, f"{coarse}={symbol[:-1]}")] if symbol else []
