"""The servers that tests share: each answers its ordinary client, and a test's own names are empty and its own."""

from __future__ import annotations

from contextlib import closing

import httpx
import psycopg2
import pytest
from real_servers import RunningServer, s3_client

pytestmark = pytest.mark.service


def connect(url: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(url.replace("postgresql+psycopg2", "postgresql"))


@pytest.mark.parametrize("round_", [1, 2])
def test_a_database_is_empty_and_the_tests_own(postgres_database: str, round_: int) -> None:
    with closing(connect(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id int)")
        cursor.execute("SELECT setting FROM pg_settings WHERE name IN ('fsync', 'listen_addresses', 'TimeZone') ORDER BY name")
        assert [row[0] for row in cursor.fetchall()] == ["UTC", "on", "127.0.0.1"]
        cursor.execute("SHOW server_encoding")
        assert cursor.fetchone() == ("UTF8",)
        connection.commit()


def test_postgres_wants_the_password(postgres_database: str) -> None:
    head, _, tail = postgres_database.rpartition("@")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(f"{head}x@{tail}")


def test_kafka_keeps_order_and_hides_what_was_aborted(kafka_server: RunningServer, kafka_topic: str) -> None:
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    server = {"bootstrap.servers": kafka_server.address}
    admin = AdminClient(server)
    admin.create_topics([NewTopic(kafka_topic, num_partitions=1, replication_factor=1)])[kafka_topic].result(10)
    producer = Producer({**server, "transactional.id": kafka_topic})
    producer.init_transactions(20)
    for commit, values in ((True, "ab"), (False, "xy"), (True, "cd")):
        producer.begin_transaction()
        for value in values:
            producer.produce(kafka_topic, value)
        producer.flush(10)
        (producer.commit_transaction if commit else producer.abort_transaction)(10)
    consumer = Consumer({**server, "group.id": kafka_topic, "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
    with closing(consumer):
        consumer.subscribe([kafka_topic])
        read = [message.value() for message in consumer.consume(4, timeout=20)]
    assert read == [b"a", b"b", b"c", b"d"]


def test_s3_lets_one_writer_win(s3_server: RunningServer, s3_bucket: str) -> None:
    with closing(s3_client(s3_server)) as client:
        client.put_object(Bucket=s3_bucket, Key="folder/one", Body=b"first", IfNoneMatch="*")
        with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
            client.put_object(Bucket=s3_bucket, Key="folder/one", Body=b"second", IfNoneMatch="*")
        assert client.get_object(Bucket=s3_bucket, Key="folder/one")["Body"].read() == b"first"


def test_s3_refuses_another_key(s3_server: RunningServer, s3_bucket: str) -> None:
    refused = httpx.get(f"{s3_server.environment['MK_OBJECT_STORE__ENDPOINT_URL']}/{s3_bucket}?list-type=2")
    assert refused.status_code == httpx.codes.FORBIDDEN


def test_opensearch_ranks(opensearch_server: RunningServer) -> None:
    url = opensearch_server.environment["MK_OPENSEARCH__URL"]
    with httpx.Client(base_url=url, timeout=30) as client:
        client.put("/studies/_doc/1?refresh=true", json={"text": "asthma in children"}).raise_for_status()
        client.put("/studies/_doc/2?refresh=true", json={"text": "migraine"}).raise_for_status()
        found = client.post("/studies/_search", json={"query": {"match": {"text": "children"}}}).json()
        client.delete("/studies").raise_for_status()
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["1"]


def test_neo4j_answers_over_bolt(neo4j_server: RunningServer) -> None:
    from neo4j import GraphDatabase

    with GraphDatabase.driver(neo4j_server.environment["MK_NEO4J__URL"]) as driver:
        records, _, _ = driver.execute_query("CREATE (s:Study {id: 'NCT1'}) WITH s, s.id AS id DELETE s RETURN id")
    assert [record["id"] for record in records] == ["NCT1"]
