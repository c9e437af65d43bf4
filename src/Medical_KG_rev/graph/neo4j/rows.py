"""Writing rows to Neo4j, inside the transaction that makes them visible.

Statements take :data:`~Medical_KG_rev.graph.neo4j.connection.ROWS_PER_STATEMENT` rows at a time. Nodes are found by tenant and
key; what leads from one to another never leaves a tenant.
"""

from __future__ import annotations

from collections.abc import Iterable

from Medical_KG_rev.errors import GraphConstraintError
from Medical_KG_rev.graph.batch import GraphBatch, Row
from Medical_KG_rev.graph.entity_rows import entity_of_row, entity_row, join_known
from Medical_KG_rev.graph.neo4j.connection import Graph
from Medical_KG_rev.graph.schema import graph_schema
from Medical_KG_rev.models import Entity

SHARED = ("Source", "Activity")
"""Labels whose nodes belong to no single document."""

_SUPPORT = "EXISTS { (n)<-[:MENTIONS|DESCRIBES|SUBJECT|OBJECT]-() }"


def live(graph: Graph, doc_ids: Iterable[str]) -> dict[str, str]:
    """Version by id of the documents that are there and not withdrawn."""
    statement = (
        "MATCH (d:Document {tenant: $tenant, document_id: r}) WHERE d.status <> 'withdrawn' RETURN d.document_id, d.version"
    )
    return dict(graph.for_each(statement, doc_ids))


def existing(graph: Graph, label: str, keys: Iterable[str]) -> frozenset[str]:
    """Which of these keys the label has."""
    key = graph_schema().keys[label]
    return frozenset(row[0] for row in graph.for_each(f"MATCH (n:{label} {{tenant: $tenant, {key}: r}}) RETURN n.{key}", keys))


def insert(graph: Graph, batch: GraphBatch) -> None:
    """Writes the batch but for what its claims state; what the graph held of its documents must be gone.

    Raises:
        GraphConstraintError: an end of a claim is nowhere, or a claim's id belongs to another document.
    """
    _refuse_conflicts(graph, batch)
    _put_entities(graph, batch)
    for label, rows in batch.nodes.items():
        put_nodes(graph, label, rows.values())
    for name, edges in batch.edges.items():
        if name != "STATES":
            put_edges(graph, name, ((edge.source, edge.target, edge.properties) for edge in edges))


def put_nodes(graph: Graph, label: str, rows: Iterable[Row]) -> None:
    """Creates nodes with these properties; those of :data:`SHARED` labels may be there already."""
    verb = "MERGE" if label in SHARED else "CREATE"
    graph.for_each(f"{verb} {_node('n', label, f'r.{graph_schema().keys[label]}')} SET n += r", rows)


def put_edges(graph: Graph, name: str, edges: Iterable[tuple[str, str, Row]]) -> None:
    """Creates relationships between nodes that are there: keys of both ends, and properties."""
    relationship = graph_schema().relationships[name]
    ends = f"MATCH {_node('a', relationship.source, 'r[0]')} MATCH {_node('b', relationship.target, 'r[1]')} "
    graph.for_each(f"{ends}CREATE (a)-[e:{name}]->(b) SET e = r[2]", map(list, edges))


def _node(name: str, label: str, value: str) -> str:
    return f"({name}:{label} {{tenant: $tenant, {graph_schema().keys[label]}: {value}}})"


def _refuse_conflicts(graph: Graph, batch: GraphBatch) -> None:
    outside = sorted(batch.referenced - batch.entities.keys())
    dangling = set(outside) - existing(graph, "Entity", outside)
    taken = existing(graph, "Claim", batch.nodes.get("Claim", ()))
    violations = [f"a claim points at the unknown entity {entity_id}" for entity_id in sorted(dangling)]
    violations += [f"claim {claim_id} belongs to another document" for claim_id in sorted(taken)]
    if violations:
        raise GraphConstraintError(
            f"Nothing was written to the graph: {'; '.join(violations[:5])}.", violations=tuple(violations)
        )


def _put_entities(graph: Graph, batch: GraphBatch) -> None:
    """Creates new entities and joins known ones."""
    known = _known_entities(graph, batch.entities)
    own = [edge.target for edge in batch.edges.get("DESCRIBES", ())]
    changed = join_known(batch.entities, known, own)
    graph.for_each(f"MATCH {_node('n', 'Entity', 'r.entity_id')} SET n += r", map(entity_row, changed.values()))
    created = (entity_row(entity) for key, entity in batch.entities.items() if key not in known)
    graph.for_each(f"CREATE {_node('n', 'Entity', 'r.entity_id')} SET n += r", created)


def _known_entities(graph: Graph, ids: Iterable[str]) -> dict[str, Entity]:
    found = graph.for_each(f"MATCH {_node('n', 'Entity', 'r')} RETURN properties(n)", ids)
    return {row["entity_id"]: entity_of_row(row) for (row,) in found}
