"""A tenant's knowledge graph."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from Medical_KG_rev.graph import EntityLookup, EntityRef, GraphPath, GraphRecord, GraphStats, GraphStore, Neighbour, QueryRows
    from Medical_KG_rev.graph.exports import ExportReceipt, WrittenFile


@dataclass(frozen=True, slots=True)
class TenantGraph:
    """One tenant's knowledge graph, read only. ``called`` are the ids that a vocabulary has for a name."""

    store: GraphStore
    tenant: str
    called: Callable[[str], Sequence[str]] = lambda _name: ()

    def show(self, entity: str, *, limit: int = 25) -> EntityLookup:
        """What the graph knows of an entity, by id or name as :meth:`find`."""
        from Medical_KG_rev.graph import EntityLookup

        match self.find(entity):
            case ():
                return EntityLookup(query=entity)
            case (only,):
                return msgspec.structs.replace(self.store.show(self.tenant, only.id, limit), query=entity)
            case several:
                return EntityLookup(query=entity, candidates=several)

    def find(self, text: str, *, limit: int = 25) -> tuple[EntityRef, ...]:
        """Entities by id, in any case; where no id is that, by name or alias, or by what a vocabulary calls them.

        Of several that share a name, only the one that a vocabulary knows, where there is one alone.
        """
        from Medical_KG_rev.graph.naming import meant

        found = self.store.find(self.tenant, text, limit)
        if not found:
            found = tuple(each for curie in self.called(text) for each in self.store.find(self.tenant, curie, limit))
        return meant(found) if len(found) < limit else found

    def neighbours(self, entity_id: str, *, hops: int = 1, limit: int = 100) -> tuple[Neighbour, ...]:
        """Entities that assertions link to this one: at most ``limit`` of each hop, the most believed first."""
        return self.store.neighbours(self.tenant, entity_id, hops=hops, limit=limit)

    def path(self, a: str, b: str, *, max_hops: int = 4, limit: int = 5) -> tuple[GraphPath, ...]:
        """The shortest ways from one entity id to another, the most believed first, with the evidence of every step."""
        return self.store.path(self.tenant, a, b, max_hops=max_hops, limit=limit)

    def export(
        self,
        format: str,
        out: str | Path,
        *,
        entity: str | None = None,
        hops: int = 1,
        progress: Callable[[str, int], None] | None = None,
    ) -> ExportReceipt:
        """Writes the graph, or what is within ``hops`` of an entity id, in a format of others.

        ``format`` is ``kgx``, ``rdf``, ``jsonld``, ``fhir``, ``graphml`` or ``parquet``. ``out`` is a file; for
        ``kgx`` and ``parquet`` a folder. ``progress`` is told the kind of record and how many of it came so far.

        Raises:
            UsageError: no such format, or ``out`` cannot be written.
            StorageFullError: no room; what was there is as it was.
            PartUnavailableError: the library of the format is not installed.
        """
        from Medical_KG_rev.graph.exports import export_records

        with self._dump(entity, hops) as records:
            return export_records(records, format, Path(out), progress=progress)

    def draw(self, entity_id: str, out: str | Path, *, hops: int = 1, entities: int = 200) -> WrittenFile:
        """Draws an entity and at most so many ``entities`` near it as one HTML file, with the evidence of every line.

        Raises:
            RecordNotFoundError: the graph holds no entity of that id.
            UsageError: ``out`` cannot be written.
        """
        from Medical_KG_rev.graph.html import write

        near = self.neighbours(entity_id, hops=hops, limit=entities)[: entities - 1]
        with self._dump(entity_id, hops) as records:
            return write(records, entity_id, near, Path(out))

    def query(
        self, cypher: str, parameters: Mapping[str, Any] | None = None, *, limit: int = 1000, timeout_seconds: float = 30.0
    ) -> QueryRows:
        """Rows of a reading Cypher query."""
        return self.store.query(self.tenant, cypher, parameters, limit=limit, timeout_seconds=timeout_seconds)

    def stats(self) -> GraphStats:
        """How much the graph holds."""
        return self.store.stats(self.tenant)

    @contextmanager
    def _dump(self, entity: str | None, hops: int) -> Iterator[Iterator[GraphRecord]]:
        """Closes the graph again even where not all was read."""
        records = self.store.dump(self.tenant, entity=entity, hops=hops)
        try:
            yield records
        finally:
            if isinstance(records, Generator):
                records.close()
