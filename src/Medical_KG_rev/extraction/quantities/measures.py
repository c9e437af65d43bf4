"""Numbers with units: values, ranges, limits, proportions and ratios."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.quantities.numbers import PLAIN, POWER, WORDS, exponent, number, scaled
from Medical_KG_rev.extraction.quantities.units import RATE, TIME_UNITS, UNIT, ucum

Comparator = Literal["=", "~", "<", "<=", ">", ">=", "range"]
Kind = Literal["measure", "time", "fraction", "proportion", "ratio"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What ``text[start:end]`` says: a value or range in a unit.

    ``low`` and ``high`` are the bounds in ``unit`` (UCUM): equal for a single value, None where a limit leaves the other side
    open. ``spread`` is what stands after ``±``. A proportion (`34 of 41`, `34/41`) and a ratio (`2:1`) have their two numbers
    in ``low`` and ``high``.
    """

    start: int
    end: int
    kind: Kind
    comparator: Comparator
    low: float | None
    high: float | None
    unit: str
    spread: float | None = None

    @property
    def value(self) -> float | None:
        """The single value; None for ranges and limits."""
        return self.low if self.comparator in ("=", "~") and self.kind not in ("proportion", "ratio") else None

    def as_qualifier(self) -> dict[str, Any]:
        """The same as JSON values, what is None left out."""
        stated = {
            "comparator": self.comparator if self.comparator != "=" else None,
            "value": self.value,
            "low": self.low if self.value is None else None,
            "high": self.high if self.value is None else None,
            "unit": self.unit or None,
            "spread": self.spread,
        }
        return {name: item for name, item in stated.items() if item is not None}


_BEFORE: dict[str, Comparator] = {
    "≥": ">=", ">=": ">=", "=>": ">=", "> or =": ">=", "> / =": ">=", ">/=": ">=", "at least": ">=", "a minimum of": ">=",
    "minimum of": ">=", "not less than": ">=", "no less than": ">=", "greater than or equal to": ">=",
    "more than or equal to": ">=", "equal to or greater than": ">=", "equal to or more than": ">=", "⩾": ">=", "≧": ">=",
    "≤": "<=", "<=": "<=", "=<": "<=", "< or =": "<=", "</=": "<=", "at most": "<=", "a maximum of": "<=", "maximum of": "<=",
    "not more than": "<=", "no more than": "<=", "not greater than": "<=", "not exceeding": "<=", "up to": "<=",
    "less than or equal to": "<=", "lower than or equal to": "<=", "equal to or less than": "<=", "⩽": "<=", "≦": "<=",
    ">": ">", "more than": ">", "greater than": ">", "higher than": ">", "over": ">", "above": ">", "exceeding": ">",
    "longer than": ">", "older than": ">", "exceeds": ">", "exceeded": ">",
    "<": "<", "less than": "<", "fewer than": "<", "lower than": "<", "below": "<", "under": "<", "shorter than": "<",
    "younger than": "<", "within": "<=",
    "about": "~", "approximately": "~", "approx.": "~", "around": "~", "~": "~", "≈": "~", "circa": "~", "nearly": "~",
    "almost": "~",
}  # fmt: skip

_UP = r"(?:or|and)\s(?:more|greater|older|higher|above|over|longer|up)"
_DOWN = r"(?:or|and)\s(?:less|fewer|lower|younger|below|under|shorter)"

_SYMBOLS = "|".join(re.escape(c) for c in sorted(_BEFORE, key=len, reverse=True) if not c[0].isalpha())
_PHRASES = "|".join(re.escape(c).replace(r"\ ", r"\s") for c in sorted(_BEFORE, key=len, reverse=True) if c[0].isalpha())
_LIMIT = rf"(?:(?P<limit>{_SYMBOLS}|\b(?i:{_PHRASES}))\s?(?:the\s|an?\s)?)?"
_SPELLED = r"\b(?i:" + "|".join(sorted(WORDS, key=len, reverse=True)) + r")"
_START = r"(?<![\w.,/^])(?<![A-Za-z][-–])"
_TO = r"\s?(?:-|–|—|to|and|or|through)\s?"
_BETWEEN = re.compile(r"\bbetween\s(?:the\s)?(?:ages?\sof\s)?\Z", re.IGNORECASE)
_P_BEFORE = re.compile(r"\bp(?:[\s-]?value)?s?\s?(?:for\s\w{1,20}\s)?\Z", re.IGNORECASE)
_INTERVAL_AFTER = re.compile(r"[\s-]?(?:CIs?\b|C\.I\.|CrI\b|(?:confidence|credible|fiducial)\s)", re.IGNORECASE)

_MEASURE = re.compile(
    rf"{_LIMIT}{_START}(?P<first>[-−]?{PLAIN}|{_SPELLED}(?=[\s-]))(?:{POWER.format(name='power')})?"
    rf"(?:[\s-]?(?P<unit1>{UNIT}|{RATE})(?=\s?(?:[-–—]|to|and|or|through|±)\s?\d))?"
    rf"(?:(?P<to>{_TO})(?P<second>{PLAIN}|{_SPELLED}(?=[\s-]))(?:{POWER.format(name='power2')})?"
    rf"|\s?(?:±|\+/-|\+/−)\s?(?P<spread>{PLAIN}))?"
    rf"[\s-]?(?P<unit>{UNIT}|{RATE})"
    rf"(?:\s(?:of\sage\s|old\s)?(?:(?P<up>{_UP})|(?P<down>{_DOWN}))\b)?"
)
_BARE = re.compile(rf"(?P<limit>{_SYMBOLS})\s?(?P<first>[-−]?{PLAIN})(?:{POWER.format(name='power')})?(?![\w.]*\w)")
_PROPORTION = re.compile(
    rf"{_START}(?P<part>\d{{1,7}})\s?(?:/|\sof\s|\sout\sof\s|of\sthe\s)\s?(?:the\s)?(?P<whole>\d{{1,7}})(?![\w/.:]*\w)"
)
_RATIO = re.compile(rf"{_START}(?P<left>\d{{1,4}}(?:\.\d{{1,3}})?)\s?:\s?(?P<right>\d{{1,4}}(?:\.\d{{1,3}})?)(?![\w:.]*\w)")


def sentences(text: AnalysedText) -> Iterator[tuple[int, str]]:
    """Where each sentence starts, and the sentence."""
    for first, last in text.sentences:
        start = text.starts[first]
        yield start, text.text[start : text.ends[last - 1]]


def quantities(text: AnalysedText) -> list[Quantity]:
    """Every number with a unit, every limit, proportion and ratio, in order and not overlapping; linear in the text."""
    return [quantity for offset, sentence in sentences(text) for quantity in _in_sentence(sentence, offset)]


def _in_sentence(sentence: str, offset: int) -> list[Quantity]:
    if not any(map(str.isdecimal, sentence)) and not any(word in WORDS for word in sentence.lower().split()):
        return []
    found: list[Quantity] = []
    for pattern, read in ((_MEASURE, _measure), (_BARE, _measure), (_PROPORTION, _proportion), (_RATIO, _ratio)):
        taken = sorted((quantity.start, quantity.end) for quantity in found)
        spans = iter(taken)
        current = next(spans, None)
        for match in pattern.finditer(sentence):
            while current is not None and current[1] <= match.start() + offset:
                current = next(spans, None)
            if current is not None and current[0] < match.end() + offset:
                continue
            found += read(match, offset)
    return sorted(found, key=lambda quantity: quantity.start)


def _measure(match: re.Match[str], offset: int) -> list[Quantity]:
    """One quantity, or two where two numbers share a unit (`15 and 30 mg`); none for a p-value and the level of an interval."""
    groups = {name: item for name, item in match.groupdict().items() if item}
    written = groups.get("unit", "").strip()
    unit = ucum(written)
    if (written and not unit) or _is_statistic(match, unit):
        return []
    unit, power = _scaled(unit, groups.get("power") or groups.get("power2"))
    first = scaled(number(groups["first"]), power)
    start, comparator = match.start(), _comparator(groups)
    if comparator == ">" and groups.get("limit", "").lower() == "over" and unit in TIME_UNITS - {"a"}:
        start, comparator = match.start("first"), "="
    kind: Kind = "time" if unit in TIME_UNITS else "fraction" if unit == "%" else "measure"
    low: float | None = first
    high: float | None = first
    if "second" in groups:
        second = scaled(number(groups["second"]), power)
        if groups["to"].strip() in ("and", "or") and not _BETWEEN.search(
            match.string, max(0, match.start("first") - 30), match.start("first")
        ):
            first_end = match.end("unit1" if "unit1" in groups else "first")
            return [
                Quantity(match.start("first") + offset, first_end + offset, kind, "=", first, first, unit),
                Quantity(match.start("second") + offset, match.end() + offset, kind, "=", second, second, unit),
            ]
        comparator, low, high = "range", min(first, second), max(first, second)
    elif comparator in (">", ">="):
        high = None
    elif comparator in ("<", "<="):
        low = None
    spread = number(groups["spread"]) if "spread" in groups else None
    return [Quantity(start + offset, match.end() + offset, kind, comparator, low, high, unit, spread)]


def _is_statistic(match: re.Match[str], unit: str) -> bool:
    if unit == "%":
        return _INTERVAL_AFTER.match(match.string, match.end()) is not None
    return unit == "" and _P_BEFORE.search(match.string, max(0, match.start() - 30), match.start()) is not None


def _comparator(groups: Mapping[str, str]) -> Comparator:
    if "limit" in groups:
        return _BEFORE[" ".join(groups["limit"].lower().split())]
    return ">=" if "up" in groups else "<=" if "down" in groups else "="


def _scaled(unit: str, power: str | None) -> tuple[str, int]:
    """`x 10^9` belongs to the unit when the unit is a count in something (`10*9/L`), and to the number otherwise."""
    if not power:
        return unit, 0
    tens = exponent(power)
    if unit.startswith(("/", "{cells}/")):
        return f"10*{tens}/{unit.partition('/')[2]}", 0
    return unit, tens


def _proportion(match: re.Match[str], offset: int) -> list[Quantity]:
    part, whole = float(match["part"]), float(match["whole"])
    if not 0 <= part <= whole or whole == 0:
        return []
    return [Quantity(match.start() + offset, match.end() + offset, "proportion", "=", part, whole, "")]


def _ratio(match: re.Match[str], offset: int) -> list[Quantity]:
    left, right = float(match["left"]), float(match["right"])
    return [Quantity(match.start() + offset, match.end() + offset, "ratio", "=", left, right, "")]
