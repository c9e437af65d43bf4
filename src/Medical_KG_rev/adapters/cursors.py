"""Resume positions of listings, as short JSON texts that the ledger keeps."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from Medical_KG_rev.errors import UsageError

C = TypeVar("C", bound=msgspec.Struct)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class RemoteCursor(msgspec.Struct, frozen=True):
    """``token`` is the API's own; ``listed`` counts the records before it, so that a limit holds over a restart."""

    token: str
    listed: int = 0


class FileCursor(msgspec.Struct, frozen=True):
    """The listing goes on in file ``parts`` below root number ``root``, after ``done`` of its records.

    For JSON Lines ``done`` counts lines and ``offset`` is the byte where the next begins.
    """

    root: int
    parts: tuple[str, ...]
    done: int = 0
    offset: int = 0
    listed: int = 0


def encode(cursor: msgspec.Struct) -> str:
    return msgspec.json.encode(cursor).decode()


def decode(kind: type[C], cursor: str) -> C:
    """Raises UsageError for a text that is no cursor of this kind."""
    try:
        return msgspec.json.decode(cursor, type=kind)
    except msgspec.DecodeError as error:
        raise UsageError(f"{cursor[:80]!r} is not a cursor of this source: {error}.", remedy="List from the start.") from None


def checked_date(since: str, source: str) -> str:
    """``since`` itself. Raises UsageError unless it is an ISO date."""
    from datetime import date

    try:
        if _DATE.fullmatch(since):
            date.fromisoformat(since)
            return since
    except ValueError:
        pass
    raise UsageError(f"`since` for {source} must be a date like 2026-01-31; got {since!r}.")
