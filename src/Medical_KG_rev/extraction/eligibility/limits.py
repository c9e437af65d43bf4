"""The numbers of a criterion: age, measured values, time windows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from Medical_KG_rev.extraction.quantities import Quantity

_AGE_BEFORE = re.compile(r"\bage[sd]?\b[^.;,()]{0,40}\Z", re.IGNORECASE)
_AGE_AFTER = re.compile(r"[\s-]{0,2}(?:of\sage|old|in\sage|and\sold|or\sold)", re.IGNORECASE)
_MAX_AGE = {"": 130.0, "a": 130.0, "mo": 1_560.0, "wk": 6_800.0, "d": 47_500.0}
"""130 years."""
_BARE_AGE = re.compile(
    r"\bage[sd]?\b\s?(?:is|between|from|of|:|range:?|must be|\(years\))?\s?(?P<low>\d{1,3}+)(?:\s?(?:-|\N{EN DASH}|to"
    r"|and)\s?(?P<high>\d{1,3}+))?(?![\w.%/])",
    re.IGNORECASE,
)

_SCORES = re.compile(
    r"\b(?P<name>ECOG|Eastern Cooperative Oncology Group|WHO|Zubrod|Karnofsky|KPS|Lansky|ASA|NYHA|New York Heart Association"
    r"|KDIGO|CTCAE)\b(?P<between>[^.;:\d<>\u2264\u2265]{0,60})(?P<low>[0-5]|\d{2,3})(?:\s?(?:-|\N{EN DASH}|to|or|,"
    r"|/)\s?(?P<high>[0-5]|\d{2,3}))?(?![\w.%-])"
)
_WINDOW_BEFORE = re.compile(
    r"\b(?P<how>within|in the (?:past|last|previous|preceding)|during the (?:past|last|previous)|(?:past|last|previous)|for"
    r"|over|after|since|until|from)\s(?:the\s)?(?:past\s|last\s|previous\s|preceding\s)?(?:a (?:period|minimum) of\s)?\Z",
    re.IGNORECASE,
)
_WINDOW_AFTER = re.compile(
    r"\s?(?P<how>prior|before|after|following|of\s(?:enrol|screening|randomi|baseline|study|the\sfirst|first|starting)|post"
    r"|preceding|ago|since)\b[^,;.()]{0,60}",
    re.IGNORECASE,
)
_NAME_BREAK = re.compile(r"[,;:(\[\u2022]|\b(?:and|or|with|if|either|including|defined as|than)\b", re.IGNORECASE)
_NAME_TAIL = re.compile(
    r"(?:\s|\b(?:is|are|was|were|of|must be|should be|be|value|values|level|levels|score|scores|a|an|the|at|has|have)\b"
    r"|[=:\-])+\Z",
    re.IGNORECASE,
)
_NAME_HEAD = re.compile(
    r"\A(?:\s|\d{1,2}[.)]|[a-z][.)]\s|\b(?:a|an|the|has|have|had|patients?|participants?|subjects?|who|their|baseline|known"
    r"|any)\b)+",
    re.IGNORECASE,
)
_NAME_LENGTH = 90
_DOSE = re.compile(r"[mun]g(?:/(?:kg|m2|d|wk))*|g/(?:kg|m2)|U/kg|mL/kg")
"""Units in which medicines are given; a limit in them is none of what is measured in a person."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A number that a criterion sets: what it is of, as written, and the range that says so."""

    name: str
    start: int
    end: int
    quantity: Quantity


def ages(text: str, start: int, end: int, measured: Sequence[Quantity]) -> list[Limit]:
    """The ages in ``text[start:end]``; ``measured`` are the quantities there."""
    found = []
    for quantity in measured:
        before = _AGE_BEFORE.search(text, max(start, quantity.start - 60), quantity.start)
        after = _AGE_AFTER.match(text, quantity.end, end)
        written = text[quantity.start : quantity.end].lower()
        said = before is not None or after is not None or "old" in written or "young" in written or "of age" in written
        if not said or not _is_age(quantity):
            continue
        begins = before.start() if before else quantity.start
        found.append(Limit("age", begins, after.end() if after else quantity.end, _in_years(quantity)))
    taken = [(limit.quantity.start, limit.quantity.end) for limit in found]
    for match in _BARE_AGE.finditer(text, start, end):
        low_at = match.start("low")
        if not any(first <= low_at < last for first, last in taken) and not any(q.start <= low_at < q.end for q in measured):
            low, high = float(match["low"]), match["high"]
            upper = float(high) if high else low
            bare = Quantity(low_at, match.end(), "time", "range" if high else "=", low, upper, "a")
            found.append(Limit("age", match.start(), match.end(), bare))
    return found


def _is_age(quantity: Quantity) -> bool:
    largest = quantity.high if quantity.high is not None else quantity.low
    if quantity.kind in ("proportion", "ratio") or largest is None:
        return False
    return largest <= _MAX_AGE.get(quantity.unit, -1.0)


def _in_years(quantity: Quantity) -> Quantity:
    if quantity.unit:
        return quantity
    return Quantity(quantity.start, quantity.end, "time", quantity.comparator, quantity.low, quantity.high, "a")


def measurements(text: str, start: int, end: int, measured: Sequence[Quantity]) -> list[Limit]:
    """The limits of measured values and scores; doses, times and proportions are none."""
    found = []
    for quantity in measured:
        if quantity.kind in ("time", "proportion", "ratio") and quantity.unit != "ms":
            continue
        single = quantity.comparator in ("=", "~") and quantity.unit not in ("{ULN}", "{LLN}")
        scale = quantity.comparator == "range" and text[start : quantity.start].rstrip()[-1:] == "("
        if single or scale or _DOSE.fullmatch(quantity.unit):
            continue
        name, begins = _name(text, start, quantity.start)
        if name:
            found.append(Limit(name, begins, quantity.end, quantity))
    for match in _SCORES.finditer(text, start, end):
        at = match.start("low")
        if any(limit.start <= at < limit.end for limit in found):
            continue
        low, high = float(match["low"]), float(match["high"] or match["low"])
        if low <= high:
            score = Quantity(at, match.end(), "measure", "range" if match["high"] else "=", low, high, "")
            found.append(Limit(match["name"], match.start(), match.end(), score))
    return sorted(found, key=lambda limit: limit.start)


def _name(text: str, start: int, end: int) -> tuple[str, int]:
    """The words before a number that say what is measured, and where they begin."""
    begins = max(start, end - _NAME_LENGTH)
    words = text[begins:end]
    breaks = [match.end() for match in _NAME_BREAK.finditer(words) if words[match.end() :].strip(" =:-")]
    cut = breaks[-1] if breaks else 0
    kept = words[cut:]
    head = _NAME_HEAD.match(kept)
    cut += head.end() if head else 0
    name = _NAME_TAIL.sub("", words[cut:])
    return name.strip(), begins + cut


def windows(text: str, start: int, end: int, measured: Sequence[Quantity]) -> list[tuple[Quantity, dict[str, Any]]]:
    """The spans of time: `within 6 months before screening`, `for at least 3 weeks`, each as a qualifier."""
    found = []
    for quantity in measured:
        if quantity.kind != "time" or quantity.unit == "ms":
            continue
        before = _WINDOW_BEFORE.search(text, max(start, quantity.start - 40), quantity.start)
        after = _WINDOW_AFTER.match(text, quantity.end, end)
        written = text[quantity.start : quantity.end].lower()
        if before is None and after is None and not written.startswith("within"):
            continue
        stated = quantity.as_qualifier()
        how = before["how"].lower() if before else ""
        if quantity.comparator == "=" and (how == "within" or "past" in how or "last" in how or "previous" in how):
            stated = {"comparator": "<=", "high": quantity.high, "unit": quantity.unit}
        if after is not None:
            stated["relative_to"] = " ".join(after.group().split())
        elif how in ("for", "over", "after", "since"):
            stated["relative_to"] = how
        found.append((quantity, stated))
    return found
