"""From entity to entity over assertions in LadybugDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.graph import ladybug_read as read
from Medical_KG_rev.graph.results import AssertionRow, EntityRef, GraphPath, Neighbour
from Medical_KG_rev.graph.session import GraphSession

MAX_HOPS, MAX_PATH_HOPS = 4, 6
PATH_SECONDS = 30.0
_EXISTS = "MATCH (n:Entity {entity_id: $id}) RETURN count(*)"
_BEST = (
    "MATCH (:Entity {entity_id: $id})-[s:RELATED_TO]-(:Entity) RETURN s.number, s.belief ORDER BY s.belief DESC, s.number "
    "LIMIT $limit"
)
_WAYS = (
    "MATCH p = (:Entity {{entity_id: $a}})-[s:RELATED_TO* ALL SHORTEST 1..{hops} (r, n | WHERE r.belief > 0)]-"
    "(:Entity {{entity_id: $b}}) WITH properties(nodes(p), 'entity_id') AS ids, properties(rels(p), 'number') AS numbers, "
    "list_product(properties(rels(p), 'belief')) AS belief RETURN ids, numbers, belief "
    "ORDER BY belief DESC, list_to_string(' ', numbers) LIMIT $limit"
)


def neighbours(session: GraphSession, entity_id: str, hops: int, limit: int) -> tuple[Neighbour, ...]:
    """By hop, belief and assertion."""
    _check(hops, MAX_HOPS, "hops")
    frontier, seen = {entity_id: 1.0}, {entity_id}
    found: list[Neighbour] = []
    for hop in range(1, hops + 1):
        ring = list(islice(_ring(session, frontier, seen, hop, limit), limit))
        found += ring
        frontier = {neighbour.entity.id: neighbour.belief for neighbour in ring}
    return tuple(found)


def _ring(session: GraphSession, frontier: dict[str, float], seen: set[str], hop: int, limit: int) -> Iterator[Neighbour]:
    """New entities one step from the frontier, the most believed first."""
    wanted = limit + limit // 4 + 1
    while True:
        ranked, cut = _ranked(session, frontier, wanted)
        fresh: list[tuple[float, str, str, AssertionRow]] = []
        taken = set(seen)
        for part in _parts(ranked, limit + limit // 4 + 1):
            rows = read.assertions(session, [number for _, number, _ in part])
            for (belief, _, origin), row in zip(part, rows, strict=True):
                reached = row.object.id if row.subject.id == origin else row.subject.id
                if reached not in taken:
                    taken.add(reached)
                    fresh.append((belief, origin, reached, row))
            if len(fresh) >= limit:
                break
        if len(fresh) >= limit or not cut:
            break
        wanted *= 4
    for belief, _, reached, row in fresh[:limit]:
        seen.add(reached)
        yield _neighbour(hop, belief, row.object if row.object.id == reached else row.subject, row)


def _ranked(session: GraphSession, frontier: dict[str, float], wanted: int) -> tuple[list[tuple[float, int, str]], bool]:
    """Assertions of the frontier as belief of the way, number and origin; whether some entity has more than were asked for."""
    found: list[tuple[float, int, str]] = []
    cut = False
    for origin, so_far in frontier.items():
        rows = session.rows(_BEST, {"id": origin, "limit": wanted})
        cut = cut or len(rows) == wanted
        found += [(so_far * belief, number, origin) for number, belief in rows]
    return sorted(found, key=lambda entry: (-entry[0], entry[1], entry[2])), cut


def _parts(ranked: list[tuple[float, int, str]], size: int) -> Iterator[list[tuple[float, int, str]]]:
    for start in range(0, len(ranked), size):
        yield ranked[start : start + size]


def _neighbour(hop: int, belief: float, entity: EntityRef, row: AssertionRow) -> Neighbour:
    return Neighbour(
        entity=entity,
        hop=hop,
        belief=belief,
        belief_against=row.belief_against,
        assertion_id=row.id,
        predicate=row.predicate,
        subject_id=row.subject.id,
        object_id=row.object.id,
    )


def paths(session: GraphSession, a: str, b: str, max_hops: int, limit: int) -> tuple[GraphPath, ...]:
    """The shortest ways, the most believed first."""
    _check(max_hops, MAX_PATH_HOPS, "max_hops")
    if a == b or not all(session.count(_EXISTS, {"id": end}) for end in (a, b)):
        return ()
    ways = _ways(session, a, b, max_hops, limit)
    names = read.refs(session, (entity_id for ids, _, _ in ways for entity_id in ids))
    rows = read.assertions(session, sorted({number for _, numbers, _ in ways for number in numbers}))
    steps = read.with_claims(session, rows, read.withdrawn(session))
    by_number = {int(key, 16): row for key, row in steps.items()}
    return tuple(
        GraphPath(
            entities=tuple(names[entity_id] for entity_id in ids),
            steps=tuple(by_number[number] for number in numbers),
            belief=belief,
        )
        for ids, numbers, belief in ways
    )


def _ways(session: GraphSession, a: str, b: str, max_hops: int, limit: int) -> list[tuple[list[str], list[int], float]]:
    """Ids of the entities, numbers of the assertions, and the belief of each way; every sequence of entities once."""
    query, wanted = _WAYS.format(hops=max_hops), 4 * limit
    while True:
        rows = session.limited(query, {"a": a, "b": b, "limit": wanted}, PATH_SECONDS)
        best: dict[tuple[str, ...], tuple[list[str], list[int], float]] = {}
        for inner, numbers, belief in rows:
            ids = _whole(a, inner, b)
            best.setdefault(tuple(ids), (ids, numbers, belief))
        if len(best) >= limit or len(rows) < wanted:
            return list(best.values())[:limit]
        wanted *= 4


def _whole(a: str, ids: Iterable[str], b: str) -> list[str]:
    """The entities of a way, both ends included, whichever of them the engine counts."""
    return [entity_id for entity_id, following in pairwise([a, *ids, b, ""]) if entity_id != following]


def _check(value: int, most: int, name: str) -> None:
    if not 1 <= value <= most:
        raise UsageError(f"{name} is {value}.", remedy=f"Give 1 to {most}.")
