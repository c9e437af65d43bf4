"""One writer and many readers on real files: nobody fails, nobody waits, and no death of a process loses anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from Medical_KG_rev.errors import QueryRefusedError, StorageFullError, StoreCorruptError, StoreUnavailableError, UsageError
from Medical_KG_rev.graph import EngineLimits, LadybugGraphStore
from Medical_KG_rev.testing.graph import METFORMIN, TENANT, write

pytestmark = pytest.mark.component

WRITER = """
import sys
from pathlib import Path
from Medical_KG_rev.graph import LadybugGraphStore, session
from Medical_KG_rev.testing.graph import write

session.FEW_ROWS = int(sys.argv[4]) if len(sys.argv) > 4 else session.FEW_ROWS
store, name, rounds = LadybugGraphStore(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for n in range(rounds):
    write(store, [f"{name}:{n}-{i}" for i in range(20)])
    print(n, flush=True)
"""
READER = """
import sys, time
from pathlib import Path
from Medical_KG_rev.graph import LadybugGraphStore
from Medical_KG_rev.testing.graph import METFORMIN, TENANT

store, slowest, seen, end = LadybugGraphStore(Path(sys.argv[1])), 0.0, 0, time.monotonic() + float(sys.argv[2])
print("ready", flush=True)
while time.monotonic() < end and seen < 260:
    started = time.monotonic()
    documents = store.query(TENANT, "MATCH (d:Document) RETURN count(*)").rows[0][0]
    mentions = store.show(TENANT, METFORMIN, limit=1).entity.mentions_total
    slowest = max(slowest, time.monotonic() - started)
    assert documents % 20 == 0 and mentions % 20 == 0 and mentions >= documents >= seen, (documents, mentions, seen)
    seen = documents
print(slowest, seen)
"""


@pytest.fixture
def store(tmp_path: Path) -> LadybugGraphStore:
    return LadybugGraphStore(tmp_path)


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output


def graph_file(root: Path) -> Path:
    return root / TENANT / "graph.lbug"


def test_two_writers_and_two_readers_at_once(store: LadybugGraphStore, tmp_path: Path) -> None:
    write(store, [f"first:0-{i}" for i in range(20)])
    readers = [start(READER, tmp_path, 50) for _ in range(2)]
    writers = [start(WRITER, tmp_path, name, 6) for name in ("a", "b")]
    for writer in writers:
        finish(writer)
    for reader in readers:
        slowest, seen = finish(reader).split()[1:]
        assert float(slowest) < 2.0
        assert int(seen) == 260
    assert store.stats(TENANT).documents == 260
    assert sorted(path.name for path in (tmp_path / TENANT).iterdir()) == ["graph.lbug", "write.lock"]


@pytest.mark.parametrize(("delay", "few_rows"), [(0.0, 200), (0.01, 0), (0.03, 200), (0.06, 0), (0.1, 200), (0.2, 0)])
def test_a_killed_writer_leaves_what_was_published(delay: float, few_rows: int, store: LadybugGraphStore, tmp_path: Path) -> None:
    write(store, [f"first:0-{i}" for i in range(20)])
    writer = start(WRITER, tmp_path, "a", 1000, few_rows)
    assert writer.stdout is not None
    assert writer.stdout.readline()
    time.sleep(delay)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    documents = store.stats(TENANT).documents
    assert documents >= 40
    assert documents % 20 == 0
    write(store, ["after:1"])
    assert store.stats(TENANT).documents == documents + 1
    assert sorted(path.name for path in (tmp_path / TENANT).iterdir()) == ["graph.lbug", "write.lock"]


def test_a_reader_keeps_what_it_opened(store: LadybugGraphStore) -> None:
    write(store, ["x:1"])
    graph = store._graph(TENANT)
    with graph.reading() as session:
        assert session is not None
        write(store, ["x:2", "x:3"])
        assert session.count("MATCH (d:Document) RETURN count(*)") == 1
    assert store.stats(TENANT).documents == 3


def test_a_store_that_was_asked_before_sees_what_others_publish(store: LadybugGraphStore, tmp_path: Path) -> None:
    other = LadybugGraphStore(tmp_path)
    for n in range(5):
        write(other, [f"x:{n}"])
        assert store.stats(TENANT).documents == n + 1
        assert store.stats(TENANT).documents == n + 1


def test_many_threads_read_while_one_writes(store: LadybugGraphStore) -> None:
    write(store, ["x:0"])
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(lambda: [store.stats(TENANT).documents for _ in range(15)]) for _ in range(6)]
        for n in range(1, 6):
            write(store, [f"x:{n}"])
        for answer in answers:
            counts = answer.result()
            assert counts == sorted(counts)
    assert store.stats(TENANT).documents == 6


def test_what_was_closed_or_replaced_is_open_no_more(store: LadybugGraphStore, tmp_path: Path) -> None:
    def held() -> list[str]:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        targets = [str(link.readlink()) for link in links]
        return [target for target in targets if target.startswith(str(tmp_path)) and ".lbug" in target]

    write(store, ["x:1"])
    assert held() == []
    store.stats(TENANT)
    assert held() == [str(graph_file(tmp_path))]
    write(LadybugGraphStore(tmp_path), ["x:2"])
    store.stats(TENANT)
    assert held() == [str(graph_file(tmp_path))]
    store.close()
    assert held() == []
    assert store.stats(TENANT).documents == 2


@pytest.mark.parametrize("empty", ["truncate", "unlink"])
def test_an_emptied_file_holds_nothing_and_is_written_anew(empty: str, store: LadybugGraphStore, tmp_path: Path) -> None:
    write(store, ["x:1"])
    if empty == "truncate":
        os.truncate(graph_file(tmp_path), 0)
    else:
        graph_file(tmp_path).unlink()
    assert store.live_versions(TENANT, ["x:1"]) == {}
    assert store.show(TENANT, METFORMIN).entity is None
    assert store.delete(TENANT, "x:1") == 0
    write(store, ["x:1"])
    assert store.live_versions(TENANT, ["x:1"]) == {"x:1": "1"}


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_a_broken_file_is_named_with_what_to_do(damage: str, store: LadybugGraphStore, tmp_path: Path) -> None:
    write(store, ["x:1"])
    file = graph_file(tmp_path)
    file.write_bytes(b"garbage" * 1000 if damage == "garbage" else file.read_bytes()[: file.stat().st_size // 2])
    for action in (lambda: store.live_versions(TENANT, ["x:1"]), lambda: write(store, ["x:1"])):
        with pytest.raises(StoreCorruptError, match=r"Move .*graph\.lbug away") as broken:
            action()
        assert broken.value.exit_code == 3


def test_a_writer_that_waits_too_long_says_for_what(store: LadybugGraphStore, tmp_path: Path) -> None:
    impatient = LadybugGraphStore(tmp_path, EngineLimits(lock_timeout_seconds=0.05))
    write(store, ["x:1"])
    with store._graph(TENANT).replacing(), pytest.raises(StoreUnavailableError, match="has been writing"):
        write(impatient, ["x:2"])
    write(impatient, ["x:2"])


def test_an_error_in_the_middle_publishes_nothing(store: LadybugGraphStore) -> None:
    def change() -> None:
        with store._graph(TENANT).replacing() as session:
            session.rows("MATCH (n) DETACH DELETE n")
            raise ZeroDivisionError

    write(store, ["x:1"])
    with pytest.raises(ZeroDivisionError):
        change()
    assert store.live_versions(TENANT, ["x:1"]) == {"x:1": "1"}


def test_a_full_disk_keeps_what_was_there(store: LadybugGraphStore, tmp_path: Path) -> None:
    write(store, ["x:1"])
    script = """
import resource, sys
from pathlib import Path
from Medical_KG_rev.errors import StorageFullError
from Medical_KG_rev.graph import LadybugGraphStore
from Medical_KG_rev.testing.graph import write
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    write(LadybugGraphStore(Path(sys.argv[1])), [f"y:{n}" for n in range(500)])
except StorageFullError as error:
    print(error)
"""
    size = graph_file(tmp_path).stat().st_size
    for limit in (size // 2, size + 8192):
        assert "as it was" in finish(start(script, tmp_path, limit))
    assert store.live_versions(TENANT, ["x:1", "y:1"]) == {"x:1": "1"}


def test_a_disk_that_fills_up_meanwhile_is_told_from_a_broken_file(store: LadybugGraphStore) -> None:
    def fill() -> None:
        with store._graph(TENANT).replacing():
            raise RuntimeError("IO exception: Cannot write to file. path: x Error: No such file or directory")

    write(store, ["x:1"])
    with pytest.raises(StorageFullError, match="as it was"):
        fill()
    assert store.live_versions(TENANT, ["x:1"]) == {"x:1": "1"}


@pytest.mark.parametrize("tenant", ["", "..", "a/b", "/etc", "a\0b", ".hidden", "x" * 200])
def test_a_tenant_is_a_plain_name(tenant: str, store: LadybugGraphStore) -> None:
    with pytest.raises(UsageError):
        store.live_versions(tenant, ["x:1"])


def test_a_long_query_is_stopped(store: LadybugGraphStore) -> None:
    write(store, [f"x:{n}" for n in range(30)])
    endless = "MATCH (a:Entity)-[*1..12]-(b:Entity) MATCH (c:Entity)-[*1..12]-(d:Entity) RETURN count(*)"
    started = time.monotonic()
    with pytest.raises(QueryRefusedError, match=r"stopped after 0\.2 s"):
        store.query(TENANT, endless, timeout_seconds=0.2)
    assert time.monotonic() - started < 5


READING = (
    "MATCH (e:Entity) OPTIONAL MATCH (c:Claim)-[:SUBJECT|OBJECT]->(e) WITH e, count(c) AS n RETURN n ORDER BY n DESC",
    "UNWIND [1, 2] AS x RETURN x UNION ALL RETURN 3 AS x",
    "MATCH p = (a:Entity {entity_id: 'MESH:D008687'})<-[:SUBJECT*1..3]-(b) RETURN length(p), nodes(p) SKIP 0 LIMIT 2",
    "MATCH (a:Entity)-[* ALL SHORTEST 1..4]-(b:Entity) RETURN count(*)",
    "MATCH (n:Entity) WHERE NOT EXISTS { MATCH (n)<-[:MENTIONS]-() } RETURN n",
    "MATCH (n:Entity) WHERE any(a IN n.aliases WHERE lower(a) = 'glucophage') RETURN CASE WHEN n.type = 'gene' THEN 1 END",
    "MATCH (n:Entity) WHERE n.name =~ 'Met.*' RETURN n.`name`, collect(n.entity_id), size(n.aliases)",
    "MATCH (a:Claim)--(b) RETURN label(b), count(*) // how many",
)


@pytest.mark.parametrize("query", READING)
def test_the_allow_list_leaves_real_queries_standing(query: str, store: LadybugGraphStore) -> None:
    write(store, ["x:1", "x:2"])
    assert store.query(TENANT, query).rows
