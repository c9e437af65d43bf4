"""The port through which events leave the house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.events.places import EventPlace, LogFolder


class EventSink(Protocol):
    """Takes events for good. One thread at a time; several sinks may write to one place."""

    def publish(self, events: Sequence[Event]) -> None:
        """Returns when all events are durable, those of one ``job_id`` in the order given.

        Raises:
            EventSinkUnavailableError: transient; some of them may have been written. Publish all of them again.
        """
        ...

    def close(self) -> None:
        """Lets go of connections. Twice is harmless; a later publish opens them again."""
        ...


def open_event_sink(place: EventPlace) -> EventSink:
    """The sink of a place. Connects at the first publish.

    Raises:
        PartUnavailableError: the Kafka client is not installed.
    """
    if isinstance(place, LogFolder):
        from Medical_KG_rev.orchestration.events.log_sink import LogSink

        return LogSink(place)
    from Medical_KG_rev.orchestration.events.kafka_sink import KafkaSink

    return KafkaSink(place)
