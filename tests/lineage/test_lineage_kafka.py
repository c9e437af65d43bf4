"""Lineage on a real Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from lineage_receiver import BATCH, STAGE

from Medical_KG_rev.orchestration.lineage import open_lineage

pytestmark = pytest.mark.service


def consume(address: str, topic: str, count: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "outside", "auto.offset.reset": "earliest"})
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(3)])
        messages: list[Any] = []
        deadline = time.monotonic() + 30
        while len(messages) < count and time.monotonic() < deadline:
            messages += consumer.consume(count - len(messages), 0.2)
        return messages
    finally:
        consumer.close()


def test_events_of_a_batch_and_its_stages_share_a_key_and_keep_their_order(
    kafka_server: Any, kafka_topic: str, check: Callable[[dict[str, Any]], None]
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_server.address})
    admin.create_topics([NewTopic(kafka_topic, num_partitions=3)])[kafka_topic].result(timeout=10)
    lineage = open_lineage("kafka", bootstrap_servers=kafka_server.address, topic=kafka_topic)
    lineage.batch_started(BATCH)
    lineage.stage_finished(BATCH, STAGE)
    lineage.batch_finished(BATCH, "completed")
    lineage.close()
    messages = consume(kafka_server.address, kafka_topic, 4)
    events = [json.loads(message.value()) for message in messages]
    for event in events:
        check(event)
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        ("auto", "START"),
        ("auto.chunk", "START"),
        ("auto.chunk", "COMPLETE"),
        ("auto", "COMPLETE"),
    ]
    assert {message.key() for message in messages} == {b"run:medical-kg/auto"}


def test_a_topic_that_is_not_there_is_logged_and_closing_is_bounded(
    kafka_server: Any, kafka_topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    lineage = open_lineage("kafka", bootstrap_servers=kafka_server.address, topic=kafka_topic, timeout_seconds=1.0)
    lineage.batch_started(BATCH)
    started = time.monotonic()
    lineage.close()
    assert time.monotonic() - started < 15
    assert any("took no lineage within 1 s" in record.getMessage() for record in caplog.records)


def test_a_broker_that_is_not_there_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    lineage = open_lineage("kafka", bootstrap_servers="127.0.0.1:9", topic="lineage", timeout_seconds=0.5)
    started = time.monotonic()
    lineage.batch_started(BATCH)
    assert time.monotonic() - started < 0.1
    lineage.close()
    assert time.monotonic() - started < 15
    assert any("took no lineage within 0.5 s" in record.getMessage() for record in caplog.records)
