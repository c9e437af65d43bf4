"""Where lineage goes: a file, an HTTP endpoint or a Kafka topic, through the transports of openlineage-python.

They are built from explicit parameters alone. The library's client, which also reads files of the current folder and variables
of its own, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

from Medical_KG_rev.errors import ConfigurationError, EventSinkUnavailableError, PartUnavailableError

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent
    from openlineage.client.transport.kafka import KafkaTransport

RETRIES = 2
"""Of a request to an HTTP endpoint."""


@dataclass(frozen=True, slots=True)
class LineageTarget:
    """Where events go. ``file`` needs ``path``; ``http`` needs ``url``; ``kafka`` needs ``bootstrap_servers`` and ``topic``.

    ``options`` are librdkafka's for ``kafka``, and never shown. ``timeout_seconds`` bounds one request, and the wait for
    Kafka's answer.
    """

    kind: Literal["file", "http", "kafka"]
    path: Path | None = None
    url: str = ""
    endpoint: str = "api/v1/lineage"
    api_key: str = ""
    bootstrap_servers: str = ""
    topic: str = ""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_seconds: float = 5.0


class Transport(Protocol):
    """Takes events, one at a time."""

    def emit(self, event: RunEvent) -> object:
        """Sends one. Raises whatever the library raises."""
        ...

    def close(self, timeout: float = -1) -> bool:
        """Whether everything was sent before the time was over."""
        ...


def open_transport(target: LineageTarget) -> Transport:
    """The transport of a target. Nothing is connected yet.

    Raises:
        ConfigurationError: a parameter of this kind is missing or wrong.
        PartUnavailableError: the Kafka client is not installed.
    """
    makers: dict[str, Callable[[LineageTarget], Transport]] = {"file": _file, "http": _http, "kafka": _KafkaSender}
    if target.kind not in makers:
        raise ConfigurationError(f"Lineage cannot go to {target.kind!r}.", remedy=f"Choose one of {', '.join(makers)}.")
    return makers[target.kind](target)


def _file(target: LineageTarget) -> Transport:
    if target.path is None:
        raise _missing(target, "path")
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"Lineage cannot be written to {target.path}: {error.strerror}.", remedy="Choose another file.", path=str(target.path)
        ) from error
    return FileTransport(FileConfig(log_file_path=str(target.path), append=True))


def _http(target: LineageTarget) -> Transport:
    if not target.url:
        raise _missing(target, "url")
    auth = ApiKeyTokenProvider({"api_key": target.api_key}) if target.api_key else TokenProvider({})
    retry: dict[str, object] = {"total": RETRIES, "connect": RETRIES, "read": RETRIES, "backoff_factor": 0.1}
    retry |= {"status_forcelist": [502, 503, 504], "allowed_methods": ["POST"]}
    config = HttpConfig(url=target.url, endpoint=target.endpoint, timeout=target.timeout_seconds, auth=auth, retry=retry)
    try:
        return HttpTransport(config)
    except ValueError as error:
        raise ConfigurationError(
            f"Lineage cannot go to {target.url!r}: not an address of HTTP.", remedy="Give one like http://host:5000."
        ) from error


class _KafkaSender:
    """The library's Kafka transport, with a bounded wait for each event: on its own it waits without end, or not at all."""

    def __init__(self, target: LineageTarget) -> None:
        missing = next((name for name in ("bootstrap_servers", "topic") if not getattr(target, name)), None)
        if missing:
            raise _missing(target, missing)
        self._target = target
        self._transport = self._open(target)

    def emit(self, event: RunEvent) -> None:
        self._transport.emit(event)
        if not self._transport.wait_for_completion(self._target.timeout_seconds):
            raise EventSinkUnavailableError(
                f"Kafka at {self._target.bootstrap_servers} took no lineage within {self._target.timeout_seconds:g} s.",
                sink=self._target.topic,
            )

    def close(self, timeout: float = -1) -> bool:
        return self._transport.close(timeout)

    @staticmethod
    def _open(target: LineageTarget) -> KafkaTransport:
        from openlineage.client.transport.kafka import KafkaConfig
        from openlineage.client.transport.kafka import KafkaTransport as LibraryTransport

        producer = {
            "bootstrap.servers": target.bootstrap_servers,
            "client.id": "medical-kg-lineage",
            "log_level": "0",  # what goes wrong is our warning, not a line on stderr
            "message.timeout.ms": str(int(target.timeout_seconds * 2000)),
            **target.options,
        }
        try:
            return LibraryTransport(KafkaConfig(config=producer, topic=target.topic, flush=False))
        except ModuleNotFoundError as error:
            raise PartUnavailableError.not_installed("The Kafka client confluent-kafka", "kafka") from error


def _missing(target: LineageTarget, name: str) -> ConfigurationError:
    return ConfigurationError(f"Lineage to {target.kind} needs {name}.", remedy=f"Set {name}.", field=name)
