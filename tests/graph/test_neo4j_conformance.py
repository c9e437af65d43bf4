"""Neo4j passes the conformance kit of graph stores, and answers what LadybugDB answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from Medical_KG_rev.graph import GraphStore
from Medical_KG_rev.graph.neo4j import Neo4jConnection, Neo4jGraphStore
from Medical_KG_rev.settings_neo4j import Neo4jSettings
from Medical_KG_rev.testing.graph import CHECKS

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def opened() -> Iterator[dict[str, Neo4jConnection]]:
    """Connections by address: the checks share one."""
    connections: dict[str, Neo4jConnection] = {}
    yield connections
    for connection in connections.values():
        connection.close()


@pytest.fixture
def store(neo4j_database: dict[str, str], opened: dict[str, Neo4jConnection]) -> Neo4jGraphStore:
    url = neo4j_database["MK_NEO4J__URL"]
    if url not in opened:
        opened[url] = Neo4jConnection(Neo4jSettings(url=url, single_tenant=True))
    return Neo4jGraphStore(opened[url])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[GraphStore], None], store: Neo4jGraphStore) -> None:
    check(store)


def test_it_has_the_shape_of_the_port(store: Neo4jGraphStore) -> None:
    assert isinstance(store, GraphStore)
