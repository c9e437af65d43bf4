"""Dates of articles, as precise as the file states them."""

from __future__ import annotations

from datetime import date

from lxml import etree

_MONTHS = dict(
    zip(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), range(1, 13), strict=True)
)
_PREFERRED = ("epub", "pub", "publication", "ppub", "collection", "epub-ppub", "pmc-release")


def iso_date(element: etree._Element) -> str | None:
    """``2011-03-05``, ``2011-03`` or ``2011``; None without a year that can be read."""
    year = _number(element.findtext("year"))
    if year is None or not 1500 <= year <= 2999:
        return None
    month = _month(element.findtext("month"))
    if month is None:
        return f"{year:04}"
    day = _number(element.findtext("day"))
    try:
        return date(year, month, day).isoformat() if day else f"{year:04}-{month:02}"
    except ValueError:
        return f"{year:04}-{month:02}"


def publication_date(meta: etree._Element) -> str | None:
    """The date of electronic publication where there is one, else the next best."""
    dated = [(_rank(element), found) for element in meta.iterfind("pub-date") if (found := iso_date(element))]
    return min(dated, default=(0, None), key=lambda pair: pair[0])[1]


def update_date(meta: etree._Element) -> str | None:
    """The date of the latest corrected version, where the file tells one."""
    updates = (element for element in meta.iterfind("pub-date") if element.get("date-type") == "update")
    return max(filter(None, map(iso_date, updates)), default=None)


def _rank(element: etree._Element) -> int:
    kind = element.get("pub-type") or element.get("date-type") or ""
    return _PREFERRED.index(kind) if kind in _PREFERRED else len(_PREFERRED) + (kind == "update")


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None


def _month(text: str | None) -> int | None:
    number = _number(text)
    if number is None:
        return _MONTHS.get((text or "").strip()[:3].lower())
    return number if 1 <= number <= 12 else None
