"""Many rows into one LadybugDB statement, by way of a file.

Parameters are handed over value by value, at some 20,000 rows a second; a CSV file beside the database is read at five times
that. A few rows go as parameters, since a file costs 15 ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from Medical_KG_rev.graph.schema import LADYBUG_TYPES, Property

FEW_ROWS = 200
"""Up to so many, parameters are faster than a file."""

_LIST_SEPARATOR = "\x1f"
_OPTIONS = "(HEADER=false, PARALLEL=false, AUTO_DETECT=false, DELIM=',', QUOTE='\"', ESCAPE='\\\\', NULL_STRINGS=['\\\\N'])"


def parameter_statement(columns: Mapping[str, Property], clause: str) -> str:
    """Runs ``clause`` for each row of ``$rows``, maps of the columns; ``clause`` calls them ``c_<name>``."""
    return f"UNWIND $rows AS r WITH {', '.join(f'r.{name} AS c_{name}' for name in columns)} {clause}"


def file_statement(path: Path, columns: Mapping[str, Property], clause: str) -> str:
    """Runs ``clause`` for each row of a file that :func:`write_rows` wrote."""
    stored = ", ".join(f"f_{name} {_stored_type(kind)}" for name, kind in columns.items())
    read = ", ".join(f"{_read(f'f_{name}', kind)} AS c_{name}" for name, kind in columns.items())
    where = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"LOAD WITH HEADERS ({stored}) FROM '{where}' {_OPTIONS} WITH {read} {clause}"


def write_rows(path: Path, columns: Mapping[str, Property], rows: Sequence[Mapping[str, Any]]) -> None:
    """Puts rows into a file as the engine reads it: strings quoted, optional ones after ``=``: none is not empty."""
    writers = [(name, _writer(kind)) for name, kind in columns.items()]
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(",".join([write(row[name]) for name, write in writers]) + "\n" for row in rows)


def _stored_type(kind: Property) -> str:
    return "STRING" if kind.type == "strings" else LADYBUG_TYPES[kind.type]


def _read(column: str, kind: Property) -> str:
    if kind.type == "strings":
        return f"CASE WHEN {column} = '' THEN CAST([] AS STRING[]) ELSE string_split({column}, '{_LIST_SEPARATOR}') END"
    if _is_optional_text(kind):
        return f"CASE WHEN {column} = '' THEN NULL ELSE substring({column}, 2, size({column})) END"
    return column


def _is_optional_text(kind: Property) -> bool:
    return kind.type in ("string", "json") and not kind.required


def _writer(kind: Property) -> Any:
    if kind.type == "strings":
        return lambda values: _quoted(_LIST_SEPARATOR.join(value.replace(_LIST_SEPARATOR, " ") for value in values))
    if _is_optional_text(kind):
        return lambda value: "" if value is None else _quoted(f"={value}")
    if kind.type in ("string", "json"):
        return _quoted
    if kind.type == "boolean":
        return lambda value: "true" if value else "false"
    return lambda value: "" if value is None else repr(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
