"""Where events go and are read: a folder of log files, or a Kafka topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from Medical_KG_rev.orchestration.events.types import TOPIC

MEBIBYTE = 1024 * 1024
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A folder of JSON Lines files; the oldest goes when there are ``max_files`` of ``max_file_bytes``."""

    directory: Path
    max_file_bytes: int = 64 * MEBIBYTE
    max_files: int = 64


@dataclass(frozen=True, slots=True)
class KafkaTopic:
    """A topic and the brokers (``host:port,…``) that have it.

    Partitions, replication and retention are used when the topic is created; a topic that exists is left as it is.
    ``options`` are librdkafka's (``security.protocol``, ``sasl.…``) and never shown.
    """

    bootstrap_servers: str
    name: str = TOPIC
    partitions: int = 6
    replication_factor: int = 1
    retention_ms: int = 7 * DAY_MS
    connect_timeout_seconds: float = 10.0
    delivery_timeout_seconds: float = 30.0
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


EventPlace = LogFolder | KafkaTopic
