"""All of a LadybugDB graph, or what lies around an entity, record by record; and what passages and documents name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from Medical_KG_rev.graph import ladybug_read as read
from Medical_KG_rev.graph.port import TextRange
from Medical_KG_rev.graph.results import DocumentRecord, GraphRecord, MentionRecord, MentionRow, PassageEntity
from Medical_KG_rev.graph.session import GraphSession

RECORDS_AT_ONCE = 1000
_DOCUMENT = "d.document_id, d.source, d.version, d.status"
_IDS = {
    "Document": "MATCH (d:Document) WHERE d.status <> 'withdrawn' RETURN d.document_id ORDER BY d.document_id",
    "Entity": "MATCH (n:Entity) RETURN n.entity_id ORDER BY n.entity_id",
    "Claim": "MATCH (c:Claim) RETURN c.claim_id ORDER BY c.claim_id",
    "Assertion": "MATCH (:Entity)-[s:RELATED_TO]->(:Entity) RETURN s.number ORDER BY s.number",
}
_MENTIONS = f"MATCH (n:Entity {{entity_id: $r}}) OPTIONAL MATCH (n)<-[m:MENTIONS]-(d:Document) RETURN n.entity_id, {read.MENTION}"
_DOCUMENT_OF = f"MATCH (d:Document {{document_id: $r}}) RETURN {_DOCUMENT}"
_ENTITY_OF = f"MATCH (n:Entity {{entity_id: $r}}) RETURN {read.ENTITY}"
_REACHED = "MATCH (n:Entity {entity_id: $r}) OPTIONAL MATCH (n)-[:RELATED_TO]-(o:Entity) RETURN DISTINCT n.entity_id, o.entity_id"
_STEPS_OF = "MATCH (n:Entity {entity_id: $r}) OPTIONAL MATCH (n)-[s:RELATED_TO]->(o:Entity) RETURN s.number, o.entity_id"
_CLAIMS_OF = (
    "MATCH (n:Entity {entity_id: $r}) OPTIONAL MATCH (n)<-[:SUBJECT]-(c:Claim) OPTIONAL MATCH (c)-[:OBJECT]->(o:Entity) "
    "RETURN c.claim_id, c.document_id, o.entity_id"
)
_IN_DOCUMENT = (
    "MATCH (d:Document {document_id: $doc})-[m:MENTIONS]->(n:Entity) WHERE d.status <> 'withdrawn' AND m.start_offset >= $first "
    f"AND m.end_offset <= $last RETURN n.entity_id, n.type, n.name, {read.MENTION} ORDER BY m.start_offset, m.end_offset"
)
_NAMING = (
    "MATCH (n:Entity {entity_id: $r}) OPTIONAL MATCH (n)<-[:MENTIONS|DESCRIBES]-(d:Document) WHERE d.status <> 'withdrawn' "
    "RETURN DISTINCT n.entity_id, d.document_id"
)


def whole(session: GraphSession) -> Iterator[GraphRecord]:
    """Everything but withdrawn documents and what they alone know."""
    hidden = frozenset(read.withdrawn(session))
    documents, entities, claims, numbers = (
        [row[0] for row in session.rows(_IDS[label])] for label in ("Document", "Entity", "Claim", "Assertion")
    )
    yield from _records(session, documents, entities, claims, numbers, hidden)


def around(session: GraphSession, entity_id: str, hops: int) -> Iterator[GraphRecord]:
    """An entity, those within ``hops`` of it, and what is said of them among themselves."""
    hidden = frozenset(read.withdrawn(session))
    known = {row[0] for row in session.for_each(_ENTITY_OF, [entity_id])}
    for _ in range(hops):
        known |= {row[1] for row in session.linked(_REACHED, sorted(known))}
    numbers = sorted(number for number, end in session.linked(_STEPS_OF, sorted(known)) if end in known)
    claims = [row for row in session.linked(_CLAIMS_OF, sorted(known)) if row[2] is None or row[2] in known]
    mentioning = {row[1] for row in session.linked(_MENTIONS, sorted(known))}
    documents = sorted({row[1] for row in claims} | mentioning)
    yield from _records(session, documents, sorted(known), sorted(row[0] for row in claims), numbers, hidden)


def _records(
    session: GraphSession,
    documents: Sequence[str],
    entities: Sequence[str],
    claims: Sequence[str],
    numbers: Sequence[int],
    hidden: frozenset[str],
) -> Iterator[GraphRecord]:
    for part in _parts([doc_id for doc_id in documents if doc_id not in hidden]):
        for row in sorted(session.for_each(_DOCUMENT_OF, part)):
            yield DocumentRecord(id=row[0], source=row[1], version=row[2], status=row[3])
    known = _supported(session, entities) if hidden else entities
    for part in _parts(known):
        yield from (read.entity(row) for row in sorted(session.for_each(_ENTITY_OF, part)))
    for part in _parts(known):
        for entity_id, *row in sorted(session.linked(_MENTIONS, part)):
            if row[0] not in hidden:
                yield MentionRecord(entity_id=entity_id, mention=read.mention(row))
    for part in _parts(claims):
        yield from (claim for claim in read.claims(session, part) if claim.doc_id not in hidden)
    for part in _parts(numbers):
        yield from read.assertions(session, part)


def _supported(session: GraphSession, entities: Sequence[str]) -> list[str]:
    """Entities that a document which is not withdrawn describes, mentions or makes claims about."""
    claimed = (
        "MATCH (n:Entity {entity_id: $r}) OPTIONAL MATCH (n)<-[:SUBJECT|OBJECT]-(c:Claim) "
        "RETURN DISTINCT n.entity_id, c.document_id"
    )
    hidden = frozenset(read.withdrawn(session))
    found = {row[0] for row in session.linked(_NAMING, entities)}
    found |= {row[0] for row in session.linked(claimed, entities) if row[1] not in hidden}
    return [entity_id for entity_id in entities if entity_id in found]


def _parts(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(ids), RECORDS_AT_ONCE):
        yield ids[start : start + RECORDS_AT_ONCE]


def passages_entities(session: GraphSession, ranges: Sequence[TextRange]) -> tuple[tuple[PassageEntity, ...], ...]:
    """What each range names, most mentions first."""
    spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for doc_id, start, end in ranges:
        spans[doc_id].append((start, end))
    rows = {
        doc_id: session.rows(
            _IN_DOCUMENT, {"doc": doc_id, "first": min(start for start, _ in found), "last": max(end for _, end in found)}
        )
        for doc_id, found in spans.items()
    }
    return tuple(_named(rows[doc_id], start, end) for doc_id, start, end in ranges)


def _named(rows: Sequence[Sequence[Any]], start: int, end: int) -> tuple[PassageEntity, ...]:
    found: defaultdict[tuple[str, str, str], list[MentionRow]] = defaultdict(list)
    for row in rows:
        mention = read.mention(row[3:])
        if start <= mention.start and mention.end <= end:
            found[row[0], row[1], row[2]].append(mention)
    entities = [PassageEntity(entity=read.ref(*key), mentions=tuple(mentions)) for key, mentions in found.items()]
    return tuple(sorted(entities, key=lambda passage: (-len(passage.mentions), passage.entity.id)))


def documents_naming(session: GraphSession, entity_ids: Sequence[str]) -> frozenset[str]:
    """Documents that mention or describe any of these entities."""
    return frozenset(row[1] for row in session.linked(_NAMING, sorted(set(entity_ids))))
