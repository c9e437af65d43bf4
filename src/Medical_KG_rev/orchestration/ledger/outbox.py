"""Events between the transaction that wrote them and their publication."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.schema import outbox

EVENTS_PER_ROW = 2_000
COMPRESSION = 1
"""zlib's fastest: events of one stage differ in little but their ids."""


class OutboxRow(msgspec.Struct, frozen=True):
    """Events that one transaction wrote, in order."""

    sequence: int
    events: tuple[Event, ...]
    created_at: float


class OutboxDepth(msgspec.Struct, frozen=True):
    """What waits to be published. ``oldest_at`` is None when nothing does."""

    rows: int
    events: int
    oldest_at: float | None


class Outbox:
    """Rows of many events each: a stage of five hundred documents is one row, not a thousand.

    The events of one job are written by transactions that follow each other, so the order of rows is the order of each job.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, connection: Connection, events: Sequence[Event]) -> None:
        """Part of the transaction that makes the events true."""
        if not events:
            return
        rows = [
            {"events": len(part), "content": zlib.compress(msgspec.json.encode(part), COMPRESSION)}
            for part in (events[start : start + EVENTS_PER_ROW] for start in range(0, len(events), EVENTS_PER_ROW))
        ]
        now = self._database.clock()
        connection.execute(insert(outbox), [{**row, "created_at": now} for row in rows])

    def write(self, events: Sequence[Event]) -> None:
        """Events that come with no other change, in a transaction of their own."""
        if events:
            self._database.write(lambda connection: self.append(connection, events))

    def read(self, limit_rows: int = 20) -> list[OutboxRow]:
        """The oldest rows, in order."""
        query = select(outbox).order_by(outbox.c.sequence).limit(limit_rows)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [
            OutboxRow(row.sequence, tuple(msgspec.json.decode(zlib.decompress(row.content), type=list[Event])), row.created_at)
            for row in rows
        ]

    def remove(self, sequences: Sequence[int]) -> None:
        """Forgets rows that are published."""
        if sequences:
            statement = delete(outbox).where(outbox.c.sequence.in_(sequences))
            self._database.write(lambda connection: connection.execute(statement))

    def depth(self) -> OutboxDepth:
        """How much waits, and since when."""
        query = select(func.count(), func.coalesce(func.sum(outbox.c.events), 0), func.min(outbox.c.created_at))
        rows, events, oldest = self._database.read(lambda connection: connection.execute(query).one())
        return OutboxDepth(rows, int(events), oldest)
