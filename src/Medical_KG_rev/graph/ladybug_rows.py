"""Writing rows to LadybugDB.

The session is on a private copy: statements commit one by one, which bounds the engine's memory, and the copy's publication is
the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from Medical_KG_rev.errors import GraphConstraintError
from Medical_KG_rev.graph.batch import Edge, GraphBatch, Row
from Medical_KG_rev.graph.entity_rows import entity_of_row, entity_row, join_known
from Medical_KG_rev.graph.schema import Property, graph_schema
from Medical_KG_rev.graph.session import GraphSession
from Medical_KG_rev.models import Entity

_KEY = Property("string", required=True)
_CONTENT = {
    "Claim": "OPTIONAL MATCH (k)<-[:DERIVED_FROM]-(v:Evidence) OPTIONAL MATCH (v)-[:SUPPORTS]->(n:Claim)",
    "Evidence": "OPTIONAL MATCH (k)<-[:DERIVED_FROM]-(n:Evidence)",
    "Section": "OPTIONAL MATCH (k)<-[:PART_OF_DOCUMENT]-(n:Section)",
}
"""What belongs to a document alone, and the way to it."""
_ORPHANED = {
    "Entity": "MENTIONS|DESCRIBES|SUBJECT|OBJECT",
    "Assertion": "STATES",
    "Activity": "GENERATED_BY",
    "Source": "FROM_SOURCE",
}
"""Nodes of many documents, and the relationships that keep them."""
_OF_CLAIMS = {"Entity": "SUBJECT|OBJECT", "Assertion": "STATES", "Activity": "GENERATED_BY"}
_OF_DOCUMENTS = {"Entity": "MENTIONS|DESCRIBES", "Source": "FROM_SOURCE"}


def live(session: GraphSession, doc_ids: Iterable[str]) -> dict[str, str]:
    """Versions of the documents that are there and not withdrawn."""
    query = "MATCH (d:Document {document_id: $r}) WHERE d.status <> 'withdrawn' RETURN d.document_id, d.version"
    return dict(session.for_each(query, doc_ids))


def existing(session: GraphSession, label: str, ids: Iterable[str]) -> frozenset[str]:
    """Which of these keys the node table holds."""
    key = graph_schema().nodes[label].key
    return frozenset(row[0] for row in session.for_each(f"MATCH (n:{label} {{{key}: $r}}) RETURN n.{key}", ids))


class Removal:
    """Takes documents out: what is theirs at once, what they share with others when :meth:`finish` finds nobody else needs it."""

    def __init__(self, session: GraphSession) -> None:
        self._session = session
        self._shared: dict[str, set[str]] = {label: set() for label in _ORPHANED}
        self.nodes = 0

    @property
    def assertions(self) -> frozenset[str]:
        """Those that lost a claim."""
        return frozenset(self._shared["Assertion"])

    def remove(self, doc_ids: Sequence[str]) -> None:
        """Removes documents with their claims, evidence and sections."""
        present = sorted(existing(self._session, "Document", doc_ids))
        if not present:
            return
        content = {label: self._reached("Document", present, way, label) for label, way in _CONTENT.items()}
        for label, names in _OF_CLAIMS.items():
            way = f"OPTIONAL MATCH (k)-[:{names}]->(n:{label})"
            self._shared[label] |= self._reached("Claim", sorted(content["Claim"]), way, label)
        for label, names in _OF_DOCUMENTS.items():
            way = f"OPTIONAL MATCH (k)-[:{names}]->(n:{label})"
            self._shared[label] |= self._reached("Document", present, way, label)
        for label, ids in (*content.items(), ("Document", set(present))):
            self._delete(label, ids)

    def finish(self) -> set[str]:
        """Removes shared nodes that nothing leads to any more, but for assertions; the ids of those."""
        orphans = {label: self._orphans(label, names) for label, names in _ORPHANED.items()}
        for label, ids in orphans.items():
            if label != "Assertion":
                self._delete(label, ids)
        return orphans["Assertion"]

    def _orphans(self, label: str, names: str) -> set[str]:
        unled = f"NOT EXISTS {{ MATCH (n)<-[:{names}]-() }}"
        query = f"MATCH (n:{label} {{{_key(label)}: $r}}) WHERE {unled} RETURN n.{_key(label)}"
        return {row[0] for row in self._session.for_each(query, sorted(self._shared[label]))}

    def _reached(self, origin: str, ids: Sequence[str], way: str, label: str) -> set[str]:
        """Keys of nodes ``n`` on the way from nodes ``k``."""
        query = f"MATCH (k:{origin} {{{_key(origin)}: $r}}) {way} RETURN DISTINCT k.{_key(origin)}, n.{_key(label)}"
        return {row[1] for row in self._session.linked(query, ids)}

    def _delete(self, label: str, ids: set[str]) -> None:
        self._session.for_each(f"MATCH (n:{label} {{{_key(label)}: $r}}) DETACH DELETE n", sorted(ids))
        self.nodes += len(ids)


def _key(label: str) -> str:
    return graph_schema().nodes[label].key


def insert(session: GraphSession, batch: GraphBatch) -> None:
    """Writes the batch but for beliefs; what the graph held of its documents must be gone.

    Raises:
        GraphConstraintError: an end of a claim is nowhere, or a claim's id belongs to another document.
    """
    _refuse_conflicts(session, batch)
    _put_entities(session, batch)
    schema = graph_schema()
    for label in schema.nodes:
        put_nodes(session, label, batch.nodes.get(label, {}))
    for name in schema.relationships:
        if name != "STATES":
            put_edges(session, name, batch.edges.get(name, ()))


def put_nodes(session: GraphSession, label: str, rows: Mapping[str, Row]) -> None:
    """Creates those nodes that are not there."""
    kind = graph_schema().nodes[label]
    if "document_id" not in kind.properties:
        known = existing(session, label, rows) if rows else frozenset()
        rows = {key: row for key, row in rows.items() if key not in known}
    session.put(kind.properties, list(rows.values()), f"CREATE (:{label} {{{_assignments(kind.properties)}}})")


def put_edges(session: GraphSession, name: str, edges: Sequence[Edge]) -> None:
    """Creates relationships between nodes that are there."""
    kind = graph_schema().relationships[name]
    columns = {"from_key": _KEY, "to_key": _KEY, **kind.properties}
    rows = [{"from_key": edge.source, "to_key": edge.target, **edge.properties} for edge in edges]
    properties = f" {{{_assignments(kind.properties)}}}" if kind.properties else ""
    clause = (
        f"MATCH (a:{kind.source} {{{_key(kind.source)}: c_from_key}}) MATCH (b:{kind.target} {{{_key(kind.target)}: c_to_key}}) "
        f"CREATE (a)-[:{name}{properties}]->(b)"
    )
    session.put(columns, rows, clause)


def _assignments(properties: Iterable[str]) -> str:
    return ", ".join(f"{name}: c_{name}" for name in properties)


def _refuse_conflicts(session: GraphSession, batch: GraphBatch) -> None:
    outside = sorted(batch.referenced - batch.entities.keys())
    dangling = set(outside) - existing(session, "Entity", outside)
    taken = existing(session, "Claim", batch.nodes.get("Claim", {}))
    found = [f"a claim points at the unknown entity {entity_id}" for entity_id in sorted(dangling)]
    found += [f"claim {claim_id} belongs to another document" for claim_id in sorted(taken)]
    if found:
        raise GraphConstraintError(f"Nothing was written to the graph: {'; '.join(found[:5])}.", violations=tuple(found))


def _put_entities(session: GraphSession, batch: GraphBatch) -> None:
    """Creates new entities and joins known ones."""
    properties = graph_schema().nodes["Entity"].properties
    known = _known_entities(session, batch.entities)
    changed = join_known(batch.entities, known, (edge.target for edge in batch.edges.get("DESCRIBES", ())))
    settings = ", ".join(f"n.{name} = c_{name}" for name in properties if name != "entity_id")
    session.put(properties, [*map(entity_row, changed.values())], f"MATCH (n:Entity {{entity_id: c_entity_id}}) SET {settings}")
    created: list[dict[str, Any]] = [entity_row(entity) for key, entity in batch.entities.items() if key not in known]
    session.put(properties, created, f"CREATE (:Entity {{{_assignments(properties)}}})")


def _known_entities(session: GraphSession, ids: Iterable[str]) -> dict[str, Entity]:
    names = ("entity_id", "type", "name", "aliases", "xrefs", "attributes")
    returned = ", ".join(f"n.{name}" for name in names)
    rows = session.for_each(f"MATCH (n:Entity {{entity_id: $r}}) RETURN {returned}", ids)
    return {row[0]: entity_of_row(dict(zip(names, row, strict=True))) for row in rows}
