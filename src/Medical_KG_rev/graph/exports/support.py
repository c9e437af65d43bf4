"""Assertions together with the claims that state them. In a dump the claims come first; they wait in a file, not in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

import msgspec

from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, GraphRecord

_HELD = 2_000
"""Claims that wait in memory before they go to the file together."""


def with_claims(records: Iterable[GraphRecord]) -> Iterator[GraphRecord]:
    """All records; each assertion carries its claims, sorted by document and id."""
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(ClaimRow).decode
    with closing(sqlite3.connect("", isolation_level=None)) as waiting:  # "" is a temporary file that nobody else sees
        waiting.execute("PRAGMA journal_mode = OFF")
        waiting.execute("CREATE TABLE claims (assertion TEXT, document TEXT, id TEXT, claim BLOB)")
        held: list[tuple[str, str, str, bytes]] = []
        indexed = False
        for record in records:
            if isinstance(record, ClaimRow) and record.assertion_id is not None:
                held.append((record.assertion_id, record.doc_id, record.id, encode(record)))
                if len(held) >= _HELD:
                    _put(waiting, held)
            elif isinstance(record, AssertionRow):
                if not indexed:
                    _put(waiting, held)
                    waiting.execute("CREATE INDEX by_assertion ON claims (assertion, document, id)")
                    indexed = True
                found = waiting.execute("SELECT claim FROM claims WHERE assertion = ? ORDER BY document, id", (record.id,))
                yield msgspec.structs.replace(record, claims=tuple(decode(claim) for (claim,) in found))
                continue
            yield record


def _put(waiting: sqlite3.Connection, held: list[tuple[str, str, str, bytes]]) -> None:
    waiting.execute("BEGIN")
    waiting.executemany("INSERT INTO claims VALUES (?, ?, ?, ?)", held)
    waiting.execute("COMMIT")
    held.clear()
