"""Units as texts write them, and their UCUM codes (https://ucum.org/ucum, case-sensitive codes).

A unit is written as one or several of the units below, joined by `/`, `per`, a raised dot or a space with a negative power:
`mg/kg/day`, `mg per day`, `mmol L-1`, `mg·kg⁻¹·d⁻¹` all become `mg/kg/d`.
"""

from __future__ import annotations

import re
from typing import Final

_EXACT: Final = {
    # mass
    "kg": "kg", "g": "g", "mg": "mg", "µg": "ug", "μg": "ug", "ug": "ug", "mcg": "ug", "ng": "ng", "pg": "pg", "fg": "fg",
    # volume
    "L": "L", "l": "L", "dL": "dL", "dl": "dL", "mL": "mL", "ml": "mL", "µL": "uL", "μL": "uL", "uL": "uL", "µl": "uL",
    "μl": "uL", "ul": "uL", "fL": "fL", "cc": "mL", "mm3": "uL", "mm^3": "uL", "mm³": "uL", "cm3": "mL", "cm³": "mL",
    # amount of substance and activity
    "mol": "mol", "mmol": "mmol", "µmol": "umol", "μmol": "umol", "umol": "umol", "nmol": "nmol", "pmol": "pmol",
    "M": "mol/L", "mM": "mmol/L", "µM": "umol/L", "μM": "umol/L", "uM": "umol/L", "nM": "nmol/L", "pM": "pmol/L",
    "IU": "[IU]", "mIU": "m[IU]", "µIU": "u[IU]", "μIU": "u[IU]", "kIU": "k[IU]", "MIU": "M[IU]", "U": "U", "mU": "mU",
    "kU": "kU", "mEq": "meq", "meq": "meq", "mOsm": "mosm", "mosm": "mosm",
    # length and area
    "km": "km", "m": "m", "cm": "cm", "mm": "mm", "µm": "um", "μm": "um", "um": "um", "nm": "nm",
    "m2": "m2", "m(2)": "m2", "cm(2)": "cm2", "m^2": "m2", "m²": "m2", "cm2": "cm2", "cm^2": "cm2", "cm²": "cm2",
    "mm2": "mm2", "mm^2": "mm2", "mm²": "mm2",
    # time
    "s": "s", "sec": "s", "ms": "ms", "msec": "ms", "min": "min", "h": "h", "hr": "h", "hrs": "h", "d": "d",
    "wk": "wk", "wks": "wk",
    "mo": "mo", "mos": "mo", "yr": "a", "yrs": "a", "y": "a",
    # pressure, energy, temperature, radiation, electricity, frequency
    "mmHg": "mm[Hg]", "mm Hg": "mm[Hg]", "kPa": "kPa", "cmH2O": "cm[H2O]", "cm H2O": "cm[H2O]", "kcal": "kcal", "kJ": "kJ",
    "°C": "Cel", "º C": "Cel", "° C": "Cel", "ºC": "Cel", "°F": "[degF]", "° F": "[degF]", "Gy": "Gy", "cGy": "cGy",
    "mSv": "mSv", "MBq": "MBq", "GBq": "GBq", "kBq": "kBq", "mCi": "mCi", "Hz": "Hz", "kHz": "kHz", "mV": "mV", "mA": "mA",
    "W": "W", "J": "J", "dB": "dB", "bpm": "{beats}/min", "kDa": "kDa", "bp": "{bp}", "kb": "{kb}", "ppm": "[ppm]",
    # fractions and counts
    "%": "%", "CFU": "[CFU]", "cfu": "[CFU]", "PFU": "[PFU]", "pfu": "[PFU]", "ULN": "{ULN}", "LLN": "{LLN}",
    "METs": "[MET]", "METS": "[MET]", "Ci": "Ci",
    "mL/min/1.73m2": "mL/min/{1.73_m2}", "mL/min/1.73 m2": "mL/min/{1.73_m2}", "mL/min/1.73m²": "mL/min/{1.73_m2}",
    "mL/min/1.73 m²": "mL/min/{1.73_m2}", "ml/min/1.73m2": "mL/min/{1.73_m2}", "ml/min/1.73 m2": "mL/min/{1.73_m2}",
    "ml/min/1.73m²": "mL/min/{1.73_m2}", "ml/min/1.73 m²": "mL/min/{1.73_m2}", "mL/min/1.73m^2": "mL/min/{1.73_m2}",
}  # fmt: skip
"""Spelling → UCUM; case counts."""

_WORDS: Final = {
    "kilogram": "kg", "gram": "g", "milligram": "mg", "microgram": "ug", "nanogram": "ng", "picogram": "pg",
    "liter": "L", "litre": "L", "deciliter": "dL", "decilitre": "dL", "milliliter": "mL", "millilitre": "mL",
    "microliter": "uL", "microlitre": "uL", "cubic millimeter": "uL", "cubic millimetre": "uL",
    "mole": "mol", "millimole": "mmol", "micromole": "umol", "unit": "U", "international unit": "[IU]", "milliunit": "mU",
    "milliequivalent": "meq", "meter": "m", "metre": "m", "centimeter": "cm", "centimetre": "cm", "millimeter": "mm",
    "millimetre": "mm", "square meter": "m2", "square metre": "m2", "second": "s", "minute": "min", "hour": "h", "day": "d",
    "week": "wk", "month": "mo", "year": "a", "percent": "%", "per cent": "%", "percentage point": "%", "kilocalorie": "kcal",
    "calorie": "cal", "gray": "Gy", "cell": "{cells}", "copy": "{copies}", "copies": "{copies}", "beat": "{beats}",
    "breath": "{breaths}", "tablet": "{tablet}", "capsule": "{capsule}", "puff": "{puff}", "drop": "[drp]", "dose": "{dose}",
    "cycle": "{cycle}", "cigarette": "{cigarette}", "drink": "{drink}", "session": "{session}", "point": "{points}",
    "degree": "deg",
    "episode": "{episode}", "pack-year": "{pack-years}", "pack year": "{pack-years}", "degree celsius": "Cel",
    "times the upper limit of normal": "{ULN}", "times the upper limit": "{ULN}",
    "times upper limit of normal": "{ULN}", "times the uln": "{ULN}",
    "times uln": "{ULN}", "x upper limit of normal": "{ULN}", "× upper limit of normal": "{ULN}", "x uln": "{ULN}",
    "× uln": "{ULN}", "xuln": "{ULN}", "×uln": "{ULN}", "x the upper limit of normal": "{ULN}",
    "× the upper limit of normal": "{ULN}", "x the uln": "{ULN}", "× the uln": "{ULN}", "fold": "{fold}",
}  # fmt: skip
"""Words → UCUM; case does not count, a plural s is allowed."""

TIME_UNITS: Final = frozenset({"ms", "s", "min", "h", "d", "wk", "mo", "a"})

_NUMERATORS: Final = "|".join(map(re.escape, sorted(_EXACT, key=len, reverse=True)))
_NAMES: Final = "|".join(map(re.escape, sorted(_WORDS, key=len, reverse=True)))
_BASE: Final = rf"(?:(?:{_NUMERATORS})(?![A-Za-zµμ0-9²³])|(?i:(?:{_NAMES})s?)(?![A-Za-z]))"
_JOINED: Final = rf"\s?/\s?(?:{_BASE})|\sper\s(?:{_BASE})|[\s·.∙⋅](?:kg|L|l|dL|dl|mL|ml|min|h|hr|d|day|wk|m2|m²)\s?(?:[-−–]1|⁻¹)"

UNIT: Final = rf"(?:(?:{_BASE})(?:{_JOINED}){{0,3}})"
"""A unit, simple or joined."""

RATE: Final = rf"(?:(?:\s?/\s?|\sper\s)(?:{_BASE}))"
"""A unit with nothing before its slash: `/L`, `per mm3`."""

_SPLIT = re.compile(r"\s?/\s?|\sper\s|[\s·.∙⋅](?=(?:kg|L|l|dL|dl|mL|ml|min|h|hr|d|day|wk|m2|m²)\s?(?:[-−–]1|⁻¹))", re.IGNORECASE)
_POWER = re.compile(r"\s?(?:[-−–]1|⁻¹)\Z")


def ucum(unit: str) -> str:
    """The UCUM code of a unit as matched by :data:`UNIT` or :data:`RATE`; `` when it is none.

    >>> ucum("mg per kg/day")
    'mg/kg/d'
    """
    whole = _EXACT.get(unit)
    if whole is not None:
        return whole
    parts = [_POWER.sub("", part).strip() for part in _SPLIT.split(unit)]
    codes = [_one(part) if part else "" for part in parts]
    if any(not code for part, code in zip(parts, codes, strict=True) if part):
        return ""
    return "/".join(codes)


def _one(unit: str) -> str:
    found = _EXACT.get(unit)
    if found is None:
        name = unit.lower()
        found = _WORDS.get(name) or _WORDS.get(name.removesuffix("s"))
    return found or ""
