"""PostgreSQL, Kafka and S3 are killed and come back: on the same address, with everything that they had acknowledged."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from real_servers import s3_client

from Medical_KG_rev.services import Server

pytestmark = [pytest.mark.service, pytest.mark.chaos]


def connect(server: Server) -> psycopg2.extensions.connection:
    return psycopg2.connect(server.environment["MK_DATABASE__URL"].replace("postgresql+psycopg2", "postgresql"))


def select(server: Server) -> list[Any]:
    with closing(connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM kept ORDER BY id")
        return cursor.fetchall()


@pytest.mark.parametrize("round_", [1, 2])
def test_postgres_keeps_what_was_committed_and_its_address(own_server: Callable[[str], Server], round_: int) -> None:
    server = own_server("postgres")
    url = server.environment["MK_DATABASE__URL"]
    with closing(connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
        cursor.execute("INSERT INTO kept VALUES (%s)", (round_,))
        connection.commit()
        cursor.execute("INSERT INTO kept VALUES (99)")
        server.kill()
        with pytest.raises(psycopg2.OperationalError):
            connect(server)
        server.start()
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")
    assert server.environment["MK_DATABASE__URL"] == url
    assert select(server) == [(id_,) for id_ in range(1, round_ + 1)]


def test_postgres_comes_back_when_only_its_first_process_was_killed(own_server: Callable[[str], Server]) -> None:
    server = own_server("postgres")
    with closing(connect(server)):
        os.kill(server.pid or 0, signal.SIGKILL)
        while server.pid is not None:
            time.sleep(0.01)
        assert server.status().status == "crashed"
        server.start()
    assert server.status().ready


def test_kafka_keeps_every_acknowledged_record_and_its_address(own_server: Callable[[str], Server]) -> None:
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    server = own_server("kafka")
    address = {"bootstrap.servers": server.addresses["broker"]}
    admin = AdminClient(address)
    admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])["kept"].result(10)
    producer = Producer({**address, "enable.idempotence": True})
    acknowledged: list[bytes] = []
    for number in range(200):
        producer.produce("kept", str(number), on_delivery=lambda error, message: error or acknowledged.append(message.value()))
        if number == 100:
            producer.flush(10)
            server.kill()
            server.start()
    assert server.addresses["broker"] == address["bootstrap.servers"]
    assert producer.flush(30) == 0
    assert len(acknowledged) == 200
    with closing(Consumer({**address, "group.id": "reader", "auto.offset.reset": "earliest"})) as consumer:
        consumer.subscribe(["kept"])
        read = [message.value() for message in consumer.consume(200, timeout=30)]
    assert read == [str(number).encode() for number in range(200)]


def test_s3_keeps_every_object_and_its_address(own_server: Callable[[str], Server]) -> None:
    server = own_server("s3")
    bucket = server.environment["MK_OBJECT_STORE__BUCKET"]
    with closing(s3_client(server)) as client:
        for number in range(20):
            client.put_object(Bucket=bucket, Key=f"kept/{number}", Body=bytes([number]) * 1000)
        for end in (server.kill, server.stop, server.kill):
            end()
            server.start()
            assert server.environment["MK_OBJECT_STORE__ENDPOINT_URL"] == client.meta.endpoint_url
            found = [client.get_object(Bucket=bucket, Key=f"kept/{number}")["Body"].read() for number in range(20)]
            assert found == [bytes([number]) * 1000 for number in range(20)]
