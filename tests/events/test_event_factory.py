"""What the factory says of stages, jobs, batches and configuration, and how it names it."""

from __future__ import annotations

import pytest

from Medical_KG_rev.orchestration.events import EVENT_TYPES, CloudEventFactory, EventSubject
from Medical_KG_rev.orchestration.events.envelope import to_cloudevent
from Medical_KG_rev.orchestration.events.examples import example_events

pytestmark = pytest.mark.unit

NOW = 1767225600.0


def test_o10_a_chunking_starts_and_finishes(factory: CloudEventFactory, subject: EventSubject) -> None:
    started = factory.stage_started(subject, "chunk", attempt=1)
    completed = factory.stage_completed(subject, "chunk", attempt=1, duration_ms=1200, output_count=42)
    assert [event.type for event in (started, completed)] == ["stage.started", "stage.completed"]
    assert (completed.data["duration_ms"], completed.data["output_count"], completed.data["gpu_used"]) == (1200, 42, False)


def test_o11_a_first_try_times_out(factory: CloudEventFactory, subject: EventSubject) -> None:
    retrying = factory.stage_retrying(subject, "embed", attempt=1, attempt_number=1, backoff_ms=2000, reason="timeout")
    completed = factory.stage_completed(subject, "embed", attempt=1, duration_ms=9, output_count=1, retry_count=1)
    assert (retrying.data["attempt_number"], retrying.data["backoff_ms"], retrying.data["reason"]) == (1, 2000, "timeout")
    assert completed.data["retry_count"] == 1


def test_b1_events_say_subject_source_time_duration_and_count(factory: CloudEventFactory, subject: EventSubject) -> None:
    started = to_cloudevent(factory.stage_started(subject, "chunk", attempt=1))
    completed = to_cloudevent(factory.stage_completed(subject, "chunk", attempt=1, duration_ms=1200.00049, output_count=42))
    for event in (started, completed):
        assert event.get_subject() == "local:doc-1"
        assert event.get_source() == "orchestration/chunk"
        assert event.get_time().isoformat() == "2026-01-01T00:00:00+00:00"
    assert started.get_data() == {
        "stage": "chunk",
        "doc_id": "local:doc-1",
        "time": "2026-01-01T00:00:00Z",
        "attempt": 1,
    }
    assert completed.get_data()["duration_ms"] == 1200.0


def test_b2_a_retried_embed_tells_its_retry_and_its_success(factory: CloudEventFactory, subject: EventSubject) -> None:
    told = [
        factory.stage_started(subject, "embed", attempt=1),
        factory.stage_retrying(subject, "embed", attempt=1, attempt_number=1, backoff_ms=500, reason="timeout"),
        factory.stage_completed(subject, "embed", attempt=1, duration_ms=80, output_count=3, gpu_used=True, retry_count=1),
    ]
    assert [to_cloudevent(event).get_type() for event in told] == [
        "com.medical-kg.stage.started.v1",
        "com.medical-kg.stage.retrying.v1",
        "com.medical-kg.stage.completed.v1",
    ]
    assert len({event.event_id for event in told}) == 3


def test_the_same_fact_has_the_same_id_and_another_has_another(factory: CloudEventFactory, subject: EventSubject) -> None:
    def started(attempt: int) -> str:
        return factory.stage_started(subject, "chunk", attempt=attempt).event_id

    assert started(1) == started(1) == "job-1/chunk/1/started"
    assert started(2) == "job-1/chunk/2/started"
    queued = [
        factory.job_queued(subject, pipeline_name="auto", pipeline_version="1.0", occurrence=occurrence).event_id
        for occurrence in (1, 2)
    ]
    assert queued == ["job-1/job.queued/1", "job-1/job.queued/2"]
    tries = [
        factory.stage_retrying(subject, "embed", attempt=1, attempt_number=number, backoff_ms=1, reason="timeout").event_id
        for number in (1, 2)
    ]
    assert len(set(tries)) == 2


def test_a_change_of_configuration_is_one_event_whoever_sees_it() -> None:
    seen = [
        CloudEventFactory(lambda now=now: now).config_reloaded(file="resilience.yaml", digest="abc", changed_at=NOW)  # type: ignore[misc]
        for now in (NOW + 1, NOW + 4)
    ]
    assert seen[0].event_id == seen[1].event_id
    later = CloudEventFactory(lambda: NOW).config_reloaded(file="resilience.yaml", digest="abc", changed_at=NOW + 60)
    assert later.event_id != seen[0].event_id, "changed, changed back and changed again is told each time"


def test_events_of_a_batch_are_ordered_by_it_and_belong_to_no_job(factory: CloudEventFactory) -> None:
    event = factory.batch_leased(
        EventSubject("default", "batch-7", batch_id="batch-7"), worker="worker-1", epoch=3, lease_seconds=60
    )
    cloud = to_cloudevent(event)
    assert (event.event_id, event.job_id) == ("batch-7/batch.leased/3", "batch-7")
    assert cloud.get_subject() == "batch-7"
    assert cloud.get_extension("partitionkey") == "batch-7"
    assert cloud.get_extension("jobid") is None


def test_a_message_is_scrubbed_bounded_and_can_be_encoded(subject: EventSubject) -> None:
    factory = CloudEventFactory(lambda: NOW, scrub=lambda text: text.replace("s3cret", "***"))
    for message in ("token s3cret refused", "x" * 10_000, "caf\udce9.xml cannot be read"):
        for event in (
            factory.stage_failed(subject, "parse", attempt=1, code="payload_malformed", message=message),
            factory.job_failed(subject, stage="parse", code="payload_malformed", message=message),
            factory.job_dead(subject, stage="parse", code="payload_malformed", message=message),
            factory.config_rejected(file="f", digest="d", changed_at=NOW, code="configuration_invalid", message=message),
        ):
            text = event.data["message"]
            assert "s3cret" not in text
            assert 0 < len(text) <= 2000
            text.encode()


def test_a_given_time_is_kept_and_no_clock_is_asked(subject: EventSubject) -> None:
    def no_clock() -> float:
        raise AssertionError("asked for the time")

    event = CloudEventFactory(no_clock).stage_started(subject, "chunk", attempt=1, time=5.25)
    assert (event.time, event.data["time"]) == (5.25, "1970-01-01T00:00:05.250000Z")


def test_there_is_an_example_of_every_type() -> None:
    assert tuple(event.type for event in example_events()) == EVENT_TYPES
