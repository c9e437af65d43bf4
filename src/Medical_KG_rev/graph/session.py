"""One open LadybugDB database: statements in, plain rows out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ladybug import Connection, QueryResult

MEBIBYTE = 1024 * 1024
ROWS_PER_STATEMENT = 4096
"""Bounds the memory of one statement: parameters are copied value by value."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one open database may use. The engine's own default is 80 % of the machine's memory."""

    buffer_bytes: int = 256 * MEBIBYTE
    threads: int = 2
    max_database_bytes: int = 1 << 36
    lock_timeout_seconds: float = 120.0


class GraphSession:
    """A connection. The engine's failures are RuntimeErrors."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, path: Path, limits: EngineLimits, *, read_only: bool) -> Iterator[GraphSession]:
        import ladybug

        database = ladybug.Database(
            path,
            read_only=read_only,
            buffer_pool_size=limits.buffer_bytes,
            max_num_threads=limits.threads,
            max_db_size=limits.max_database_bytes,
        )
        try:
            with ladybug.Connection(database) as connection:
                yield cls(connection)
        finally:
            database.close()

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """All rows that one statement returns."""
        with self._execute(statement, parameters) as result:
            return cast("list[list[Any]]", result.get_all())

    def count(self, statement: str, parameters: Mapping[str, Any] | None = None) -> int:
        """The number that a statement returns as its only value."""
        return int(self.rows(statement, parameters)[0][0])

    def for_each(self, statement: str, rows: Iterable[Any]) -> list[list[Any]]:
        """Runs ``UNWIND rows AS r <statement>``, in parts; what all of them return."""
        pending, found = iter(rows), list[list[Any]]()
        while part := list(islice(pending, ROWS_PER_STATEMENT)):
            found += self.rows(f"UNWIND $rows AS r {statement}", {"rows": part})
        return found

    def first_rows(
        self, statement: str, parameters: Mapping[str, Any], limit: int, timeout_seconds: float
    ) -> tuple[list[str], list[list[Any]], bool]:
        """Column names, at most ``limit`` rows, and whether there are more."""
        self._connection.set_query_timeout(max(1, int(timeout_seconds * 1000)))
        with self._execute(statement, parameters) as result:
            return result.get_column_names(), cast("list[list[Any]]", result.get_n(limit)), result.has_next()

    def _execute(self, statement: str, parameters: Mapping[str, Any] | None) -> QueryResult:
        return cast("QueryResult", self._connection.execute(statement, dict(parameters or {})))
