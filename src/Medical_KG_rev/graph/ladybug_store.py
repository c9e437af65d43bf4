"""The embedded graph store: LadybugDB, one database file per tenant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from Medical_KG_rev.errors import QueryRefusedError, UsageError
from Medical_KG_rev.graph import ladybug_dump, ladybug_rows, ladybug_show, ladybug_walk, ladybug_write
from Medical_KG_rev.graph.batch import GraphBatch
from Medical_KG_rev.graph.cypher import reading_query
from Medical_KG_rev.graph.ladybug_stats import graph_stats
from Medical_KG_rev.graph.ladybug_tables import ensure_tables, is_outdated
from Medical_KG_rev.graph.port import TextRange
from Medical_KG_rev.graph.publication import PublishedGraph
from Medical_KG_rev.graph.readers import GraphReaders
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
from Medical_KG_rev.graph.session import EngineLimits, GraphSession
from Medical_KG_rev.models import Claim, Entity, GraphWriteReceipt, Outcome

BYTES_PER_ROW = 1024
"""What a node or relationship takes in the file and its log at most, on average; measured: 150 to 300 bytes."""

GROWTH_OF_UPGRADE = 4
"""How much larger a graph of schema 1 may become, at most."""

Answer = TypeVar("Answer")

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class LadybugGraphStore:
    """A :class:`~Medical_KG_rev.graph.port.GraphStore` in files: ``<root>/<tenant>/graph.lbug``.

    Safe to use from many threads and processes at once. Between calls it keeps the files open that it read last, until
    :meth:`close`.
    """

    def __init__(self, root: Path, limits: EngineLimits | None = None) -> None:
        self._root = root
        self._limits = limits or EngineLimits()
        self._readers = GraphReaders(self._limits)

    def close(self) -> None:
        self._readers.close()

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
        rows_bytes = (batch.node_count + batch.edge_count) * BYTES_PER_ROW
        with self._graph(tenant_id).replacing(rows_bytes) as session:
            ensure_tables(session)
            ladybug_write.write(session, batch)
        outcomes = {doc_id: Outcome("written", count) for doc_id, count in batch.counts().items()}
        return GraphWriteReceipt(batch.node_count, batch.edge_count, outcomes)

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        return self._read(tenant_id, lambda session: ladybug_rows.live(session, doc_ids), {})

    def existing_entities(self, tenant_id: str, entity_ids: Sequence[str]) -> frozenset[str]:
        return self._read(tenant_id, lambda session: ladybug_rows.existing(session, "Entity", entity_ids), frozenset[str]())

    def delete(self, tenant_id: str, doc_id: str, *, purge: bool = True) -> int:
        if not self._read(tenant_id, lambda session: ladybug_rows.existing(session, "Document", [doc_id]), frozenset[str]()):
            return 0
        with self._graph(tenant_id).replacing() as session:
            ensure_tables(session)
            return ladybug_write.purge(session, [doc_id]) if purge else ladybug_write.withdraw(session, doc_id)

    def show(self, tenant_id: str, entity: str, limit: int = 25) -> EntityLookup:
        return self._read(tenant_id, lambda session: ladybug_show.lookup(session, entity, limit), EntityLookup(query=entity))

    def find(self, tenant_id: str, text: str, limit: int = 25) -> tuple[EntityRef, ...]:
        return self._read(tenant_id, lambda session: ladybug_show.find(session, text, limit), ())

    def neighbours(self, tenant_id: str, entity_id: str, *, hops: int = 1, limit: int = 100) -> tuple[Neighbour, ...]:
        return self._read(tenant_id, lambda session: ladybug_walk.neighbours(session, entity_id, hops, limit), ())

    def path(self, tenant_id: str, a: str, b: str, *, max_hops: int = 4, limit: int = 5) -> tuple[GraphPath, ...]:
        try:
            return self._read(tenant_id, lambda session: ladybug_walk.paths(session, a, b, max_hops, limit), ())
        except RuntimeError as error:
            raise _refused(error, ladybug_walk.PATH_SECONDS) from error

    def dump(self, tenant_id: str, *, entity: str | None = None, hops: int = 1) -> Iterator[GraphRecord]:
        self._bring_up_to_date(tenant_id)
        with self._graph(tenant_id).reading() as session:
            if session is not None:
                yield from ladybug_dump.whole(session) if entity is None else ladybug_dump.around(session, entity, hops)

    def passages_entities(self, tenant_id: str, ranges: Sequence[TextRange]) -> tuple[tuple[PassageEntity, ...], ...]:
        return self._read(tenant_id, lambda session: ladybug_dump.passages_entities(session, ranges), ((),) * len(ranges))

    def documents_naming(self, tenant_id: str, entity_ids: Sequence[str]) -> frozenset[str]:
        return self._read(tenant_id, lambda session: ladybug_dump.documents_naming(session, entity_ids), frozenset[str]())

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
        size_bytes = self._graph(tenant_id).size_bytes
        return self._read(tenant_id, lambda session: graph_stats(session, size_bytes), GraphStats())

    def _read(self, tenant_id: str, answer: Callable[[GraphSession], Answer], nothing: Answer) -> Answer:
        """The answer of what is published now; ``nothing`` where nothing is. A graph of an older schema is rewritten first."""
        graph = self._graph(tenant_id)
        try:
            with graph.reading() as session:
                return nothing if session is None else answer(session)
        except RuntimeError:
            if not self._bring_up_to_date(tenant_id):
                raise
        with graph.reading() as session:
            return nothing if session is None else answer(session)

    def _bring_up_to_date(self, tenant_id: str) -> bool:
        """Whether the graph was of an older schema, and is not any more."""
        graph = self._graph(tenant_id)
        with graph.reading() as session:
            if session is None or not is_outdated(session):
                return False
        with graph.replacing(graph.size_bytes * GROWTH_OF_UPGRADE) as session:
            ensure_tables(session)
        return True

    def _graph(self, tenant_id: str) -> PublishedGraph:
        if not _TENANT.fullmatch(tenant_id):
            raise UsageError(
                f"{tenant_id!r} is not a tenant's name.", remedy="Use letters, digits, '.', '_' and '-'.", tenant_id=tenant_id
            )
        return PublishedGraph(self._root / tenant_id, self._limits, self._readers)


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
