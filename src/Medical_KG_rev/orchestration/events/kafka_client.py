"""What producer and consumer share: how a broker is reached, and what is said where it cannot be."""

from __future__ import annotations

import logging
import time
from typing import Any

from Medical_KG_rev.errors import ConfigurationError, EventSinkUnavailableError, PartUnavailableError
from Medical_KG_rev.orchestration.events.places import KafkaTopic

logger = logging.getLogger(__name__)

REFUSAL_SECONDS = 3.0
"""How long a broker that asks for TLS or a login is listened to, to hear why it lets nobody in."""


def kafka_library() -> Any:
    """The Kafka client library.

    Raises:
        PartUnavailableError: it is not installed.
    """
    try:
        import confluent_kafka
        import confluent_kafka.admin
    except ImportError as error:
        raise PartUnavailableError.not_installed("The Kafka client confluent-kafka", "kafka") from error
    return confluent_kafka


def open_client(kind: Any, place: KafkaTopic, config: dict[str, Any]) -> Any:
    """A client of some kind (producer, consumer, admin) for the place's brokers. Connects in the background.

    Raises:
        ConfigurationError: an option that the library does not take.
    """
    shared = {
        "bootstrap.servers": place.bootstrap_servers,
        "client.id": "medkg",
        "socket.connection.setup.timeout.ms": max(1000, round(place.connect_timeout_seconds * 1000)),
        "reconnect.backoff.max.ms": 2000,
        "log_level": 3,
        "error_cb": _note,  # without one, the library raises some errors from inside its callbacks
    }
    try:
        return kind({**shared, **config, **place.options}, logger=logger)
    except kafka_library().KafkaException as error:
        reason = reason_of(error)
        raise ConfigurationError(
            f"Kafka's client refuses its options: {reason}.", remedy="Options are librdkafka's.", field="options"
        ) from error


def topic_partitions(client: Any, place: KafkaTopic) -> list[int]:
    """The partitions of the topic, empty where it does not exist.

    Raises:
        EventSinkUnavailableError: no broker answers in time.
    """
    library = kafka_library()
    try:
        topic = client.list_topics(place.name, timeout=place.connect_timeout_seconds).topics[place.name]
    except library.KafkaException as error:
        raise unavailable(place, _refusal(place) or reason_of(error)) from error
    if topic.error is None:
        return sorted(topic.partitions)
    if topic.error.code() == library.KafkaError.UNKNOWN_TOPIC_OR_PART:
        return []
    raise unavailable(place, topic.error.str())


def unavailable(place: KafkaTopic, why: str) -> EventSinkUnavailableError:
    """The error for a broker that cannot be used."""
    return EventSinkUnavailableError(
        f"Kafka at {place.bootstrap_servers} takes or gives no events on {place.name}: {why}.",
        remedy="Check address, security protocol and login (MK_EVENTS__…), and that a Kafka broker listens there; meanwhile the "
        "events wait in the ledger.",
        sink=place.bootstrap_servers,
        topic=place.name,
    )


def reason_of(error: Any) -> str:
    """What a KafkaException is about, in the library's words."""
    return str(error.args[0].str() if error.args and hasattr(error.args[0], "str") else error).rstrip(".")


def _refusal(place: KafkaTopic) -> str | None:
    """Why the brokers let nobody in. A failed request does not tell: it only had no answer."""
    if place.options.get("security.protocol", "PLAINTEXT") == "PLAINTEXT":
        return None
    library, told = kafka_library(), list[Any]()
    visitor = open_client(library.Producer, place, {"error_cb": told.append})
    deadline = time.monotonic() + REFUSAL_SECONDS
    while time.monotonic() < deadline:
        visitor.poll(0.1)
        for error in told:
            if error.code() in (library.KafkaError._AUTHENTICATION, library.KafkaError._SSL):  # noqa: SLF001 - public names
                return str(error.str())
    return None


def _note(error: Any) -> None:
    logger.debug("Kafka: %s", error)
