"""Where events go and are read: a folder of log files, or a Kafka topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from Medical_KG_rev.errors import ConfigurationError
from Medical_KG_rev.orchestration.events.types import TOPIC

MEBIBYTE = 1024 * 1024
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A folder of JSON Lines files; the oldest goes when there are ``max_files`` of ``max_file_bytes``."""

    directory: Path
    max_file_bytes: int = 64 * MEBIBYTE
    max_files: int = 64

    def __post_init__(self) -> None:
        _require_positive(max_file_bytes=self.max_file_bytes, max_files=self.max_files)


@dataclass(frozen=True, slots=True)
class KafkaTopic:
    """A topic and the brokers (``host:port,…``) that have it.

    Partitions, replication and retention are used when the topic is created; a topic that exists is left as it is.
    ``options`` are librdkafka's (``security.protocol``, ``sasl.…``) and never shown. ``copies``: short type of an event → a
    further topic, which gets the events of this type too.
    """

    bootstrap_servers: str
    name: str = TOPIC
    partitions: int = 6
    replication_factor: int = 1
    retention_ms: int = 7 * DAY_MS
    connect_timeout_seconds: float = 10.0
    delivery_timeout_seconds: float = 30.0
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    copies: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_positive(
            partitions=self.partitions,
            replication_factor=self.replication_factor,
            retention_ms=self.retention_ms,
            connect_timeout_seconds=self.connect_timeout_seconds,
            delivery_timeout_seconds=self.delivery_timeout_seconds,
        )


EventPlace = LogFolder | KafkaTopic


def _require_positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if value <= 0:
            raise ConfigurationError(f"{name} of the events is {value}; it must be above 0.", field=name)
