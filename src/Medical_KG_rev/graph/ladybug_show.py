"""One entity with all that the graph says of it, from LadybugDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from Medical_KG_rev.graph import ladybug_read as read
from Medical_KG_rev.graph.results import EntityLookup, EntityRef, EntityView
from Medical_KG_rev.graph.session import GraphSession

_BY_ID = f"MATCH (n:Entity {{entity_id: $text}}) RETURN {read.ENTITY}"
_BY_KEY = f"MATCH (n:Entity) WHERE list_contains(n.search_keys, $key) RETURN {read.ENTITY} ORDER BY n.entity_id"
_MENTIONS = (
    "MATCH (d:Document)-[m:MENTIONS]->(n:Entity {entity_id: $id}) WHERE d.status <> 'withdrawn' "
    f"RETURN {read.MENTION} ORDER BY d.document_id, m.start_offset LIMIT $limit"
)
_MENTIONS_TOTAL = "MATCH (d:Document)-[m:MENTIONS]->(n:Entity {entity_id: $id}) WHERE d.status <> 'withdrawn' RETURN count(*)"
_CLAIMS = "MATCH (c:Claim)-[:{end}]->(n:Entity {{entity_id: $id}}) WHERE NOT list_contains($withdrawn, c.document_id) "
_ASSERTIONS = (
    "MATCH (n:Entity {entity_id: $id})-[s:RELATED_TO]-(:Entity) RETURN DISTINCT s.number, s.belief, s.belief_against "
    "ORDER BY s.belief DESC, s.belief_against, s.number LIMIT $limit"
)
_ASSERTIONS_TOTAL = "MATCH (n:Entity {entity_id: $id})-[s:RELATED_TO]-(:Entity) RETURN count(DISTINCT s.number)"


def rows_named(session: GraphSession, text: str) -> list[list[Any]]:
    """Entities by id first, in any case; then by name and alias."""
    exact = session.rows(_BY_ID, {"text": text.strip()})
    if exact:
        return exact
    wanted = text.strip().lower()
    found = session.rows(_BY_KEY, {"key": wanted})
    return [row for row in found if row[0].lower() == wanted] or found


def find(session: GraphSession, text: str, limit: int) -> tuple[EntityRef, ...]:
    """Entities by id, or else by name and alias."""
    return tuple(read.ref(*row[:3]) for row in rows_named(session, text)[:limit])


def lookup(session: GraphSession, text: str, limit: int) -> EntityLookup:
    """One entity, or those that share the name."""
    match rows_named(session, text):
        case []:
            return EntityLookup(query=text)
        case [row]:
            return EntityLookup(query=text, entity=_view(session, row, limit))
        case rows:
            return EntityLookup(query=text, candidates=tuple(read.ref(*row[:3]) for row in rows[:limit]))


def _view(session: GraphSession, row: Sequence[Any], limit: int) -> EntityView:
    known = read.entity(row)
    wanted = {"id": known.id, "limit": limit}
    withdrawn = read.withdrawn(session)
    out_claims, out_total = _claims(session, "SUBJECT", known.id, limit, withdrawn)
    in_claims, in_total = _claims(session, "OBJECT", known.id, limit, withdrawn)
    numbers = [found[0] for found in session.rows(_ASSERTIONS, wanted)]
    return EntityView(
        id=known.id,
        type=known.type,
        name=known.name,
        aliases=known.aliases,
        xrefs=known.xrefs,
        attributes=known.attributes,
        mentions=tuple(read.mention(found) for found in session.rows(_MENTIONS, wanted)),
        mentions_total=session.count(_MENTIONS_TOTAL, {"id": known.id}),
        claims_out=out_claims,
        claims_out_total=out_total,
        claims_in=in_claims,
        claims_in_total=in_total,
        assertions=read.assertions(session, numbers),
        assertions_total=session.count(_ASSERTIONS_TOTAL, {"id": known.id}),
    )


def _claims(session: GraphSession, end: str, entity_id: str, limit: int, withdrawn: Sequence[str]) -> tuple[Any, int]:
    match, given = _CLAIMS.format(end=end), {"id": entity_id, "withdrawn": list(withdrawn)}
    ids = session.rows(f"{match}RETURN c.claim_id ORDER BY c.predicate, c.claim_id LIMIT $limit", {**given, "limit": limit})
    return read.claims(session, [row[0] for row in ids]), session.count(f"{match}RETURN count(*)", given)
