"""Neighbours and ways over assertions, from Neo4j.

Neighbours are read from two indexes that hold each entity's assertions in the order of belief, so that an entity with many
assertions costs no more than one with few: many ordered streams are merged, and read on only as far as they are needed.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from Medical_KG_rev.graph.assertions import assertion_id
from Medical_KG_rev.graph.neo4j import reading
from Medical_KG_rev.graph.neo4j.connection import Graph
from Medical_KG_rev.graph.results import EntityRef, GraphPath, Neighbour

_FIRST, _MORE = 8, 64
"""Rows a stream reads at first, and when it is read on."""
_ENDS = (("subject_id", "object_id"), ("object_id", "subject_id"))
_PAGE = (
    "UNWIND $sources AS r CALL {{ WITH r "
    "MATCH (a:Assertion) WHERE a.tenant = $tenant AND a.{near} = r.id AND a.rank >= -1.0 AND a.number IS NOT NULL "
    "RETURN a.number AS number, a.{far} AS far, a.belief AS belief, a.belief_against AS against, a.predicate AS predicate "
    "ORDER BY a.tenant, a.{near}, a.rank, a.number SKIP $skip LIMIT $size }} "
    "RETURN r.place, number, far, belief, against, predicate"
)
_REFS = "MATCH (n:Entity {tenant: $tenant, entity_id: r}) RETURN n.entity_id, n.type, n.name"
_WAYS = (
    "MATCH (a:Entity {{tenant: $tenant, entity_id: $a}}) MATCH (b:Entity {{tenant: $tenant, entity_id: $b}}) "
    "MATCH p = allShortestPaths((a)-[:RELATED_TO*..{hops}]-(b)) WHERE all(e IN relationships(p) WHERE e.belief > 0) "
    "WITH [n IN nodes(p) | n.entity_id] AS ids, [e IN relationships(p) | e.number] AS numbers, "
    "reduce(product = 1.0, e IN relationships(p) | product * e.belief) AS belief "
    "WITH ids, numbers, belief, reduce(text = '', number IN numbers | text + toString(number) + ' ') AS text "
    "ORDER BY belief DESC, text WITH ids, head(collect([numbers, belief, text])) AS best "
    "RETURN ids, best[0], best[1] ORDER BY best[1] DESC, best[2] LIMIT $limit"
)


class _Step(NamedTuple):
    """An assertion from a nearer entity to the next; sorts as neighbours do."""

    order: float
    number: int
    near: str
    far: str
    belief_against: float
    predicate: str
    is_forward: bool


@dataclass(slots=True)
class _Stream:
    """The assertions of one entity at one end, the most believed first: ``rows`` of the last page, after ``read`` in all."""

    entity_id: str
    belief: float
    near: str
    far: str
    rows: list[list[Any]] = field(default_factory=list)
    read: int = 0
    is_whole: bool = False

    def steps(self, graph: Graph) -> Iterator[_Step]:
        """All of them, read on when those that were read are used up."""
        while True:
            for number, far, belief, against, predicate in self.rows:
                is_forward = self.near == "subject_id"
                yield _Step(-self.belief * belief, number, self.entity_id, far, against, predicate, is_forward)
            if self.is_whole:
                return
            _read_on(graph, [self], _MORE)


def neighbours(graph: Graph, entity_id: str, hops: int, limit: int) -> tuple[Neighbour, ...]:
    """As the port says."""
    found: list[tuple[int, _Step]] = []
    seen = {entity_id}
    frontier = [(entity_id, 1.0)]
    for hop in range(1, hops + 1):
        streams = [_Stream(near_id, belief, *ends) for near_id, belief in frontier for ends in _ENDS]
        _read_on(graph, streams, max(_FIRST, limit // max(len(frontier), 1) + 1))
        steps = _best(heapq.merge(*(stream.steps(graph) for stream in streams)), seen, limit)
        found += [(hop, step) for step in steps]
        frontier = [(step.far, -step.order) for step in steps]
    refs = _refs(graph, [step.far for _, step in found])
    return tuple(_neighbour(hop, step, refs[step.far]) for hop, step in found)


def _best(steps: Iterable[_Step], seen: set[str], limit: int) -> list[_Step]:
    """The first ``limit`` that lead to what was not seen before."""
    found: list[_Step] = []
    for step in steps:
        if step.far not in seen:
            seen.add(step.far)
            found.append(step)
            if len(found) == limit:
                break
    return found


def _read_on(graph: Graph, streams: Sequence[_Stream], size: int) -> None:
    """The next page of each of these streams, which have all read as far."""
    skip = streams[0].read
    for near, far in _ENDS:
        those = [stream for stream in streams if stream.near == near]
        pages: defaultdict[int, list[list[Any]]] = defaultdict(list)
        sources = [{"place": place, "id": stream.entity_id} for place, stream in enumerate(those)]
        for place, *row in graph.rows(_PAGE.format(near=near, far=far), sources=sources, skip=skip, size=size) if those else ():
            pages[place].append(row)
        for place, stream in enumerate(those):
            stream.rows = pages[place]
            stream.read += len(stream.rows)
            stream.is_whole = len(stream.rows) < size


def _refs(graph: Graph, entity_ids: Sequence[str]) -> dict[str, EntityRef]:
    return {row[0]: reading.ref(row) for row in graph.for_each(_REFS, entity_ids)}


def _neighbour(hop: int, step: _Step, entity: EntityRef) -> Neighbour:
    subject, target = (step.near, step.far) if step.is_forward else (step.far, step.near)
    return Neighbour(
        entity=entity,
        hop=hop,
        belief=-step.order,
        belief_against=step.belief_against,
        assertion_id=assertion_id(step.number),
        predicate=step.predicate,
        subject_id=subject,
        object_id=target,
    )


def ways(graph: Graph, a: str, b: str, max_hops: int, limit: int) -> tuple[GraphPath, ...]:
    """As the port says."""
    if a == b:
        return ()
    found = graph.rows(_WAYS.format(hops=int(max_hops)), a=a, b=b, limit=limit)
    refs = _refs(graph, sorted({entity_id for ids, _, _ in found for entity_id in ids}))
    ids = sorted({assertion_id(number) for _, numbers, _ in found for number in numbers})
    steps = reading.assertions(graph, ids, with_claims=True)
    return tuple(
        GraphPath(
            entities=tuple(refs[entity_id] for entity_id in entity_ids),
            steps=tuple(steps[assertion_id(number)] for number in numbers),
            belief=belief,
        )
        for entity_ids, numbers, belief in found
    )
