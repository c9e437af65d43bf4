"""The catalogue of one tenant's index: the only source of visibility.

A chunk can be found if, and only if, it has a row here. The lexical index and the vector segments may hold more than that
(what is being staged, what was superseded and is not yet cleared away), never less. One commit here makes a whole batch
visible and what it replaces invisible, and readers see it through SQLite's own snapshots.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from Medical_KG_rev.errors import IndexMismatchError, StoreUnavailableError
from Medical_KG_rev.index.disk import full, sync_folder, writing
from Medical_KG_rev.models import Chunk

SCHEMA_VERSION = "1"

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE head (generation INTEGER NOT NULL, next_vid INTEGER NOT NULL);
CREATE TABLE batch (generation INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL CHECK (state IN ('prepared', 'committed')));
CREATE INDEX batch_prepared ON batch (generation) WHERE state = 'prepared';
CREATE TABLE document (
    doc_id TEXT PRIMARY KEY, version TEXT NOT NULL, digest BLOB NOT NULL, generation INTEGER NOT NULL, chunks INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE chunk (vid INTEGER PRIMARY KEY, doc_id TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX chunk_document ON chunk (doc_id);
CREATE TABLE segment (
    generation INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, vectors INTEGER NOT NULL, dead INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, argument TEXT NOT NULL);
INSERT INTO head VALUES (0, 1);
INSERT INTO meta VALUES ('schema', '1');
"""

_IN = "(SELECT value FROM json_each(?))"
_DISK = ("SQLITE_FULL", *(f"SQLITE_IOERR_{call}" for call in ("WRITE", "FSYNC", "TRUNCATE", "SHMOPEN", "SHMSIZE")))


class Segment(msgspec.Struct, frozen=True):
    """One immutable file of vectors, named by the generation that made it. ``dead`` of its vectors are superseded."""

    generation: int
    sha256: str
    vectors: int
    dead: int = 0

    @property
    def live(self) -> int:
        return self.vectors - self.dead


class StoredDocument(msgspec.Struct, frozen=True):
    """What the catalogue knows of a document; ``digest`` covers its chunks and vectors."""

    doc_id: str
    version: str
    digest: bytes
    chunks: int


@dataclass(frozen=True)
class Commit:
    """Everything that one generation changes, applied in one transaction."""

    generation: int
    documents: Sequence[StoredDocument] = ()
    chunks: Sequence[tuple[int, Chunk]] = ()
    removed: Sequence[str] = ()
    superseded: Sequence[int] = ()
    segment: Segment | None = None
    folded: Sequence[int] = ()
    dead: Mapping[int, int] = field(default_factory=dict)
    """Superseded vectors by the segment (generation) that goes on holding them."""
    meta: Mapping[str, str] = field(default_factory=dict)
    lexical: Sequence[int] = ()
    """Vids to be removed from the lexical store, once this is committed."""
    dropped_lexicon: str | None = None


class Catalogue:
    """A connection to the catalogue. Writers hold the tenant's lock; readers need none.

    Raises:
        StorageFullError: the disk is full, or a file would exceed its size limit; the transaction is rolled back.
        StoreUnavailableError: any other failure of the database.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        with self._guarded():
            if not read_only and not path.exists():
                self._create()
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10, isolation_level=None, check_same_thread=False
            )
            # What is deleted is overwritten, not only unlinked from the tree.
            for pragma in ["query_only=ON"] if read_only else ["synchronous=FULL", "secure_delete=ON"]:
                self._db.execute(f"PRAGMA {pragma}")
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Chunk).decode
        if not read_only:
            self._check_schema()

    def _create(self) -> None:
        """Makes the file under another name first, so that no reader meets one without tables."""
        unfinished = self._path.with_suffix(".new")
        with writing(unfinished):
            unfinished.unlink(missing_ok=True)
        database = sqlite3.connect(unfinished, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous=FULL")
            database.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            database.execute("PRAGMA journal_mode=WAL")
        finally:
            database.close()
        with writing(self._path):
            unfinished.replace(self._path)
            sync_folder(self._path.parent)

    def _check_schema(self) -> None:
        schema = self.meta().get("schema")
        if schema != SCHEMA_VERSION:
            raise IndexMismatchError(
                f"The index at {self._path.parent} has schema {schema}; this version reads schema {SCHEMA_VERSION}.",
                remedy="Remove that folder and ingest again.",
                expected=SCHEMA_VERSION,
                found=schema,
            )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name in _DISK:
                raise full(f"The catalogue {self._path} cannot be written ({name}).", self._path) from error
            raise StoreUnavailableError(f"The catalogue {self._path} failed: {error}.", path=str(self._path)) from error

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """One transaction; ``DEFERRED`` gives a reader one snapshot for everything inside."""
        with self._guarded():
            self._db.execute(f"BEGIN {kind}")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    # Reading

    def generation(self) -> int:
        """The newest visible generation; 0 before the first."""
        return int(self._one("SELECT generation FROM head"))

    def meta(self) -> dict[str, str]:
        return dict(self._all("SELECT key, value FROM meta"))

    def segments(self) -> list[Segment]:
        rows = self._all("SELECT generation, sha256, vectors, dead FROM segment ORDER BY generation")
        return [Segment(*row) for row in rows]

    def counts(self) -> tuple[int, int]:
        """Documents and chunks that can be found."""
        return int(self._one("SELECT count(*) FROM document")), int(self._one("SELECT count(*) FROM chunk"))

    def documents(self, doc_ids: Iterable[str]) -> dict[str, StoredDocument]:
        rows = self._all(
            f"SELECT doc_id, version, digest, chunks FROM document WHERE doc_id IN {_IN}",  # noqa: S608  (a constant)
            _listed(doc_ids),
        )
        return {row[0]: StoredDocument(*row) for row in rows}

    def versions(self, doc_ids: Iterable[str]) -> dict[str, str]:
        return dict(self._all(f"SELECT doc_id, version FROM document WHERE doc_id IN {_IN}", _listed(doc_ids)))  # noqa: S608

    def vids_of(self, doc_ids: Iterable[str]) -> list[int]:
        return [row[0] for row in self._all(f"SELECT vid FROM chunk WHERE doc_id IN {_IN}", _listed(doc_ids))]  # noqa: S608

    def doc_ids(self, vids: Iterable[int]) -> dict[int, str]:
        """The document of each vid that is live; the others are absent."""
        return dict(self._all(f"SELECT vid, doc_id FROM chunk WHERE vid IN {_IN}", _listed(vids)))  # noqa: S608

    def chunks(self, vids: Iterable[int]) -> dict[int, Chunk]:
        rows = self._all(f"SELECT vid, body FROM chunk WHERE vid IN {_IN}", _listed(vids))  # noqa: S608
        return {vid: self._decode(body) for vid, body in rows}

    def every_chunk(self) -> Iterator[tuple[int, Chunk]]:
        """All live chunks in the order of their vids."""
        with self._guarded():
            for vid, body in self._db.execute("SELECT vid, body FROM chunk ORDER BY vid"):
                yield vid, self._decode(body)

    def live_vids(self) -> list[int]:
        return [row[0] for row in self._all("SELECT vid FROM chunk ORDER BY vid")]

    def prepared(self) -> list[int]:
        """Generations that were begun and neither committed nor withdrawn."""
        return [row[0] for row in self._all("SELECT generation FROM batch WHERE state = 'prepared'")]

    def outbox(self) -> list[tuple[int, str, str]]:
        """Clean-up that is owed: (seq, operation, argument)."""
        return [(row[0], row[1], row[2]) for row in self._all("SELECT seq, operation, argument FROM outbox ORDER BY seq")]

    # Writing, under the tenant's lock

    def prepare(self, chunks: int) -> tuple[int, int]:
        """Records the intent to write. Answers the new generation and the first of ``chunks`` consecutive vids."""
        with self.transaction():
            generation = self._db.execute("INSERT INTO batch (state) VALUES ('prepared')").lastrowid
            first = int(self._one("SELECT next_vid FROM head"))
            self._db.execute("UPDATE head SET next_vid = ?", (first + chunks,))
        if generation is None:
            raise StoreUnavailableError(f"The catalogue {self._path} gave no generation.", path=str(self._path))
        return generation, first

    def commit(self, change: Commit) -> None:
        """The only commit point: all of ``change`` becomes visible, or nothing."""
        db = self._db
        with self.transaction():
            gone = [*change.removed, *(document.doc_id for document in change.documents)]
            db.execute(f"DELETE FROM chunk WHERE doc_id IN {_IN}", _listed(gone))  # noqa: S608
            db.execute(f"DELETE FROM document WHERE doc_id IN {_IN}", _listed(gone))  # noqa: S608
            db.executemany(
                "INSERT INTO document VALUES (?, ?, ?, ?, ?)",
                [(d.doc_id, d.version, d.digest, change.generation, d.chunks) for d in change.documents],
            )
            db.executemany("INSERT INTO chunk VALUES (?, ?, ?)", [(vid, c.doc_id, self._encode(c)) for vid, c in change.chunks])
            self._commit_segments(change)
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(change.meta.items()))
            db.executemany("INSERT INTO outbox (operation, argument) VALUES (?, ?)", list(_owed(change)))
            db.execute("UPDATE head SET generation = ?", (change.generation,))
            db.execute("UPDATE batch SET state = 'committed' WHERE generation = ?", (change.generation,))

    def _commit_segments(self, change: Commit) -> None:
        self._db.execute(f"DELETE FROM segment WHERE generation IN {_IN}", _listed(change.folded))  # noqa: S608
        self._db.executemany(
            "UPDATE segment SET dead = dead + ? WHERE generation = ?", [(n, segment) for segment, n in change.dead.items()]
        )
        if change.segment is not None:
            segment = change.segment
            self._db.execute("INSERT INTO segment VALUES (?, ?, ?, 0)", (segment.generation, segment.sha256, segment.vectors))

    def withdraw(self, generation: int) -> None:
        """Forgets a prepared batch, once nothing of it is left in the stores."""
        with self.transaction():
            self._db.execute("DELETE FROM batch WHERE generation = ? AND state = 'prepared'", (generation,))

    def settle(self, seqs: Iterable[int]) -> None:
        """Strikes clean-up off the list."""
        with self.transaction():
            self._db.execute(f"DELETE FROM outbox WHERE seq IN {_IN}", _listed(seqs))  # noqa: S608

    def truncate_log(self) -> None:
        """Empties the write-ahead log, so that deleted text is not left in it; a reader in mid-query can delay that."""
        self._all("PRAGMA wal_checkpoint(TRUNCATE)")

    def _all(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        with self._guarded():
            return self._db.execute(sql, parameters).fetchall()

    def _one(self, sql: str) -> Any:
        return self._all(sql)[0][0]


def _listed(values: Iterable[object]) -> tuple[str]:
    return (json.dumps(list(values)),)


def _owed(change: Commit) -> Iterator[tuple[str, str]]:
    if change.lexical:
        yield "lexical", json.dumps(list(change.lexical))
    for generation in change.folded:
        yield "segment", str(generation)
    if change.dropped_lexicon is not None:
        yield "lexicon", change.dropped_lexicon
