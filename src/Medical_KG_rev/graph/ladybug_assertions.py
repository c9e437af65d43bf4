"""Assertions in LadybugDB: computed anew from all their claims whenever a write or a deletion touches one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

import msgspec

from Medical_KG_rev.graph.assertions import AssertionKey, KnownAssertion, Stated, Tally, assertion_row, settled, step_row
from Medical_KG_rev.graph.batch import Edge, GraphBatch
from Medical_KG_rev.graph.ladybug_rows import existing, put_edges, put_nodes
from Medical_KG_rev.graph.schema import Property
from Medical_KG_rev.graph.session import GraphSession

_KEY = tuple(AssertionKey._fields)
_TALLY = tuple(Tally.__struct_fields__)
_KNOWN = "MATCH (n:Assertion {assertion_id: $r}) RETURN n.assertion_id, " + ", ".join(f"n.{name}" for name in _KEY + _TALLY)
_STATED = (
    "MATCH (n:Assertion {assertion_id: $r}) OPTIONAL MATCH (n)<-[:STATES]-(c:Claim) "
    "RETURN n.assertion_id, c.claim_id, c.document_id, c.method, c.score, c.negated, c.certainty"
)
_DOCUMENTS = "MATCH (d:Document {document_id: $r}) RETURN d.document_id, d.source, d.status"
_CHANGED = {"assertion_id": Property("string", required=True)} | {
    name: Property("number" if name.startswith("belief") else "integer", required=True) for name in _TALLY
}
_CHANGE = "MATCH (n:Assertion {assertion_id: c_assertion_id}) SET " + ", ".join(f"n.{name} = c_{name}" for name in _TALLY)


def settle(session: GraphSession, touched: Collection[str], batch: GraphBatch | None = None) -> None:
    """Makes assertions exactly what the claims of the graph say.

    ``touched``: those that lost a claim, or whose claims weigh another amount now. ``batch``: its claims are in the graph, what
    they state is not yet.

    Raises:
        GraphConstraintError: two statements have the same number.
    """
    new = batch.assertions if batch else {}
    known = _known(session, sorted({*new, *touched}))
    tallies = settled(new, known, _claims(session, known), batch.stated() if batch else {})
    created = {key: assertion_row(parts, tallies[key]) for key, parts in new.items() if key not in known}
    put_nodes(session, "Assertion", created)
    put_edges(session, "STATES", batch.edges.get("STATES", ()) if batch else ())
    changed = {key: entry for key, entry in known.items() if entry.tally != tallies[key]}
    rows = [{"assertion_id": key, **msgspec.structs.asdict(tallies[key])} for key in changed]
    session.put(_CHANGED, rows, _CHANGE)
    stale = [entry for key, entry in changed.items() if _step(entry.key, entry.tally) != _step(entry.key, tallies[key])]
    drop_steps(session, [entry.key for entry in stale if entry.tally.visible])
    fresh = [new[key] for key in created] + [entry.key for entry in stale]
    steps = [(key, _step(key, tallies[key.id])) for key in fresh]
    put_edges(session, "RELATED_TO", [Edge(key.subject_id, key.object_id, "", row) for key, row in steps if row is not None])


def _step(key: AssertionKey, tally: Tally) -> dict[str, object] | None:
    return step_row(key, tally) if tally.visible else None


def remove(session: GraphSession, assertion_ids: Collection[str]) -> None:
    """Removes assertions that no claim states any more."""
    known = _known(session, sorted(assertion_ids))
    keys = [entry.key for entry in known.values()]
    left = existing(session, "Entity", sorted({end for key in keys for end in (key.subject_id, key.object_id)}))
    drop_steps(session, [key for key in keys if key.subject_id in left and key.object_id in left])
    session.for_each("MATCH (n:Assertion {assertion_id: $r}) DETACH DELETE n", sorted(known))


def drop_steps(session: GraphSession, keys: Collection[AssertionKey]) -> None:
    """Removes ``RELATED_TO`` of these assertions, all of one entity at a time: from the side that has fewer entities."""
    by_subject, by_object = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for key in keys:
        by_subject[key.subject_id].append(key.number)
        by_object[key.object_id].append(key.number)
    pattern, groups = "(:Entity {entity_id: $id})-[s:RELATED_TO]->(:Entity)", by_subject
    if len(by_object) < len(by_subject):
        pattern, groups = "(:Entity)-[s:RELATED_TO]->(:Entity {entity_id: $id})", by_object
    with session.transaction():
        for entity_id, numbers in groups.items():
            session.rows(f"MATCH {pattern} WHERE s.number IN $numbers DELETE s", {"id": entity_id, "numbers": numbers})


def _known(session: GraphSession, assertion_ids: Iterable[str]) -> dict[str, KnownAssertion]:
    found = {}
    for assertion_id, *values in session.for_each(_KNOWN, assertion_ids):
        key, tally = AssertionKey(*values[: len(_KEY)]), Tally(**dict(zip(_TALLY, values[len(_KEY) :], strict=True)))
        found[assertion_id] = KnownAssertion(key, tally)
    return found


def _claims(session: GraphSession, assertion_ids: Iterable[str]) -> defaultdict[str, list[Stated]]:
    rows = session.linked(_STATED, sorted(assertion_ids))
    documents = {row[0]: row[1:] for row in session.for_each(_DOCUMENTS, sorted({row[2] for row in rows}))}
    found: defaultdict[str, list[Stated]] = defaultdict(list)
    for assertion_id, claim_id, document_id, method, score, negated, certainty in rows:
        source, status = documents[document_id]
        found[assertion_id].append(Stated(claim_id, document_id, source, method, score, negated, certainty, status))
    return found
