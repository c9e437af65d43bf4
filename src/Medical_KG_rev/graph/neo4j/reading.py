"""Claims and assertions out of Neo4j, as the port answers with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from Medical_KG_rev.graph.neo4j.connection import Graph
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, EntityRef, EvidenceRow, MentionRow
from Medical_KG_rev.models import Certainty, EntityType

_CLAIM = (
    "MATCH (c:Claim {tenant: $tenant, claim_id: r}) MATCH (c)-[:SUBJECT]->(s:Entity) MATCH (c)-[:GENERATED_BY]->(m:Activity) "
    "MATCH (d:Document {tenant: $tenant, document_id: c.document_id}) "
    "OPTIONAL MATCH (c)-[:OBJECT]->(o:Entity) OPTIONAL MATCH (c)-[:STATES]->(a:Assertion) "
    "RETURN properties(c), [s.entity_id, s.type, s.name], [o.entity_id, o.type, o.name], m.version, d.source, d.status, "
    "a.assertion_id"
)
_EVIDENCE = (
    "MATCH (c:Claim {tenant: $tenant, claim_id: r})<-[:SUPPORTS]-(v:Evidence) "
    "RETURN r, v.document_id, v.start_offset, v.end_offset, v.text, v.section, v.page"
)
_ASSERTION = (
    "MATCH (a:Assertion {tenant: $tenant, assertion_id: r}) MATCH (s:Entity {tenant: $tenant, entity_id: a.subject_id}) "
    "MATCH (o:Entity {tenant: $tenant, entity_id: a.object_id}) "
    "RETURN properties(a), [s.entity_id, s.type, s.name], [o.entity_id, o.type, o.name]"
)
_STATED_BY = (
    "MATCH (a:Assertion {tenant: $tenant, assertion_id: r})<-[:STATES]-(c:Claim) "
    "MATCH (d:Document {tenant: $tenant, document_id: c.document_id}) WHERE d.status <> 'withdrawn' RETURN r, c.claim_id"
)


def ref(row: Sequence[Any]) -> EntityRef:
    """Of id, type and name."""
    return EntityRef(id=row[0], type=EntityType(row[1]), name=row[2])


def mention(doc_id: str, row: Mapping[str, Any]) -> MentionRow:
    """Of a document's id and the properties of ``MENTIONS``."""
    return MentionRow(
        doc_id=doc_id,
        start=row["start_offset"],
        end=row["end_offset"],
        text=row["text"],
        score=row["score"],
        negated=row["negated"],
        certainty=Certainty(row["certainty"]),
        family=row["family"],
        historical=row["historical"],
    )


def claims(graph: Graph, claim_ids: Sequence[str]) -> dict[str, ClaimRow]:
    """By id, in the order asked for, each with its evidence in the order of the text."""
    evidence: defaultdict[str, list[EvidenceRow]] = defaultdict(list)
    for claim_id, doc_id, start, end, text, section, page in graph.for_each(_EVIDENCE, claim_ids):
        row = EvidenceRow(doc_id=doc_id, start=start, end=end, text=text, section=section or "", page=page)
        evidence[claim_id].append(row)
    found = {row[0]["claim_id"]: row for row in graph.for_each(_CLAIM, claim_ids)}
    return {key: _claim(found[key], evidence[key]) for key in claim_ids if key in found}


def _claim(row: Sequence[Any], evidence: Iterable[EvidenceRow]) -> ClaimRow:
    claim, subject, target, activity, source, status, assertion_id = row
    return ClaimRow(
        id=claim["claim_id"],
        doc_id=claim["document_id"],
        subject=ref(subject),
        predicate=claim["predicate"],
        object=None if target[0] is None else ref(target),
        value=claim.get("value"),
        qualifiers=msgspec.json.decode(claim["qualifiers"]),
        score=claim["score"],
        negated=claim["negated"],
        method=claim["method"],
        evidence=tuple(sorted(evidence, key=lambda place: (place.start, place.end))),
        certainty=Certainty(claim["certainty"]),
        activity=activity or "",
        source=source,
        status=status,
        assertion_id=assertion_id,
    )


def assertions(graph: Graph, assertion_ids: Sequence[str], *, with_claims: bool = False) -> dict[str, AssertionRow]:
    """By id, in the order asked for; with the claims of documents that are not withdrawn where they are wanted."""
    found = {row[0]["assertion_id"]: row for row in graph.for_each(_ASSERTION, assertion_ids)}
    stating: defaultdict[str, list[ClaimRow]] = defaultdict(list)
    if with_claims:
        pairs = sorted(map(tuple, graph.for_each(_STATED_BY, list(found))))
        rows = claims(graph, [claim_id for _, claim_id in pairs])
        for assertion_id, claim_id in pairs:
            stating[assertion_id].append(rows[claim_id])
    return {key: _assertion(found[key], stating[key]) for key in assertion_ids if key in found}


def _assertion(row: Sequence[Any], stating: Iterable[ClaimRow]) -> AssertionRow:
    properties, subject, target = row
    return AssertionRow(
        id=properties["assertion_id"],
        subject=ref(subject),
        predicate=properties["predicate"],
        object=ref(target),
        qualifiers=msgspec.json.decode(properties["qualifiers"]),
        belief=properties["belief"],
        belief_against=properties["belief_against"],
        claims_for=properties["claims_for"],
        claims_against=properties["claims_against"],
        claims_hypothetical=properties["claims_hypothetical"],
        claims_retracted=properties["claims_retracted"],
        documents=properties["documents"],
        claims=tuple(stating),
    )
