"""What prose says of a comparison: p-values, confidence intervals, effect measures with both."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.quantities.measures import sentences
from Medical_KG_rev.extraction.quantities.numbers import PLAIN, POWER, exponent, number, scaled

Part = TypeVar("Part", "PValue", "Interval")

_REACH = 120
"""How many characters after an effect's value its interval and its p-value are looked for."""


@dataclass(frozen=True, slots=True)
class PValue:
    """``comparator value``; ``=`` unless the text gives a limit."""

    start: int
    end: int
    comparator: Literal["=", "<", "<=", ">", ">="]
    value: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence or credible interval at ``level`` percent."""

    start: int
    end: int
    level: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect estimate: ``measure`` in short (`HR`), ``adjusted`` when the text says so, what belongs to it behind it.

    ``start`` and ``end`` hold the name and the value; interval and p-value have their own ranges.
    """

    start: int
    end: int
    measure: str
    value: float
    adjusted: bool = False
    interval: Interval | None = None
    p_value: PValue | None = None

    def as_qualifier(self) -> dict[str, Any]:
        """The same as JSON values."""
        stated: dict[str, Any] = {"effect_measure": self.measure, "effect_value": self.value}
        if self.adjusted:
            stated["adjusted"] = True
        if self.interval is not None:
            stated |= {"ci_level": self.interval.level, "ci_low": self.interval.low, "ci_high": self.interval.high}
        if self.p_value is not None:
            stated |= {"p_value": self.p_value.value}
            if self.p_value.comparator != "=":
                stated["p_comparator"] = self.p_value.comparator
        return stated


_MEASURES = {
    "hazard ratio": "HR", "hazards ratio": "HR", "odds ratio": "OR", "relative risk": "RR", "risk ratio": "RR",
    "rate ratio": "IRR", "incidence rate ratio": "IRR", "prevalence ratio": "PR", "mean difference": "MD",
    "weighted mean difference": "WMD", "standardized mean difference": "SMD", "standardised mean difference": "SMD",
    "risk difference": "RD", "absolute risk reduction": "ARR", "relative risk reduction": "RRR",
    "number needed to treat": "NNT", "number needed to harm": "NNH", "treatment difference": "difference",
    "between-group difference": "difference", "difference": "difference", "effect size": "ES", "geometric mean ratio": "GMR",
    "subdistribution hazard ratio": "SHR", "area under the curve": "AUC", "cohen's d": "d", "cohen d": "d",
}  # fmt: skip
_SHORT = ("HR", "OR", "RR", "IRR", "SHR", "MD", "WMD", "SMD", "RD", "ARR", "RRR", "NNT", "NNH", "AUC", "GMR", "PR", "ES")

_SIGNED = rf"[-−–+]?\s?{PLAIN}"
_NAMES = "|".join(re.escape(name).replace(r"\ ", r"\s") for name in sorted(_MEASURES, key=len, reverse=True))
_IS = r"(?:\s?(?:=|:|,|;|≈)\s?|\s(?:of|was|is|were)\s|\s(?:was|is)\sestimated\s(?:as|to\sbe|at)\s|\s)"
_EFFECT = re.compile(
    rf"(?P<adjusted>\b(?i:(?:multivariable[-\s])?adjusted)\s(?:\w{{1,20}}\s)?)?"
    rf"(?:\b(?P<name>(?i:{_NAMES}))s?(?:\s?[\[(]\s?(?P<a1>a?)(?:{'|'.join(_SHORT)})s?\s?[\])])?"
    rf"|\b(?P<a2>a)?(?P<short>{'|'.join(_SHORT)}))"
    rf"{_IS}\s?[(\[]?\s?(?P<value>{_SIGNED})(?![\w%]*\s?(?:CI|%\s?(?:CI|confidence)))"
)
_INTERVAL = re.compile(
    rf"(?P<level>\d{{2}}(?:\.\d)?)\s?(?:%|percent|per\scent)[\s-]?(?:(?i:confidence|credible|credibility)\s(?i:intervals?|limits?)|CrI|CIs?|C\.I\.)"
    rf"(?:\s?[\[(]\s?(?:CI|CrI)\s?[\])])?(?:\s?(?:=|:|,|;)\s?|\s(?:of|was|from)\s|\s)?\s?[\[(]?\s?"
    rf"(?P<low>[-−]?\s?{PLAIN})\s?%?\s?(?:-|–|—|−|to|,|;|\.\.|and)\s?(?P<high>[-−+]?\s?{PLAIN})"
)
_P_VALUE = re.compile(
    rf"(?<![A-Za-z0-9])[Pp](?:\s?-?\s?(?i:values?))?(?:\s(?:for|of)\s(?:trend|interaction|heterogeneity|difference|superiority|non-?inferiority))?"
    rf"\s?(?P<comparator><=|>=|≤|≥|=|<|>|⩽|⩾|(?:value\s)?of|was)\s?(?P<value>{PLAIN}|\d{{1,3}})(?:{POWER.format(name='power')}|[eE](?P<e>-\d{{1,2}}))?"
)
_COMPARATORS: dict[str, Literal["=", "<", "<=", ">", ">="]] = {
    "<=": "<=", "≤": "<=", "⩽": "<=", ">=": ">=", "≥": ">=", "⩾": ">=", "<": "<", ">": ">"
}  # fmt: skip


def p_values(text: AnalysedText) -> list[PValue]:
    """Every p-value, in order."""
    return [found for offset, sentence in sentences(text) for found in _p_values(sentence, offset)]


def intervals(text: AnalysedText) -> list[Interval]:
    """Every confidence or credible interval, in order."""
    return [found for offset, sentence in sentences(text) for found in _intervals(sentence, offset)]


def effects(text: AnalysedText) -> list[Effect]:
    """Every effect estimate, each with the interval and the p-value that follow it before the next estimate."""
    return [found for offset, sentence in sentences(text) for found in _effects(sentence, offset)]


def _value(text: str) -> float:
    return number(text.replace(" ", "").lstrip("+"))


def _p_values(sentence: str, offset: int) -> list[PValue]:
    found = []
    for match in _P_VALUE.finditer(sentence):
        power = match["power"] or match["e"]
        value = scaled(number(match["value"]), exponent(power) if power else 0)
        if value <= 1:
            comparator = _COMPARATORS.get(match["comparator"], "=")
            found.append(PValue(match.start() + offset, match.end() + offset, comparator, value))
    return found


def _intervals(sentence: str, offset: int) -> list[Interval]:
    found = []
    for match in _INTERVAL.finditer(sentence):
        low, high = _value(match["low"]), _value(match["high"])
        if low <= high:
            found.append(Interval(match.start() + offset, match.end() + offset, float(match["level"]), low, high))
    return found


def _effects(sentence: str, offset: int) -> list[Effect]:
    bare = []
    for match in _EFFECT.finditer(sentence):
        name = match["name"]
        measure = match["short"] or _MEASURES[" ".join(name.lower().split())]
        adjusted = bool(match["adjusted"] or match["a1"] or match["a2"])
        bare.append(Effect(match.start() + offset, match.end() + offset, measure, _value(match["value"]), adjusted))
    if not bare:
        return []
    found_intervals, found_p = _intervals(sentence, offset), _p_values(sentence, offset)
    ends = [effect.start for effect in bare[1:]] + [offset + len(sentence)]
    return [
        replace(effect, interval=_following(found_intervals, effect.end, end), p_value=_following(found_p, effect.end, end))
        for effect, end in zip(bare, ends, strict=True)
    ]


def _following(candidates: list[Part], start: int, end: int) -> Part | None:
    reach = min(end, start + _REACH)
    return next((item for item in candidates if start <= item.start < reach), None)
