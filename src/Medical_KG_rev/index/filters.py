"""What a search may be narrowed by, and the facets of a chunk that decide it, the same in every store.

A facet is a token ``field=value`` without blanks; a filter asks, for each field it names, for one of its values, and for a day
in its range. Every leg applies the filter before it ranks, so that a narrow one never shortens a result. Values are written
alike before they are compared: ``MESH:D008687`` and ``d008687``, ``Phase 2``, ``PHASE2`` and ``2``, ``en-GB`` and ``en``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache

import msgspec

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.models import Chunk

FIELDS = ("source", "section", "mesh", "phase", "has_results", "language", "retracted", "doc_id")
"""Fields with values; ``date`` is a range beside them."""

NO_DAY = 0
PHASES = ("early_phase1", "phase1", "phase2", "phase3", "phase4", "na")
_BOOLEANS = ("true", "false")
_LONGEST_VALUE = 200
"""Characters; longer section titles are cut, alike in stores and in filters."""
_DAY = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}")


class Filter(msgspec.Struct, frozen=True):
    """``facets`` holds one group of tokens a field, of which a chunk must have one each; days are ``yyyymmdd``, both included.

    A chunk without a day lies in no range of days.
    """

    facets: tuple[tuple[str, ...], ...] = ()
    first_day: int | None = None
    last_day: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self.facets and self.first_day is None and self.last_day is None

    def admits(self, facets: Collection[str], day: int) -> bool:
        """Whether a chunk with these facets and this day is wanted: what every store must agree with."""
        if not all(any(token in facets for token in group) for group in self.facets):
            return False
        if self.first_day is None and self.last_day is None:
            return True
        return day != NO_DAY and (self.first_day or day) <= day <= (self.last_day or day)


EVERYTHING = Filter()


@lru_cache(4096)
def facet(field: str, value: str) -> str:
    """The token of one value. Case and blanks make no difference, nor does what else the field's values are written with."""
    plain = "_".join(value.encode("utf-8", "replace").decode().split()).casefold()
    return f"{field}={_SPELLINGS.get(field, _as_it_is)(plain)[:_LONGEST_VALUE]}"


def facets_of(chunk: Chunk) -> tuple[str, ...]:
    """All facets of a chunk, sorted: its source, its sections (those around it too), its document, and what that states."""
    sections = [title for title in (chunk.section, *chunk.section_path) if title.strip()]
    own = {"source": [chunk.source], "section": sections, "doc_id": [chunk.doc_id]}
    stated = {field: values for field, values in chunk.facets.items() if field in FIELDS and field not in own}
    return tuple(sorted({facet(field, value) for field, values in (own | stated).items() for value in values if value.strip()}))


def day_of(chunk: Chunk) -> int:
    """The day of the chunk's document as ``yyyymmdd``; the first of a month or year given without; 0 where there is none."""
    return next((day(value) for value in chunk.facets.get("date", ()) if _DAY.fullmatch(value[:10])), NO_DAY)


def day(text: str, *, last: bool = False) -> int:
    """``2021``, ``2021-03`` or ``2021-03-15`` as ``yyyymmdd``; with ``last`` the end of the year or month rather than its start.

    Raises:
        UsageError: it is none of these.
    """
    match = _DAY.fullmatch(text[:10])
    if match is None or not int(match[1]):
        raise UsageError(f"{text!r} is not a date.", remedy="Give a year, a month (2021-03) or a day (2021-03-15).")
    year, month, date = match.groups()
    return int(year) * 10_000 + int(month or (12 if last else 1)) * 100 + int(date or (31 if last else 1))


def make_filter(values: Mapping[str, Iterable[str]], *, since: str | None = None, until: str | None = None) -> Filter:
    """A filter from values by field, and a range of dates (``yyyy``, ``yyyy-mm`` or ``yyyy-mm-dd``, both ends included).

    Raises:
        UsageError: an unknown field, a value that the field cannot have, a field without values, or a date that is none.
    """
    groups = []
    for field, wanted in sorted(values.items()):
        group = tuple(sorted({_checked(field, value) for value in wanted}))
        if not group:
            raise UsageError(f"The filter {field} has no value.", remedy=f"Give {field}=VALUE.")
        groups.append(group)
    return Filter(
        tuple(groups),
        day(since) if since is not None else None,
        day(until, last=True) if until is not None else None,
    )


def _checked(field: str, value: str) -> str:
    if field not in FIELDS:
        raise UsageError(
            f"{field!r} is not a field to filter by.",
            remedy=f"Fields: {', '.join(FIELDS)}; dates by since and until.",
            valid=FIELDS,
        )
    token = facet(field, value)
    spelled = token.removeprefix(f"{field}=")
    valid = _VALID.get(field, ())
    if not spelled or (valid and spelled not in valid) or (field == "language" and not _LANGUAGE.fullmatch(spelled)):
        accepted = ", ".join(valid) or ("a code such as en" if field == "language" else "any text")
        raise UsageError(f"{field} cannot be {value!r}.", remedy=f"Valid: {accepted}.", valid=valid)
    return token


def _as_it_is(value: str) -> str:
    return value


def _mesh(value: str) -> str:
    return value.removeprefix("mesh:").strip("_")


def _phase(value: str) -> str:
    bare = re.sub(r"[-_/]", "", value)
    return _PHASE_OF.get(bare.removeprefix("phase"), bare)


def _language(value: str) -> str:
    return re.split(r"[-_]", value, maxsplit=1)[0]


def _boolean(value: str) -> str:
    return _WORDS.get(value, value)


_PHASE_OF = {
    **{number: f"phase{number}" for number in "1234"},
    "i": "phase1",
    "ii": "phase2",
    "iii": "phase3",
    "iv": "phase4",
    "earlyphase1": "early_phase1",
    "early1": "early_phase1",
}
_WORDS = {"yes": "true", "1": "true", "no": "false", "0": "false"}
_VALID: Mapping[str, tuple[str, ...]] = {"phase": PHASES, "has_results": _BOOLEANS, "retracted": _BOOLEANS}
_SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "mesh": _mesh,
    "phase": _phase,
    "language": _language,
    "has_results": _boolean,
    "retracted": _boolean,
}
