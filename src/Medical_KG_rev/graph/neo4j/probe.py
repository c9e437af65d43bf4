"""Whether a Neo4j server can hold the graph."""

from __future__ import annotations

import re
import uuid

from Medical_KG_rev.errors import ConfigurationError, StoreUnavailableError
from Medical_KG_rev.graph.neo4j.connection import Graph, Neo4jConnection
from Medical_KG_rev.graph.neo4j.schema import migrate

OLDEST = (5, 13)
"""The oldest version with all that our statements say."""
_THERE_AND_BACK = "MERGE (g:Graph {tenant: $tenant}) WITH g, g.tenant AS tenant DELETE g RETURN count(tenant)"


def probe(connection: Neo4jConnection) -> str:
    """What answers at the address, once constraints and indexes are there and a node was written and removed.

    Raises:
        ConfigurationError: the server is too old, or refuses the login, the database or a right.
        StoreUnavailableError: it does not answer, or not with what was written.
    """
    settings, name = connection.settings, connection.version()
    found = re.search(r"(\d+)\.(\d+)", name)
    if found is None or tuple(map(int, found.groups())) < OLDEST:
        raise ConfigurationError(
            f"{name} at {connection.url} is too old.",
            remedy=f"Use Neo4j {'.'.join(map(str, OLDEST))} or newer.",
            endpoint=connection.url,
        )
    migrate(connection)

    def there_and_back(graph: Graph) -> int:
        return graph.count(_THERE_AND_BACK)

    written = connection.write(f"doctor {uuid.uuid4()}", there_and_back)
    if written != 1:
        raise StoreUnavailableError(
            f"{name} at {connection.url} gave back {written} of 1 nodes.", remedy="See its log.", store="neo4j"
        )
    tenants = "one tenant" if settings.single_tenant else "any number of tenants, no raw Cypher"
    return f"{name} at {connection.url}, database {settings.database} ({tenants})"
