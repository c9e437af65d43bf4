"""Events on a Kafka topic."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cloudevents.core.bindings.kafka import KafkaMessage

from Medical_KG_rev.errors import EventSinkUnavailableError
from Medical_KG_rev.orchestration.events.envelope import to_kafka_message
from Medical_KG_rev.orchestration.events.kafka_client import (
    kafka_library,
    open_client,
    reason_of,
    topic_partitions,
    unavailable,
)
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.events.places import KafkaTopic

_POLL_EVERY = 500
"""Messages between two looks at delivery reports."""


class KafkaSink:
    """Publishes in binary content mode, the job id as key, and waits for the delivery report of every message.

    The producer is idempotent, and messages fail together or not at all, so that those of a key are in the order given even
    when the broker goes away in between. After a failure, or when the broker has not confirmed all in time, the producer is
    dropped with all that it still holds; the next publish makes a new one. Topics are created where they are missing.
    """

    def __init__(self, place: KafkaTopic) -> None:
        self._place = place
        self._library = kafka_library()
        self._producer: Any = None

    def publish(self, events: Sequence[Event]) -> None:
        """Returns when all in-sync replicas have every message.

        Raises:
            EventSinkUnavailableError: within the place's connect and delivery timeouts.
            ConfigurationError: an option that the library does not take.
        """
        if not events:
            return
        producer = self._open()
        deliveries = _Deliveries()
        try:
            self._produce(producer, events, deliveries)
            producer.flush(self._place.delivery_timeout_seconds)
            self._require_all(deliveries)
        except self._library.KafkaException as error:
            self.close()
            raise unavailable(self._place, reason_of(error)) from error
        except EventSinkUnavailableError:
            self.close()
            raise

    def close(self) -> None:
        """Drops the producer and whatever a failed publish left in it."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(1)

    def _open(self) -> Any:
        if self._producer is None:
            self._create_topics()
            config = {
                "enable.idempotence": True,
                "acks": "all",
                # A message that timed out alone would leave a gap before its successors. The time limit is that of the flush.
                "message.timeout.ms": 0,
                "linger.ms": 5,
                "compression.type": "lz4",
                "partitioner": "murmur2_random",  # the Java clients' choice: all producers agree on a key's partition
            }
            self._producer = open_client(self._library.Producer, self._place, config)
        return self._producer

    def _create_topics(self) -> None:
        admin = open_client(self._library.admin.AdminClient, self._place, {})
        for name in dict.fromkeys([self._place.name, *self._place.copies.values()]):
            if not topic_partitions(admin, replace(self._place, name=name)):
                self._create_topic(admin, name)

    def _create_topic(self, admin: Any, name: str) -> None:
        topic = self._library.admin.NewTopic(
            name,
            num_partitions=self._place.partitions,
            replication_factor=self._place.replication_factor,
            config={"retention.ms": str(self._place.retention_ms), "cleanup.policy": "delete"},
        )
        created = admin.create_topics([topic], operation_timeout=self._place.connect_timeout_seconds)[name]
        try:
            created.result(self._place.connect_timeout_seconds)
        except self._library.KafkaException as error:
            if error.args[0].code() != self._library.KafkaError.TOPIC_ALREADY_EXISTS:
                raise unavailable(replace(self._place, name=name), reason_of(error)) from error

    def _produce(self, producer: Any, events: Sequence[Event], deliveries: _Deliveries) -> None:
        deadline = time.monotonic() + self._place.delivery_timeout_seconds
        for count, event in enumerate(events, start=1):
            message = to_kafka_message(event)
            for topic in self._topics(event):
                self._send(producer, topic, message, deliveries, deadline)
            if count % _POLL_EVERY == 0:
                producer.poll(0)
                if deliveries.error is not None:
                    return

    def _topics(self, event: Event) -> list[str]:
        further = self._place.copies.get(event.type)
        return [self._place.name] if further is None else [self._place.name, further]

    def _send(self, producer: Any, topic: str, message: KafkaMessage, deliveries: _Deliveries, deadline: float) -> None:
        deliveries.expected += 1
        while True:
            try:
                producer.produce(topic, message.value, message.key, headers=message.headers, on_delivery=deliveries.report)
            except BufferError:  # the producer's queue is full
                producer.poll(0.1)
                if time.monotonic() > deadline:
                    raise unavailable(self._place, "its queue stays full") from None
            else:
                return

    def _require_all(self, deliveries: _Deliveries) -> None:
        if deliveries.error is not None:
            raise unavailable(self._place, str(deliveries.error))
        if deliveries.delivered != deliveries.expected:
            why = f"{deliveries.delivered} of {deliveries.expected} messages were confirmed in time"
            raise unavailable(self._place, why)


class _Deliveries:
    """Delivery reports of one publish: how many messages were sent and arrived, and what the first that did not met."""

    def __init__(self) -> None:
        self.expected = 0
        self.delivered = 0
        self.error: str | None = None

    def report(self, error: Any, _message: Any) -> None:
        """Called by the library for each message."""
        if error is None:
            self.delivered += 1
        elif self.error is None:
            self.error = error.str()
