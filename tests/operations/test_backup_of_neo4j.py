"""The graphs of a Neo4j server in a backup: all tenants as of one moment, and back."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import BackupError, IndexMismatchError, UsageError
from Medical_KG_rev.graph.neo4j import Neo4jArchive, Neo4jConnection, Neo4jGraphStore
from Medical_KG_rev.operations import BackupSource, RestoreTarget, back_up, restore
from Medical_KG_rev.settings_neo4j import Neo4jSettings
from Medical_KG_rev.storage import FilesystemObjectStore
from Medical_KG_rev.testing.graph_samples import write, write_article

pytestmark = pytest.mark.service

LINK = ("MESH:C000000", "biolink:causes", "MESH:C000001")


@pytest.fixture
def connection(neo4j_database: dict[str, str]) -> Iterator[Neo4jConnection]:
    made = Neo4jConnection(Neo4jSettings(url=neo4j_database["MK_NEO4J__URL"]))
    yield made
    made.close()


@pytest.fixture
def store(connection: Neo4jConnection) -> Neo4jGraphStore:
    made = Neo4jGraphStore(connection)
    for tenant in ("one", "two"):
        write(made, ["x:1", "x:2"], tenant_id=tenant)
        write_article(made, "x:3", LINK, tenant_id=tenant, negated=True)
    made.delete("two", "x:2", purge=False)
    return made


def told(store: Neo4jGraphStore) -> list[Any]:
    return [[store.stats(tenant), *store.dump(tenant)] for tenant in ("one", "two", "three")]


def test_a_backup_brings_every_graph_back_and_no_other(
    library: Any, store: Neo4jGraphStore, connection: Neo4jConnection, tmp_path: Path
) -> None:
    library.populate()
    before, archive = told(store), Neo4jArchive(connection)
    source = BackupSource(library.data_dir, library.engine, library.store, graph=archive)
    manifest = back_up(source, tmp_path / "b", now=time.time)
    assert (manifest.graph, len(manifest.below("graph-server"))) == ("server", 2)

    store.delete("one", "x:1")
    write_article(store, "x:4", LINK, tenant_id="two")
    write(store, ["x:1"], tenant_id="three")
    place = tmp_path / "restored"
    target = RestoreTarget(place, FilesystemObjectStore(place / "objects"), graph=archive)
    with pytest.raises(UsageError, match="the graphs of Neo4j"):
        restore(tmp_path / "b", target)
    restore(tmp_path / "b", target, force=True)
    assert told(store) == before
    assert archive.tenants() == ["one", "two"]
    write_article(store, "x:4", LINK, tenant_id="two")
    assert store.stats("two").documents == 4

    with pytest.raises(UsageError, match="MK_GRAPH__KIND=neo4j"):
        restore(tmp_path / "b", RestoreTarget(tmp_path / "other", FilesystemObjectStore(tmp_path / "other" / "objects")))


def test_writers_wait_for_the_copy(store: Neo4jGraphStore, connection: Neo4jConnection, tmp_path: Path) -> None:
    """What is written meanwhile is in none of the copied graphs, and there afterwards."""
    started = threading.Event()

    def work() -> None:
        started.set()
        write_article(store, "x:9", LINK, tenant_id="two")

    with ThreadPoolExecutor(1) as pool, Neo4jArchive(connection).held() as copy:
        waiting = pool.submit(work)
        started.wait()
        time.sleep(0.2)
        assert not waiting.done()
        copy(tmp_path)
        assert not waiting.done()
    waiting.result()
    texts = [gzip.decompress(path.read_bytes()).decode() for path in sorted(tmp_path.iterdir())]
    assert [("x:3" in text, "x:9" in text) for text in texts] == [(True, False)] * 2
    assert store.live_versions("two", ["x:9"]) == {"x:9": "1"}


def test_a_graph_that_is_not_whole_is_refused_until_it_is(
    store: Neo4jGraphStore, connection: Neo4jConnection, tmp_path: Path
) -> None:
    archive = Neo4jArchive(connection)
    with archive.held() as copy:
        copy(tmp_path / "whole")
    before = told(store)
    for name, damaged in (("cut", lambda content: content[: len(content) // 3]), ("ended", ended)):
        (tmp_path / name).mkdir()
        for path in (tmp_path / "whole").iterdir():
            (tmp_path / name / path.name).write_bytes(damaged(path.read_bytes()))
        with pytest.raises(BackupError, match="damaged"):
            archive.load(tmp_path / name)
    with pytest.raises(IndexMismatchError, match="not whole"):
        store.stats("one")
    archive.load(tmp_path / "whole")
    assert told(store) == before


def ended(content: bytes) -> bytes:
    """An archive that is whole, of lines that are not."""
    return gzip.compress(gzip.decompress(content)[:-20])
