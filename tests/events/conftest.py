"""Places for events, and strategies that make any event the factory can make."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from Medical_KG_rev.errors import EventSinkUnavailableError
from Medical_KG_rev.orchestration.events import CloudEventFactory, Event, EventSubject
from Medical_KG_rev.orchestration.events.log_reader import read_log
from Medical_KG_rev.orchestration.events.log_sink import LogSink
from Medical_KG_rev.orchestration.events.places import LogFolder
from Medical_KG_rev.testing.events import SinkPlace

NOW = 1767225600.0


class MemorySink:
    """Keeps what is published; fails as often as it is told, keeping the first ``partial`` events of a failed publish."""

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.failures = 0
        self.partial = 0

    def publish(self, events: Sequence[Event]) -> None:
        if self.failures:
            self.failures -= 1
            self.published += events[: self.partial]
            raise EventSinkUnavailableError("The sink is away.", sink="memory")
        self.published += events

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def factory() -> CloudEventFactory:
    return CloudEventFactory(lambda: NOW)


@pytest.fixture
def subject() -> EventSubject:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    return EventSubject("default", "job-1", "local:doc-1", "batch-1", "submission-1", trace)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def log_place(tmp_path: Path) -> Callable[..., SinkPlace]:
    """Empty log folders, with small files if wanted."""
    numbers = count()

    def make(**limits: int) -> SinkPlace:
        folder = LogFolder(tmp_path / f"events-{next(numbers)}", **limits)

        def read() -> Iterator[dict[str, object]]:
            return map(json.loads, read_log(folder, follow=False, sleep=never))

        return SinkPlace(lambda: LogSink(folder), read)

    return make


def never(_seconds: float) -> None:
    raise AssertionError("nothing to wait for")
