"""What the system reports of itself, by verbs that say what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from Medical_KG_rev.observability import catalogue
from Medical_KG_rev.observability.catalogue import CATALOGUE, MAX_NAMES, OTHER, Kind, Metric
from Medical_KG_rev.observability.exporter import MetricsExporter
from Medical_KG_rev.observability.series import SeriesTable, Values

__all__ = ["Metrics"]


class Metrics:
    """The metrics of the catalogue in a registry of their own. Every method may be called from any thread.

    Args:
        pipelines, stages, sensors: names of the configuration that labels may take; :meth:`know` adds more later.
    """

    def __init__(
        self,
        *,
        pipelines: Iterable[str] = (),
        stages: Iterable[str] = (),
        sensors: Iterable[str] = (),
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._series = SeriesTable(CATALOGUE)
        self._metrics = {metric.name: metric for metric in CATALOGUE}
        self._names = {label: set(label.values) for metric in CATALOGUE for label in metric.labels}
        self._allowed = {metric.name: [self._names[label] for label in metric.labels] for metric in CATALOGUE}
        self._at_gates: set[tuple[str, str]] = set()
        self._taken_values: dict[tuple[str, Values], float] = {}
        self._taken_distributions: dict[tuple[str, Values], tuple[list[int], float]] = {}
        self.registry.register(self._series)
        self.know(pipelines=pipelines, stages=stages, sensors=sensors)

    def know(
        self,
        *,
        pipelines: Iterable[str] = (),
        stages: Iterable[str] = (),
        sensors: Iterable[str] = (),
        gates: Iterable[str] = (),
    ) -> None:
        """Adds names that the labels ``pipeline``, ``stage``, ``sensor`` and ``gate`` may take, up to ``MAX_NAMES`` each."""
        names = {"pipeline": pipelines, "stage": stages, "sensor": sensors, "gate": gates}
        for label, allowed in self._names.items():
            if label.configured:
                for name in names[label.name]:
                    if len(allowed) < MAX_NAMES:
                        allowed.add(name)

    # --- jobs and stages ---------------------------------------------------------------------------------------------

    def job_finished(self, pipeline: str, status: str, seconds: float) -> None:
        """A job ended after so many seconds from its submission."""
        self._observe(catalogue.JOB_DURATION, (pipeline, status), seconds)

    def job_active(self, pipeline: str, delta: int) -> None:
        """So many jobs more (or fewer) are being run."""
        self._add(catalogue.JOB_ACTIVE, (pipeline,), delta)

    def stage_observed(self, stage: str, status: str, seconds: float, count: int = 1) -> None:
        """So many documents took so many seconds each: their own time, or their share of a micro-batch."""
        self._observe(catalogue.STAGE_DURATION, (stage, status), seconds, count)

    def stage_observations(self, stage: str, status: str, seconds: Iterable[float]) -> None:
        """The times of many documents at once, each its own."""
        labels = self._bounded(catalogue.STAGE_DURATION, (stage, status))
        self._series.observe_all(catalogue.STAGE_DURATION, labels, seconds)

    def gate_waited(self, pipeline: str, gate: str, seconds: Iterable[float]) -> None:
        """Jobs went on from a gate, each after so many seconds at it."""
        self.know(pipelines=[pipeline], gates=[gate])
        self._series.observe_all(catalogue.GATE_WAIT, self._bounded(catalogue.GATE_WAIT, (pipeline, gate)), seconds)

    # --- resilience --------------------------------------------------------------------------------------------------

    def pdf_read(self, engine: str, status: str, pages: int, seconds: float) -> None:
        """An engine has read a PDF of so many pages, or given it up."""
        self._observe(catalogue.PDF_READ, (engine, status), seconds)
        self._add(catalogue.PDF_PAGES, (engine,), pages)

    def retried(self, stage: str, reason: str, count: int = 1) -> None:
        """Another attempt is made, because of the error with this code."""
        self._add(catalogue.RETRY_ATTEMPTS, (stage, reason), count)

    def breaker(self, stage: str, state: str) -> None:
        """The stage's breaker is now ``closed``, ``open`` or ``half_open``."""
        for each in catalogue.BREAKER_STATE.labels[1].values:
            self._set(catalogue.BREAKER_STATE, (stage, each), 1.0 if each == state else 0.0)

    def rate_limit_waited(self, stage: str, seconds: float) -> None:
        """An attempt waited for the rate limit; waits of 0 count too."""
        self._observe(catalogue.RATE_LIMIT_WAIT, (stage,), seconds)

    # --- parts -------------------------------------------------------------------------------------------------------

    def gpu(self, memory_used_bytes: int | None, utilisation: float | None, probe: str = "nvml") -> None:
        """What a probe (``nvml``, ``endpoint``, ``sparse_endpoint``) sees; None, for what it cannot see, takes the gauge away."""
        self._set(catalogue.GPU_MEMORY, (probe,), memory_used_bytes)
        self._set(catalogue.GPU_UTILISATION, (probe,), utilisation)

    def llm(self, prompt_tokens: int, completion_tokens: int, cost: float, *, kept: int, refused: int) -> None:
        """What a language model took for one document, and what became of its statements."""
        self._add(catalogue.LLM_TOKENS, ("prompt",), prompt_tokens)
        self._add(catalogue.LLM_TOKENS, ("completion",), completion_tokens)
        self._add(catalogue.LLM_COST, (), cost)
        self._add(catalogue.LLM_CLAIMS, ("kept",), kept)
        self._add(catalogue.LLM_CLAIMS, ("refused",), refused)

    def sensor_ticked(self, sensor: str, last: float | None, *, ticks: int, triggered: int) -> None:
        """A sensor has looked so many times more, the last time then, and asked for so many runs more.

        ``last``: seconds since the epoch; None, before the first tick, leaves the gauge away.
        """
        self._set(catalogue.SENSOR_LAST_TICK, (sensor,), last)
        self._add(catalogue.SENSOR_TICKS, (sensor,), ticks)
        self._add(catalogue.SENSOR_TRIGGERS, (sensor,), triggered)

    def queue(self, depths: Mapping[str, int]) -> None:
        """Jobs by status; a status that is not named has none."""
        for status in catalogue.LEDGER_JOBS.labels[0].values:
            self._set(catalogue.LEDGER_JOBS, (status,), depths.get(status, 0))

    def leases(self, held: int, expired: int) -> None:
        """Leases that workers hold, and those that ran out and are not taken back yet."""
        self._set(catalogue.LEDGER_LEASES, ("held",), held)
        self._set(catalogue.LEDGER_LEASES, ("expired",), expired)

    def gates(self, waiting: Mapping[tuple[str, str], int]) -> None:
        """(pipeline, gate) → jobs that wait; a gate that was named before and is not now has none."""
        for pipeline, gate in waiting:
            self.know(pipelines=[pipeline], gates=[gate])
        self._at_gates.update(waiting)
        for at in self._at_gates:
            self._set(catalogue.GATE_WAITING, at, waiting.get(at, 0))

    def pdf_queue(self, queued: int, leased: int, lag_seconds: float) -> None:
        """PDFs that wait, those at an engine, and the age of the oldest that waits."""
        self._set(catalogue.PDF_QUEUE, ("queued",), queued)
        self._set(catalogue.PDF_QUEUE, ("leased",), leased)
        self._set(catalogue.PDF_QUEUE_LAG, (), max(0.0, lag_seconds))

    def dead_letters(self, count: int) -> None:
        """Dead letters that wait."""
        self._set(catalogue.DEAD_LETTERS, (), count)

    def outbox(self, rows: int, lag_seconds: float) -> None:
        """Rows that wait in the outbox, and the age of the oldest."""
        self._set(catalogue.OUTBOX_ROWS, (), rows)
        self._set(catalogue.OUTBOX_LAG, (), max(0.0, lag_seconds))

    # --- giving them away --------------------------------------------------------------------------------------------

    def render(self) -> str:
        """Everything, in the Prometheus text format."""
        return generate_latest(self.registry).decode()

    def serve(self, port: int, host: str = "127.0.0.1") -> MetricsExporter:
        """Serves ``/metrics`` and ``/healthz`` from a thread until the exporter is closed. Port 0 takes a free one.

        Raises:
            PartUnavailableError: the port cannot be had.
        """
        return MetricsExporter(self.render, port, host)

    def take_changes(self) -> list[list[Any]]:
        """What came since the last call, as plain data that fits into JSON: for the process that serves the metrics."""
        changes: list[list[Any]] = []
        values, distributions = self._series.values(), self._series.distributions()
        for (name, labels), value in values.items():
            if self._is_level(self._metrics[name]):
                changes.append([name, list(labels), value])
            elif (name, labels) not in self._taken_values or value != self._taken_values[name, labels]:
                changes.append([name, list(labels), value - self._taken_values.get((name, labels), 0.0)])
        for (name, labels), (counts, total) in distributions.items():
            old_counts, old_total = self._taken_distributions.get((name, labels), ([0] * len(counts), 0.0))
            if counts != old_counts:
                added = [new - old for new, old in zip(counts, old_counts, strict=True)]
                changes.append([name, list(labels), [added, total - old_total]])
        self._taken_values, self._taken_distributions = values, distributions
        return changes

    def add_changes(self, changes: Iterable[Iterable[Any]]) -> None:
        """Takes what :meth:`take_changes` of another process gave: counts are added, levels replaced."""
        for name, given, value in changes:
            metric = self._metrics[name]
            labels = self._bounded(metric, tuple(given))
            if metric.kind is Kind.HISTOGRAM:
                self._series.merge(metric, labels, *value)
            elif self._is_level(metric):
                self._series.set(metric, labels, value)
            else:
                self._series.add(metric, labels, value)

    def _is_level(self, metric: Metric) -> bool:
        return metric.kind is Kind.GAUGE and metric is not catalogue.JOB_ACTIVE

    def _bounded(self, metric: Metric, given: Values) -> Values:
        allowed = self._allowed[metric.name]
        return tuple([value if value in names else OTHER for names, value in zip(allowed, given, strict=True)])

    def _observe(self, metric: Metric, given: Values, seconds: float, count: int = 1) -> None:
        self._series.observe(metric, self._bounded(metric, given), seconds, count)

    def _add(self, metric: Metric, given: Values, amount: float) -> None:
        self._series.add(metric, self._bounded(metric, given), amount)

    def _set(self, metric: Metric, given: Values, value: float | None) -> None:
        self._series.set(metric, self._bounded(metric, given), value)
