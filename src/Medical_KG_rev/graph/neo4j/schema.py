"""What a Neo4j database must have for the graph: constraints and indexes, from ``schema.yaml``, and each tenant's version.

Every node of ours has the property ``tenant``; its key is unique within that. A node ``Graph`` for each tenant says which version
of the schema its nodes have, and its lock lets one writer at a time through. The community edition has no constraints on the
existence of properties: what must be there is checked before the write.
"""

from __future__ import annotations

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.graph.neo4j.connection import Graph, Neo4jConnection
from Medical_KG_rev.graph.schema import SCHEMA_VERSION, graph_schema

TENANT = "tenant"
RANK = "rank"
"""An assertion's belief, negated: the index that neighbours are read from can be walked upwards alone. None of those unseen."""
RESTORING = -1
"""The version of a graph that is being put back."""
OURS = frozenset({TENANT, RANK})
"""Properties that the schema does not have."""
NAMES = "medkg_entity_names"
"""The full-text index of the lower-case names of entities, each a single term."""

_LOCK = (
    "MERGE (g:Graph {tenant: $tenant}) ON CREATE SET g.schema = $version, g.writes = 0 "
    "SET g.writes = g.writes + 1 RETURN g.schema"
)


def statements() -> tuple[str, ...]:
    """What brings a database to this version; each does nothing where it was done before."""
    found = ["CREATE CONSTRAINT medkg_graph IF NOT EXISTS FOR (n:Graph) REQUIRE n.tenant IS UNIQUE"]
    for label, node in graph_schema().nodes.items():
        name = f"medkg_{label.lower()}"
        found.append(f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR (n:{label}) REQUIRE (n.tenant, n.{node.key}) IS UNIQUE")
        found += [
            f"CREATE INDEX {name}_{key} IF NOT EXISTS FOR (n:{label}) ON (n.tenant, n.{key})"
            for key, described in node.properties.items()
            if described.index
        ]
    found += [
        f"CREATE INDEX medkg_assertion_{end} IF NOT EXISTS FOR (n:Assertion) ON (n.tenant, n.{end}_id, n.{RANK}, n.number)"
        for end in ("subject", "object")
    ]
    found.append("CREATE INDEX medkg_related_to IF NOT EXISTS FOR ()-[e:RELATED_TO]-() ON (e.tenant, e.number)")
    found.append(
        f"CREATE FULLTEXT INDEX {NAMES} IF NOT EXISTS FOR (n:Entity) ON EACH [n.search_keys] "
        "OPTIONS {indexConfig: {`fulltext.analyzer`: 'keyword'}}"
    )
    return tuple(found)


def migrate(connection: Neo4jConnection) -> None:
    """Makes the constraints and indexes that are missing, and waits until they serve."""
    for statement in statements():
        connection.run(statement)
    connection.run("CALL db.awaitIndexes(300)")


def lock(graph: Graph) -> None:
    """Makes this transaction the only writer of the tenant until it ends.

    Raises:
        IndexMismatchError: what the tenant has was written by another version of the schema.
    """
    check(graph.tenant, graph.rows(_LOCK, version=SCHEMA_VERSION)[0][0])


def hold(graph: Graph) -> None:
    """Keeps writers of the tenant away until this transaction ends; raises as :func:`lock` does."""
    for (version,) in graph.rows("MATCH (g:Graph {tenant: $tenant}) SET g.writes = g.writes RETURN g.schema"):
        check(graph.tenant, version)


def state(graph: Graph) -> int | None:
    """How many writes the tenant's graph has seen; None where there is none. Raises as :func:`lock` does."""
    found = graph.rows("MATCH (g:Graph {tenant: $tenant}) RETURN g.schema, g.writes")
    for version, writes in found:
        check(graph.tenant, version)
        return int(writes)
    return None


def check(tenant: str, version: int | None) -> None:
    """Raises IndexMismatchError where a tenant's graph has another version; None stands for no graph."""
    if version is None or version == SCHEMA_VERSION:
        return
    if version == RESTORING:
        raise IndexMismatchError(
            f"The graph of tenant {tenant!r} in Neo4j is not whole: a restore of it was broken off.",
            remedy="Run the same `medkg restore` with --force again.",
            expected=SCHEMA_VERSION,
        )
    cypher = f"MATCH (n {{tenant: '{tenant}'}}) DETACH DELETE n"
    raise IndexMismatchError(
        f"The graph of tenant {tenant!r} in Neo4j has version {version} of the schema; this release has {SCHEMA_VERSION}.",
        remedy="Run `pip install --upgrade medical-kg-rev`."
        if version > SCHEMA_VERSION
        else f"Remove it in Neo4j's own shell (`{cypher}`), and run `medkg ingest` again.",
        found=version,
        expected=SCHEMA_VERSION,
    )
