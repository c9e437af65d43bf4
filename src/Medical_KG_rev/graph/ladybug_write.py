"""What changes a LadybugDB graph: documents written, purged, withdrawn. The session is on a private copy."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.graph import ladybug_assertions, ladybug_rows
from Medical_KG_rev.graph.batch import GraphBatch
from Medical_KG_rev.graph.session import GraphSession

_STATUS = "MATCH (d:Document {document_id: $id}) RETURN d.status"
_WITHDRAW = "MATCH (d:Document {document_id: $id}) SET d.status = 'withdrawn'"
_STATED_BY = (
    "MATCH (d:Document {document_id: $id})<-[:DERIVED_FROM]-(v:Evidence)-[:SUPPORTS]->(c:Claim)-[:STATES]->(n:Assertion) "
    "RETURN DISTINCT n.assertion_id"
)


def write(session: GraphSession, batch: GraphBatch) -> None:
    """Each document of the batch replaces what the graph held of it."""
    _, touched = _remove(session, batch.documents)
    ladybug_rows.insert(session, batch)
    ladybug_assertions.settle(session, touched, batch)


def purge(session: GraphSession, doc_ids: Sequence[str]) -> int:
    """The number of nodes that are gone."""
    nodes, touched = _remove(session, doc_ids)
    ladybug_assertions.settle(session, touched)
    return nodes


def withdraw(session: GraphSession, doc_id: str) -> int:
    """1 where the document is there."""
    status = session.rows(_STATUS, {"id": doc_id})
    if not status:
        return 0
    session.rows(_WITHDRAW, {"id": doc_id})
    ladybug_assertions.settle(session, [row[0] for row in session.rows(_STATED_BY, {"id": doc_id})])
    return 1


def _remove(session: GraphSession, doc_ids: Sequence[str]) -> tuple[int, set[str]]:
    """The number of nodes that are gone, and the assertions that lost a claim and have others left."""
    removal = ladybug_rows.Removal(session)
    removal.remove(doc_ids)
    orphaned = removal.finish()
    ladybug_assertions.remove(session, orphaned)
    return removal.nodes + len(orphaned), set(removal.assertions) - orphaned
