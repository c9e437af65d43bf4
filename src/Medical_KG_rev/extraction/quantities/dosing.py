"""How something is given: dose, route, schedule, how long."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.quantities.measures import Quantity, quantities, sentences
from Medical_KG_rev.extraction.quantities.numbers import WORDS, number

_DOSE_UNITS = re.compile(
    r"(?:(?:k|m|u|n)?g|\[IU\]|(?:m|u|k|M)\[IU\]|U|m?U|kU|meq|mmol|umol|mL|L|\{tablet\}|\{capsule\}|\{puff\}|\[drp\]|c?Gy|MBq|GBq|mCi"
    r"|\[PFU\]|\[CFU\])(?:/(?:kg|m2|d|h|min|wk|\{dose\}|\{cycle\}))*"
)
"""Units in which something is given; not concentrations."""

Item = TypeVar("Item", "Route", "Schedule", Quantity)

_CHAIN_REACH = 40
"""How many characters after a dose its route and schedule may begin."""


@dataclass(frozen=True, slots=True)
class Route:
    """A route of administration in one word (`oral`, `intravenous`)."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """``frequency`` times per ``period`` ``unit`` (UCUM), as FHIR's Timing has it; a single dose has no period.

    ``as_needed``: only when needed.
    """

    start: int
    end: int
    frequency: float | None
    period: float | None
    unit: str
    as_needed: bool = False


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose with the route, schedule and duration told beside it; ``start`` and ``end`` are those of the amount."""

    start: int
    end: int
    amount: Quantity
    route: Route | None = None
    schedule: Schedule | None = None
    duration: Quantity | None = None

    def as_qualifier(self) -> dict[str, Any]:
        """The same as JSON values, what is not told left out."""
        stated: dict[str, Any] = {"dose": self.amount.as_qualifier()}
        if self.route is not None:
            stated["route"] = self.route.name
        if self.schedule is not None:
            stated["schedule"] = {
                name: item
                for name, item in (
                    ("frequency", self.schedule.frequency),
                    ("period", self.schedule.period),
                    ("unit", self.schedule.unit or None),
                    ("as_needed", self.schedule.as_needed or None),
                )
                if item is not None
            }
        if self.duration is not None:
            stated["duration"] = self.duration.as_qualifier()
        return stated


_ROUTES = {
    "oral": r"oral(?:ly)?|by mouth|per os|p\.o\.|po",
    "intravenous": r"intravenous(?:ly)?|i\.v\.|iv",
    "subcutaneous": r"subcutaneous(?:ly)?|s\.c\.|sc|sq|subcut",
    "intramuscular": r"intramuscular(?:ly)?|i\.m\.|im",
    "intraperitoneal": r"intraperitoneal(?:ly)?|i\.p\.|ip",
    "intrathecal": r"intrathecal(?:ly)?",
    "intradermal": r"intradermal(?:ly)?",
    "intranasal": r"(?:intra)?nasal(?:ly)?",
    "intravitreal": r"intravitreal(?:ly)?",
    "intracerebroventricular": r"intracerebroventricular(?:ly)?|i\.c\.v\.",
    "intra-arterial": r"intra-?arterial(?:ly)?",
    "intra-articular": r"intra-?articular(?:ly)?",
    "epidural": r"epidural(?:ly)?",
    "inhaled": r"inhaled|by\sinhalation|nebuli[sz]ed",
    "topical": r"topical(?:ly)?",
    "transdermal": r"transdermal(?:ly)?",
    "sublingual": r"sublingual(?:ly)?",
    "buccal": r"buccal(?:ly)?",
    "rectal": r"rectal(?:ly)?",
    "vaginal": r"vaginal(?:ly)?|intravaginal(?:ly)?",
    "ophthalmic": r"ophthalmic",
}
_ROUTE = re.compile(
    r"(?<![\w'’-])(?<!stage )(?<!phase )(?<!type )(?<!grade )(?<!class )(?<!group )(?:"
    + "|".join(f"(?P<r{index}>{pattern})" for index, pattern in enumerate(_ROUTES.values()))
    + r")(?![\w-])",
    re.IGNORECASE,
)
_ROUTE_NAMES = tuple(_ROUTES)

_PERIODS = {
    "second": "s", "minute": "min", "min": "min", "hour": "h", "hr": "h", "hours": "h", "h": "h", "day": "d", "d": "d",
    "night": "d", "morning": "d", "evening": "d", "week": "wk", "wk": "wk", "month": "mo", "year": "a", "cycle": "{cycle}",
}  # fmt: skip
_ADVERBS = {"hourly": "h", "daily": "d", "nightly": "d", "weekly": "wk", "monthly": "mo", "yearly": "a", "annually": "a"}
_LATIN = {
    "qd": (1, 1, "d"), "od": (1, 1, "d"), "bid": (2, 1, "d"), "tid": (3, 1, "d"), "qid": (4, 1, "d"), "qod": (1, 2, "d"),
    "qhs": (1, 1, "d"), "qw": (1, 1, "wk"), "biw": (2, 1, "wk"), "tiw": (3, 1, "wk"), "bd": (2, 1, "d"), "tds": (3, 1, "d"),
    "qds": (4, 1, "d"), "qam": (1, 1, "d"), "qpm": (1, 1, "d"),
}  # fmt: skip
_TIMES = {"once": 1.0, "twice": 2.0, "thrice": 3.0}

_COUNT = r"\d{1,3}(?:\.\d)?|" + "|".join(sorted(WORDS, key=len, reverse=True))
_PERIOD = "|".join(sorted(_PERIODS, key=len, reverse=True))
_SCHEDULE = re.compile(
    rf"\b(?:(?:(?P<times>once|twice|thrice)|(?P<count>{_COUNT})(?:\sto\s\d|-\d)?\s(?:times|doses))[\s-]"
    rf"(?:(?P<adverb>{'|'.join(_ADVERBS)})|(?:(?:an?|per|each|every)\s|/\s?)(?P<period>{_PERIOD})\b)"
    rf"|(?:every|each)\s(?:(?P<other>other|second|alternate)\s|(?P<each>{_COUNT})(?:\s?(?:to|-|–)\s?(?P<each_to>\d{{1,2}}))?[\s-])?"
    rf"(?P<unit>{_PERIOD})s?\b"
    rf"|(?P<alternate>alternate\sdays|on\salternate\sdays)"
    rf"|q\.?\s?(?P<q>\d{{1,3}})\s?-?(?P<q_unit>hours|hrs|hr|h|days|day|d|weeks|week|wk|w|months|mo)\b"
    rf"|(?P<latin>{'|'.join(sorted(_LATIN, key=len, reverse=True))}|b\.i\.d|t\.i\.d|q\.i\.d|q\.d|o\.d)\b"
    rf"|(?P<bi>bi|semi|tri)-?(?P<bi_unit>weekly|monthly|annually)"
    rf"|(?P<single>single\s(?:\w{{1,15}}\s)?(?:dose|injection|infusion|bolus|administration)|one\sdose)"
    rf"|(?P<needed>as\sneeded|as\srequired|when\sneeded|prn|p\.r\.n)\b"
    rf"|(?P<alone>{'|'.join(_ADVERBS)})\b)",
    re.IGNORECASE,
)
_Q_UNITS = {"h": "h", "d": "d", "w": "wk", "m": "mo"}
_LASTS = re.compile(
    r"\b(?:for|over|during|lasting|throughout)\s(?:up\sto\s|at\sleast\s|a\s(?:total|period)\sof\s|the\sfirst\s|about\s|approximately\s)?\Z"
)


def routes(text: AnalysedText) -> list[Route]:
    """Every route of administration that is named, in order."""
    found = []
    for offset, sentence in sentences(text):
        for match in _ROUTE.finditer(sentence):
            name = _ROUTE_NAMES[int((match.lastgroup or "r0")[1:])]
            found.append(Route(match.start() + offset, match.end() + offset, name))
    return found


def schedules(text: AnalysedText) -> list[Schedule]:
    """How often something is done, in order."""
    return [_schedule(match, offset) for offset, sentence in sentences(text) for match in _SCHEDULE.finditer(sentence)]


def durations(text: AnalysedText, measured: Sequence[Quantity] | None = None) -> list[Quantity]:
    """The quantities of time that say how long: `for 12 weeks`, `over 2 hours`."""
    return [
        quantity
        for quantity in (quantities(text) if measured is None else measured)
        if quantity.kind == "time" and _LASTS.search(text.text, max(0, quantity.start - 40), quantity.start)
    ]


def doses(text: AnalysedText, measured: Sequence[Quantity] | None = None) -> list[Dose]:
    """Every amount in a unit of dose, with the route, schedule and duration that follow it closely or stand right before it."""
    found = quantities(text) if measured is None else measured
    amounts = [quantity for quantity in found if quantity.kind == "measure" and _DOSE_UNITS.fullmatch(quantity.unit)]
    if not amounts:
        return []
    all_routes, all_schedules, all_durations = routes(text), schedules(text), durations(text, found)
    bounds = [amount.start for amount in amounts[1:]] + [len(text.text)]
    ends = _sentence_ends(text, amounts)
    built = []
    for amount, next_start, sentence_end in zip(amounts, bounds, ends, strict=True):
        end = min(next_start, sentence_end)
        reach = amount.end
        route = _near(all_routes, amount, reach, end)
        reach = max(reach, route.end) if route else reach
        schedule = _after(all_schedules, reach, end)
        reach = max(reach, schedule.end) if schedule else reach
        duration = _after(all_durations, reach, end)
        built.append(Dose(amount.start, amount.end, amount, route, schedule, duration))
    return built


def _sentence_ends(text: AnalysedText, amounts: Sequence[Quantity]) -> list[int]:
    ends, index, limits = [], 0, [text.ends[last - 1] for _, last in text.sentences]
    for amount in amounts:
        while limits[index] < amount.end:
            index += 1
        ends.append(limits[index])
    return ends


def _after(items: Sequence[Item], start: int, end: int) -> Item | None:
    index = _first_at(items, start)
    if index < len(items) and items[index].start < min(end, start + _CHAIN_REACH):
        return items[index]
    return None


def _near(items: Sequence[Route], amount: Quantity, start: int, end: int) -> Route | None:
    after = _after(items, start, end)
    index = _first_at(items, amount.start) - 1
    if after is None and index >= 0 and amount.start - items[index].end <= _CHAIN_REACH:
        return items[index]
    return after


def _first_at(items: Sequence[Route] | Sequence[Schedule] | Sequence[Quantity], start: int) -> int:
    return bisect_left(items, start, key=attrgetter("start"))


def _schedule(match: re.Match[str], offset: int) -> Schedule:
    start, end = match.start() + offset, match.end() + offset
    frequency, period, unit, needed = _timing({name: item.lower() for name, item in match.groupdict().items() if item})
    return Schedule(start, end, frequency, period, unit, needed)


def _timing(groups: dict[str, str]) -> tuple[float | None, float | None, str, bool]:
    if "times" in groups or "count" in groups:
        often = _TIMES[groups["times"]] if "times" in groups else number(groups["count"])
        return often, 1.0, _ADVERBS[groups["adverb"]] if "adverb" in groups else _PERIODS[groups["period"]], False
    if "unit" in groups:
        apart = number(groups["each"]) if "each" in groups else 2.0 if "other" in groups else 1.0
        return 1.0, apart, _PERIODS[groups["unit"]], False
    if "alternate" in groups:
        return 1.0, 2.0, "d", False
    if "q" in groups:
        return 1.0, float(groups["q"]), _Q_UNITS[groups["q_unit"][0]], False
    if "latin" in groups:
        frequency, period, unit = _LATIN[groups["latin"].replace(".", "")]
        return float(frequency), float(period), unit, False
    if "bi" in groups:
        unit = _ADVERBS[groups["bi_unit"]]
        return (2.0, 1.0, unit, False) if groups["bi"] == "semi" else (1.0, 2.0 if groups["bi"] == "bi" else 3.0, unit, False)
    if "needed" in groups:
        return None, None, "", True
    if "alone" in groups:
        return 1.0, 1.0, _ADVERBS[groups["alone"]], False
    return 1.0, None, "", False
