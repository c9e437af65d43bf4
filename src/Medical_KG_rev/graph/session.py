"""One open LadybugDB database: statements in, plain rows out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from Medical_KG_rev.graph.schema import Property
from Medical_KG_rev.graph.staging import FEW_ROWS, encoded, file_statement, parameter_statement, write_rows

if TYPE_CHECKING:
    from ladybug import Connection, Database, QueryResult

MEBIBYTE = 1024 * 1024
_ROW = re.compile(r"\$r\b")
ROWS_PER_STATEMENT = 1024
"""Up to so many keys are looked up one by one; for more than 2,048 the engine reads whole tables, and needs memory for them."""
ROWS_PER_FILE = 100_000
"""Bounds the memory of one statement and the size of its file."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one open database may use. The engine's own default is 80 % of the machine's memory."""

    buffer_bytes: int = 256 * MEBIBYTE
    write_buffer_bytes: int = 1024 * MEBIBYTE
    threads: int = 2
    max_database_bytes: int = 1 << 36
    lock_timeout_seconds: float = 120.0


class GraphSession:
    """A connection. The engine's failures are RuntimeErrors."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """All rows that one statement returns."""
        with self._execute(statement, parameters) as result:
            return cast("list[list[Any]]", result.get_all())

    def limited(self, statement: str, parameters: Mapping[str, Any], timeout_seconds: float) -> list[list[Any]]:
        """All rows of one statement, which is interrupted after so many seconds (RuntimeError)."""
        self._connection.set_query_timeout(max(1, int(timeout_seconds * 1000)))
        return self.rows(statement, parameters)

    def count(self, statement: str, parameters: Mapping[str, Any] | None = None) -> int:
        """The number that a statement returns as its only value."""
        return int(self.rows(statement, parameters)[0][0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Many small statements as one, which saves a log entry for each."""
        self.rows("BEGIN TRANSACTION")
        yield
        self.rows("COMMIT")

    def put(self, columns: Mapping[str, Property], rows: Sequence[Mapping[str, Any]], clause: str) -> None:
        """Runs a writing clause for each row, whose columns it calls ``c_<name>``. Many rows go by way of a file."""
        if len(rows) <= FEW_ROWS:
            if rows:
                self.rows(parameter_statement(columns, clause), {"rows": encoded(columns, rows)})
            return
        staged = self._path.with_name(f"{self._path.name}.rows.csv")
        for start in range(0, len(rows), ROWS_PER_FILE):
            write_rows(staged, columns, rows[start : start + ROWS_PER_FILE])
            self.rows(file_statement(staged, columns, clause))
        staged.unlink()

    def for_each(self, statement: str, rows: Iterable[Any]) -> list[list[Any]]:
        """Runs a statement for each row, which it calls ``$r``; what all of them return.

        The statement matches a node by its key and nothing else, so that the engine looks it up: with a relationship in the same
        MATCH it would join whole tables. :meth:`linked` is for what the node is linked to.
        """
        given, found = list(rows), list[list[Any]]()
        together = "UNWIND $rows AS r " + _ROW.sub("r", statement)
        for start in range(0, len(given), ROWS_PER_STATEMENT):
            found += self.rows(together, {"rows": given[start : start + ROWS_PER_STATEMENT]})
        return found

    def linked(self, statement: str, rows: Iterable[Any]) -> list[list[Any]]:
        """As :meth:`for_each`, for a statement that goes on with OPTIONAL MATCH from the node that it matched by its key.

        Rows whose second column is null are left out: there was nothing to reach.
        """
        return [row for row in self.for_each(statement, rows) if row[1] is not None]

    def first_rows(
        self, statement: str, parameters: Mapping[str, Any], limit: int, timeout_seconds: float
    ) -> tuple[list[str], list[list[Any]], bool]:
        """Column names, at most ``limit`` rows, and whether there are more."""
        self._connection.set_query_timeout(max(1, int(timeout_seconds * 1000)))
        with self._execute(statement, parameters) as result:
            return result.get_column_names(), cast("list[list[Any]]", result.get_n(limit)), result.has_next()

    def _execute(self, statement: str, parameters: Mapping[str, Any] | None) -> QueryResult:
        return cast("QueryResult", self._connection.execute(statement, dict(parameters or {})))


def open_database(path: Path, limits: EngineLimits, *, read_only: bool) -> Database:
    """Opens a file, which is made where there is none and it may be written."""
    import ladybug

    return ladybug.Database(
        path,
        read_only=read_only,
        buffer_pool_size=limits.buffer_bytes if read_only else max(limits.buffer_bytes, limits.write_buffer_bytes),
        max_num_threads=limits.threads,
        max_db_size=limits.max_database_bytes,
    )


@contextmanager
def connected(database: Database, path: Path) -> Iterator[GraphSession]:
    """A session of its own on an open file."""
    import ladybug

    with ladybug.Connection(database) as connection:
        yield GraphSession(connection, path)


@contextmanager
def writing(path: Path, limits: EngineLimits) -> Iterator[GraphSession]:
    """The only session on a file that nobody else has open."""
    with closing(open_database(path, limits, read_only=False)) as database, connected(database, path) as session:
        yield session
