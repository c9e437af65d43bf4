"""Rows of the ledger's tables: read as records, and written many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Select,
    Table,
    TableValuedAlias,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)

Record = TypeVar("Record", bound=msgspec.Struct)


def read_records(connection: Connection, kind: type[Record], query: Select[Any]) -> list[Record]:
    """What a query of a whole table gives, in its order; columns that are no fields of ``kind`` are left out."""
    result = connection.execute(query)
    names = list(result.keys())
    positions = [(name, names.index(name)) for name in kind.__struct_fields__]
    return [kind(**{name: row[position] for name, position in positions}) for row in result.all()]


def insert_records(connection: Connection, table: Table, records: Sequence[msgspec.Struct]) -> None:
    """New rows, in one statement."""
    if not records:
        return
    if _is_postgres(connection):
        names = records[0].__struct_fields__
        connection.execute(insert(table).from_select(names, select(_sent(table, names, records))))
    else:
        connection.execute(insert(table), [msgspec.structs.asdict(record) for record in records])


def upsert(table: Table, *, postgres: bool) -> Any:
    """An INSERT that knows ON CONFLICT. PostgreSQL's dialect takes long to load, so SQLite's commands go without."""
    if postgres:
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert(table)
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(table)


def put_records(connection: Connection, table: Table, records: Sequence[msgspec.Struct]) -> None:
    """Rows that take the place of those of the same key; no two may have one key."""
    if not records:
        return
    names, keys = records[0].__struct_fields__, [each.name for each in table.primary_key]
    if _is_postgres(connection):
        into = upsert(table, postgres=True).from_select(names, select(_sent(table, names, records)))
        replaced = {name: into.excluded[name] for name in names if name not in keys}
        connection.execute(into.on_conflict_do_update(index_elements=keys, set_=replaced))
    else:
        values = upsert(table, postgres=False)
        replaced = {name: values.excluded[name] for name in names if name not in keys}
        statement = values.on_conflict_do_update(index_elements=keys, set_=replaced)
        connection.execute(statement, [msgspec.structs.asdict(record) for record in records])


def update_rows(
    connection: Connection,
    key: ColumnElement[Any],
    changes: Mapping[str, Mapping[str, Any]],
    *conditions: ColumnElement[bool],
    **same: Any,
) -> None:
    """Gives each row its own values: key → new values by column, the same columns for all; ``same`` for all rows alike."""
    if not changes:
        return
    table: Table = key.table
    names = list(next(iter(changes.values())))
    rows = [{"of": identity, **{f"new_{name}": values[name] for name in names}} for identity, values in changes.items()]
    if _is_postgres(connection):
        types = {"of": key.type, **{f"new_{name}": table.c[name].type for name in names}}
        sent = _table_of(types, rows)
        values = {name: sent.c[f"new_{name}"] for name in names}
        connection.execute(update(table).where(key == sent.c["of"], *conditions).values(**values, **same))
    else:
        marks = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
        connection.execute(update(table).where(key == bindparam("of"), *conditions).values(**marks, **same), rows)


def _sent(table: Table, names: Sequence[str], records: Sequence[msgspec.Struct]) -> TableValuedAlias:
    return _table_of({name: table.c[name].type for name in names}, records)


def _table_of(types: Mapping[str, Any], rows: Sequence[Any]) -> TableValuedAlias:
    """Rows as a table of the statement, sent as one JSON value: PostgreSQL reads one statement, not one a row."""
    columns = [column(name, kind) for name, kind in types.items()]
    sent = func.json_to_recordset(bindparam(None, rows, type_=JSON))
    return sent.table_valued(*columns).render_derived(name="sent", with_types=True)


def _is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"
