"""The graph store of the profile `services`: Neo4j, one database for all tenants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.graph.batch import GraphBatch
from Medical_KG_rev.graph.neo4j import changes, dump, passages, raw, rows, schema, show, walk
from Medical_KG_rev.graph.neo4j.connection import Graph, Neo4jConnection, translated
from Medical_KG_rev.graph.port import TextRange
from Medical_KG_rev.graph.results import (
    EntityLookup,
    EntityRef,
    GraphPath,
    GraphRecord,
    GraphStats,
    Neighbour,
    PassageEntity,
    QueryRows,
)
from Medical_KG_rev.graph.schema import graph_schema
from Medical_KG_rev.models import Claim, Entity, GraphWriteReceipt, Outcome

T = TypeVar("T")

DUMP_SECONDS = 3600.0
"""Whoever takes longer over a dump loses it; until it ends nobody else writes that graph."""
MAX_HOPS, MAX_PATH_HOPS = 4, 6
_ATTEMPTS = 4
_TALLIED = (("Document", "status"), ("Entity", "type"), ("Claim", "predicate"))


class Neo4jGraphStore:
    """A :class:`~Medical_KG_rev.graph.port.GraphStore` on a server. Safe to use from many threads, processes and machines.

    A tenant has one writer at a time. The server lets a reader see what was committed between two of its statements; an answer
    during which a write was committed is therefore thrown away and asked for again, at last under the writers' lock.
    """

    def __init__(self, connection: Neo4jConnection) -> None:
        self._connection = connection
        self._guard = Lock()
        self._is_migrated = False

    def close(self) -> None:
        self._connection.close()

    def write(
        self,
        tenant_id: str,
        documents: Sequence[str],
        versions: Mapping[str, str],
        entities: Sequence[Entity],
        claims: Sequence[Claim],
        *,
        activity: str = "",
    ) -> GraphWriteReceipt:
        batch = GraphBatch.build(documents, versions, entities, claims, activity)

        self._write(tenant_id, lambda graph: changes.write(graph, batch))
        outcomes = {doc_id: Outcome("written", count) for doc_id, count in batch.counts().items()}
        return GraphWriteReceipt(batch.node_count, batch.edge_count, outcomes)

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        return self._read(tenant_id, lambda graph: rows.live(graph, doc_ids), {})

    def existing_entities(self, tenant_id: str, entity_ids: Sequence[str]) -> frozenset[str]:
        return self._read(tenant_id, lambda graph: rows.existing(graph, "Entity", entity_ids), frozenset[str]())

    def delete(self, tenant_id: str, doc_id: str, *, purge: bool = True) -> int:
        removed = [0]  # an attempt whose end was not known may have removed what the next one does not find

        def work(graph: Graph) -> None:
            removed.append(changes.purge(graph, [doc_id]) if purge else changes.withdraw(graph, [doc_id]))

        if self._read(tenant_id, lambda graph: rows.existing(graph, "Document", [doc_id]), frozenset[str]()):
            self._write(tenant_id, work)
        return max(removed)

    def show(self, tenant_id: str, entity: str, limit: int = 25) -> EntityLookup:
        return self._read(tenant_id, lambda graph: show.lookup(graph, entity, limit), EntityLookup(query=entity))

    def find(self, tenant_id: str, text: str, limit: int = 25) -> tuple[EntityRef, ...]:
        return self._read(tenant_id, lambda graph: tuple(map(show.ref, show.find(graph, text)[:limit])), ())

    def neighbours(self, tenant_id: str, entity_id: str, *, hops: int = 1, limit: int = 100) -> tuple[Neighbour, ...]:
        _require(hops, MAX_HOPS, "hops")
        return self._read(tenant_id, lambda graph: walk.neighbours(graph, entity_id, hops, limit), ())

    def path(self, tenant_id: str, a: str, b: str, *, max_hops: int = 4, limit: int = 5) -> tuple[GraphPath, ...]:
        _require(max_hops, MAX_PATH_HOPS, "max_hops")
        return self._read(tenant_id, lambda graph: walk.ways(graph, a, b, max_hops, limit), ())

    def dump(self, tenant_id: str, *, entity: str | None = None, hops: int = 1) -> Iterator[GraphRecord]:
        if self._read(tenant_id, lambda _graph: True, False):
            connection = self._connection
            with (
                translated(connection.settings),
                connection.transaction(tenant_id, writes=True, timeout_seconds=DUMP_SECONDS) as graph,
            ):
                schema.hold(graph)
                yield from dump.everything(graph) if entity is None else dump.around(graph, entity, hops)

    def passages_entities(self, tenant_id: str, ranges: Sequence[TextRange]) -> tuple[tuple[PassageEntity, ...], ...]:
        return self._read(tenant_id, lambda graph: passages.entities(graph, ranges), ((),) * len(ranges))

    def documents_naming(self, tenant_id: str, entity_ids: Sequence[str]) -> frozenset[str]:
        return self._read(tenant_id, lambda graph: passages.documents_naming(graph, entity_ids), frozenset())

    def query(
        self,
        tenant_id: str,
        cypher: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        limit: int = 1000,
        timeout_seconds: float = 30.0,
    ) -> QueryRows:
        """As the port says; refused unless the database is one tenant's alone (``MK_NEO4J__SINGLE_TENANT``)."""
        return raw.ask(self._connection, tenant_id, cypher, parameters or {}, limit, timeout_seconds)

    def stats(self, tenant_id: str) -> GraphStats:
        """As the port says; the server does not tell how many bytes it takes."""
        return self._read(tenant_id, _stats, GraphStats())

    def _write(self, tenant_id: str, work: Callable[[Graph], T]) -> T:
        self._migrate()

        def alone(graph: Graph) -> T:
            schema.lock(graph)
            return work(graph)

        return self._connection.write(tenant_id, alone)

    def _read(self, tenant_id: str, work: Callable[[Graph], T], empty: T) -> T:
        """What ``work`` finds in a graph that no write changes meanwhile; ``empty`` where the tenant has none."""

        def once(graph: Graph) -> tuple[T, bool]:
            before = schema.state(graph)
            if before is None:
                return empty, True
            found = work(graph)
            return found, schema.state(graph) == before

        def alone(graph: Graph) -> T:
            schema.hold(graph)
            return work(graph)

        for _ in range(_ATTEMPTS):
            found, is_whole = self._connection.read(tenant_id, once)
            if is_whole:
                return found
        return self._connection.write(tenant_id, alone)

    def _migrate(self) -> None:
        with self._guard:
            if not self._is_migrated:
                schema.migrate(self._connection)
                self._is_migrated = True


def _require(value: int, most: int, name: str) -> None:
    if not 1 <= value <= most:
        raise UsageError(f"{name} is {value}.", remedy=f"Give 1 to {most}.")


def _stats(graph: Graph) -> GraphStats:
    edges = Counter[str]()
    for label in sorted({edge.source for edge in graph_schema().relationships.values()}):
        edges.update(dict(graph.rows(_all(label, "n") + "MATCH (n)-[e]->() RETURN type(e), count(*)")))
    statuses, types, predicates = (_tally(graph, *what) for what in _TALLIED)
    return GraphStats(
        documents=sum(statuses.values()),
        entities=sum(types.values()),
        claims=sum(predicates.values()),
        evidence=graph.count(_all("Evidence", "n") + "RETURN count(*)"),
        mentions=edges["MENTIONS"],
        assertions=graph.count(_all("Assertion", "n") + "RETURN count(*)"),
        retracted=statuses.get("retracted", 0),
        withdrawn=statuses.get("withdrawn", 0),
        relationships=edges.total(),
        entity_types=types,
        predicates=predicates,
    )


def _all(label: str, name: str) -> str:
    """All nodes of a label, by the index of its key."""
    return f"MATCH ({name}:{label}) WHERE {name}.tenant = $tenant AND {name}.{graph_schema().keys[label]} IS NOT NULL "


def _tally(graph: Graph, label: str, name: str) -> dict[str, int]:
    found = graph.rows(_all(label, "n") + f"RETURN n.{name} AS what, count(*) AS n ORDER BY n DESC, what")
    return {str(what): int(count) for what, count in found}
