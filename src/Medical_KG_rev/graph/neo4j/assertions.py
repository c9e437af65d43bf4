"""Assertions in Neo4j: computed anew from all their claims whenever a write or a deletion touches one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from Medical_KG_rev.graph.assertions import AssertionKey, KnownAssertion, Stated, Tally, assertion_row, settled, step_row
from Medical_KG_rev.graph.batch import GraphBatch, Row
from Medical_KG_rev.graph.neo4j.connection import Graph
from Medical_KG_rev.graph.neo4j.rows import put_edges, put_nodes
from Medical_KG_rev.graph.neo4j.schema import RANK, TENANT

_ASSERTION = "MATCH (a:Assertion {tenant: $tenant, assertion_id: r}) "
_KNOWN = _ASSERTION + "RETURN properties(a)"
_STATED = (
    _ASSERTION + "MATCH (a)<-[:STATES]-(c:Claim) MATCH (d:Document {tenant: $tenant, document_id: c.document_id}) "
    "RETURN r, c.claim_id, c.document_id, d.source, c.method, c.score, c.negated, c.certainty, d.status"
)
_UNSTATED = (
    _ASSERTION + "WHERE NOT EXISTS { (a)<-[:STATES]-() } WITH a, a.assertion_id AS id, a.number AS number DETACH DELETE a "
    "RETURN id, number"
)
_CHANGE = "MATCH (a:Assertion {tenant: $tenant, assertion_id: r.id}) SET a += r.row"
_DROP_STEP = "MATCH ()-[e:RELATED_TO {tenant: $tenant, number: r}]->() DELETE e"


def settle(graph: Graph, touched: Collection[str], batch: GraphBatch | None = None) -> None:
    """Makes assertions exactly what the claims of the graph say.

    ``touched``: those that lost a claim, or whose claims weigh another amount now. ``batch``: its claims are in the graph, what
    they state is not yet.

    Raises:
        GraphConstraintError: two statements have the same number.
    """
    new: Mapping[str, AssertionKey] = batch.assertions if batch else {}
    known = _known(graph, {*new, *touched})
    tallies = settled(new, known, _claims(graph, known), batch.stated() if batch else {})
    created = [key for assertion_id, key in new.items() if assertion_id not in known]
    put_nodes(graph, "Assertion", (assertion_row(key, tallies[key.id]) | _rank(tallies[key.id]) for key in created))
    edges = batch.edges.get("STATES", ()) if batch else ()
    put_edges(graph, "STATES", ((edge.source, edge.target, edge.properties) for edge in edges))
    changed = [entry.key for assertion_id, entry in known.items() if entry.tally != tallies[assertion_id]]
    rows = ({"id": key.id, "row": msgspec.structs.asdict(tallies[key.id]) | _rank(tallies[key.id])} for key in changed)
    graph.for_each(_CHANGE, rows)
    graph.for_each(_DROP_STEP, [key.number for key in changed if known[key.id].tally.visible])
    seen = [key for key in (*created, *changed) if tallies[key.id].visible]
    steps = ((key.subject_id, key.object_id, {TENANT: graph.tenant, **step_row(key, tallies[key.id])}) for key in seen)
    put_edges(graph, "RELATED_TO", steps)


def remove_unstated(graph: Graph, assertion_ids: Iterable[str]) -> set[str]:
    """Removes those of these assertions that no claim states any more; which they were."""
    removed = {row[0]: row[1] for row in graph.for_each(_UNSTATED, sorted(assertion_ids))}
    graph.for_each(_DROP_STEP, removed.values())
    return set(removed)


def _rank(tally: Tally) -> Row:
    return {RANK: 0.0 - tally.belief if tally.visible else None}


def _known(graph: Graph, assertion_ids: Iterable[str]) -> dict[str, KnownAssertion]:
    return {row["assertion_id"]: _entry(row) for (row,) in graph.for_each(_KNOWN, sorted(assertion_ids))}


def _entry(row: Mapping[str, Any]) -> KnownAssertion:
    key = AssertionKey(*(row[name] for name in AssertionKey._fields))
    return KnownAssertion(key, Tally(**{name: row[name] for name in Tally.__struct_fields__}))


def _claims(graph: Graph, assertion_ids: Iterable[str]) -> defaultdict[str, list[Stated]]:
    found: defaultdict[str, list[Stated]] = defaultdict(list)
    for assertion_id, *claim in graph.for_each(_STATED, sorted(assertion_ids)):
        found[assertion_id].append(Stated(*claim))
    return found
