"""Neo4j is killed while documents are written: after each restart every document is there whole or not at all."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from Medical_KG_rev.errors import StoreUnavailableError
from Medical_KG_rev.graph import LadybugGraphStore
from Medical_KG_rev.graph.neo4j import Neo4jConnection, Neo4jGraphStore
from Medical_KG_rev.services import Server
from Medical_KG_rev.settings_neo4j import Neo4jSettings
from Medical_KG_rev.testing.graph_samples import TENANT, write_article

pytestmark = [pytest.mark.service, pytest.mark.chaos]

ROUNDS = int(os.environ.get("MK_NEO4J_KILLS", "0"))
SEED = 20261128
DOCUMENTS = 40
LINKS = tuple((f"MESH:C{n:06d}", "biolink:causes", f"MESH:C{n + 1:06d}") for n in range(12))


@pytest.mark.skipif(not ROUNDS, reason="MK_NEO4J_KILLS says how often Neo4j is killed; `make test-all` kills it ten times")
def test_every_document_is_there_whole_or_not_at_all(own_server: Callable[[str], Server], tmp_path: Path) -> None:
    chance = random.Random(SEED)
    kills = 0
    for number in range(ROUNDS):
        server = own_server("neo4j")
        settings = Neo4jSettings(url=server.environment["MK_NEO4J__URL"], connect_seconds=2)
        with closing(Neo4jConnection(settings)) as connection:
            store = Neo4jGraphStore(connection)
            store.stats(TENANT)  # the server is warm
            killer = threading.Timer(chance.uniform(0.2, 6.0), server.kill)
            killer.start()
            acknowledged = write_until_killed(store, number)
            killer.join()
            kills += server.pid is None
        server.start()
        with closing(Neo4jConnection(settings)) as connection:
            check(Neo4jGraphStore(connection), acknowledged, number, tmp_path / str(number))
    assert kills == ROUNDS


def write_until_killed(store: Neo4jGraphStore, number: int) -> list[str]:
    """Documents whose write returned, each of them written twice in turn until the server is gone."""
    acknowledged: list[str] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for place in range(DOCUMENTS):
            doc_id = f"x:{number}-{place}"
            try:
                write_article(store, doc_id, *LINKS)
            except StoreUnavailableError:
                return acknowledged
            acknowledged.append(doc_id)
    raise AssertionError("the server was not killed")


def check(store: Neo4jGraphStore, acknowledged: list[str], number: int, folder: Path) -> None:
    """What was acknowledged is there, and the graph is what writing its documents to files gives."""
    ids = [f"x:{n}-{place}" for n in range(number + 1) for place in range(DOCUMENTS)]
    live = store.live_versions(TENANT, ids)
    assert set(acknowledged) <= live.keys()
    oracle = LadybugGraphStore(folder)
    for doc_id in sorted(live):
        write_article(oracle, doc_id, *LINKS)
    assert list(store.dump(TENANT)) == list(oracle.dump(TENANT))
    assert {**store.stats(TENANT).to_dict(), "size_bytes": 0} == {**oracle.stats(TENANT).to_dict(), "size_bytes": 0}
