"""The values behind the metrics: a collector that takes many equal observations at the price of one.

The client library's own histograms take one observation a call, and its gauges without labels stand at 0 before anything is
known. Here a gauge that nobody has set is absent.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from Medical_KG_rev.observability.catalogue import Kind, Metric

Values = tuple[str, ...]
"""Label values, in the order of the metric's labels."""


class _Distribution:
    """How many observations fell into each bucket (the last one is above all bounds), and their sum."""

    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total = 0.0


class SeriesTable(Collector):
    """Values by metric and label values; safe to use from any thread."""

    def __init__(self, catalogue: Iterable[Metric]) -> None:
        self._catalogue = {metric.name: metric for metric in catalogue}
        self._lock = threading.Lock()
        self._values: dict[str, dict[Values, float]] = {name: {} for name in self._catalogue}
        self._distributions: dict[str, dict[Values, _Distribution]] = {name: {} for name in self._catalogue}

    def add(self, metric: Metric, labels: Values, amount: float) -> None:
        """Moves a counter or gauge by an amount."""
        with self._lock:
            values = self._values[metric.name]
            values[labels] = values.get(labels, 0.0) + amount

    def set(self, metric: Metric, labels: Values, value: float | None) -> None:
        """Sets a gauge; None takes it away."""
        with self._lock:
            if value is None:
                self._values[metric.name].pop(labels, None)
            else:
                self._values[metric.name][labels] = float(value)

    def observe(self, metric: Metric, labels: Values, seconds: float, count: int) -> None:
        """So many observations of the same time; one below 0, from a clock that was set back, counts as 0."""
        seconds = max(0.0, seconds)
        with self._lock:
            distribution = self._distribution(metric, labels)
            distribution.counts[bisect_left(metric.buckets, seconds)] += count
            distribution.total += seconds * count

    def observe_all(self, metric: Metric, labels: Values, seconds: Iterable[float]) -> None:
        """One observation of each time."""
        with self._lock:
            distribution = self._distribution(metric, labels)
            for each in seconds:
                distribution.counts[bisect_left(metric.buckets, each)] += 1
                distribution.total += max(0.0, each)

    def collect(self) -> Iterator[Family]:
        """What the registry renders."""
        with self._lock:
            families = [self._family(metric) for metric in self._catalogue.values()]
        yield from families

    def values(self) -> dict[tuple[str, Values], float]:
        """Counters and gauges by metric name and label values."""
        with self._lock:
            return {(name, labels): value for name, series in self._values.items() for labels, value in series.items()}

    def distributions(self) -> dict[tuple[str, Values], tuple[list[int], float]]:
        """Counts per bucket and sums by metric name and label values."""
        with self._lock:
            return {
                (name, labels): (list(found.counts), found.total)
                for name, series in self._distributions.items()
                for labels, found in series.items()
            }

    def merge(self, metric: Metric, labels: Values, counts: Iterable[int], total: float) -> None:
        """Adds the bucket counts of another process."""
        with self._lock:
            distribution = self._distribution(metric, labels)
            distribution.counts = [own + other for own, other in zip(distribution.counts, counts, strict=True)]
            distribution.total += total

    def _distribution(self, metric: Metric, labels: Values) -> _Distribution:
        series = self._distributions[metric.name]
        found = series.get(labels)
        if found is None:
            found = series[labels] = _Distribution(len(metric.buckets))
        return found

    def _family(self, metric: Metric) -> Family:
        names = [label.name for label in metric.labels]
        if metric.kind is Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=names)
            for labels, found in sorted(self._distributions[metric.name].items()):
                bounds = [*map(floatToGoString, metric.buckets), "+Inf"]
                buckets = list(zip(bounds, accumulate(found.counts), strict=True))
                histogram.add_metric(labels, buckets, found.total)
            return histogram
        kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
        family = kind(metric.name, metric.help, labels=names)
        for labels, value in sorted(self._values[metric.name].items()):
            family.add_metric(labels, value)
        return family
