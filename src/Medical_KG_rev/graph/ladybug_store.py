"""The embedded graph store: LadybugDB, one database file per tenant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from Medical_KG_rev.errors import IndexMismatchError, QueryRefusedError, UsageError
from Medical_KG_rev.graph import ladybug_rows as rows
from Medical_KG_rev.graph import ladybug_show
from Medical_KG_rev.graph.batch import GraphBatch
from Medical_KG_rev.graph.cypher import reading_query
from Medical_KG_rev.graph.port import EntityLookup, GraphStats, QueryRows
from Medical_KG_rev.graph.publication import PublishedGraph
from Medical_KG_rev.graph.schema import NODE_KEYS, RELATIONSHIPS, STATEMENTS
from Medical_KG_rev.graph.session import EngineLimits, GraphSession
from Medical_KG_rev.models import Claim, Entity, GraphWriteReceipt, Outcome

BYTES_PER_ROW = 1024
"""What a node or relationship takes in the file and its log at most, on average; measured: 150 to 300 bytes."""

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class LadybugGraphStore:
    """A :class:`~Medical_KG_rev.graph.port.GraphStore` in files: ``<root>/<tenant>/graph.lbug``.

    Safe to use from many threads and processes at once; it keeps nothing open between calls.
    """

    def __init__(self, root: Path, limits: EngineLimits | None = None) -> None:
        self._root = root
        self._limits = limits or EngineLimits()

    def write(
        self,
        tenant_id: str,
        documents: Sequence[str],
        versions: Mapping[str, str],
        entities: Sequence[Entity],
        claims: Sequence[Claim],
    ) -> GraphWriteReceipt:
        batch = GraphBatch.build(documents, versions, entities, claims)
        rows_bytes = (batch.nodes + batch.relationships) * BYTES_PER_ROW
        with self._graph(tenant_id).replacing(rows_bytes) as session:
            _ensure_schema(session)
            rows.remove_documents(session, documents)
            rows.insert(session, batch)
        outcomes = {doc_id: Outcome("written", count) for doc_id, count in batch.counts().items()}
        return GraphWriteReceipt(batch.nodes, batch.relationships, outcomes)

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        with self._graph(tenant_id).reading() as session:
            return rows.live(session, doc_ids) if session else {}

    def existing_entities(self, tenant_id: str, entity_ids: Sequence[str]) -> frozenset[str]:
        with self._graph(tenant_id).reading() as session:
            return rows.existing(session, "Entity", entity_ids) if session else frozenset()

    def delete(self, tenant_id: str, doc_id: str) -> int:
        if not self.live_versions(tenant_id, [doc_id]):
            return 0
        with self._graph(tenant_id).replacing() as session:
            return rows.remove_documents(session, [doc_id])

    def show(self, tenant_id: str, entity: str, limit: int = 25) -> EntityLookup:
        with self._graph(tenant_id).reading() as session:
            return ladybug_show.lookup(session, entity, limit) if session else EntityLookup(query=entity)

    def query(
        self,
        tenant_id: str,
        cypher: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        limit: int = 1000,
        timeout_seconds: float = 30.0,
    ) -> QueryRows:
        statement = reading_query(cypher, parameters or {})
        with self._graph(tenant_id).reading() as session:
            if session is None:
                return QueryRows(columns=(), rows=())
            try:
                columns, found, more = session.first_rows(statement.text, statement.parameters, limit, timeout_seconds)
            except (RuntimeError, ValueError, TypeError) as error:
                raise _refused(error, timeout_seconds) from error
            return QueryRows(columns=tuple(columns), rows=tuple(tuple(map(_plain, row)) for row in found), truncated=more)

    def stats(self, tenant_id: str) -> GraphStats:
        graph = self._graph(tenant_id)
        with graph.reading() as session:
            return _stats(session, graph.size_bytes) if session else GraphStats()

    def _graph(self, tenant_id: str) -> PublishedGraph:
        if not _TENANT.fullmatch(tenant_id):
            raise UsageError(
                f"{tenant_id!r} is not a tenant's name.", remedy="Use letters, digits, '.', '_' and '-'.", tenant_id=tenant_id
            )
        return PublishedGraph(self._root / tenant_id, self._limits)


def _ensure_schema(session: GraphSession) -> None:
    tables = {name for (name,) in session.rows("CALL show_tables() RETURN name")}
    expected = {*NODE_KEYS, *RELATIONSHIPS}
    if not tables:
        for statement in STATEMENTS:
            session.rows(statement)
    elif tables != expected:
        raise IndexMismatchError(
            "The graph was made by another version of the software.",
            remedy="Move the tenant's graph.lbug away and ingest again.",
            expected=sorted(expected),
            found=sorted(tables),
        )


def _stats(session: GraphSession, size_bytes: int) -> GraphStats:
    nodes = {label: session.count(f"MATCH (n:{label}) RETURN count(*)") for label in NODE_KEYS}
    edges = {name: session.count(f"MATCH ()-[r:{name}]->() RETURN count(*)") for name in RELATIONSHIPS}
    return GraphStats(
        documents=nodes["Document"],
        entities=nodes["Entity"],
        claims=nodes["Claim"],
        evidence=nodes["Evidence"],
        mentions=edges["MENTIONS"],
        relationships=sum(edges.values()),
        entity_types=_tally(session, "MATCH (n:Entity) RETURN n.type AS what, count(*) AS n ORDER BY n DESC, what"),
        predicates=_tally(session, "MATCH (n:Claim) RETURN n.predicate AS what, count(*) AS n ORDER BY n DESC, what"),
        size_bytes=size_bytes,
    )


def _tally(session: GraphSession, query: str) -> dict[str, int]:
    return {str(what): int(count) for what, count in session.rows(query)}


def _refused(error: Exception, timeout_seconds: float) -> QueryRefusedError:
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    if words.startswith("Interrupted"):
        return QueryRefusedError(
            f"The query was stopped after {timeout_seconds:g} s.",
            remedy="Start from a node by its id, bound path lengths, or ask for less.",
        )
    return QueryRefusedError(f"The query cannot be run: {words}", remedy="`medkg graph stats` lists what the graph holds.")


def _plain(value: Any) -> Any:
    """A value as JSON has it: nodes and relationships keep their label and properties, not the engine's internal ids."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in ("_ID", "_SRC", "_DST")}
        return {key.lower() if key.startswith("_") else key: _plain(item) for key, item in kept.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
