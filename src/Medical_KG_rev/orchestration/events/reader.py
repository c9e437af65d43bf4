"""What ``medkg events tail`` shows: the events of a place, filtered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from Medical_KG_rev.orchestration.events.places import EventPlace, LogFolder
from Medical_KG_rev.orchestration.events.types import matching_types

CloudEventJson = Mapping[str, Any]
"""An event in CloudEvents JSON format."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted. Events of no tenant (configuration) are everybody's."""

    tenant_id: str
    job_id: str | None = None
    types: frozenset[str] | None = None

    def takes(self, event: CloudEventJson) -> bool:
        """Whether an event is wanted."""
        return (
            event.get("tenantid", self.tenant_id) == self.tenant_id
            and (self.job_id is None or event.get("jobid") == self.job_id)
            and (self.types is None or event["type"] in self.types)
        )


def open_event_reader(
    place: EventPlace,
    *,
    tenant_id: str,
    job_id: str | None = None,
    type: str | None = None,
    follow: bool = False,
    before: Callable[[], object] = lambda: None,
    sleep: Callable[[float], object] = time.sleep,
) -> Generator[CloudEventJson, None, None]:
    """The events of a place; with ``follow`` without end. Closing the iterator lets go of the place.

    Args:
        place: the log or topic.
        tenant_id: whose events.
        job_id: of one job only.
        type: of one type only: short, full, or its first word (``stage``).
        follow: wait for more at the end.
        before: called first; the place for a pass of the relay, so that nothing that waits is missing.
        sleep: waits for so many seconds.

    Raises:
        UsageError: no such type; lists those there are.
        EventSinkUnavailableError: Kafka does not answer.
    """
    wanted = EventFilter(tenant_id, job_id, None if type is None else matching_types(type))
    return _read(place, wanted, follow, before, sleep)


def _read(
    place: EventPlace,
    wanted: EventFilter,
    follow: bool,
    before: Callable[[], object],
    sleep: Callable[[float], object],
) -> Generator[CloudEventJson, None, None]:
    before()
    for line in _lines(place, follow, sleep):
        event = json.loads(line)
        if wanted.takes(event):
            yield event


def _lines(place: EventPlace, follow: bool, sleep: Callable[[float], object]) -> Iterator[bytes]:
    if isinstance(place, LogFolder):
        from Medical_KG_rev.orchestration.events.log_reader import read_log

        return read_log(place, follow=follow, sleep=sleep)
    from Medical_KG_rev.orchestration.events.kafka_reader import read_topic

    return read_topic(place, follow=follow, sleep=sleep)
