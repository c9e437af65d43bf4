"""The conformance kit of event sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event, EventSubject
from Medical_KG_rev.orchestration.events.sink import EventSink
from Medical_KG_rev.testing.expect import expect

_JOBS = 40


@dataclass(frozen=True)
class SinkPlace:
    """An empty place for events: what opens a sink on it, and what reads it as CloudEvents in JSON format, parsed."""

    open: Callable[[], EventSink]
    read: Callable[[], Iterable[Mapping[str, Any]]]


def check_event_sink(make: Callable[[], SinkPlace]) -> None:
    """Holds a sink against its port.

    Args:
        make: gives an empty place at each call.

    Raises:
        ConformanceError: a promise is broken; says which.
    """
    for check in (_attributes, _nothing, _order, _repeated, _two_sinks, _closing):
        check(make())


def stage_events(jobs: int, stages: int, tenant_id: str = "default") -> list[Event]:
    """A pair of events for each stage of each job, in the order of the stages; ``time`` counts up."""
    factory = CloudEventFactory(lambda: 0.0)
    found: list[Event] = []
    for stage in range(stages):
        for job in range(jobs):
            subject = EventSubject(tenant_id, f"job-{job}", f"local:{job}", "batch-1", "submission-1")
            at = float(len(found))
            name = f"stage_{stage}"
            found.append(factory.stage_started(subject, name, attempt=1, time=at))
            found.append(factory.stage_completed(subject, name, attempt=1, duration_ms=1.5, output_count=1, time=at + 1))
    return found


def _attributes(place: SinkPlace) -> None:
    import json

    events = [*example_events(), _odd_event()]
    _publish(place, events)
    found = {event["id"]: dict(event) for event in place.read()}
    for event in events:
        expected = json.loads(to_json(event))
        expect(found.get(event.event_id) == expected, f"{event.event_id} was read as {found.get(event.event_id)}, not {expected}")


def _nothing(place: SinkPlace) -> None:
    _publish(place, [])
    expect(not list(place.read()), "publishing nothing left something")


def _order(place: SinkPlace) -> None:
    events = stage_events(_JOBS, 25)
    sink = place.open()
    for start in range(0, len(events), 333):
        sink.publish(events[start : start + 333])
    sink.close()
    _expect_once_in_order(place, events)


def _repeated(place: SinkPlace) -> None:
    """What a relay does that was killed before it took the rows away."""
    events = stage_events(3, 4)
    _publish(place, events[:10])
    _publish(place, events)
    ids = [event["id"] for event in place.read()]
    expect(len(ids) == len(events) + 10, f"{len(events)} events, 10 of them twice, were read as {len(ids)}")
    _expect_once_in_order(place, events)


def _two_sinks(place: SinkPlace) -> None:
    events = stage_events(_JOBS, 4)
    first, second = place.open(), place.open()
    for start in range(0, len(events), 40):
        (first if start % 80 else second).publish(events[start : start + 40])
    first.close()
    second.close()
    _expect_once_in_order(place, events)


def _closing(place: SinkPlace) -> None:
    events = stage_events(1, 2)
    sink = place.open()
    sink.close()
    sink.publish(events[:2])
    sink.close()
    sink.close()
    sink.publish(events[2:])
    sink.close()
    _expect_once_in_order(place, events)


def _publish(place: SinkPlace, events: Sequence[Event]) -> None:
    sink = place.open()
    sink.publish(events)
    sink.close()


def _expect_once_in_order(place: SinkPlace, events: Sequence[Event]) -> None:
    """After repeated ids are dropped: every event, and those of a job in the order in which they were published."""
    found: dict[str, list[str]] = {}
    for key, event_id in dict.fromkeys((event["partitionkey"], event["id"]) for event in place.read()):
        found.setdefault(key, []).append(event_id)
    expected: dict[str, list[str]] = {}
    for published in events:
        expected.setdefault(published.job_id, []).append(published.event_id)
    expect(set(found) == set(expected), f"events of {sorted(found)} were read, not of {sorted(expected)}")
    for job, ids in expected.items():
        expect(found[job] == ids, f"the events of {job} are {found[job]}, not {ids}")


def _odd_event() -> Event:
    """Text that a careless format breaks: line ends, quotes, other scripts, a NUL."""
    text = 'Ünïcode "quoted"\r\nsecond line \u2028 ✓ 漢字 \0'
    factory = CloudEventFactory(lambda: 1767225600.123456)
    subject = EventSubject("tenant-ö", "job-odd", "local:ä b/c\u2028", None, None)
    event = factory.stage_failed(subject, "chunk", attempt=2, code="payload_malformed", message=text)
    return structs.replace(event, data={**event.data, "nested": {"a": [1, 2.5, None, True]}})
