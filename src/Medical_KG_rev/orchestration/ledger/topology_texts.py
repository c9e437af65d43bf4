"""The texts of pipelines and policies that jobs pinned."""

from __future__ import annotations

from sqlalchemy import select

from Medical_KG_rev.orchestration.ledger.database import Database
from Medical_KG_rev.orchestration.ledger.rows import upsert
from Medical_KG_rev.orchestration.ledger.schema import topologies


class TopologyTexts:
    """The :class:`~Medical_KG_rev.orchestration.topology.archive.TopologyArchive` of the ledger: all processes share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, name: str, pin: str, text: str) -> None:
        """Keeps a text; one that is kept stays as it is."""
        row = upsert(topologies, postgres=self._database.is_postgres).values(
            name=name, pin=pin, content=text, created_at=self._database.clock()
        )
        self._database.write(lambda connection: connection.execute(row.on_conflict_do_nothing()))

    def get(self, name: str, pin: str) -> str | None:
        """The text of a pin; None where it was never put."""
        query = select(topologies.c.content).where(topologies.c.name == name, topologies.c.pin == pin)
        return self._database.read(lambda connection: connection.execute(query).scalar())
