"""Tab-separated tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from Medical_KG_rev.errors import ModelCorruptError

__all__ = ["rows"]


def rows(path: Path, columns: int, *, header: bool = False, quoted: bool = False) -> Iterator[list[str]]:
    """The rows of a table, its ``header`` left out; missing fields at the end are empty.

    ``quoted``: a field with a tab or a quote in it stands in quotes.

    Raises:
        ModelCorruptError: a row has more fields than ``columns``.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        table = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
        if header:
            next(table, [])
        for fields in table:
            if len(fields) > columns:
                raise ModelCorruptError(f"{path.name}, line {table.line_num}: {len(fields)} fields, expected {columns}.")
            yield fields + [""] * (columns - len(fields))
