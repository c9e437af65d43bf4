"""Claims, assertions and entities read from LadybugDB by their ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from Medical_KG_rev.graph.assertions import assertion_id
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, EntityRecord, EntityRef, EvidenceRow, MentionRow
from Medical_KG_rev.graph.session import GraphSession
from Medical_KG_rev.models import Certainty, EntityType

ENTITY = "n.entity_id, n.type, n.name, n.aliases, n.xrefs, n.attributes"
MENTION = "d.document_id, m.start_offset, m.end_offset, m.text, m.score, m.negated, m.certainty, m.family, m.historical"
_REFS = "MATCH (n:Entity {entity_id: $r}) RETURN n.entity_id, n.type, n.name"
_CLAIM = (
    "MATCH (c:Claim {claim_id: $r}) OPTIONAL MATCH (c)-[:SUBJECT]->(s:Entity) OPTIONAL MATCH (c)-[:GENERATED_BY]->(a:Activity) "
    "OPTIONAL MATCH (c)-[:OBJECT]->(o:Entity) OPTIONAL MATCH (c)-[:STATES]->(n:Assertion) "
    "RETURN c.claim_id, c.document_id, c.predicate, c.value, c.qualifiers, c.score, c.negated, c.method, c.certainty, "
    "a.version, n.assertion_id, s.entity_id, s.type, s.name, o.entity_id, o.type, o.name"
)
_EVIDENCE = (
    "MATCH (c:Claim {claim_id: $r}) OPTIONAL MATCH (c)<-[:SUPPORTS]-(v:Evidence) "
    "RETURN c.claim_id, v.document_id, v.start_offset, v.end_offset, v.text, v.section, v.page"
)
_DOCUMENTS = "MATCH (d:Document {document_id: $r}) RETURN d.document_id, d.source, d.status"
_COUNTS = ("claims_for", "claims_against", "claims_hypothetical", "claims_retracted", "documents")
_ASSERTION = (
    "MATCH (n:Assertion {assertion_id: $r}) RETURN n.assertion_id, n.subject_id, n.predicate, n.object_id, n.qualifiers, "
    "n.belief, n.belief_against, " + ", ".join(f"n.{name}" for name in _COUNTS)
)
_STATED_BY = "MATCH (n:Assertion {assertion_id: $r}) OPTIONAL MATCH (n)<-[:STATES]-(c:Claim) RETURN n.assertion_id, c.claim_id"


def ref(entity_id: str, entity_type: str, name: str) -> EntityRef:
    """An entity by name."""
    return EntityRef(id=entity_id, type=EntityType(entity_type), name=name)


def refs(session: GraphSession, entity_ids: Iterable[str]) -> dict[str, EntityRef]:
    """Those of these entities that are there."""
    return {row[0]: ref(*row) for row in session.for_each(_REFS, sorted(set(entity_ids)))}


def entity(row: Sequence[Any]) -> EntityRecord:
    """Of the columns ``ENTITY``."""
    return EntityRecord(
        id=row[0],
        type=EntityType(row[1]),
        name=row[2],
        aliases=tuple(row[3]),
        xrefs=tuple(row[4]),
        attributes=msgspec.json.decode(row[5]),
    )


def mention(row: Sequence[Any]) -> MentionRow:
    """Of the columns ``MENTION``."""
    return MentionRow(
        doc_id=row[0],
        start=row[1],
        end=row[2],
        text=row[3],
        score=row[4],
        negated=row[5],
        certainty=Certainty(row[6]),
        family=row[7],
        historical=row[8],
    )


def withdrawn(session: GraphSession) -> list[str]:
    """Documents that are hidden."""
    return [row[0] for row in session.rows("MATCH (d:Document) WHERE d.status = 'withdrawn' RETURN d.document_id")]


def claims(session: GraphSession, claim_ids: Sequence[str]) -> tuple[ClaimRow, ...]:
    """These claims with their evidence, in the order given."""
    evidence: defaultdict[str, list[EvidenceRow]] = defaultdict(list)
    for claim_id, doc_id, start, end, text, section, page in session.linked(_EVIDENCE, claim_ids):
        evidence[claim_id].append(EvidenceRow(doc_id=doc_id, start=start, end=end, text=text, section=section or "", page=page))
    rows = session.for_each(_CLAIM, claim_ids)
    documents = {row[0]: row[1:] for row in session.for_each(_DOCUMENTS, sorted({row[1] for row in rows}))}
    found = {row[0]: _claim(row, evidence[row[0]], *documents[row[1]]) for row in rows}
    return tuple(found[claim_id] for claim_id in claim_ids if claim_id in found)


def _claim(row: Sequence[Any], evidence: list[EvidenceRow], source: str, status: str) -> ClaimRow:
    return ClaimRow(
        id=row[0],
        doc_id=row[1],
        predicate=row[2],
        value=row[3],
        qualifiers=msgspec.json.decode(row[4]),
        score=row[5],
        negated=row[6],
        method=row[7],
        certainty=Certainty(row[8]),
        activity=row[9] or "",
        assertion_id=row[10],
        subject=ref(*row[11:14]),
        object=ref(*row[14:17]) if row[14] is not None else None,
        evidence=tuple(sorted(evidence, key=lambda e: (e.start, e.end))),
        source=source,
        status=status,
    )


def assertions(session: GraphSession, numbers: Iterable[int]) -> tuple[AssertionRow, ...]:
    """These assertions in the order given, without their claims."""
    ids = [assertion_id(number) for number in numbers]
    rows = {row[0]: row for row in session.for_each(_ASSERTION, ids)}
    names = refs(session, (row[end] for row in rows.values() for end in (1, 3)))
    return tuple(_assertion(rows[key], names) for key in ids if key in rows)


def _assertion(row: Sequence[Any], names: dict[str, EntityRef]) -> AssertionRow:
    return AssertionRow(
        id=row[0],
        subject=names[row[1]],
        predicate=row[2],
        object=names[row[3]],
        qualifiers=msgspec.json.decode(row[4]),
        belief=row[5],
        belief_against=row[6],
        **dict(zip(_COUNTS, row[7:], strict=True)),
    )


def with_claims(session: GraphSession, found: Sequence[AssertionRow], hidden: Iterable[str]) -> dict[str, AssertionRow]:
    """Assertions by id, with their claims but for those of ``hidden`` documents."""
    stated: defaultdict[str, list[str]] = defaultdict(list)
    for key, claim_id in session.linked(_STATED_BY, [row.id for row in found]):
        stated[key].append(claim_id)
    hidden = frozenset(hidden)
    ids = sorted({claim_id for claim_ids in stated.values() for claim_id in claim_ids})
    rows = {claim.id: claim for claim in claims(session, ids) if claim.doc_id not in hidden}
    return {
        row.id: msgspec.structs.replace(row, claims=tuple(rows[key] for key in sorted(stated[row.id]) if key in rows))
        for row in found
    }
