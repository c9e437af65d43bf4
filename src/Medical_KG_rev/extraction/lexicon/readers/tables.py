"""Tables as text, a row a line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from Medical_KG_rev.errors import ModelCorruptError

__all__ = ["comma_rows", "rows"]


def rows(path: Path, columns: int, *, header: bool = False, quoted: bool = False) -> Iterator[list[str]]:
    """The rows of a tab-separated table, its ``header`` left out; missing fields at the end are empty.

    ``quoted``: a field with a tab or a quote in it stands in quotes.

    Raises:
        ModelCorruptError: a row has more fields than ``columns``.
    """
    return _rows(path, columns, "\t", csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, header)


def comma_rows(path: Path, columns: int) -> Iterator[list[str]]:
    """The same for a comma-separated table without header; a field with a comma in it stands in quotes."""
    return _rows(path, columns, ",", csv.QUOTE_MINIMAL, header=False)


def _rows(path: Path, columns: int, delimiter: str, quoting: int, header: bool) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        table = csv.reader(lines, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]  # the stubs want a literal
        if header:
            next(table, [])
        for fields in table:
            if len(fields) > columns:
                raise ModelCorruptError(f"{path.name}, line {table.line_num}: {len(fields)} fields, expected {columns}.")
            yield fields + [""] * (columns - len(fields))
