"""How much a LadybugDB graph holds."""

from __future__ import annotations

from Medical_KG_rev.graph.results import GraphStats
from Medical_KG_rev.graph.schema import graph_schema
from Medical_KG_rev.graph.session import GraphSession


def graph_stats(session: GraphSession, size_bytes: int) -> GraphStats:
    """Counts of nodes and relationships."""
    nodes = {label: session.count(f"MATCH (n:{label}) RETURN count(*)") for label in graph_schema().nodes}
    edges = {name: session.count(f"MATCH ()-[r:{name}]->() RETURN count(*)") for name in graph_schema().relationships}
    statuses = _tally(session, "MATCH (d:Document) RETURN d.status AS what, count(*) AS n")
    return GraphStats(
        documents=nodes["Document"],
        entities=nodes["Entity"],
        claims=nodes["Claim"],
        evidence=nodes["Evidence"],
        assertions=nodes["Assertion"],
        mentions=edges["MENTIONS"],
        retracted=statuses.get("retracted", 0),
        withdrawn=statuses.get("withdrawn", 0),
        relationships=sum(edges.values()),
        entity_types=_tally(session, "MATCH (n:Entity) RETURN n.type AS what, count(*) AS n ORDER BY n DESC, what"),
        predicates=_tally(session, "MATCH (n:Claim) RETURN n.predicate AS what, count(*) AS n ORDER BY n DESC, what"),
        size_bytes=size_bytes,
    )


def _tally(session: GraphSession, query: str) -> dict[str, int]:
    return {str(what): int(count) for what, count in session.rows(query)}
