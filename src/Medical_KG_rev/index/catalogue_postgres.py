"""Catalogues in PostgreSQL: a schema a tenant, so that all of them speak the same SQL as a file of their own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from Medical_KG_rev.errors import StorageFullError, StoreUnavailableError
from Medical_KG_rev.index.catalogue_database import TABLES
from Medical_KG_rev.index.naming import tenant_name

if TYPE_CHECKING:
    from sqlalchemy import Engine, PoolProxiedConnection

_FULL = "53100"
_ROWS_A_STATEMENT = 500
_PAUSE_SECONDS = 0.05

CONNECT_ARGS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A server that vanished without a word is noticed."""


def open_engine(url: str, pool_size: int = 4) -> Engine:
    """Connections to ``postgresql+psycopg2://…`` that are kept and checked before they are used again."""
    from sqlalchemy import create_engine

    return create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        pool_reset_on_return=None,
        pool_size=pool_size,
        max_overflow=64,
        connect_args=CONNECT_ARGS,
    )


def schema_name(tenant_id: str) -> str:
    return f"index_{tenant_name(tenant_id).replace('-', '_')}"


class PostgresDatabase:
    """A pooled connection to the schema of one tenant, until it is closed.

    Raises:
        StorageFullError: the server's disk is full; the transaction is rolled back.
        StoreUnavailableError: any other failure of the database.
    """

    def __init__(self, engine: Engine, tenant_id: str) -> None:
        self._schema = schema_name(tenant_id)
        self.place = f"{engine.url.render_as_string()} ({self._schema})"
        with self._guarded():
            self._connection: PoolProxiedConnection = engine.raw_connection()
        self.rows(f'SET search_path TO "{self._schema}"')

    def exists(self) -> bool:
        return bool(self.rows("SELECT to_regclass(?)", (f"{self._schema}.head",))[0][0])

    def create(self, first_rows: Sequence[tuple[str, Sequence[object]]]) -> None:
        """Makes the schema with its tables, at once."""
        with self.transaction():
            self.rows(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"')
            self.rows(TABLES.format(bytes="BYTEA", vid="BIGINT", serial="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"))
            for statement, parameters in first_rows:
                self.rows(statement, parameters)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._guarded(), closing(self._connection.cursor()) as cursor:
            cursor.execute(sql.replace("?", "%s"), tuple(parameters) or None)
            return list(cursor.fetchall()) if cursor.description else []

    def insert(self, table: str, rows: Sequence[Sequence[object]], columns: str = "") -> None:
        from psycopg2.extras import execute_values

        if rows:
            statement = f"INSERT INTO {table} {columns} VALUES %s"  # noqa: S608  (names of ours)
            with self._guarded(), closing(self._connection.cursor()) as cursor:
                execute_values(cursor, statement, rows, page_size=_ROWS_A_STATEMENT)

    @contextmanager
    def transaction(self, *, reading: bool = False) -> Iterator[None]:
        self.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if reading else "BEGIN")
        try:
            yield
        except BaseException:
            if self._is_open():
                self.rows("ROLLBACK")
            raise
        self.rows("COMMIT")

    def among(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def listed(self, values: Iterable[object]) -> object:
        return list(values)

    def forget(self) -> None:
        """Frees what was deleted; the server overwrites it when it uses the room again."""
        for table in ("chunk", "document", "outbox"):
            self.rows(f"VACUUM {table}")

    def close(self) -> None:
        if not self._is_open():
            self._connection.invalidate()
        self._connection.close()

    def _is_open(self) -> bool:
        connection: Any = self._connection.dbapi_connection
        return connection is not None and not connection.closed

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        import psycopg2
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        try:
            yield
        except (psycopg2.Error, SQLAlchemyError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if getattr(cause, "pgcode", None) == _FULL:
                raise StorageFullError(
                    f"The catalogue {self.place} cannot be written: the database's disk is full.",
                    remedy="Free space there and run the same command again; what was committed is kept.",
                    path=self.place,
                ) from error
            message = " ".join(str(cause).split()) or type(cause).__name__
            raise StoreUnavailableError(f"The catalogue {self.place} failed: {message}.", path=self.place) from error


@contextmanager
def advisory_lock(database: PostgresDatabase, name: str, timeout_seconds: float) -> Iterator[None]:
    """Holds the lock of that name on the connection of ``database``; the server frees it when the connection ends.

    Raises:
        StoreUnavailableError: it was not free within ``timeout_seconds``.
    """
    deadline = time.monotonic() + timeout_seconds
    while not database.rows("SELECT pg_try_advisory_lock(hashtextextended(?, 0))", (name,))[0][0]:
        if time.monotonic() >= deadline:
            raise StoreUnavailableError(
                f"Another process has been writing to {name} for more than {timeout_seconds:g} s.",
                remedy="Wait for it to end, or end it, and run the same command again.",
                path=name,
            )
        time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        # A connection that broke has lost its lock as well; the epoch fences whoever went on without it.
        with suppress(StoreUnavailableError):
            database.rows("SELECT pg_advisory_unlock(hashtextextended(?, 0))", (name,))
