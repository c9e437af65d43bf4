"""D4: what leaves is CloudEvents 1.0, by the library that defines it, in JSON format and in Kafka's binary content mode."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import from_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.orchestration.events import EVENT_TYPES, TOPIC, CloudEventFactory, Event, EventSubject
from Medical_KG_rev.orchestration.events.envelope import kafka_message_to_json, to_cloudevent, to_json, to_kafka_message
from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.types import cloudevent_type, matching_types, short_type

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("event", example_events(), ids=lambda event: event.type)
def test_the_library_reads_back_what_was_written(event: Event) -> None:
    cloud = to_cloudevent(event)
    from_json = JSONFormat().read(CloudEvent, to_json(event))
    from_kafka = from_binary(to_kafka_message(event), JSONFormat(), CloudEvent)
    for read in (from_json, from_kafka):
        assert read.get_attributes() == cloud.get_attributes()
        assert read.get_data() == dict(event.data) == cloud.get_data()


def test_d4_binary_content_mode(factory: CloudEventFactory, subject: EventSubject) -> None:
    message = to_kafka_message(factory.stage_completed(subject, "chunk", attempt=1, duration_ms=1200, output_count=42))
    assert TOPIC == "orchestration.events.v1"
    assert message.key == "job-1"
    assert message.headers == {
        "ce_specversion": b"1.0",
        "ce_id": b"job-1/chunk/1/completed",
        "ce_type": b"com.medical-kg.stage.completed.v1",
        "ce_source": b"orchestration/chunk",
        "ce_subject": b"local:doc-1",
        "ce_time": b"2026-01-01T00:00:00Z",
        "content-type": b"application/json",
        "ce_tenantid": b"default",
        "ce_jobid": b"job-1",
        "ce_batchid": b"batch-1",
        "ce_correlationid": b"submission-1",
        "ce_traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "ce_partitionkey": b"job-1",
    }
    assert json.loads(message.value)["output_count"] == 42


def test_what_is_not_known_is_absent(factory: CloudEventFactory) -> None:
    event = factory.stage_started(EventSubject("default", "job-1"), "ingest", attempt=1)
    attributes = to_cloudevent(event).get_attributes()
    assert not {"subject", "batchid", "correlationid", "traceparent"} & set(attributes)
    changed = factory.config_reloaded(file="resilience.yaml", digest="d", changed_at=1.0)
    assert "tenantid" not in to_cloudevent(changed).get_attributes()


def test_a_message_of_kafka_reads_as_the_line_of_the_log(factory: CloudEventFactory, subject: EventSubject) -> None:
    event = factory.stage_started(subject, "chunk", attempt=1)
    message = to_kafka_message(event)
    assert isinstance(message.key, str)
    line = kafka_message_to_json(message.headers, message.key.encode(), message.value)
    assert json.loads(line) == json.loads(to_json(event))


def test_time_is_utc_to_the_microsecond(factory: CloudEventFactory, subject: EventSubject) -> None:
    event = factory.stage_started(subject, "chunk", attempt=1, time=1767225600.123456)
    assert to_cloudevent(event).get_time() == datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_type_is_known_by_its_short_and_its_full_name(kind: str) -> None:
    full = cloudevent_type(kind)
    assert full == f"com.medical-kg.{kind}.v1"
    assert short_type(full) == kind
    assert matching_types(kind) == matching_types(full) == {full}


def test_a_first_word_means_all_of_its_types() -> None:
    assert matching_types("stage") == {cloudevent_type(kind) for kind in EVENT_TYPES if kind.startswith("stage.")}


@pytest.mark.parametrize("name", ["", "sta", "stage.start", "gate.open", "Stage"])
def test_an_unknown_type_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"stage\.started, stage\.completed"):
        matching_types(name)
