"""The profile `services` on real servers gives what `embedded` gives, and its events reach any consumer."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from event_story import distinct, faults
from neo4j import GraphDatabase
from shipped_medkg import Medkg
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from Medical_KG_rev.storage import S3ObjectStore

pytestmark = [pytest.mark.service, pytest.mark.e2e]

STAGES = 8


@pytest.fixture
def services(
    tmp_path: Path,
    static_models: Path,
    postgres_database: str,
    kafka_server: Any,
    kafka_topic: str,
    s3_server: Any,
    s3_bucket: str,
    opensearch_server: Any,
    neo4j_database: dict[str, str],
) -> Iterator[Medkg]:
    """The command with real servers and an empty database, topic, bucket and graph, and indexes of its own."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    yield Medkg(
        tmp_path / "services",
        static_models,
        {
            **s3_server.environment,
            **opensearch_server.environment,
            **neo4j_database,
            "MK_OPENSEARCH__PREFIX": prefix,
            "MK_PROFILE": "services",
            "MK_DATABASE__URL": postgres_database,
            "MK_EVENTS__BOOTSTRAP_SERVERS": kafka_server.address,
            "MK_EVENTS__TOPIC": kafka_topic,
            "MK_OBJECT_STORE__BUCKET": s3_bucket,
        },
    )
    httpx.delete(f"{opensearch_server.environment['MK_OPENSEARCH__URL']}/{prefix}-*")


def consume(servers: str, topic: str, count: int) -> list[dict[str, Any]]:
    """What a client outside this project reads: headers in Kafka's binary content mode, JSON as the value."""
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": servers, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    events: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    try:
        while len(events) < count and time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            headers = {name: value.decode() for name, value in message.headers()}
            attributes = {name.removeprefix("ce_"): value for name, value in headers.items() if name.startswith("ce_")}
            events.append({**attributes, "key": message.key().decode(), "data": json.loads(message.value())})
    finally:
        consumer.close()
    return events


def test_services_give_the_same_documents_as_embedded(
    services: Medkg, medkg: Medkg, samples: Path, kafka_server: Any, kafka_topic: str
) -> None:
    there = services("ingest", "local", samples, "--json").expect(0).json
    here = medkg("ingest", "local", samples, "--json").expect(0).json
    counts = [
        {d["doc_id"]: (d["status"], d["chunks"], d["entities"], d["claims"]) for d in result["documents"]}
        for result in (there, here)
    ]
    assert counts[0] == counts[1]
    assert len(counts[0]) > 20
    for doc_id in sorted(counts[0])[::4]:
        shown, expected = (command("show", doc_id, "--json").expect(0).json for command in (services, medkg))
        assert (shown["text"], shown["chunks"]) == (expected["text"], expected["chunks"])
    for query in ("metformin", "lactic acidosis"):
        found, expected = (command("search", query, "--json").expect(0).json for command in (services, medkg))
        assert [hit["chunk_id"] for hit in found["hits"]] == [hit["chunk_id"] for hit in expected["hits"]]
        assert not found["partial"]
    stats = [command("graph", "stats", "--json").expect(0).json for command in (services, medkg)]
    for each in stats:
        each.pop("size_bytes", None)
    assert stats[0] == stats[1]
    shown = [command("graph", "show", "MESH:D008687", "--json").expect(0).json for command in (services, medkg)]
    assert shown[0] == shown[1]
    assert shown[0]["entity"]["claims_in"] or shown[0]["entity"]["claims_out"]
    refused = services("graph", "query", "MATCH (n) RETURN n").expect(2)
    assert "MK_NEO4J__SINGLE_TENANT" in refused.err

    documents = len(counts[0])
    expected_events = documents * (STAGES * 2 + 2)
    events = consume(kafka_server.address, kafka_topic, expected_events + 3)
    kinds = Counter(event["type"].split(".")[2] + "." + event["type"].split(".")[3] for event in distinct(events))
    assert kinds["stage.started"] == kinds["stage.completed"] == documents * STAGES
    assert kinds["job.queued"] == kinds["job.completed"] == documents
    assert kinds["batch.created"] == kinds["batch.leased"] == kinds["batch.completed"] == 1
    assert {event["key"] for event in events} == {event.get("jobid") or event["batchid"] for event in events}, (
        "the key orders the events of a job"
    )
    assert faults(events) == []


def test_the_same_events_come_from_the_shipped_tail(services: Medkg, samples: Path) -> None:
    services("ingest", "local", samples / "clinicaltrials", "--quiet").expect(0)
    lines = services("events", "tail", "--json", "--type", "stage").expect(0).out.splitlines()
    events = [json.loads(line) for line in lines]
    assert events
    assert faults(events) == []


def test_a_backup_of_the_servers_brings_the_index_back(
    services: Medkg, samples: Path, postgres_database: str, tmp_path: Path
) -> None:
    """All servers lose all, the data folder too. The backup has the catalogue, the segments and the graph of one moment;
    OpenSearch's rows are made anew from them."""
    services("ingest", "local", samples / "clinicaltrials", "--json").expect(0)
    services("backup", tmp_path / "copy").expect(0)
    before = services("search", "metformin", "--json").expect(0).json["hits"]
    assert before
    graph = services("graph", "stats", "--json").expect(0).json
    assert graph["assertions"]

    environment = services.environment
    with GraphDatabase.driver(environment["MK_NEO4J__URL"]) as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n", database_="neo4j")
    httpx.delete(f"{environment['MK_OPENSEARCH__URL']}/{environment['MK_OPENSEARCH__PREFIX']}-*").raise_for_status()
    shutil.rmtree(services.data_dir)
    bucket = S3ObjectStore(
        endpoint_url=environment["MK_OBJECT_STORE__ENDPOINT_URL"],
        bucket=environment["MK_OBJECT_STORE__BUCKET"],
        access_key=environment["MK_OBJECT_STORE__ACCESS_KEY"],
        secret_key=environment["MK_OBJECT_STORE__SECRET_KEY"],
    )
    for key in list(bucket.keys()):
        bucket.delete(key)
    assert not list(bucket.keys())
    engine = create_engine(postgres_database, poolclass=NullPool)
    with engine.begin() as connection:
        for schema in connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'index\\_%'")).scalars():
            connection.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))

    services("restore", tmp_path / "copy", "--force").expect(0)
    assert services("index", "verify", "--json").expect(1).json["findings"], "OpenSearch has nothing yet"
    services("index", "repair").expect(0)
    assert not services("index", "verify", "--json").expect(0).json["findings"]
    after = services("search", "metformin", "--json").expect(0).json["hits"]
    assert [(hit["chunk_id"], hit["text"]) for hit in after] == [(hit["chunk_id"], hit["text"]) for hit in before]
    assert services("graph", "stats", "--json").expect(0).json == graph
