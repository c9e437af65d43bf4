"""One entity with all that the graph says of it, from LadybugDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from Medical_KG_rev.graph.port import ClaimRow, EntityLookup, EntityRef, EntityView, EvidenceRow, MentionRow
from Medical_KG_rev.graph.session import GraphSession
from Medical_KG_rev.models import EntityType

_ENTITY = "n.entity_id, n.type, n.name, n.aliases, n.xrefs, n.attributes"
_MENTIONS = (
    "MATCH (d:Document)-[m:MENTIONS]->(n:Entity {entity_id: $id}) RETURN d.document_id, m.start_offset, m.end_offset, m.text, "
    "m.score ORDER BY d.document_id, m.start_offset LIMIT $limit"
)
_CLAIM_IDS = (
    "MATCH (c:Claim)-[:{end}]->(n:Entity {{entity_id: $id}}) RETURN c.claim_id ORDER BY c.predicate, c.claim_id LIMIT $limit"
)
_CLAIM = (
    "MATCH (c:Claim {claim_id: r})-[:SUBJECT]->(s:Entity) OPTIONAL MATCH (c)-[:OBJECT]->(o:Entity) "
    "RETURN c.claim_id, c.document_id, c.predicate, c.value, c.qualifiers, c.score, c.negated, c.method, "
    "s.entity_id, s.type, s.name, o.entity_id, o.type, o.name"
)
_EVIDENCE = (
    "MATCH (v:Evidence)-[:SUPPORTS]->(c:Claim {claim_id: r}) RETURN c.claim_id, v.document_id, v.start_offset, v.end_offset, "
    "v.text, v.section"
)


def lookup(session: GraphSession, text: str, limit: int) -> EntityLookup:
    """By id first, in any case; then by name and alias."""
    wanted = text.strip().lower()
    found = session.rows(
        f"MATCH (n:Entity) WHERE list_contains(n.search_keys, $key) RETURN {_ENTITY} ORDER BY n.entity_id", {"key": wanted}
    )
    by_id = [row for row in found if row[0].lower() == wanted]
    match by_id or found:
        case []:
            return EntityLookup(query=text)
        case [row]:
            return EntityLookup(query=text, entity=_view(session, row, limit))
        case rows:
            return EntityLookup(query=text, candidates=tuple(_ref(*row[:3]) for row in rows[:limit]))


def _ref(entity_id: str, entity_type: str, name: str) -> EntityRef:
    return EntityRef(id=entity_id, type=EntityType(entity_type), name=name)


def _view(session: GraphSession, row: Sequence[Any], limit: int) -> EntityView:
    entity_id, entity_type, name, aliases, xrefs, attributes = row
    wanted = {"id": entity_id, "limit": limit}
    mentions = session.rows(_MENTIONS, wanted)
    return EntityView(
        id=entity_id,
        type=EntityType(entity_type),
        name=name,
        aliases=tuple(aliases),
        xrefs=tuple(xrefs),
        attributes=msgspec.json.decode(attributes),
        mentions=tuple(MentionRow(doc_id=m[0], start=m[1], end=m[2], text=m[3], score=m[4]) for m in mentions),
        mentions_total=_degree(session, entity_id, "MENTIONS"),
        claims_out=_claims(session, "SUBJECT", wanted),
        claims_out_total=_degree(session, entity_id, "SUBJECT"),
        claims_in=_claims(session, "OBJECT", wanted),
        claims_in_total=_degree(session, entity_id, "OBJECT"),
    )


def _degree(session: GraphSession, entity_id: str, relationship: str) -> int:
    query = f"MATCH (n:Entity {{entity_id: $id}})<-[:{relationship}]-() RETURN count(*)"
    return session.count(query, {"id": entity_id})


def _claims(session: GraphSession, end: str, wanted: dict[str, Any]) -> tuple[ClaimRow, ...]:
    ids = [row[0] for row in session.rows(_CLAIM_IDS.format(end=end), wanted)]
    evidence: defaultdict[str, list[EvidenceRow]] = defaultdict(list)
    for claim_id, doc_id, start, stop, text, section in session.for_each(_EVIDENCE, ids):
        evidence[claim_id].append(EvidenceRow(doc_id=doc_id, start=start, end=stop, text=text, section=section))
    claims = {row[0]: _claim(row, evidence[row[0]]) for row in session.for_each(_CLAIM, ids)}
    return tuple(claims[claim_id] for claim_id in ids)


def _claim(row: Sequence[Any], evidence: list[EvidenceRow]) -> ClaimRow:
    return ClaimRow(
        id=row[0],
        doc_id=row[1],
        predicate=row[2],
        value=row[3],
        qualifiers=msgspec.json.decode(row[4]),
        score=row[5],
        negated=row[6],
        method=row[7],
        subject=_ref(*row[8:11]),
        object=_ref(*row[11:14]) if row[11] is not None else None,
        evidence=tuple(sorted(evidence, key=lambda e: e.start)),
    )
