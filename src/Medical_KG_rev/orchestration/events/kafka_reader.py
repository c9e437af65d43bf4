"""Reading and following the events of a Kafka topic."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from cloudevents.core.exceptions import CloudEventValidationError

from Medical_KG_rev.orchestration.events.envelope import kafka_message_to_json
from Medical_KG_rev.orchestration.events.kafka_client import kafka_library, open_client, topic_partitions, unavailable
from Medical_KG_rev.orchestration.events.places import KafkaTopic

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.3
_MESSAGES_PER_POLL = 500


def read_topic(place: KafkaTopic, *, follow: bool, sleep: Callable[[float], object]) -> Iterator[bytes]:
    """CloudEvents in JSON format, all that the topic keeps; with ``follow`` without end. In order for each job.

    Joins no consumer group and commits nothing.

    Raises:
        EventSinkUnavailableError: no broker answers, or it falls silent before the end was reached.
    """
    library = kafka_library()
    consumer = open_client(
        library.Consumer,
        place,
        {"group.id": "medkg-events-tail", "enable.auto.commit": False, "enable.partition.eof": True},
    )
    try:
        while not (partitions := topic_partitions(consumer, place)):
            if not follow:
                return
            sleep(_POLL_SECONDS)
        consumer.assign([library.TopicPartition(place.name, number, library.OFFSET_BEGINNING) for number in partitions])
        yield from _consume(consumer, place, None if follow else set(partitions))
    finally:
        consumer.close()


def _consume(consumer: Any, place: KafkaTopic, unfinished: set[int] | None) -> Iterator[bytes]:
    """Messages until the partitions in ``unfinished`` have been read to their ends; None: for ever."""
    end_of_partition = kafka_library().KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name
    heard = time.monotonic()
    while unfinished is None or unfinished:
        messages = consumer.consume(_MESSAGES_PER_POLL, _POLL_SECONDS)
        heard = time.monotonic() if messages else heard
        if unfinished is not None and time.monotonic() - heard > place.connect_timeout_seconds:
            raise unavailable(place, "the broker has fallen silent")
        for message in messages:
            if message.error() is None:
                yield from _as_json(message)
            elif unfinished is not None and message.error().code() == end_of_partition:
                unfinished.discard(message.partition())


def _as_json(message: Any) -> Iterator[bytes]:
    headers = {name: value for name, value in message.headers() or () if value is not None}
    try:
        yield kafka_message_to_json(headers, message.key(), message.value() or b"")
    except CloudEventValidationError:
        logger.warning("Left out message %d of partition %d: no CloudEvent.", message.offset(), message.partition())
