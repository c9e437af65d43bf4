"""``medkg doctor`` uses the parts of the profile, and says which one is down."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from shipped_medkg import Finished, Medkg

pytestmark = pytest.mark.e2e

PLACES = ("ledger", "queue", "object store", "event sink", "dagster")


def checks(finished: Finished) -> dict[str, dict[str, Any]]:
    return {check["part"]: check for check in finished.json["checks"]}


def test_everything_that_works_is_used_and_left_clean(medkg: Medkg) -> None:
    found = checks(medkg("doctor", "--json").expect(0))
    assert all(found[name]["ok"] for name in PLACES)
    assert not [path for path in (medkg.data_dir / "objects").rglob("*") if path.is_file()]
    assert medkg.ledger("SELECT count(*) FROM commit_marks") == [(0,)]


@pytest.mark.parametrize(("part", "name"), [("object store", "objects"), ("event sink", "events"), ("dagster", "dagster")])
def test_a_place_that_cannot_be_written_is_named(medkg: Medkg, part: str, name: str) -> None:
    medkg.data_dir.mkdir()
    (medkg.data_dir / name).write_text("a file where a folder should be")
    found = checks(medkg("doctor", "--json").expect(3))
    assert [check for check in found if not found[check]["ok"]] == [part]


def test_the_queue_says_what_is_paused(medkg: Medkg) -> None:
    medkg("queue", "pause", "--leasing", "--reason", "moving house").expect(0)
    assert "leasing is paused: moving house" in checks(medkg("doctor", "--json").expect(0))["queue"]["message"]


@pytest.mark.service
def test_servers_are_used(
    medkg: Medkg,
    postgres_database: str,
    kafka_server: Any,
    kafka_topic: str,
    s3_server: Any,
    s3_bucket: str,
    opensearch_server: Any,
    neo4j_database: dict[str, str],
) -> None:
    environment = {
        **opensearch_server.environment,
        **neo4j_database,
        **kafka_server.environment,
        **s3_server.environment,
        "MK_PROFILE": "services",
        "MK_DATABASE__URL": postgres_database,
        "MK_EVENTS__TOPIC": kafka_topic,
        "MK_OBJECT_STORE__BUCKET": s3_bucket,
    }
    found = checks(medkg("doctor", "--json", **environment).expect(0))
    assert found["ledger"]["message"].startswith("PostgreSQL")
    assert kafka_topic in found["event sink"]["message"]
    assert s3_bucket in found["object store"]["message"]
    assert found["search server"]["message"].startswith("OpenSearch 2.")
    assert found["graph"]["message"].startswith("Neo4j 5.")


def test_servers_that_are_down_are_named_soon(medkg: Medkg, closed_port: Callable[[], int]) -> None:
    environment = {
        "MK_PROFILE": "services",
        "MK_DATABASE__URL": f"postgresql+psycopg2://medkg:hidden@127.0.0.1:{closed_port()}/medkg",
        "MK_EVENTS__BOOTSTRAP_SERVERS": f"127.0.0.1:{closed_port()}",
        "MK_OPENSEARCH__URL": f"http://127.0.0.1:{closed_port()}",
        "MK_NEO4J__URL": f"bolt://127.0.0.1:{closed_port()}",
        "MK_NEO4J__USER": "neo4j",
        "MK_NEO4J__PASSWORD": "hidden",
        "MK_OBJECT_STORE__ENDPOINT_URL": f"http://127.0.0.1:{closed_port()}",
        "MK_OBJECT_STORE__ACCESS_KEY": "key",
        "MK_OBJECT_STORE__SECRET_KEY": "secret",
    }
    started = time.monotonic()
    ended = medkg("doctor", "--json", **environment).expect(3)
    assert time.monotonic() - started < 120
    found = checks(ended)
    assert not any(found[name]["ok"] for name in (*PLACES, "search server", "graph"))
    assert all(found[name]["ok"] for name in ("data folder", "configuration", "models"))
    assert "hidden" not in ended.out + ended.err


@pytest.fixture
def closed_port() -> Callable[[], int]:
    def port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            number: int = probe.getsockname()[1]
            return number

    return port
