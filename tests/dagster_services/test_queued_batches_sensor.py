"""The sensor hands each queued batch over once; the lease decides who runs it."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import DagsterRunStatus, Definitions, RunRequest, SensorDefinition, SensorResult, build_sensor_context
from dagster._core.storage.tags import RUN_KEY_TAG

from Medical_KG_rev.background import Background
from Medical_KG_rev.orchestration.dagster import sensor as sensor_module
from Medical_KG_rev.orchestration.dagster.definitions import build_definitions
from Medical_KG_rev.orchestration.dagster.gate_sensor import GATE_SENSOR
from Medical_KG_rev.orchestration.dagster.sensor import SENSOR, queued_batches
from Medical_KG_rev.orchestration.ledger import Batch
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.platform import Platform

# Dagster copies every sensor with all its parameters, one of which is in beta, whether it is used or not.
pytestmark = [pytest.mark.service, pytest.mark.filterwarnings("ignore:Parameter `owners`")]


@pytest.fixture
def definitions(parts: PlatformParts) -> Definitions:
    topologies = Platform(parts.settings).topologies()
    beside = lambda: Background(parts, lambda event: None)  # noqa: E731
    return build_definitions(topologies, lambda: parts, beside=beside, hand_over=True)


def tick(definitions: Definitions, parts: PlatformParts) -> list[RunRequest]:
    """One evaluation, as the daemon makes it."""
    sensor = next(iter(definitions.sensors or ()))
    assert isinstance(sensor, SensorDefinition)
    with build_sensor_context(instance=parts.dagster, definitions=definitions) as context:
        answer = sensor.evaluate_tick(context)
    return list(answer.run_requests or [])


def queue_run(definitions: Definitions, parts: PlatformParts, request: RunRequest, status: DagsterRunStatus) -> str:
    """What the daemon makes of a request."""
    job = definitions.resolve_job_def(str(request.job_name))
    tags = {**request.tags, RUN_KEY_TAG: str(request.run_key)}
    return parts.dagster.create_run_for_job(job, run_config=request.run_config, tags=tags, status=status).run_id


def run_it(definitions: Definitions, parts: PlatformParts, request: RunRequest) -> Any:
    job = definitions.resolve_job_def(str(request.job_name))
    return job.execute_in_process(run_config=request.run_config, tags=dict(request.tags), instance=parts.dagster)


def test_repeated_ticks_hand_each_batch_over_once(definitions: Definitions, parts: PlatformParts, submit: Any) -> None:
    queued = submit(parts, "NCT99990001", "NCT99990002")
    requests = tick(definitions, parts)
    assert [request.run_key for request in requests] == [f"{batch.batch_id}:1" for batch in queued]
    assert requests[0].tags["medkg/run_key"] == requests[0].run_key
    assert requests[0].tags["traceparent"].startswith("00-")
    assert [request.run_key for request in tick(definitions, parts)] == [request.run_key for request in requests], (
        "a tick that submitted nothing is repeated with the same keys, which Dagster takes once"
    )
    for request in requests:
        queue_run(definitions, parts, request, DagsterRunStatus.NOT_STARTED)
    assert tick(definitions, parts) == []


def test_a_handed_over_batch_is_run_and_kept_alive(definitions: Definitions, parts: PlatformParts, submit: Any) -> None:
    (batch,) = submit(parts, "NCT99990001")
    (request,) = tick(definitions, parts)
    assert run_it(definitions, parts, request).success
    done = parts.ledger.batch(batch.batch_id)
    assert (done.status, done.attempt) == ("completed", 1)
    assert parts.ledger.outbox.depth().events == 0, "the run's own relay has published its events"
    assert tick(definitions, parts) == []


def test_a_batch_that_a_worker_took_meanwhile_makes_an_empty_green_run(
    definitions: Definitions, parts: PlatformParts, submit: Any
) -> None:
    (batch,) = submit(parts, "NCT99990001")
    (request,) = tick(definitions, parts)
    assert parts.ledger.queue.lease("a warm worker", 60, batch_ids=[batch.batch_id]) is not None
    result = run_it(definitions, parts, request)
    assert result.success
    assert not [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    run = parts.dagster.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["medkg/skipped"] == "leased"
    assert parts.ledger.batch(batch.batch_id).worker == "a warm worker"


def test_a_run_for_an_attempt_that_was_made_leaves_the_next_one_alone(
    definitions: Definitions, parts: PlatformParts, submit: Any
) -> None:
    (batch,) = submit(parts, "NCT99990001")
    (request,) = tick(definitions, parts)
    lease = parts.ledger.queue.lease("a warm worker", 60, batch_ids=[batch.batch_id])
    assert lease is not None
    parts.ledger.recovery.finish(lease)
    assert run_it(definitions, parts, request).success
    again = parts.ledger.batch(batch.batch_id)
    assert (again.status, again.attempt) == ("queued", 1)
    assert [each.run_key for each in tick(definitions, parts)] == [f"{batch.batch_id}:2"]


def test_a_run_that_never_leased_its_batch_is_followed_by_another(
    definitions: Definitions, parts: PlatformParts, submit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (batch,) = submit(parts, "NCT99990001")
    (request,) = tick(definitions, parts)
    queue_run(definitions, parts, request, DagsterRunStatus.FAILURE)
    assert tick(definitions, parts) == [], "not at once"
    monkeypatch.setattr(sensor_module, "AGAIN_SECONDS", 0.0)
    assert [each.run_key for each in tick(definitions, parts)] == [f"{batch.batch_id}:1/2"], "Dagster takes a key only once"


def test_nothing_is_handed_over_while_leasing_is_paused(definitions: Definitions, parts: PlatformParts, submit: Any) -> None:
    submit(parts, "NCT99990001")
    parts.ledger.gates.set("leasing", closed=True, actor="test", reason="maintenance")
    assert tick(definitions, parts) == []


def test_no_more_runs_wait_in_dagster_than_its_queue_is_to_hold(
    definitions: Definitions, parts: PlatformParts, submit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(parts, "NCT99990001", "NCT99990002", "NCT99990003")
    monkeypatch.setattr(sensor_module, "AT_ONCE", 2)
    requests = tick(definitions, parts)
    assert len(requests) == 2
    queue_run(definitions, parts, requests[0], DagsterRunStatus.NOT_STARTED)
    assert len(tick(definitions, parts)) == 1


def test_tenants_take_turns_and_priority_goes_first(parts: PlatformParts) -> None:
    def put(name: str, tenant: str, priority: int = 1) -> None:
        batch = Batch(
            batch_id=name,
            submission_id="s",
            tenant_id=tenant,
            pipeline_name="auto",
            pipeline_version="v",
            created_at=float(len(names)),
            updated_at=0.0,
            priority=priority,
        )
        names.append(name)
        with parts.ledger.engine.begin() as connection:
            import msgspec
            from sqlalchemy import insert

            from Medical_KG_rev.orchestration.ledger.schema import batches

            connection.execute(insert(batches).values(**msgspec.structs.asdict(batch)))

    names: list[str] = []
    for name, tenant, priority in (("a1", "a", 1), ("a2", "a", 1), ("a3", "a", 1), ("b1", "b", 1), ("a4", "a", 2)):
        put(name, tenant, priority)
    assert [each.batch_id for each in queued_batches(parts.ledger, [("auto", "v", None)], 10)] == ["a4", "a1", "b1", "a2", "a3"]
    assert [each.batch_id for each in queued_batches(parts.ledger, [("auto", "another", None)], 10)] == []


def test_the_sensor_is_there_in_profile_services_only(parts: PlatformParts, definitions: Definitions) -> None:
    assert [sensor.name for sensor in definitions.sensors or ()] == [SENSOR, GATE_SENSOR]
    without = build_definitions(Platform(parts.settings).topologies(), lambda: parts)
    assert not without.sensors


def test_an_answer_is_what_dagster_takes(definitions: Definitions, parts: PlatformParts, submit: Any) -> None:
    """The evaluation function itself, without the daemon's wrapping."""
    submit(parts, "NCT99990001")
    sensor = next(iter(definitions.sensors or ()))
    with build_sensor_context(instance=parts.dagster, definitions=definitions) as context:
        assert isinstance(sensor(context), SensorResult)
