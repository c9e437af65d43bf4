"""What changes a graph in Neo4j: documents written, purged, withdrawn. All in the transaction that makes it visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from Medical_KG_rev.graph.batch import GraphBatch
from Medical_KG_rev.graph.neo4j import assertions, rows
from Medical_KG_rev.graph.neo4j.connection import Graph

_DOCUMENT = "MATCH (d:Document {tenant: $tenant, document_id: r}) "
_CLAIMS = _DOCUMENT + "MATCH (d)<-[:DERIVED_FROM]-(:Evidence)-[:SUPPORTS]->(c:Claim) WITH DISTINCT c "
_STATED_BY = _CLAIMS + "MATCH (c)-[:STATES]->(n:Assertion) RETURN DISTINCT n.assertion_id"
_SHARED = {
    "Entity": (
        _CLAIMS + "MATCH (c)-[:SUBJECT|OBJECT]->(n:Entity) RETURN DISTINCT n.entity_id",
        _DOCUMENT + "MATCH (d)-[:MENTIONS|DESCRIBES]->(n:Entity) RETURN DISTINCT n.entity_id",
    ),
    "Activity": (_CLAIMS + "MATCH (c)-[:GENERATED_BY]->(n:Activity) RETURN DISTINCT n.activity_id",),
    "Source": (_DOCUMENT + "MATCH (d)-[:FROM_SOURCE]->(n:Source) RETURN DISTINCT n.source_id",),
}
"""Keys of nodes that documents share with others."""
_OWN = (
    _CLAIMS + "DETACH DELETE c RETURN count(*)",
    _DOCUMENT + "MATCH (d)<-[:DERIVED_FROM|PART_OF_DOCUMENT]-(n) DETACH DELETE n RETURN count(*)",
    _DOCUMENT + "DETACH DELETE d RETURN count(*)",
)
_UNSUPPORTED = {
    label: f"MATCH (n:{label} {{tenant: $tenant, {key}: r}}) WHERE NOT EXISTS {{ (n)<-[:{names}]-() }} "
    "DETACH DELETE n RETURN count(*)"
    for label, key, names in (
        ("Entity", "entity_id", "MENTIONS|DESCRIBES|SUBJECT|OBJECT"),
        ("Activity", "activity_id", "GENERATED_BY"),
        ("Source", "source_id", "FROM_SOURCE"),
    )
}
_WITHDRAW = _DOCUMENT + "SET d.status = 'withdrawn' RETURN count(*)"


def write(graph: Graph, batch: GraphBatch) -> None:
    """Each document of the batch replaces what the graph held of it; raises GraphConstraintError as the port says."""
    _, touched = _remove(graph, batch.documents)
    rows.insert(graph, batch)
    assertions.settle(graph, touched, batch)


def purge(graph: Graph, doc_ids: Sequence[str]) -> int:
    """The number of nodes that are gone."""
    removed, touched = _remove(graph, doc_ids)
    assertions.settle(graph, touched)
    return removed


def withdraw(graph: Graph, doc_ids: Sequence[str]) -> int:
    """How many of the documents are there."""
    found = graph.total(_WITHDRAW, doc_ids)
    assertions.settle(graph, _keys(graph, _STATED_BY, doc_ids))
    return found


def _remove(graph: Graph, doc_ids: Sequence[str]) -> tuple[int, set[str]]:
    """The number of nodes that are gone, and the assertions that lost a claim and have others left."""
    if not rows.existing(graph, "Document", doc_ids):
        return 0, set()
    touched = _keys(graph, _STATED_BY, doc_ids)
    shared = {label: {key for each in found for key in _keys(graph, each, doc_ids)} for label, found in _SHARED.items()}
    removed = sum(graph.total(statement, doc_ids) for statement in _OWN)
    unstated = assertions.remove_unstated(graph, touched)
    removed += len(unstated)
    for label, keys in shared.items():
        removed += graph.total(_UNSUPPORTED[label], sorted(keys))
    return removed, touched - unstated


def _keys(graph: Graph, statement: str, doc_ids: Iterable[str]) -> set[str]:
    return {row[0] for row in graph.for_each(statement, doc_ids)}
