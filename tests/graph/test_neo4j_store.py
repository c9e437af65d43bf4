"""What holds for Neo4j alone: writers at once, transactions that end badly, raw Cypher, versions, servers that are not there."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import pytest
from pydantic import SecretStr

from Medical_KG_rev.errors import (
    ConfigurationError,
    IndexMismatchError,
    MedicalKGError,
    QueryRefusedError,
    StorageFullError,
    StoreCorruptError,
    StoreOutOfMemoryError,
    StoreUnavailableError,
    UsageError,
)
from Medical_KG_rev.graph.neo4j import Neo4jConnection, Neo4jGraphStore, changes, probe
from Medical_KG_rev.graph.neo4j.connection import Graph, translated
from Medical_KG_rev.graph.schema import SCHEMA_VERSION
from Medical_KG_rev.settings_neo4j import Neo4jSettings
from Medical_KG_rev.testing.graph_samples import METFORMIN, TENANT, article, study, write, write_article

T = TypeVar("T")

A, B = "MESH:C000000", "MESH:C000001"
LINK = (A, "biolink:causes", B)


class Insistent:
    """Makes a call again, as often as a policy would."""

    def __init__(self, attempts: int = 5, on_failure: Callable[[], None] = lambda: None) -> None:
        self.attempts = attempts
        self.on_failure = on_failure
        self.failures: list[StoreUnavailableError] = []

    def call(self, request: Callable[[], T]) -> T:
        for _ in range(self.attempts - 1):
            try:
                return request()
            except StoreUnavailableError as error:
                self.failures.append(error)
                self.on_failure()
        return request()


@pytest.fixture
def connect(neo4j_database: dict[str, str]) -> Iterator[Callable[..., Neo4jConnection]]:
    opened: list[Neo4jConnection] = []

    def make(caller: Insistent | None = None, **changed: Any) -> Neo4jConnection:
        opened.append(Neo4jConnection(Neo4jSettings(**{"url": neo4j_database["MK_NEO4J__URL"], **changed}), caller))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()


@pytest.fixture
def store(connect: Callable[..., Neo4jConnection]) -> Neo4jGraphStore:
    return Neo4jGraphStore(connect(single_tenant=True))


def held(connection: Neo4jConnection, tenant: str = TENANT) -> dict[str, int]:
    """Nodes by label, of one tenant."""
    rows = connection.run(f"MATCH (n {{tenant: '{tenant}'}}) RETURN labels(n)[0], count(*)")
    return dict(rows)


@pytest.mark.service
def test_writers_of_one_tenant_take_turns_and_lose_nothing(connect: Callable[..., Neo4jConnection]) -> None:
    """Eight documents that all state the same, from four connections at once."""
    stores = [Neo4jGraphStore(connect(Insistent())) for _ in range(4)]
    write_article(stores[0], "x:0", LINK)

    def work(number: int) -> None:
        write_article(stores[number % 4], f"x:{number}", LINK)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(1, 9)))
    (neighbour,) = stores[0].neighbours(TENANT, A)
    assert neighbour.entity.id == B
    view = stores[0].show(TENANT, A).entity
    assert view is not None
    assert [(row.documents, row.claims_for) for row in view.assertions] == [(9, 9)]
    assert stores[0].stats(TENANT).documents == 9


@pytest.mark.service
def test_tenants_do_not_wait_for_each_other(connect: Callable[..., Neo4jConnection]) -> None:
    connection = connect()
    store = Neo4jGraphStore(connection)
    for tenant in ("one", "two"):
        write_article(store, "x:1", LINK, tenant_id=tenant)
    with connection.transaction("one", writes=True) as graph:
        graph.rows("MATCH (g:Graph {tenant: $tenant}) SET g.writes = g.writes + 1")
        write_article(store, "x:2", LINK, tenant_id="two")
    assert store.stats("two").documents == 2


@pytest.mark.service
def test_a_writer_that_waits_too_long_tries_again(connect: Callable[..., Neo4jConnection]) -> None:
    holding, release = threading.Event(), threading.Event()
    connection, insistent = connect(), Insistent(on_failure=release.set)
    write_article(Neo4jGraphStore(connection), "x:1", LINK)
    store = Neo4jGraphStore(connect(insistent, write_seconds=1.0))

    def hold(graph: Graph) -> None:
        graph.rows("MATCH (g:Graph {tenant: $tenant}) SET g.writes = g.writes + 1")
        holding.set()
        release.wait(20)

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(connection.write, TENANT, hold)
        holding.wait(20)
        write_article(store, "x:2", LINK)
        holder.result()
    assert len(insistent.failures) == 1
    assert "terminated" in str(insistent.failures[0])
    assert store.live_versions(TENANT, ["x:1", "x:2"]) == {"x:1": "1", "x:2": "1"}


@pytest.mark.service
@pytest.mark.parametrize("how", ["raises", "terminated"])
def test_a_write_that_breaks_off_leaves_nothing(
    connect: Callable[..., Neo4jConnection], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Its last step fails, or the server ends it: all is as before, and the same write then succeeds."""
    connection = connect()
    store = Neo4jGraphStore(connection)
    write_article(store, "x:1", LINK)
    before = list(store.dump(TENANT)), held(connection)
    whole = changes.write

    def broken(graph: Graph, batch: Any) -> None:
        whole(graph, batch)
        if how == "raises":
            raise StorageFullError("full")
        others = "SHOW TRANSACTIONS YIELD transactionId AS id, currentQuery AS q WHERE NOT q CONTAINS 'SHOW'"
        connection.run(f"{others} TERMINATE TRANSACTIONS id YIELD message RETURN message")
        graph.rows("RETURN 1")

    with monkeypatch.context() as patch:
        patch.setattr(changes, "write", broken)
        with pytest.raises(MedicalKGError):
            store.write(TENANT, ["x:1", "x:2"], {"x:1": "2", "x:2": "1"}, *both())
    assert (list(store.dump(TENANT)), held(connection)) == before
    store.write(TENANT, ["x:1", "x:2"], {"x:1": "2", "x:2": "1"}, *both())
    assert store.live_versions(TENANT, ["x:1", "x:2"]) == {"x:1": "2", "x:2": "1"}


def both() -> tuple[list[Any], list[Any]]:
    parts = [article("x:1", LINK), article("x:2", LINK)]
    return [entity for found, _ in parts for entity in found], [claim for _, found in parts for claim in found]


@pytest.mark.service
def test_raw_cypher_needs_a_database_of_one_tenant(connect: Callable[..., Neo4jConnection], store: Neo4jGraphStore) -> None:
    write(store, ["x:1"])
    with pytest.raises(QueryRefusedError, match="may hold other tenants") as refused:
        Neo4jGraphStore(connect()).query(TENANT, "MATCH (n) RETURN n")
    assert "MK_NEO4J__SINGLE_TENANT" in refused.value.remedy
    mentions = "MATCH (d:Document)-[m:MENTIONS]->(e:Entity {type: 'chemical'}) RETURN d, m, e"
    (row,) = store.query(TENANT, mentions).to_dict()["rows"]
    assert row[0] == {"_label": "Document", "document_id": "x:1", "source": "x", "status": "live", "version": "1"}
    assert row[1]["_label"] == "MENTIONS"
    assert (row[2]["_label"], row[2]["entity_id"], "tenant" in row[2]) == ("Entity", METFORMIN, False)
    way = "MATCH p = shortestPath((d:Document)-[*..3]-(e:Entity {entity_id: $id})) RETURN p, length(p)"
    ((path, length),) = store.query(TENANT, way, {"id": METFORMIN}).to_dict()["rows"]
    assert (length, [step["_label"] for step in path["_nodes"] + path["_rels"]]) == (1, ["Document", "Entity", "MENTIONS"])
    write(store, ["x:1"], tenant_id="another")
    with pytest.raises(QueryRefusedError, match="holds other tenants"):
        store.query(TENANT, "MATCH (n) RETURN n")


@pytest.mark.service
@pytest.mark.parametrize(
    "cypher",
    [
        "CALL dbms.components() YIELD name RETURN name",
        "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
        "MATCH (n) CALL { WITH n DETACH DELETE n } RETURN 1",
        "RETURN apoc.load.json('http://127.0.0.1')",
        "MATCH (n) RETURN properties(n)",
        "MATCH (n) RETURN elementId(n)",
        "MATCH (n:$(x)) RETURN n",
        "USE system MATCH (n) RETURN n",
        "SHOW USERS",
        "MATCH (n) FOREACH (x IN [1] | SET n.a = x)",
        "RETURN '\\u0027 + 1'",
        "RETURN 1 / 0",
        "RETURN date('never')",
    ],
)
def test_what_does_more_than_read_is_refused(store: Neo4jGraphStore, cypher: str) -> None:
    with pytest.raises(QueryRefusedError):
        store.query(TENANT, cypher)


@pytest.mark.service
def test_a_query_that_runs_for_ever_is_stopped(store: Neo4jGraphStore) -> None:
    with pytest.raises(QueryRefusedError, match=r"stopped after 0\.3 s"):
        store.query(TENANT, "UNWIND range(1, 1000000) AS a UNWIND range(1, 1000000) AS b RETURN sum(a * b)", timeout_seconds=0.3)


@pytest.mark.service
@pytest.mark.parametrize(
    "name", ['quoted "twice" \\ and\\', "a AND (b* OR ~c)", "x" * 20_000, "Ω β-blocker 🧬", '+-&&||!(){}[]^"~*?:\\/']
)
def test_any_name_is_found(store: Neo4jGraphStore, name: str) -> None:
    entities, claims = study("x:1")
    entities[1] = msgspec.structs.replace(entities[1], name=name)
    store.write(TENANT, ["x:1"], {"x:1": "1"}, entities, claims)
    assert [ref.id for ref in store.find(TENANT, name.upper() if name.isascii() else name)] == [METFORMIN]
    assert store.find(TENANT, f"{name} ") == store.find(TENANT, name)
    assert store.find(TENANT, f"{name}x") == ()


@pytest.mark.service
@pytest.mark.parametrize(
    ("version", "remedy"), [(SCHEMA_VERSION + 1, "pip install --upgrade"), (SCHEMA_VERSION - 1, "medkg ingest"), (-1, "restore")]
)
def test_a_graph_of_another_version_is_refused(
    store: Neo4jGraphStore, connect: Callable[..., Neo4jConnection], version: int, remedy: str
) -> None:
    write(store, ["x:1"])
    connect().run(f"MATCH (g:Graph) SET g.schema = {version}")
    requests: list[Callable[[], object]] = [
        lambda: store.stats(TENANT),
        lambda: write(store, ["x:2"]),
        lambda: list(store.dump(TENANT)),
        lambda: store.delete(TENANT, "x:1"),
    ]
    for request in requests:
        with pytest.raises(IndexMismatchError) as caught:
            request()
        assert remedy in caught.value.remedy
    assert held(connect())["Document"] == 1


@pytest.mark.service
def test_hops_are_bounded(store: Neo4jGraphStore) -> None:
    with pytest.raises(UsageError, match="hops is 5"):
        store.neighbours(TENANT, A, hops=5)
    with pytest.raises(UsageError, match="max_hops is 0"):
        store.path(TENANT, A, B, max_hops=0)


@pytest.mark.service
def test_doctor_says_what_answers(connect: Callable[..., Neo4jConnection]) -> None:
    connection = connect()
    assert probe(connection).startswith(f"Neo4j 5.26.0 at {connection.url}, database neo4j")
    assert held(connection, "") == {}
    assert connection.run("MATCH (n) RETURN count(n)") == [[0]]
    with pytest.raises(ConfigurationError, match="no database 'other'") as caught:
        probe(connect(database="other"))
    assert "MK_NEO4J__DATABASE" in caught.value.remedy


@pytest.mark.component
def test_a_server_that_is_not_there_is_named_and_no_secret_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"bolt://127.0.0.1:{closed.getsockname()[1]}"
        insistent = Insistent(3)
        connection = Neo4jConnection(Neo4jSettings(url=url, user="neo4j", password=SecretStr("hidden-word")), insistent)
        with pytest.raises(StoreUnavailableError) as caught:
            write(Neo4jGraphStore(connection), ["x:1"])
        with pytest.raises(StoreUnavailableError):
            Neo4jGraphStore(connection).stats(TENANT)
        connection.close()
    assert url in str(caught.value)
    assert "medkg doctor" in caught.value.remedy
    assert caught.value.store == "neo4j"
    assert "hidden-word" not in caplog.text + str(caught.value) + repr(connection.settings)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("code", "message", "kind", "named"),
    [
        ("Neo.ClientError.Security.Unauthorized", "no", ConfigurationError, "MK_NEO4J__PASSWORD"),
        ("Neo.ClientError.Security.Forbidden", "no", ConfigurationError, "constraints and indexes"),
        ("Neo.ClientError.Security.CredentialsExpired", "no", ConfigurationError, "ALTER CURRENT USER"),
        ("Neo.ClientError.Security.AuthenticationRateLimit", "no", StoreUnavailableError, "after some seconds"),
        ("Neo.ClientError.Database.DatabaseNotFound", "no", ConfigurationError, "MK_NEO4J__DATABASE"),
        ("Neo.TransientError.Transaction.DeadlockDetected", "deadlock", StoreUnavailableError, "run the same command again"),
        ("Neo.ClientError.Transaction.LockClientStopped", "late", StoreUnavailableError, "run the same command again"),
        ("Neo.TransientError.General.MemoryPoolOutOfMemoryError", "much", StoreOutOfMemoryError, "server.memory.heap.max_size"),
        ("Neo.DatabaseError.General.UnknownError", "No space left on device", StorageFullError, "Free space"),
        ("Neo.DatabaseError.General.UnknownError", "store is corrupt", StoreCorruptError, "medkg restore"),
        ("Neo.ClientError.Schema.ConstraintValidationFailed", "twice", IndexMismatchError, "medkg doctor"),
    ],
)
def test_what_a_server_says_has_its_place_in_the_tree(code: str, message: str, kind: type[MedicalKGError], named: str) -> None:
    from neo4j.exceptions import Neo4jError

    settings = Neo4jSettings(url="bolt://127.0.0.1:7687")
    with pytest.raises(kind) as caught, translated(settings):
        raise Neo4jError._hydrate_neo4j(code=code, message=message)
    assert type(caught.value) is kind
    assert named in caught.value.remedy
    assert settings.url in caught.value.message


@pytest.mark.unit
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"url": "http://127.0.0.1:7474"}, "begins with bolt://"),
        ({"url": "127.0.0.1"}, "begins with bolt://"),
        ({"user": "neo4j"}, "a user needs a password"),
        ({"password": "word"}, "a password a user"),
        ({"url": "bolt+s://127.0.0.1:7687", "ca_file": __file__}, "MK_NEO4J__CA_FILE"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Neo4jSettings.model_validate(given)
