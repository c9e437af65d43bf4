"""Writing rows to LadybugDB.

The session is on a private copy: statements commit one by one, which bounds the engine's memory, and the copy's publication is
the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from Medical_KG_rev.errors import GraphConstraintError
from Medical_KG_rev.graph.batch import GraphBatch, entity_row, merge_pair
from Medical_KG_rev.graph.schema import NODE_KEYS
from Medical_KG_rev.graph.session import GraphSession
from Medical_KG_rev.models import Entity, EntityType

_DOCUMENT = "(d:Document {document_id: r.id, source: r.source, version: r.version})"
_CLAIM = (
    "(c:Claim {claim_id: r.id, document_id: r.document_id, predicate: r.predicate, value: r.value, "
    "qualifiers: r.qualifiers, score: r.score, negated: r.negated, method: r.method})"
)
_EVIDENCE = (
    "(v:Evidence {evidence_id: r.id, document_id: r.document_id, start_offset: r.start, end_offset: r.stop, text: r.text, "
    "section: r.section, page: r.page})"
)
_MENTION = "[:MENTIONS {start_offset: r.start, end_offset: r.stop, text: r.text, score: r.score}]"
# Nodes are made together with what leads away from them, which saves a look-up per relationship.
_INSERTS = {
    "documents": f"CREATE {_DOCUMENT}",
    "described": f"MATCH (e:Entity {{entity_id: r.id}}) CREATE {_DOCUMENT}-[:DESCRIBES]->(e)",
    "mentions": f"MATCH (d:Document {{document_id: r.document_id}}) MATCH (e:Entity {{entity_id: r.entity_id}}) "
    f"CREATE (d)-{_MENTION}->(e)",
    "values": f"MATCH (s:Entity {{entity_id: r.subject}}) CREATE {_CLAIM}-[:SUBJECT]->(s)",
    "links": "MATCH (s:Entity {entity_id: r.subject}) MATCH (o:Entity {entity_id: r.object}) "
    f"CREATE {_CLAIM}-[:SUBJECT]->(s), (c)-[:OBJECT]->(o)",
    "evidence": f"MATCH (d:Document {{document_id: r.document_id}}) CREATE {_EVIDENCE}-[:DERIVED_FROM]->(d)",
    "supports": "MATCH (v:Evidence {evidence_id: r.evidence}) MATCH (c:Claim {claim_id: r.claim}) CREATE (v)-[:SUPPORTS]->(c)",
}
_CREATE_ENTITY = (
    "CREATE (n:Entity {entity_id: r.id, type: r.type, name: r.name, aliases: r.aliases, xrefs: r.xrefs, "
    "attributes: r.attributes, search_keys: r.search_keys})"
)
_CHANGE_ENTITY = (
    "MATCH (n:Entity {entity_id: r.id}) SET n.type = r.type, n.name = r.name, n.aliases = r.aliases, n.xrefs = r.xrefs, "
    "n.attributes = r.attributes, n.search_keys = r.search_keys"
)
# Each MATCH stands alone: two patterns in one MATCH are planned as a product of both tables.
_CLAIMS_OF = "MATCH (d:Document {document_id: r})<-[:DERIVED_FROM]-(v:Evidence) MATCH (v)-[:SUPPORTS]->(c:Claim) "
_SUPPORT = "EXISTS { MATCH (n)<-[:MENTIONS|DESCRIBES|SUBJECT|OBJECT]-() }"


def live(session: GraphSession, doc_ids: Iterable[str]) -> dict[str, str]:
    found = session.for_each("MATCH (d:Document {document_id: r}) RETURN d.document_id, d.version", doc_ids)
    return dict(found)


def existing(session: GraphSession, label: str, ids: Iterable[str]) -> frozenset[str]:
    """Which of these keys the node table holds."""
    key = NODE_KEYS[label]
    return frozenset(row[0] for row in session.for_each(f"MATCH (n:{label} {{{key}: r}}) RETURN n.{key}", ids))


def remove_documents(session: GraphSession, doc_ids: Sequence[str]) -> int:
    """Removes the documents, their claims and evidence, and entities without any other support; the number of nodes."""
    present = sorted(existing(session, "Document", doc_ids))
    if not present:
        return 0
    claims, evidence, entities = _content(session, present)
    _delete(session, "Claim", claims)
    _delete(session, "Evidence", evidence)
    _delete(session, "Document", present)
    orphans = [
        row[0]
        for row in session.for_each(
            f"MATCH (n:Entity {{entity_id: r}}) WHERE NOT {_SUPPORT} RETURN n.entity_id", sorted(entities)
        )
    ]
    _delete(session, "Entity", orphans)
    return len(claims) + len(evidence) + len(present) + len(orphans)


def _content(session: GraphSession, doc_ids: Sequence[str]) -> tuple[set[str], set[str], set[str]]:
    """Ids of the claims, the evidence and the entities of these documents."""
    pairs = session.for_each(_CLAIMS_OF + "RETURN c.claim_id, v.evidence_id", doc_ids)
    claims, evidence = {claim for claim, _ in pairs}, {place for _, place in pairs}
    ends = "MATCH (c:Claim {claim_id: r})-[:SUBJECT|OBJECT]->(n:Entity) RETURN DISTINCT n.entity_id"
    named = "MATCH (d:Document {document_id: r})-[:MENTIONS|DESCRIBES]->(n:Entity) RETURN DISTINCT n.entity_id"
    entities = {row[0] for row in session.for_each(ends, sorted(claims))}
    entities |= {row[0] for row in session.for_each(named, doc_ids)}
    return claims, evidence, entities


def _delete(session: GraphSession, label: str, ids: Iterable[str]) -> None:
    session.for_each(f"MATCH (n:{label} {{{NODE_KEYS[label]}: r}}) DETACH DELETE n", sorted(ids))


def insert(session: GraphSession, batch: GraphBatch) -> None:
    """Writes the batch; what the graph held of its documents must be gone.

    Raises:
        GraphConstraintError: an end of a claim is nowhere, or a claim's id belongs to another document.
    """
    _refuse_conflicts(session, batch)
    _put_entities(session, batch)
    for name, statement in _INSERTS.items():
        session.for_each(statement, getattr(batch, name))


def _refuse_conflicts(session: GraphSession, batch: GraphBatch) -> None:
    outside = sorted(batch.referenced - batch.entities.keys())
    dangling = set(outside) - existing(session, "Entity", outside)
    taken = existing(session, "Claim", [row["id"] for row in batch.values + batch.links])
    violations = [f"a claim points at the unknown entity {entity_id}" for entity_id in sorted(dangling)]
    violations += [f"claim {claim_id} belongs to another document" for claim_id in sorted(taken)]
    if violations:
        raise GraphConstraintError(
            f"Nothing was written to the graph: {'; '.join(violations[:5])}.", violations=tuple(violations)
        )


def _put_entities(session: GraphSession, batch: GraphBatch) -> None:
    """Creates new entities and joins known ones: a document is the authority on its own entity, else what was there wins."""
    own = {row["id"] for row in batch.described}
    known = _known_entities(session, batch.entities)
    joined = (
        merge_pair(batch.entities[key], old) if key in own else merge_pair(old, batch.entities[key]) for key, old in known.items()
    )
    changed = [entity_row(new) for new in joined if msgspec.structs.replace(new, mentions=()) != known[new.id]]
    session.for_each(_CHANGE_ENTITY, changed)
    created = (entity_row(entity) for key, entity in batch.entities.items() if key not in known)
    session.for_each(_CREATE_ENTITY, created)


def _known_entities(session: GraphSession, ids: Iterable[str]) -> dict[str, Entity]:
    rows = session.for_each(
        "MATCH (n:Entity {entity_id: r}) RETURN n.entity_id, n.type, n.name, n.aliases, n.xrefs, n.attributes",
        ids,
    )
    return {
        row[0]: Entity(
            id=row[0],
            type=EntityType(row[1]),
            name=row[2],
            aliases=tuple(row[3]),
            xrefs=tuple(row[4]),
            attributes=msgspec.json.decode(row[5]),
        )
        for row in rows
    }
