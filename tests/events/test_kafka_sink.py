"""Events on a real Kafka: what a consumer of its own finds there, and what holds while the broker is away."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource

from Medical_KG_rev.errors import ConfigurationError, EventSinkUnavailableError, UsageError
from Medical_KG_rev.orchestration.events import Event
from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.kafka_sink import KafkaSink
from Medical_KG_rev.orchestration.events.places import KafkaTopic
from Medical_KG_rev.orchestration.events.reader import open_event_reader
from Medical_KG_rev.orchestration.events.sink import open_event_sink
from Medical_KG_rev.services import Server
from Medical_KG_rev.testing.events import SinkPlace, check_event_sink, stage_events

pytestmark = pytest.mark.service


@pytest.fixture
def topic(kafka_server: Any, kafka_topic: str) -> KafkaTopic:
    return KafkaTopic(kafka_server.address, name=kafka_topic, partitions=3)


@pytest.fixture
def sink(topic: KafkaTopic) -> Iterator[KafkaSink]:
    with closing(KafkaSink(topic)) as sink:
        yield sink


def consume(topic: KafkaTopic, count: int) -> list[Any]:
    """Messages by a client that knows nothing of this project, partition by partition."""
    consumer = Consumer({"bootstrap.servers": topic.bootstrap_servers, "group.id": "outside", "auto.offset.reset": "earliest"})
    try:
        consumer.assign([TopicPartition(topic.name, number, 0) for number in range(topic.partitions)])
        messages: list[Any] = []
        deadline = time.monotonic() + 30
        while len(messages) < count and time.monotonic() < deadline:
            messages += consumer.consume(count - len(messages), 0.2)
        assert all(message.error() is None for message in messages)
        return messages
    finally:
        consumer.close()


def read_ids(topic: KafkaTopic, **options: Any) -> list[str]:
    return [event["id"] for event in open_event_reader(topic, tenant_id="default", **options)]


def test_kafka_keeps_the_promises_of_a_sink(topic: KafkaTopic) -> None:
    """Each place is a topic of its own below the test's."""
    names = (f"{topic.name}.{number}" for number in range(100))
    used: list[str] = []

    def place() -> SinkPlace:
        own = replace(topic, name=next(names))
        used.append(own.name)
        return SinkPlace(lambda: KafkaSink(own), lambda: _all_tenants(own))

    try:
        check_event_sink(place)
    finally:
        for future in AdminClient({"bootstrap.servers": topic.bootstrap_servers}).delete_topics(used).values():
            future.exception(10)


def _all_tenants(topic: KafkaTopic) -> Iterator[dict[str, Any]]:
    from Medical_KG_rev.orchestration.events.kafka_reader import read_topic

    return map(json.loads, read_topic(topic, follow=False, sleep=time.sleep))


def test_d4_a_plain_consumer_finds_binary_content_mode(topic: KafkaTopic, sink: KafkaSink) -> None:
    events = {event.event_id: event for event in example_events()}
    sink.publish(list(events.values()))
    messages = consume(topic, len(events))
    assert len(messages) == len(events)
    for message in messages:
        headers = {name: value.decode() for name, value in message.headers()}
        event = events[headers["ce_id"]]
        expected = json.loads(to_json(event))
        assert json.loads(message.value()) == expected.pop("data")
        assert headers.pop("content-type") == expected.pop("datacontenttype") == "application/json"
        assert headers == {f"ce_{name}": value for name, value in expected.items()}
        assert message.key().decode() == event.job_id


def test_the_topic_is_created_as_configured(topic: KafkaTopic) -> None:
    place = replace(topic, partitions=2, retention_ms=3_600_000)
    with closing(KafkaSink(place)) as sink:
        sink.publish(example_events()[:1])
    admin = AdminClient({"bootstrap.servers": place.bootstrap_servers})
    assert len(admin.list_topics(place.name, timeout=10).topics[place.name].partitions) == 2
    resource = ConfigResource(ConfigResource.Type.TOPIC, place.name)
    described = admin.describe_configs([resource])[resource].result(10)
    assert described["retention.ms"].value == "3600000"


def test_a_topic_that_is_there_is_left_as_it_is(topic: KafkaTopic, sink: KafkaSink) -> None:
    sink.publish(example_events()[:1])
    with closing(KafkaSink(replace(topic, partitions=7))) as other:
        other.publish(example_events()[1:2])
    admin = AdminClient({"bootstrap.servers": topic.bootstrap_servers})
    assert len(admin.list_topics(topic.name, timeout=10).topics[topic.name].partitions) == topic.partitions


def test_two_sinks_may_create_the_topic_at_once(topic: KafkaTopic) -> None:
    sinks = [KafkaSink(topic) for _ in range(4)]
    threads = [
        threading.Thread(target=sink.publish, args=([event],)) for sink, event in zip(sinks, example_events(), strict=False)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for sink in sinks:
        sink.close()
    assert len(read_ids(topic)) == 4


def test_events_are_read_by_job_and_type(topic: KafkaTopic, sink: KafkaSink) -> None:
    sink.publish([*stage_events(3, 2), *stage_events(1, 1, tenant_id="other")])
    assert len(read_ids(topic)) == 12
    assert read_ids(topic, job_id="job-1", type="stage.started") == [
        "job-1/stage_0/1/started",
        "job-1/stage_1/1/started",
    ]
    with pytest.raises(UsageError):
        open_event_reader(topic, tenant_id="default", type="nothing")


def test_a_topic_that_is_not_there_has_no_events(topic: KafkaTopic) -> None:
    assert read_ids(topic) == []


def test_a_follower_waits_for_the_topic_and_for_more(topic: KafkaTopic, sink: KafkaSink) -> None:
    events = stage_events(1, 3)
    slept: list[float] = []

    def publish_some(seconds: float) -> None:
        slept.append(seconds)
        sink.publish(events[:2])

    with closing(open_event_reader(topic, tenant_id="default", follow=True, sleep=publish_some)) as reader:
        found = [event["id"] for event in islice(reader, 2)]
        sink.publish(events[2:])
        found += [event["id"] for event in islice(reader, len(events) - 2)]
    assert found == [event.event_id for event in events]
    assert len(slept) == 1


def test_a_message_that_is_no_cloudevent_is_left_out(
    topic: KafkaTopic, sink: KafkaSink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.publish(example_events()[:1])
    foreign = Producer({"bootstrap.servers": topic.bootstrap_servers})
    foreign.produce(topic.name, b"\xff\x00 something else", b"key", headers={"ce_id": b"1"})
    foreign.produce(topic.name, None)
    assert foreign.flush(10) == 0
    with caplog.at_level(logging.WARNING):
        assert read_ids(topic) == [example_events()[0].event_id]
    assert caplog.text.count("no CloudEvent") == 2


class _Web(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: that it answers is the point."""


@pytest.fixture
def web_address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Web) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("listening", [True, False], ids=["answers-http", "nothing-listens"])
def test_a_wrong_address_is_named_within_its_time(web_address: str, listening: bool) -> None:
    address = web_address if listening else "127.0.0.1:1"
    place = KafkaTopic(address, connect_timeout_seconds=1.5)
    started = time.monotonic()
    with closing(open_event_sink(place)) as sink, pytest.raises(EventSinkUnavailableError, match=address) as raised:
        sink.publish(example_events()[:1])
    assert time.monotonic() - started < 5
    assert (raised.value.sink, raised.value.exit_code) == (address, 3)
    with pytest.raises(EventSinkUnavailableError, match=address):
        list(open_event_reader(place, tenant_id="default"))


def test_an_option_that_kafka_does_not_know_is_a_configuration_error(topic: KafkaTopic) -> None:
    place = replace(topic, options={"no.such.option": "1", "sasl.password": "s3cret"})
    with closing(KafkaSink(place)) as sink, pytest.raises(ConfigurationError, match=r"no\.such\.option") as raised:
        sink.publish(example_events()[:1])
    assert "s3cret" not in str(raised.value) + repr(place)


def test_a_message_that_kafka_refuses_fails_the_publish(topic: KafkaTopic) -> None:
    """The broker's word counts for every message: one of many is too large."""
    with closing(KafkaSink(replace(topic, options={"message.max.bytes": "2000"}))) as sink:
        events = stage_events(2, 2)
        large = replace_message(events[0], "x" * 4000)
        with pytest.raises(EventSinkUnavailableError, match="too large"):
            sink.publish([*events[:3], large, *events[3:]])
        sink.publish(events)
    assert set(read_ids(topic)) == {event.event_id for event in events}


def replace_message(event: Event, text: str) -> Event:
    from msgspec import structs

    return structs.replace(event, event_id="large", data={"message": text})


@pytest.mark.chaos
def test_a_broker_that_freezes_and_is_killed_loses_no_event_and_no_order(own_server: Callable[[str], Server]) -> None:
    """Frozen in the middle of a publish, thawed, killed in the middle of another, started again: every event is there, and in
    order for each job once repeated ids are dropped."""
    server = own_server("kafka")
    place = KafkaTopic(
        server.addresses["broker"],
        name="chaos.events",
        partitions=3,
        connect_timeout_seconds=2,
        delivery_timeout_seconds=2,
    )
    events = stage_events(40, 50)
    sink = KafkaSink(place)
    sink.publish(events[:1000])
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        for _ in range(2):
            with pytest.raises(EventSinkUnavailableError):
                sink.publish(events[1000:2000])
        assert time.monotonic() - started < 12
    finally:
        os.kill(pid, signal.SIGCONT)
    publish_patiently(sink, events[1000:2000])
    killer = threading.Timer(0.01, server.kill)
    killer.start()
    with pytest.raises(EventSinkUnavailableError):
        publish_again_and_again(sink, events[2000:])
    killer.join()
    own_server("kafka")
    publish_patiently(sink, events[2000:])
    sink.close()
    jobs: dict[str, list[str]] = {}
    for job, event_id in dict.fromkeys((e["jobid"], e["id"]) for e in open_event_reader(place, tenant_id="default")):
        jobs.setdefault(job, []).append(event_id)
    expected: dict[str, list[str]] = {}
    for event in events:
        expected.setdefault(event.job_id, []).append(event.event_id)
    assert jobs == expected


def publish_again_and_again(sink: KafkaSink, events: list[Event]) -> None:
    for _ in range(200):
        sink.publish(events)


def publish_patiently(sink: KafkaSink, events: list[Event]) -> None:
    for _ in range(20):
        try:
            sink.publish(events)
        except EventSinkUnavailableError:
            continue
        return
    raise AssertionError("Kafka is there again and takes no events")
