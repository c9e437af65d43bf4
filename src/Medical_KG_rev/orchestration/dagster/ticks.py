"""What Dagster recorded of its sensors' ticks, as metrics.

The daemon evaluates sensors in processes of its own, which serve no metrics; what it did stands in Dagster's storage. Whoever
serves metrics reads it there.
"""

from __future__ import annotations

from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.dagster.faults import named_faults

ENDED = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]


class SensorTicks:
    """Brings ticks into metrics: the last one of each sensor, and the number of those that ended since this object is there."""

    def __init__(self, instance: DagsterInstance, metrics: Metrics) -> None:
        self._instance = instance
        self._metrics = metrics
        self._counted: dict[str, float] = {}
        with named_faults():
            for state in self._states():
                self._counted[state.selector_id] = self._last(state)

    def measure(self) -> None:
        """Reads what came since the last call.

        Raises:
            StoreUnavailableError: the database of Dagster's history does not answer.
        """
        with named_faults():
            for state in self._states():
                self._measure(state)

    def _measure(self, state: InstigatorState) -> None:
        counted = self._counted.get(state.selector_id, 0.0)
        ticks = self._ticks(state, after=counted)
        last = max([counted, *(tick.timestamp for tick in ticks)])
        self._metrics.know(sensors=[state.instigator_name])
        self._metrics.sensor_ticked(
            state.instigator_name, last or None, ticks=len(ticks), triggered=sum(len(tick.run_ids) for tick in ticks)
        )
        self._counted[state.selector_id] = last

    def _states(self) -> list[InstigatorState]:
        return list(self._instance.all_instigator_state(instigator_type=InstigatorType.SENSOR))

    def _last(self, state: InstigatorState) -> float:
        """When the latest tick that ended began, in seconds since the epoch; 0 where there is none."""
        return max((tick.timestamp for tick in self._ticks(state, limit=1)), default=0.0)

    def _ticks(self, state: InstigatorState, *, after: float | None = None, limit: int | None = None) -> list[InstigatorTick]:
        return list(
            self._instance.get_ticks(state.instigator_origin_id, state.selector_id, after=after, limit=limit, statuses=ENDED)
        )
