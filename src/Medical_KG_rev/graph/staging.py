"""Many rows into one LadybugDB statement, by way of a file.

Parameters are handed over value by value, at some 20,000 rows a second; a CSV file beside the database is read at five times
that. A few rows go as parameters, since a file costs 15 ms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from Medical_KG_rev.graph.schema import LADYBUG_TYPES, Property

FEW_ROWS = 200
"""Up to so many, parameters are faster than a file."""

_COLUMN = re.compile(r"\bc_(\w+)")
_LIST_SEPARATOR = "\x1f"
_OPTIONS = "(HEADER=false, PARALLEL=false, AUTO_DETECT=false, DELIM=',', QUOTE='\"', ESCAPE='\\\\', NULL_STRINGS=['\\\\N'])"


def parameter_statement(columns: Mapping[str, Property], clause: str) -> str:
    """Runs ``clause`` for each row of ``$rows``, as :func:`encoded` gives them; ``clause`` calls the columns ``c_<name>``."""
    return "UNWIND $rows AS r " + _COLUMN.sub(lambda found: _read(f"r.{found[1]}", columns[found[1]]), clause)


def file_statement(path: Path, columns: Mapping[str, Property], clause: str) -> str:
    """Runs ``clause`` for each row of a file that :func:`write_rows` wrote.

    The columns stand in the clause itself: behind a WITH, the engine would join whole tables instead of looking up keys.
    """
    stored = ", ".join(f"f_{name} {_stored_type(kind)}" for name, kind in columns.items())
    where = str(path).replace("\\", "\\\\").replace("'", "\\'")
    read = _COLUMN.sub(lambda found: _read(f"f_{found[1]}", columns[found[1]]), clause)
    return f"LOAD WITH HEADERS ({stored}) FROM '{where}' {_OPTIONS} {read}"


def encoded(columns: Mapping[str, Property], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one type each: lists and what may be missing as text, so that none, empty and full rows can be told together."""
    encoders = [(name, _encoder(kind)) for name, kind in columns.items()]
    return [{name: encode(row[name]) for name, encode in encoders} for row in rows]


def write_rows(path: Path, columns: Mapping[str, Property], rows: Sequence[Mapping[str, Any]]) -> None:
    """Puts encoded rows into a CSV file."""
    printers = [(name, _printer(kind)) for name, kind in columns.items()]
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(",".join([put(row[name]) for name, put in printers]) + "\n" for row in rows)


def _as_text(kind: Property) -> bool:
    return kind.type in ("string", "json", "strings") or not kind.required


def _stored_type(kind: Property) -> str:
    return "STRING" if _as_text(kind) else LADYBUG_TYPES[kind.type]


def _read(column: str, kind: Property) -> str:
    """The value of an encoded column."""
    if kind.type == "strings":
        return f"CASE WHEN {column} = '' THEN CAST([] AS STRING[]) ELSE string_split({column}, '{_LIST_SEPARATOR}') END"
    if kind.required:
        return column
    given = f"substring({column}, 2, size({column}))"
    value = given if kind.type in ("string", "json") else f"CAST({given} AS {LADYBUG_TYPES[kind.type]})"
    return f"CASE WHEN {column} = '' THEN NULL ELSE {value} END"


def _encoder(kind: Property) -> Callable[[Any], Any]:
    if kind.type == "strings":
        return lambda values: _LIST_SEPARATOR.join(value.replace(_LIST_SEPARATOR, " ") for value in values)
    if not kind.required:
        return lambda value: "" if value is None else f"={value}"
    return lambda value: value


def _printer(kind: Property) -> Callable[[Any], str]:
    """Gives a value as it stands in the file."""
    if kind.type in ("string", "json") and kind.required:
        return _quoted
    if _as_text(kind):
        encode = _encoder(kind)
        return lambda value: _quoted(encode(value))
    return _truth if kind.type == "boolean" else repr


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
