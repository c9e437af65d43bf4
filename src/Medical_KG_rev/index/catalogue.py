"""The catalogue of one tenant's index: the only source of visibility.

A chunk can be found if, and only if, it has a row here. The lexicon and the segments may hold more than that (what is being
staged, what was superseded and is not yet cleared away), never less. One commit here makes a whole batch visible and what it
replaces invisible, and readers see it through the database's own snapshots.

Writers take turns by a lock. A lock can be lost without its holder knowing (a broken connection, a machine that stood still),
so each writer also raises the *epoch* and may write only while it is the newest: a late one is fenced off.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from Medical_KG_rev.errors import IndexMismatchError, IndexWriterFencedError
from Medical_KG_rev.index.catalogue_database import CatalogueDatabase
from Medical_KG_rev.index.packing import unpacked
from Medical_KG_rev.index.spaces import Segment, Space
from Medical_KG_rev.models import Chunk

SCHEMA_VERSION = "3"

_PAGE = 1000


class StoredDocument(msgspec.Struct, frozen=True):
    """What the catalogue knows of a document; ``digest`` covers its chunks and vectors."""

    doc_id: str
    version: str
    digest: bytes
    chunks: int


class PackedChunk(NamedTuple):
    """A chunk as it is stored."""

    vid: int
    doc_id: str
    body: bytes


class Owed(NamedTuple):
    """Clean-up that a commit has left to do, since ``owed_at`` (seconds since the epoch)."""

    seq: int
    operation: str
    argument: str
    owed_at: float


@dataclass(frozen=True)
class Commit:
    """Everything that one generation changes, applied in one transaction."""

    generation: int
    documents: Sequence[StoredDocument] = ()
    chunks: Sequence[PackedChunk] = ()
    removed: Sequence[str] = ()
    spaces: Sequence[Space] = ()
    """Spaces that are new or in another state now."""
    dropped: Sequence[Space] = ()
    segments: Sequence[Segment] = ()
    folded: Sequence[Segment] = ()
    dead: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """Superseded rows by the segment (space, generation) that goes on holding them."""
    meta: Mapping[str, str] = field(default_factory=dict)
    lexical: Sequence[int] = ()
    """Vids to be removed from the lexical store, once this is committed."""
    dropped_lexicon: str | None = None


class Catalogue:
    """The catalogue behind one connection. A writer calls :meth:`take_over` first; readers need nothing.

    Raises:
        StorageFullError: the disk is full, or a file would exceed its size limit; the transaction is rolled back.
        StoreUnavailableError: any other failure of the database.
    """

    def __init__(self, database: CatalogueDatabase) -> None:
        self._db = database
        self._epoch = -1

    def close(self) -> None:
        self._db.close()

    def check_schema(self) -> None:
        """Raises IndexMismatchError: the index is of another schema."""
        schema = self.meta().get("schema")
        if schema != SCHEMA_VERSION:
            raise IndexMismatchError(
                f"The index {self._db.place} has schema {schema}; this version reads schema {SCHEMA_VERSION}.",
                remedy="Move it away, with all that lies beside it, and run `medkg ingest` for the same sources again: "
                "stored artifacts are used again. Or use the release that wrote it.",
                expected=SCHEMA_VERSION,
                found=schema,
            )

    def reading(self) -> AbstractContextManager[None]:
        """One snapshot for everything inside."""
        return self._db.transaction(reading=True)

    # Reading

    def head(self) -> tuple[str, int]:
        """What this index is (one in its place later has another name) and its newest visible generation, 0 before the first."""
        identity, generation = self._db.rows("SELECT identity, generation FROM head")[0]
        return identity, generation

    def next_generation(self) -> int:
        """The generation that the next batch gets, for the holder of the lock."""
        return int(self._db.rows("SELECT next_generation FROM head")[0][0])

    def meta(self) -> dict[str, str]:
        return dict(self._db.rows("SELECT key, value FROM meta"))

    def spaces(self) -> list[Space]:
        rows = self._db.rows("SELECT name, kind, model, fingerprint, dimension, state FROM space ORDER BY name")
        return [Space(*row) for row in rows]

    def segments(self) -> list[Segment]:
        rows = self._db.rows("SELECT space, generation, sha256, rows, dead FROM segment ORDER BY space, generation")
        return [Segment(*row) for row in rows]

    def counts(self) -> tuple[int, int]:
        """Documents and chunks that can be found."""
        return self._count("document"), self._count("chunk")

    def documents(self, doc_ids: Iterable[str]) -> dict[str, StoredDocument]:
        columns = "doc_id, version, digest, chunks"
        rows = self._db.rows(f"SELECT {columns} FROM document WHERE {self._db.among('doc_id')}", [self._db.listed(doc_ids)])  # noqa: S608
        return {row[0]: StoredDocument(row[0], row[1], bytes(row[2]), row[3]) for row in rows}

    def versions(self, doc_ids: Iterable[str]) -> dict[str, str]:
        sql = f"SELECT doc_id, version FROM document WHERE {self._db.among('doc_id')}"  # noqa: S608  (a constant)
        return dict(self._db.rows(sql, [self._db.listed(doc_ids)]))

    def chunk_counts(self) -> list[tuple[str, int, int]]:
        """Documents whose stated number of chunks is not the one they have: (document, stated, found)."""
        return [
            (row[0], row[1], row[2])
            for row in self._db.rows(
                "SELECT document.doc_id, document.chunks, count(chunk.vid) FROM document LEFT JOIN chunk "
                "ON chunk.doc_id = document.doc_id GROUP BY document.doc_id, document.chunks "
                "HAVING document.chunks <> count(chunk.vid)"
            )
        ]

    def vids_of(self, doc_ids: Iterable[str]) -> list[int]:
        sql = f"SELECT vid FROM chunk WHERE {self._db.among('doc_id')}"  # noqa: S608  (a constant)
        return [row[0] for row in self._db.rows(sql, [self._db.listed(doc_ids)])]

    def doc_ids(self, vids: Iterable[int]) -> dict[int, str]:
        """The document of each vid that is live; the others are absent."""
        sql = f"SELECT vid, doc_id FROM chunk WHERE {self._db.among('vid')}"  # noqa: S608  (a constant)
        return dict(self._db.rows(sql, [self._db.listed(vids)]))

    def chunks(self, vids: Iterable[int]) -> dict[int, Chunk]:
        sql = f"SELECT vid, body FROM chunk WHERE {self._db.among('vid')}"  # noqa: S608  (a constant)
        return {vid: unpacked(body) for vid, body in self._db.rows(sql, [self._db.listed(vids)])}

    def every_chunk(self, after: int = 0) -> Iterator[tuple[int, Chunk]]:
        """All live chunks in the order of their vids, those above ``after``."""
        while True:
            rows = self._db.rows("SELECT vid, body FROM chunk WHERE vid > ? ORDER BY vid LIMIT ?", (after, _PAGE))
            for vid, body in rows:
                yield vid, unpacked(body)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def live_vids(self, first: int = 0, last: int = 2**62) -> list[int]:
        """The vids that can be found, ascending, of those from ``first`` to ``last``."""
        return [row[0] for row in self._db.rows("SELECT vid FROM chunk WHERE vid BETWEEN ? AND ? ORDER BY vid", (first, last))]

    def prepared(self) -> dict[int, str]:
        """Generations begun and neither committed nor withdrawn, with the fingerprint of the sparse vectors in their lexicon."""
        return dict(self._db.rows("SELECT generation, sparse FROM prepared ORDER BY generation"))

    def outbox(self) -> list[Owed]:
        return [Owed(*row) for row in self._db.rows("SELECT seq, operation, argument, owed_at FROM outbox ORDER BY seq")]

    # Writing, under the tenant's lock

    def take_over(self) -> None:
        """Makes this the newest writer: no other one can write from here on."""
        with self._db.transaction():
            self._epoch = self._db.rows("UPDATE head SET epoch = epoch + 1 RETURNING epoch")[0][0]

    def prepare(self, chunks: int, sparse: str = "") -> tuple[int, int]:
        """Records the intent to write. Answers the new generation and the first of ``chunks`` consecutive vids."""
        with self._db.transaction():
            generation, following = self._fenced(
                "UPDATE head SET next_generation = next_generation + 1, next_vid = next_vid + ? WHERE epoch = ? "
                "RETURNING next_generation - 1, next_vid",
                chunks,
            )
            self._db.insert("prepared", [(generation, sparse)])
        return generation, following - chunks

    def commit(self, change: Commit) -> None:
        """The only commit point: all of ``change`` becomes visible, or nothing.

        Raises:
            IndexWriterFencedError: another writer has taken over.
        """
        db = self._db
        with db.transaction():
            self._fenced("UPDATE head SET generation = ? WHERE epoch = ? RETURNING epoch", change.generation)
            gone = db.listed([*change.removed, *(document.doc_id for document in change.documents)])
            for table in ("chunk", "document"):
                db.rows(f"DELETE FROM {table} WHERE {db.among('doc_id')}", [gone])  # noqa: S608  (constants)
            db.insert("document", [(d.doc_id, d.version, d.digest, change.generation, d.chunks) for d in change.documents])
            db.insert("chunk", change.chunks)
            self._commit_spaces(change)
            for key, value in change.meta.items():
                db.rows("DELETE FROM meta WHERE key = ?", (key,))
                db.rows("INSERT INTO meta VALUES (?, ?)", (key, value))
            now = time.time()
            owed = [(operation, argument, now) for operation, argument in _owed(change)]
            db.insert("outbox", owed, "(operation, argument, owed_at)")
            db.rows("DELETE FROM prepared WHERE generation = ?", (change.generation,))

    def withdraw(self, generation: int) -> None:
        """Forgets a prepared batch, once nothing of it is left in the stores."""
        with self._db.transaction():
            self._fenced("UPDATE head SET epoch = epoch WHERE epoch = ? RETURNING epoch")
            self._db.rows("DELETE FROM prepared WHERE generation = ?", (generation,))

    def settle(self, seqs: Iterable[int]) -> None:
        """Strikes clean-up off the list."""
        with self._db.transaction():
            self._fenced("UPDATE head SET epoch = epoch WHERE epoch = ? RETURNING epoch")
            self._db.rows(f"DELETE FROM outbox WHERE {self._db.among('seq')}", [self._db.listed(seqs)])  # noqa: S608

    def forget(self) -> None:
        """Takes deleted text out of logs and free pages, as far as the database can."""
        self._db.forget()

    def _commit_spaces(self, change: Commit) -> None:
        db = self._db
        for space in (*change.spaces, *change.dropped):
            db.rows("DELETE FROM space WHERE name = ?", (space.name,))
        db.insert("space", [(s.name, s.kind, s.model, s.fingerprint, s.dimension, s.state) for s in change.spaces])
        for space in change.dropped:
            db.rows("DELETE FROM segment WHERE space = ?", (space.name,))
        for segment in change.folded:
            db.rows("DELETE FROM segment WHERE space = ? AND generation = ?", (segment.space, segment.generation))
        for (name, generation), count in change.dead.items():
            db.rows("UPDATE segment SET dead = dead + ? WHERE space = ? AND generation = ?", (count, name, generation))
        db.insert("segment", [(s.space, s.generation, s.sha256, s.rows, s.dead) for s in change.segments])

    def _fenced(self, sql: str, *parameters: object) -> tuple[int, ...]:
        """The answer of an UPDATE of the head that only the newest writer gets."""
        found = self._db.rows(sql, (*parameters, self._epoch))
        if not found:
            raise IndexWriterFencedError(
                f"Another writer has taken over the index {self._db.place}; nothing of this batch is visible.",
                remedy="Run the same command again.",
                path=self._db.place,
                epoch=self._epoch,
            )
        return found[0]

    def _count(self, table: str) -> int:
        return int(self._db.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608  (a constant)


def first_rows(tenant_id: str) -> list[tuple[str, Sequence[object]]]:
    """What a new catalogue begins with."""
    return [
        ("INSERT INTO head VALUES (?, 0, 1, 1, 0)", (uuid.uuid4().hex,)),
        ("INSERT INTO meta VALUES ('schema', ?)", (SCHEMA_VERSION,)),
        ("INSERT INTO meta VALUES ('tenant', ?)", (tenant_id,)),
    ]


def _owed(change: Commit) -> Iterator[tuple[str, str]]:
    if change.lexical:
        yield "lexical", json.dumps(list(change.lexical))
    for segment in change.folded:
        yield "segment", segment.file
    if change.dropped_lexicon is not None:
        yield "lexicon", change.dropped_lexicon
