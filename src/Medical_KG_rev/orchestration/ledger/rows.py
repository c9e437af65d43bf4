"""Rows of the ledger's tables as records."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select

Record = TypeVar("Record", bound=msgspec.Struct)


def read_records(connection: Connection, kind: type[Record], query: Select[Any]) -> list[Record]:
    """What a query of a whole table gives, in its order; columns that are no fields of ``kind`` are left out."""
    result = connection.execute(query)
    names = list(result.keys())
    positions = [(name, names.index(name)) for name in kind.__struct_fields__]
    return [kind(**{name: row[position] for name, position in positions}) for row in result.all()]
