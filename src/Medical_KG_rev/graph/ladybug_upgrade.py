"""Brings a LadybugDB graph of schema 1 up to date: reads what its documents said and writes it again.

Schema 1 had Document, Entity, Claim and Evidence with six relationships, and no assertions.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec

from Medical_KG_rev.graph.batch import GraphBatch
from Medical_KG_rev.graph.entity_rows import entity_of_row
from Medical_KG_rev.graph.session import GraphSession
from Medical_KG_rev.models import Claim, Entity, Evidence, Mention

_NODES = ("Document", "Entity", "Claim", "Evidence")
_RELATIONSHIPS = ("MENTIONS", "DESCRIBES", "SUBJECT", "OBJECT", "SUPPORTS", "DERIVED_FROM")
TABLES_OF_1 = frozenset(_NODES + _RELATIONSHIPS)

_ENTITY = ("entity_id", "type", "name", "aliases", "xrefs", "attributes")
_ENTITIES = f"MATCH (n:Entity) RETURN {', '.join(f'n.{name}' for name in _ENTITY)}"
_MENTIONS = (
    "MATCH (d:Document)-[m:MENTIONS]->(n:Entity) RETURN n.entity_id, d.document_id, m.start_offset, m.end_offset, m.text, m.score"
)
_CLAIMS = (
    "MATCH (c:Claim)-[:SUBJECT]->(s:Entity) OPTIONAL MATCH (c)-[:OBJECT]->(o:Entity) RETURN c.claim_id, c.document_id, "
    "s.entity_id, c.predicate, o.entity_id, c.value, c.qualifiers, c.score, c.negated, c.method"
)
_EVIDENCE = (
    "MATCH (v:Evidence)-[:SUPPORTS]->(c:Claim) RETURN c.claim_id, v.document_id, v.start_offset, v.end_offset, v.text, "
    "v.section, v.page"
)


def read_schema_1(session: GraphSession) -> GraphBatch:
    """All that the graph holds, as one write."""
    versions = {row[0]: row[1] for row in session.rows("MATCH (d:Document) RETURN d.document_id, d.version")}
    return GraphBatch.build(sorted(versions), versions, _entities(session), _claims(session))


def drop_tables(session: GraphSession) -> None:
    """Leaves an empty database."""
    for name in _RELATIONSHIPS + _NODES:
        session.rows(f"DROP TABLE {name}")


def _entities(session: GraphSession) -> list[Entity]:
    mentions: defaultdict[str, list[Mention]] = defaultdict(list)
    for entity_id, doc_id, start, end, text, score in session.rows(_MENTIONS):
        mentions[entity_id].append(Mention(doc_id=doc_id, start=start, end=end, text=text, score=score))
    found = (entity_of_row(dict(zip(_ENTITY, row, strict=True))) for row in session.rows(_ENTITIES))
    return [msgspec.structs.replace(entity, mentions=tuple(mentions[entity.id])) for entity in found]


def _claims(session: GraphSession) -> list[Claim]:
    evidence: defaultdict[str, list[Evidence]] = defaultdict(list)
    for claim_id, doc_id, start, end, text, section, page in session.rows(_EVIDENCE):
        evidence[claim_id].append(Evidence(doc_id=doc_id, start=start, end=end, text=text, section=section, page=page))
    return [
        Claim(
            id=row[0],
            doc_id=row[1],
            subject_id=row[2],
            predicate=row[3],
            object_id=row[4],
            value=row[5],
            qualifiers=msgspec.json.decode(row[6]),
            score=row[7],
            negated=row[8],
            method=row[9],
            evidence=tuple(sorted(evidence[row[0]], key=lambda e: (e.start, e.end))),
        )
        for row in session.rows(_CLAIMS)
    ]
