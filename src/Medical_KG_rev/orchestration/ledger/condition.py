"""What there is in the ledger's database."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, func, select, text

from Medical_KG_rev.orchestration.ledger.database import HEAD, Database, revision
from Medical_KG_rev.orchestration.ledger.schema import metadata

SQLITE_FILES = ("", "-wal", "-shm")


def describe(database: Database) -> dict[str, object]:
    """Kind and place of the database, its schema, rows of each table, and bytes of all of it. No password is in it."""
    rows = database.read(lambda connection: {name: _count(connection, name) for name in sorted(metadata.tables)})
    return {
        "database": "postgresql" if database.is_postgres else "sqlite",
        "location": database.engine.url.render_as_string(hide_password=True),
        "revision": database.read(revision),
        "head": HEAD,
        "rows": rows,
        "size_bytes": _size(database),
    }


def _count(connection: Connection, table: str) -> int:
    return connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one()


def _size(database: Database) -> int:
    if database.is_postgres:
        query = text("SELECT pg_database_size(current_database())")
        return database.read(lambda connection: int(connection.execute(query).scalar_one()))
    files = [Path(f"{database.engine.url.database}{suffix}") for suffix in SQLITE_FILES]
    return sum(file.stat().st_size for file in files if file.exists())
