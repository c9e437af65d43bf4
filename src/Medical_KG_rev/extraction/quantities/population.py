"""Who was studied: age, sex, number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.quantities.measures import Quantity, quantities, sentences
from Medical_KG_rev.extraction.quantities.numbers import WORDS, number


@dataclass(frozen=True, slots=True)
class PopulationFact:
    """One thing that ``text[start:end]`` tells of who was studied.

    ``age``: a quantity of time, or a group in ``value`` (`adult`, `child`); ``sex``: ``value`` is `female`, `male` or `all`;
    ``size``: ``count`` people.
    """

    start: int
    end: int
    kind: Literal["age", "sex", "size"]
    value: str = ""
    age: Quantity | None = None
    count: int | None = None

    def as_qualifier(self) -> dict[str, Any]:
        """The same as JSON values."""
        if self.kind == "size":
            return {"population_size": self.count}
        if self.kind == "sex":
            return {"population_sex": self.value}
        return {"population_age": self.age.as_qualifier() if self.age is not None else self.value}


_AGE_BEFORE = re.compile(
    r"\b(?:aged?|ages)\s?(?:of\s|between\s|from\s|is\s|was\s|:\s?|range,?\s|group\s|\(?years\)?:?\s)?(?:was\s|were\s|of\s|between\s)?\Z",
    re.IGNORECASE,
)
_AGE_AFTER = re.compile(r"[\s-]?(?:of\sage|old|in\sage|aged)\b", re.IGNORECASE)
_AGES = re.compile(
    r"\b[Aa]ge[sd]?\s?(?:between\s|from\s|of\s|:\s?)?(?P<limit>[≥≤<>]=?\s?)?(?P<low>\d{1,3}+)\s?+(?:(?:-|–|—|to|and)\s?(?P<high>\d{1,3}+))?+(?![\w.%]|\s?(?:years|yrs|y\b|months|weeks|days))"
)

_GROUPS = {
    "newborn": r"newborns?|neonates?", "infant": r"infants?|babies",
    "child": r"child(?:ren)?|schoolchildren|toddlers?|preschoolers?",
    "adolescent": r"adolescents?|teenagers?", "adult": r"(?<!older )(?<!young )adults?",
    "older adult": r"older adults?|elderly|seniors",
    "young adult": r"young adults?",
}  # fmt: skip
_GROUP = re.compile(
    r"\b(?:" + "|".join(f"(?P<g{index}>{pattern})" for index, pattern in enumerate(_GROUPS.values())) + r")\b", re.IGNORECASE
)
_GROUP_NAMES = tuple(_GROUPS)
_SEX = re.compile(
    r"\b(?:(?P<all>both\s(?:sexes|genders)|(?:males?|m[ae]n)\s(?:and|or)\s(?:non-?pregnant\s)?(?:females?|wom[ae]n)"
    r"|(?:females?|wom[ae]n)\s(?:and|or)\s(?:males?|m[ae]n)|either\ssex|any\sgender)"
    r"|(?P<female>females?|wom[ae]n|girls?)|(?P<male>males?|m[ae]n|boys?))\b",
    re.IGNORECASE,
)

_PEOPLE = (
    r"patients|participants|subjects|individuals|adults|children|women|men|volunteers|infants|adolescents|people|persons|cases"
    r"|controls|girls|boys|neonates|newborns|survivors|outpatients|inpatients|residents"
)
_TENS = r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_ONES = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_SIZE = re.compile(
    rf"\b[Nn]\s?=\s?(?P<n>\d{{1,3}}(?:[,\u202f ]\d{{3}})+|\d{{1,7}})(?![\w.]*\w)"
    rf"|(?<![\w./:-])(?P<count>\d{{1,3}}(?:,\d{{3}})+|\d{{1,7}}|(?i:{_TENS}-{_ONES})"
    rf"|(?i:{'|'.join(sorted(WORDS, key=len, reverse=True))}))"
    rf"\s(?:(?:consecutive|eligible|healthy|adult|pediatric|paediatric|elderly|older|female|male|pregnant|hospitali[sz]ed|treatment-naive"
    rf"|randomi[sz]ed|enrolled|evaluable|ambulatory|critically\sill|human|young|adolescent|obese|diabetic|hypertensive|study|more)\s){{0,3}}"
    rf"(?:{_PEOPLE})\b"
)


def populations(text: AnalysedText, measured: Sequence[Quantity] | None = None) -> list[PopulationFact]:
    """Ages, sexes and numbers of people, in order of their places; facts may overlap (`60 adults`)."""
    found = _ages(text, quantities(text) if measured is None else measured)
    for offset, sentence in sentences(text):
        for match in _GROUP.finditer(sentence):
            name = _GROUP_NAMES[int((match.lastgroup or "g0")[1:])]
            found.append(PopulationFact(match.start() + offset, match.end() + offset, "age", name))
        found += [
            PopulationFact(match.start() + offset, match.end() + offset, "sex", match.lastgroup or "")
            for match in _SEX.finditer(sentence)
        ]
        found += [
            PopulationFact(match.start() + offset, match.end() + offset, "size", count=_count(match["n"] or match["count"]))
            for match in _SIZE.finditer(sentence)
        ]
        found += [_bare_age(match, offset) for match in _AGES.finditer(sentence)]
    return sorted(found, key=lambda fact: (fact.start, fact.end))


def _ages(text: AnalysedText, measured: Sequence[Quantity]) -> list[PopulationFact]:
    whole = text.text
    found = []
    for quantity in measured:
        if quantity.kind != "time" or quantity.unit not in ("a", "mo", "wk", "d"):
            continue
        written = whole[quantity.start : quantity.end].lower()
        before = _AGE_BEFORE.search(whole, max(0, quantity.start - 40), quantity.start)
        after = _AGE_AFTER.match(whole, quantity.end)
        if before or after or "old" in written or "young" in written or " of age" in written:
            start = before.start() if before else quantity.start
            end = after.end() if after else quantity.end
            found.append(PopulationFact(start, end, "age", age=quantity))
    return found


def _bare_age(match: re.Match[str], offset: int) -> PopulationFact:
    """`aged 18-65` without a unit is in years."""
    start, end = match.start() + offset, match.end() + offset
    low, high, limit = float(match["low"]), match["high"], (match["limit"] or "").strip()
    if high is not None:
        age = Quantity(start, end, "time", "range", low, float(high), "a")
    elif limit.startswith(("≥", ">")):
        age = Quantity(start, end, "time", ">" if limit == ">" else ">=", low, None, "a")
    elif limit:
        age = Quantity(start, end, "time", "<" if limit == "<" else "<=", None, low, "a")
    else:
        age = Quantity(start, end, "time", "=", low, low, "a")
    return PopulationFact(start, end, "age", age=age)


def _count(written: str) -> int:
    return sum(int(number(part)) for part in written.split("-"))
