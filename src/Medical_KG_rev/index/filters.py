"""What a search may be narrowed by, and the facets of a chunk that decide it, the same in every store.

A facet is a token ``field=value``; a filter asks, for each field it names, for one of its values, and for a day in its range.
Every leg applies the filter before it ranks, so that a narrow one never shortens a result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.models import Chunk

FIELDS = ("source", "section", "mesh", "phase", "has_results", "language", "retracted", "doc_id")
"""Fields with values; ``date`` is a range beside them."""

NO_DAY = 0
_DAY = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")


class Filter(msgspec.Struct, frozen=True):
    """``facets`` holds one group of tokens a field, of which a chunk must have one each; days are ``yyyymmdd``, both included."""

    facets: tuple[tuple[str, ...], ...] = ()
    first_day: int | None = None
    last_day: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self.facets and self.first_day is None and self.last_day is None


EVERYTHING = Filter()


def facet(field: str, value: str) -> str:
    """The token of one value; case and outer blanks make no difference."""
    return f"{field}={' '.join(value.split()).casefold().replace(' ', '_')}"


def facets_of(chunk: Chunk) -> tuple[str, ...]:
    """All facets of a chunk, sorted: its source, section, document, and what its document states."""
    own = {"source": (chunk.source,), "section": (chunk.section,) if chunk.section else (), "doc_id": (chunk.doc_id,)}
    stated = {field: values for field, values in chunk.facets.items() if field in FIELDS and field not in own}
    return tuple(sorted({facet(field, value) for field, values in (own | stated).items() for value in values}))


def day_of(chunk: Chunk) -> int:
    """The day of the chunk's document as ``yyyymmdd``; the first of a month or year given without; 0 where there is none."""
    return next((day(value) for value in chunk.facets.get("date", ()) if _DAY.match(value)), NO_DAY)


def day(text: str, *, last: bool = False) -> int:
    """``2021``, ``2021-03`` or ``2021-03-15`` as ``yyyymmdd``; with ``last`` the end of the year or month rather than its start.

    Raises:
        UsageError: it is none of these.
    """
    match = _DAY.fullmatch(text[:10])
    if match is None:
        raise UsageError(f"{text!r} is not a date.", remedy="Give a year, a month (2021-03) or a day (2021-03-15).")
    year, month, date = match.groups()
    return int(year) * 10_000 + int(month or (12 if last else 1)) * 100 + int(date or (31 if last else 1))


def make_filter(values: Mapping[str, Iterable[str]], *, since: str | None = None, until: str | None = None) -> Filter:
    """A filter from values by field, and a range of dates (``yyyy``, ``yyyy-mm`` or ``yyyy-mm-dd``, both ends included).

    Raises:
        UsageError: an unknown field, a field without values, or a date that is none.
    """
    for field, wanted in values.items():
        if field not in FIELDS:
            raise UsageError(
                f"{field!r} is not a field to filter by.", remedy=f"Fields: {', '.join(FIELDS)}, since, until.", valid=FIELDS
            )
        if not list(wanted):
            raise UsageError(f"The filter {field} has no value.", remedy=f"Give {field}=VALUE.")
    groups = tuple(tuple(sorted({facet(field, value) for value in wanted})) for field, wanted in sorted(values.items()))
    return Filter(
        groups,
        day(since) if since is not None else None,
        day(until, last=True) if until is not None else None,
    )
