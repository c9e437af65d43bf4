"""Which entities lie in a passage, and which documents name an entity, from Neo4j."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from Medical_KG_rev.graph.neo4j import reading
from Medical_KG_rev.graph.neo4j.connection import Graph
from Medical_KG_rev.graph.port import TextRange
from Medical_KG_rev.graph.results import EntityRef, MentionRow, PassageEntity

_LYING_IN = (
    "MATCH (d:Document {tenant: $tenant, document_id: r.doc_id}) WHERE d.status <> 'withdrawn' "
    "MATCH (d)-[m:MENTIONS]->(n:Entity) WHERE m.start_offset >= r.start AND m.end_offset <= r.end "
    "RETURN r.number, [n.entity_id, n.type, n.name], d.document_id, properties(m)"
)
_NAMING = (
    "MATCH (n:Entity {tenant: $tenant, entity_id: r})<-[:MENTIONS|DESCRIBES]-(d:Document) WHERE d.status <> 'withdrawn' "
    "RETURN DISTINCT d.document_id"
)


def entities(graph: Graph, ranges: Sequence[TextRange]) -> tuple[tuple[PassageEntity, ...], ...]:
    """As the port says."""
    found: list[defaultdict[EntityRef, list[MentionRow]]] = [defaultdict(list) for _ in ranges]
    rows = ({"number": number, "doc_id": doc, "start": start, "end": end} for number, (doc, start, end) in enumerate(ranges))
    for number, entity, doc_id, properties in graph.for_each(_LYING_IN, rows):
        found[number][reading.ref(entity)].append(reading.mention(doc_id, properties))
    return tuple(_ordered(named) for named in found)


def _ordered(named: dict[EntityRef, list[MentionRow]]) -> tuple[PassageEntity, ...]:
    rows = (
        PassageEntity(entity=entity, mentions=tuple(sorted(mentions, key=lambda m: (m.start, m.end))))
        for entity, mentions in named.items()
    )
    return tuple(sorted(rows, key=lambda row: (-len(row.mentions), row.entity.id)))


def documents_naming(graph: Graph, entity_ids: Sequence[str]) -> frozenset[str]:
    """As the port says."""
    return frozenset(row[0] for row in graph.for_each(_NAMING, entity_ids))
