"""All that a tenant's graph holds, or what lies around one entity, from Neo4j."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from Medical_KG_rev.graph.assertions import assertion_id
from Medical_KG_rev.graph.entity_rows import entity_of_row
from Medical_KG_rev.graph.neo4j import reading
from Medical_KG_rev.graph.neo4j.connection import ROWS_PER_STATEMENT, Graph
from Medical_KG_rev.graph.results import DocumentRecord, EntityRecord, GraphRecord, MentionRecord
from Medical_KG_rev.models import Entity

# Sorted by tenant and key: the order of the index, so that nothing is sorted and all of it can be handed on at once.
_DOCUMENTS = (
    "MATCH (d:Document) WHERE d.tenant = $tenant AND d.document_id IS NOT NULL AND d.status <> 'withdrawn'{only} "
    "RETURN d.document_id, d.source, d.version, d.status ORDER BY d.tenant, d.document_id"
)
_ENTITIES = (
    "MATCH (n:Entity) WHERE n.tenant = $tenant AND n.entity_id IS NOT NULL{only} "
    "RETURN properties(n) ORDER BY n.tenant, n.entity_id"
)
_SUPPORTED = (
    " AND (EXISTS { (n)<-[:MENTIONS|DESCRIBES]-(d:Document) WHERE d.status <> 'withdrawn' } OR EXISTS { "
    "MATCH (n)<-[:SUBJECT|OBJECT]-(c:Claim) MATCH (d:Document {tenant: $tenant, document_id: c.document_id}) "
    "WHERE d.status <> 'withdrawn' })"
)
"""Entities that withdrawn documents alone know are left out with these."""
_WITHDRAWN = (
    "MATCH (d:Document) WHERE d.tenant = $tenant AND d.document_id IS NOT NULL AND d.status = 'withdrawn' RETURN count(d)"
)
_MENTIONS = (
    "MATCH (n:Entity) WHERE n.tenant = $tenant AND n.entity_id IS NOT NULL{only} "
    "MATCH (n)<-[m:MENTIONS]-(d:Document) WHERE d.status <> 'withdrawn' RETURN n.entity_id, d.document_id, properties(m) "
    "ORDER BY n.tenant, n.entity_id, d.document_id, m.start_offset, m.end_offset"
)
_CLAIMS = (
    "MATCH (c:Claim) WHERE c.tenant = $tenant AND c.claim_id IS NOT NULL "
    "MATCH (d:Document {tenant: $tenant, document_id: c.document_id}) WHERE d.status <> 'withdrawn' "
    "RETURN c.claim_id ORDER BY c.tenant, c.claim_id"
)
_ASSERTIONS = (
    "MATCH (a:Assertion) WHERE a.tenant = $tenant AND a.assertion_id IS NOT NULL AND a.rank IS NOT NULL "
    "RETURN a.assertion_id ORDER BY a.tenant, a.assertion_id"
)
_ADJACENT = "MATCH (n:Entity {tenant: $tenant, entity_id: r})-[:RELATED_TO]-(m:Entity) RETURN DISTINCT m.entity_id"
_CLAIMS_OF = (
    "MATCH (n:Entity {tenant: $tenant, entity_id: r})<-[:SUBJECT]-(c:Claim) OPTIONAL MATCH (c)-[:OBJECT]->(o:Entity) "
    "MATCH (d:Document {tenant: $tenant, document_id: c.document_id}) WHERE d.status <> 'withdrawn' "
    "AND (o IS NULL OR o.entity_id IN $all) RETURN c.claim_id, c.document_id"
)
_ASSERTIONS_OF = (
    "MATCH (n:Entity {tenant: $tenant, entity_id: r})-[e:RELATED_TO]->(o:Entity) WHERE o.entity_id IN $all RETURN e.number"
)
_NAMED_BY = (
    "MATCH (n:Entity {tenant: $tenant, entity_id: r})<-[:MENTIONS]-(d:Document) WHERE d.status <> 'withdrawn' "
    "RETURN DISTINCT d.document_id"
)


def everything(graph: Graph) -> Iterator[GraphRecord]:
    """The whole graph, in the order of the port, some thousand rows in memory at a time."""
    yield from _nodes(graph, "", [], [])
    for claim_ids in _parts(row[0] for row in graph.stream(_CLAIMS)):
        yield from reading.claims(graph, claim_ids).values()
    for assertion_ids in _parts(row[0] for row in graph.stream(_ASSERTIONS)):
        yield from reading.assertions(graph, assertion_ids).values()


def around(graph: Graph, entity_id: str, hops: int) -> Iterator[GraphRecord]:
    """An entity, those within so many hops, and what is said of these alone."""
    entities = _within(graph, entity_id, hops)
    claims = graph.for_each(_CLAIMS_OF, entities, all=entities)
    documents = {doc_id for _, doc_id in claims} | {row[0] for row in graph.for_each(_NAMED_BY, entities)}
    yield from _nodes(graph, " AND {key} IN $only", entities, sorted(documents))
    yield from reading.claims(graph, sorted(claim_id for claim_id, _ in claims)).values()
    assertions = sorted(assertion_id(row[0]) for row in graph.for_each(_ASSERTIONS_OF, entities, all=entities))
    yield from reading.assertions(graph, assertions).values()


def _within(graph: Graph, entity_id: str, hops: int) -> list[str]:
    """Ids, sorted; none where the graph has no such entity."""
    if not graph.rows("MATCH (n:Entity {tenant: $tenant, entity_id: $id}) RETURN 1", id=entity_id):
        return []
    found = frontier = {entity_id}
    for _ in range(hops):
        frontier = {row[0] for row in graph.for_each(_ADJACENT, sorted(frontier))} - found
        found = found | frontier
    return sorted(found)


def _nodes(graph: Graph, only: str, entities: list[str], documents: list[str]) -> Iterator[GraphRecord]:
    for doc_id, source, version, status in graph.stream(_only(_DOCUMENTS, only, "d.document_id"), only=documents):
        yield DocumentRecord(id=doc_id, source=source, version=version, status=status)
    supported = _SUPPORTED if graph.count(_WITHDRAWN) else ""
    for (row,) in graph.stream(_only(_ENTITIES, only, "n.entity_id", supported), only=entities):
        yield _record(entity_of_row(row))
    for entity_id, doc_id, properties in graph.stream(_only(_MENTIONS, only, "n.entity_id"), only=entities):
        yield MentionRecord(entity_id=entity_id, mention=reading.mention(doc_id, properties))


def _only(statement: str, condition: str, key: str, more: str = "") -> str:
    return statement.replace("{only}", condition.replace("{key}", key) + more)


def _record(entity: Entity) -> EntityRecord:
    return EntityRecord(
        id=entity.id,
        type=entity.type,
        name=entity.name,
        aliases=entity.aliases,
        xrefs=entity.xrefs,
        attributes=entity.attributes,
    )


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while part := list(islice(rest, ROWS_PER_STATEMENT)):
        yield part
