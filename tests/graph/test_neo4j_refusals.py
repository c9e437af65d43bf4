"""Servers that answer, but not to us: another protocol, TLS on one side alone, a wrong login."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import certifi
import httpx
import pytest
from pydantic import SecretStr
from real_servers import CACHE, require

from Medical_KG_rev.errors import ConfigurationError, MedicalKGError, StoreUnavailableError, is_transient
from Medical_KG_rev.graph.neo4j import Neo4jConnection, Neo4jGraphStore
from Medical_KG_rev.services.neo4j import Neo4j
from Medical_KG_rev.services.recipe import Place
from Medical_KG_rev.services.server import Server
from Medical_KG_rev.settings_neo4j import Neo4jSettings
from Medical_KG_rev.testing.graph_samples import TENANT, write


def met(settings: Neo4jSettings) -> MedicalKGError:
    """The error of a first question."""
    connection = Neo4jConnection(settings)
    try:
        with pytest.raises(MedicalKGError) as caught:
            Neo4jGraphStore(connection).stats(TENANT)
    finally:
        connection.close()
    assert settings.url in caught.value.message
    return caught.value


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """``answering(words)``: the address of a server that says this to everybody."""
    servers: list[socket.socket] = []

    def start(words: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            while True:
                try:
                    guest, _ = server.accept()
                except OSError:
                    return
                with guest:
                    guest.recv(1024)
                    guest.sendall(words)

        Thread(target=serve, daemon=True).start()
        return f"bolt://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.component
def test_the_port_of_http_is_named(answering: Callable[[bytes], str]) -> None:
    error = met(Neo4jSettings(url=answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
    assert type(error) is ConfigurationError
    assert "7687" in error.remedy


@pytest.mark.component
def test_a_server_that_hangs_up_may_want_tls(answering: Callable[[bytes], str]) -> None:
    error = met(Neo4jSettings(url=answering(b"")))
    assert type(error) is StoreUnavailableError
    assert "`+s`" in error.remedy


@pytest.mark.component
def test_a_file_without_a_certificate_is_named(answering: Callable[[bytes], str], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    error = met(Neo4jSettings(url=answering(b""), ca_file=tmp_path / "ca.pem"))
    assert type(error) is ConfigurationError
    assert "ca.pem" in error.message
    assert "MK_NEO4J__CA_FILE" in error.remedy


@pytest.mark.service
@pytest.mark.parametrize("scheme", ["bolt+s", "neo4j+s", "bolt+ssc", "ca file"])
def test_tls_against_a_server_without_is_named(neo4j_database: dict[str, str], scheme: str) -> None:
    url = neo4j_database["MK_NEO4J__URL"]
    if scheme == "ca file":
        settings = Neo4jSettings(url=url, ca_file=Path(certifi.where()))
    else:
        settings = Neo4jSettings(url=url.replace("bolt", scheme, 1))
    error = met(settings)
    assert type(error) is StoreUnavailableError
    assert "without `+s`" in error.remedy


class WithLogin(Neo4j):
    """The same server, which wants a password."""

    def command(self, place: Place) -> list[str]:
        command = super().command(place)
        configuration = place.folder / "conf" / "neo4j.conf"
        configuration.write_text(configuration.read_text().replace("auth_enabled=false", "auth_enabled=true"))
        return command

    def is_ready(self, place: Place) -> bool:
        try:
            return httpx.get(f"http://{place.address('http')}/", timeout=3).status_code < 500
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="module")
def guarded(run_folder: Path) -> Iterator[str]:
    """The address of a server whose user `neo4j` has the password `right-word`."""
    from neo4j import GraphDatabase

    server = Server(WithLogin(), run_folder / f"guarded-{uuid.uuid4().hex}" / "neo4j", CACHE)
    require(server)
    server.start()
    url = f"bolt://{server.addresses['bolt']}"
    with GraphDatabase.driver(url, auth=("neo4j", "neo4j")) as driver, driver.session(database="system") as session:
        session.run("ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO 'right-word'").consume()
    yield url
    server.kill()


@pytest.mark.service
def test_a_wrong_login_is_refused_at_once_and_writes_nothing(guarded: str) -> None:
    def settings(word: str) -> Neo4jSettings:
        return Neo4jSettings(url=guarded, user="neo4j", password=SecretStr(word))

    wrong = Neo4jConnection(settings("wrong-word"))
    with pytest.raises(ConfigurationError, match="refuses the login") as caught:
        write(Neo4jGraphStore(wrong), ["x:1"])
    wrong.close()
    assert "MK_NEO4J__PASSWORD" in caught.value.remedy
    assert not is_transient(caught.value)
    assert "wrong-word" not in str(caught.value)
    assert met(Neo4jSettings(url=guarded)).code == "configuration_invalid", "nor without one"
    right = Neo4jConnection(settings("right-word"))
    store = Neo4jGraphStore(right)
    assert store.stats(TENANT).documents == 0
    write(store, ["x:1"])
    assert store.stats(TENANT).documents == 1
    right.close()
