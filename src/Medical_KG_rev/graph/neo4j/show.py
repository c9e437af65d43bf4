"""Entities by name, and one with all that the graph says of it, from Neo4j."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from Medical_KG_rev.graph.entity_rows import entity_of_row
from Medical_KG_rev.graph.neo4j import reading
from Medical_KG_rev.graph.neo4j.connection import Graph
from Medical_KG_rev.graph.neo4j.schema import NAMES
from Medical_KG_rev.graph.results import EntityLookup, EntityRef, EntityView

_ENTITY = "MATCH (n:Entity {tenant: $tenant, entity_id: $id}) "
_BY_NAME = (
    f"CALL db.index.fulltext.queryNodes('{NAMES}', $term) YIELD node AS n "
    "WHERE n.tenant = $tenant AND $name IN n.search_keys RETURN properties(n) ORDER BY n.entity_id"
)
_MENTIONS = (
    _ENTITY + "MATCH (n)<-[m:MENTIONS]-(d:Document) WHERE d.status <> 'withdrawn' "
    "RETURN d.document_id, properties(m) ORDER BY d.document_id, m.start_offset LIMIT $limit"
)
_MENTIONS_TOTAL = _ENTITY + "MATCH (n)<-[:MENTIONS]-(d:Document) WHERE d.status <> 'withdrawn' RETURN count(*)"
_CLAIMS = (
    _ENTITY + "MATCH (n)<-[:{end}]-(c:Claim) MATCH (d:Document {tenant: $tenant, document_id: c.document_id}) "
    "WHERE d.status <> 'withdrawn' RETURN "
)
_ASSERTIONS = (
    "MATCH (a:Assertion) WHERE a.tenant = $tenant AND (a.subject_id = $id OR a.object_id = $id) AND a.rank IS NOT NULL RETURN "
)
"""Those that are in the index of neighbours: what withdrawn documents alone say is left out."""


def find(graph: Graph, text: str) -> list[Mapping[str, Any]]:
    """Properties of the entities of this id, in any case; where there is none, of those of this name or alias; by id."""
    wanted = text.strip().lower()
    if not wanted:
        return []
    escaped = wanted.replace("\\", "\\\\").replace('"', '\\"')
    found = [row[0] for row in graph.rows(_BY_NAME, term=f'"{escaped}"', name=wanted)]
    exact = [row for row in found if row["entity_id"] == text.strip()]
    return exact or [row for row in found if row["entity_id"].lower() == wanted] or found


def ref(row: Mapping[str, Any]) -> EntityRef:
    """The entity of these properties by name."""
    return reading.ref((row["entity_id"], row["type"], row["name"]))


def lookup(graph: Graph, text: str, limit: int) -> EntityLookup:
    """As the port says."""
    match find(graph, text):
        case []:
            return EntityLookup(query=text)
        case [row]:
            return EntityLookup(query=text, entity=_view(graph, row, limit))
        case rows:
            return EntityLookup(query=text, candidates=tuple(map(ref, rows[:limit])))


def _view(graph: Graph, row: Mapping[str, Any], limit: int) -> EntityView:
    entity = entity_of_row(row)
    wanted = {"id": entity.id, "limit": limit}
    claim_ids = {
        end: [
            found[0] for found in graph.rows(_claims(end) + "c.claim_id ORDER BY c.predicate, c.claim_id LIMIT $limit", **wanted)
        ]
        for end in ("SUBJECT", "OBJECT")
    }
    claims = reading.claims(graph, [claim_id for ids in claim_ids.values() for claim_id in ids])
    best = graph.rows(_ASSERTIONS + "a.assertion_id ORDER BY a.rank, a.belief_against, a.number LIMIT $limit", **wanted)
    return EntityView(
        id=entity.id,
        type=entity.type,
        name=entity.name,
        aliases=entity.aliases,
        xrefs=entity.xrefs,
        attributes=entity.attributes,
        mentions=tuple(reading.mention(*found) for found in graph.rows(_MENTIONS, **wanted)),
        mentions_total=graph.count(_MENTIONS_TOTAL, id=entity.id),
        claims_out=tuple(claims[claim_id] for claim_id in claim_ids["SUBJECT"]),
        claims_out_total=graph.count(_claims("SUBJECT") + "count(*)", id=entity.id),
        claims_in=tuple(claims[claim_id] for claim_id in claim_ids["OBJECT"]),
        claims_in_total=graph.count(_claims("OBJECT") + "count(*)", id=entity.id),
        assertions=tuple(reading.assertions(graph, [found[0] for found in best]).values()),
        assertions_total=graph.count(_ASSERTIONS + "count(*)", id=entity.id),
    )


def _claims(end: str) -> str:
    return _CLAIMS.replace("{end}", end)
