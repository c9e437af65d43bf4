"""A connection to the database of a catalogue, and what SQLite and PostgreSQL say differently."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from Medical_KG_rev.errors import StoreUnavailableError
from Medical_KG_rev.index.disk import full, sync_folder, writing

_DISK = ("SQLITE_FULL", *(f"SQLITE_IOERR_{call}" for call in ("WRITE", "FSYNC", "TRUNCATE", "SHMOPEN", "SHMSIZE")))

_PAGE_BYTES = 8192
"""A page holds whole bodies of chunks only, of about a kilobyte each: twice SQLite's usual size leaves less of it empty."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE head (
    identity TEXT NOT NULL, generation BIGINT NOT NULL, next_generation BIGINT NOT NULL, next_vid BIGINT NOT NULL,
    epoch BIGINT NOT NULL
);
CREATE TABLE prepared (generation BIGINT PRIMARY KEY, sparse TEXT NOT NULL);
CREATE TABLE document (
    doc_id TEXT PRIMARY KEY, version TEXT NOT NULL, digest {bytes} NOT NULL, generation BIGINT NOT NULL, chunks BIGINT NOT NULL
);
CREATE TABLE chunk (vid {vid} PRIMARY KEY, doc_id TEXT NOT NULL, body {bytes} NOT NULL);
CREATE INDEX chunk_document ON chunk (doc_id);
CREATE TABLE space (
    name TEXT PRIMARY KEY, kind TEXT NOT NULL, model TEXT NOT NULL, fingerprint TEXT NOT NULL, dimension BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'building', 'retired'))
);
CREATE TABLE segment (
    space TEXT NOT NULL, generation BIGINT NOT NULL, sha256 TEXT NOT NULL, rows BIGINT NOT NULL, dead BIGINT NOT NULL,
    PRIMARY KEY (space, generation)
);
CREATE TABLE outbox (seq {serial}, operation TEXT NOT NULL, argument TEXT NOT NULL, owed_at DOUBLE PRECISION NOT NULL);
"""
"""``rows`` and all else are words that both databases take for names."""


class CatalogueDatabase(Protocol):
    """One connection. ``?`` stands for a parameter; :meth:`among` and :meth:`listed` for any number of values."""

    place: str
    """What messages call it."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What the statement answers; a statement that answers nothing gives none."""
        ...

    def insert(self, table: str, rows: Sequence[Sequence[object]], columns: str = "") -> None:
        """All rows at once; ``columns`` is ``(a, b)`` where they are not all columns in order."""
        ...

    def transaction(self, *, reading: bool = False) -> AbstractContextManager[None]:
        """One transaction; a reading one is one snapshot for everything inside."""
        ...

    def among(self, column: str) -> str:
        """The condition that a column has one of the values that :meth:`listed` makes one parameter of."""
        ...

    def listed(self, values: Iterable[object]) -> object: ...

    def forget(self) -> None:
        """Takes what was deleted out of logs and free pages, as far as the database can."""
        ...

    def close(self) -> None: ...


class SqliteDatabase:
    """A connection to a file; the file is made where there is none, unless it is for reading.

    Raises:
        StorageFullError: the disk is full, or a file would exceed its size limit; the transaction is rolled back.
        StoreUnavailableError: any other failure of the database.
    """

    def __init__(self, path: Path, first_rows: Sequence[tuple[str, Sequence[object]]] = (), *, read_only: bool = False) -> None:
        self.place = str(path)
        self._path = path
        with self._guarded():
            if not read_only and not path.exists():
                self._create(first_rows)
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10, isolation_level=None, check_same_thread=False
            )
            # What is deleted is overwritten, not only unlinked from the tree.
            for pragma in ["query_only=ON"] if read_only else ["synchronous=FULL", "secure_delete=ON"]:
                self._db.execute(f"PRAGMA {pragma}")

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._guarded():
            return self._db.execute(sql, parameters).fetchall()

    def insert(self, table: str, rows: Sequence[Sequence[object]], columns: str = "") -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            with self._guarded():
                self._db.executemany(f"INSERT INTO {table} {columns} VALUES ({marks})", rows)  # noqa: S608  (names of ours)

    @contextmanager
    def transaction(self, *, reading: bool = False) -> Iterator[None]:
        with self._guarded():
            try:
                self._db.execute("BEGIN DEFERRED" if reading else "BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608  (a column of ours)

    def listed(self, values: Iterable[object]) -> object:
        return json.dumps(list(values))

    def forget(self) -> None:
        """Empties the write-ahead log; a reader in mid-query can delay that."""
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._db.close()

    def _create(self, first_rows: Sequence[tuple[str, Sequence[object]]]) -> None:
        """Makes the file under another name first, so that no reader meets one without tables."""
        unfinished = self._path.with_suffix(".new")
        with writing(unfinished):
            unfinished.unlink(missing_ok=True)
        database = sqlite3.connect(unfinished, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous=FULL")
            database.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            tables = TABLES.format(bytes="BLOB", vid="INTEGER", serial="INTEGER PRIMARY KEY AUTOINCREMENT")
            database.executescript(f"BEGIN; {tables}")
            for statement, parameters in first_rows:
                database.execute(statement, parameters)
            database.execute("COMMIT")
            database.execute("PRAGMA journal_mode=WAL")
        finally:
            database.close()
        with writing(self._path):
            unfinished.replace(self._path)
            sync_folder(self._path.parent)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name in _DISK:
                raise full(f"The catalogue {self._path} cannot be written ({name}).", self._path) from error
            raise StoreUnavailableError(f"The catalogue {self._path} failed: {error}.", path=str(self._path)) from error
