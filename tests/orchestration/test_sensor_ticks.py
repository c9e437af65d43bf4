"""What Dagster recorded of a sensor's ticks becomes metrics, each tick once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData, TickData, TickStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo
from prometheus_client.parser import text_string_to_metric_families

from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.dagster.instance import open_instance
from Medical_KG_rev.orchestration.dagster.ticks import SensorTicks
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

SENSOR, FIRST = "queued_batches_sensor", 1_700_000_000.25


class Sensor:
    """A sensor as the daemon keeps it in Dagster's storage."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="somewhere"))
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "repository"), SENSOR)
        self.state = InstigatorState(
            origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, SensorInstigatorData(sensor_type=None)
        )
        instance.add_instigator_state(self.state)

    def tick(self, at: float, status: TickStatus, runs: int = 0) -> None:
        self._instance.create_tick(
            TickData(
                instigator_origin_id=self.state.instigator_origin_id,
                instigator_name=SENSOR,
                instigator_type=InstigatorType.SENSOR,
                status=status,
                timestamp=at,
                run_ids=[f"run{number}" for number in range(runs)],
                selector_id=self.state.selector_id,
                error=SerializableErrorInfo("It broke.", [], None) if status is TickStatus.FAILURE else None,
            )
        )


@pytest.fixture
def instance(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", "")  # opening sets it; the test's end takes it back
    with open_instance(tmp_path / "dagster", settings.orchestration_dir() / "dagster.yaml") as opened:
        yield opened


def measured(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.render())
    return {sample.name: sample.value for family in families for sample in family.samples if sample.labels == {"sensor": SENSOR}}


def names(last: float, ticks: int, triggers: int) -> dict[str, float]:
    return {
        "dagster_sensor_last_tick_timestamp_seconds": last,
        "dagster_sensor_ticks_total": ticks,
        "dagster_sensor_triggers_total": triggers,
    }


def test_ticks_that_ended_are_counted_once_and_earlier_ones_are_not(instance: DagsterInstance) -> None:
    sensor, metrics = Sensor(instance), Metrics()
    sensor.tick(FIRST, TickStatus.SUCCESS, runs=7)
    ticks = SensorTicks(instance, metrics)
    ticks.measure()
    assert measured(metrics) == names(FIRST, 0, 0), "counters begin with the process that serves them"
    sensor.tick(FIRST + 5, TickStatus.SUCCESS, runs=2)
    sensor.tick(FIRST + 10, TickStatus.SKIPPED)
    sensor.tick(FIRST + 15, TickStatus.FAILURE)
    sensor.tick(FIRST + 20, TickStatus.STARTED)
    for _ in range(2):
        ticks.measure()
        assert measured(metrics) == names(FIRST + 15, 3, 2)


def test_a_sensor_that_comes_later_is_counted_from_its_first_tick(instance: DagsterInstance) -> None:
    metrics = Metrics()
    ticks = SensorTicks(instance, metrics)
    ticks.measure()
    assert measured(metrics) == {}
    sensor = Sensor(instance)
    ticks.measure()
    assert measured(metrics) == {"dagster_sensor_ticks_total": 0, "dagster_sensor_triggers_total": 0}, "it has not looked yet"
    sensor.tick(FIRST, TickStatus.SUCCESS, runs=1)
    ticks.measure()
    assert measured(metrics) == names(FIRST, 1, 1)
