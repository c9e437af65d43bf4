"""The topic on which PDF workers hear of files: what a plain consumer finds there, and what holds while messages are lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from gate_toys import at_gate, digest_of
from ledger_toys import Toys

from Medical_KG_rev.background import await_pdf
from Medical_KG_rev.orchestration.events import Event
from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.kafka_sink import KafkaSink
from Medical_KG_rev.orchestration.events.pdf_messages import PdfMessages
from Medical_KG_rev.orchestration.events.places import KafkaTopic
from Medical_KG_rev.orchestration.events.schemas import data_schema
from Medical_KG_rev.orchestration.events.types import PDF_REQUESTED
from Medical_KG_rev.orchestration.ledger import Ledger

pytestmark = pytest.mark.service

PATIENCE_SECONDS = 30.0


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[Toys]:
    opened: list[Ledger] = []

    def opening(clock: Callable[[], float]) -> Ledger:
        opened.append(Ledger.open(tmp_path / "ledger.db", clock))
        return opened[-1]

    yield Toys(opening)
    for ledger in opened:
        ledger.close()


@pytest.fixture
def queue(kafka_server: Any, kafka_topic: str) -> Iterator[KafkaTopic]:
    """The topic of the queue; deleted with the other."""
    from confluent_kafka.admin import AdminClient

    name = f"{kafka_topic}.queue"
    yield KafkaTopic(kafka_server.address, name=name, partitions=2)
    AdminClient({"bootstrap.servers": kafka_server.address}).delete_topics([name])[name].exception(10)


@pytest.fixture
def sink(queue: KafkaTopic, kafka_topic: str) -> Iterator[KafkaSink]:
    with closing(KafkaSink(replace(queue, name=kafka_topic, copies={PDF_REQUESTED: queue.name}))) as opened:
        yield opened


def outbox(toys: Toys) -> list[Event]:
    return [event for row in toys.ledger.outbox.read(1000) for event in row.events]


def consume(place: KafkaTopic, count: int) -> list[Any]:
    """Messages by a client that knows nothing of this project."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": place.bootstrap_servers, "group.id": "outside", "auto.offset.reset": "earliest"})
    with closing(consumer):
        consumer.assign([TopicPartition(place.name, number, 0) for number in range(place.partitions)])
        messages: list[Any] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(messages) < count and time.monotonic() < deadline:
            messages += consumer.consume(count - len(messages), 0.2)
        messages += consumer.consume(1, 0.5)  # and none more
    assert all(message.error() is None for message in messages)
    return messages


def test_a_plain_consumer_hears_of_each_file_once_and_of_nothing_else(
    toys: Toys, queue: KafkaTopic, sink: KafkaSink, kafka_topic: str
) -> None:
    jobs = {job.job_id: job for job in at_gate(toys, 3)}
    events = outbox(toys)
    sink.publish(events)
    messages = consume(queue, len(jobs))
    assert {message.key().decode() for message in messages} == set(jobs)
    assert len(messages) == len(jobs)
    for message in messages:
        headers = {name: value.decode() for name, value in message.headers()}
        assert (headers["ce_type"], headers["ce_tenantid"]) == ("com.medical-kg.pdf.requested.v1", "t1")
        data, job = json.loads(message.value()), jobs[headers["ce_jobid"]]
        jsonschema.validate(data, data_schema(PDF_REQUESTED))
        assert (data["doc_id"], data["sha256"], data["size_bytes"]) == (job.doc_id, digest_of(job), 1000)
    assert len(consume(replace(queue, name=kafka_topic), len(events))) == len(events), "the story of the events is whole"


def test_a_worker_is_woken_by_each_message_and_by_none_twice(queue: KafkaTopic, sink: KafkaSink) -> None:
    stop, [request] = threading.Event(), [event for event in example_events() if event.type == PDF_REQUESTED]
    sink.publish(example_events())  # before anybody listens
    with closing(PdfMessages(queue)) as messages:
        until(lambda: bool(messages._consumer.assignment()), messages)
        assert messages.wait(stop, 1.0) is False, "the table says what was queued before"
        for _ in range(2):
            begun = time.monotonic()
            sink.publish([request, request])
            assert messages.wait(stop, PATIENCE_SECONDS) is True
            assert time.monotonic() - begun < 3.0
        stop.set()
        assert messages.wait(stop, PATIENCE_SECONDS) is False


def test_the_topic_may_come_later_than_its_listener(toys: Toys, queue: KafkaTopic, sink: KafkaSink) -> None:
    """Then the table is looked at, until the topic is there."""
    stop = threading.Event()
    with closing(PdfMessages(queue)) as messages:
        assert messages.wait(stop, 0.5) is False
        at_gate(toys, 1)
        await_pdf(toys.ledger, stop, messages)
        sink.publish(outbox(toys))
        until(lambda: bool(messages._consumer.assignment()), messages)


@pytest.mark.parametrize("told", [0, 1, 3], ids=["lost", "once", "thrice"])
def test_a_message_that_is_lost_or_repeated_has_each_file_leased_once(
    toys: Toys, queue: KafkaTopic, sink: KafkaSink, told: int
) -> None:
    stop = threading.Event()
    with closing(PdfMessages(queue)) as messages:
        [job] = at_gate(toys, 1)
        for _ in range(told):
            sink.publish([event for event in outbox(toys) if event.type == PDF_REQUESTED])
        await_pdf(toys.ledger, stop, messages)
        task = toys.ledger.pdfs.lease("reader", 60.0)
        assert task is not None
        assert task.job_id == job.job_id
        messages.wait(stop, 0.5)
        assert toys.ledger.pdfs.lease("another", 60.0) is None


def test_without_kafka_the_table_goes_on_being_looked_at(toys: Toys) -> None:
    stop = threading.Event()
    with closing(PdfMessages(KafkaTopic("127.0.0.1:1", name="nowhere"))) as messages:
        later = threading.Timer(0.5, at_gate, (toys, 1))
        later.start()
        begun = time.monotonic()
        await_pdf(toys.ledger, stop, messages)
        assert time.monotonic() - begun < 5.0
        later.join()
        assert toys.ledger.pdfs.has_task()


def until(holds: Callable[[], bool], messages: PdfMessages) -> None:
    """Listens until it holds: a consumer joins its group while it is polled."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        messages.heard(0.2)
