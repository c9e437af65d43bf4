"""What is reported is what is rendered, within bounds, quickly, and over HTTP."""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.observability import Metrics, MetricsExporter
from Medical_KG_rev.observability.catalogue import MAX_NAMES

pytestmark = pytest.mark.unit

STAGES = ("ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg")


def value(metrics: Metrics, sample: str, **labels: str) -> float | None:
    """The rendered value of a sample, read back by the client library's parser."""
    for family in text_string_to_metric_families(metrics.render()):
        for found in family.samples:
            if found.name == sample and found.labels == labels:
                return found.value
    return None


def test_documents_of_a_micro_batch_are_one_observation_each() -> None:
    metrics = Metrics()
    metrics.stage_observed("embed", "completed", 0.02, count=256)
    metrics.stage_observed("embed", "completed", 700.0)
    labels = {"stage": "embed", "status": "completed"}
    assert value(metrics, "dagster_stage_duration_seconds_count", **labels) == 257
    assert value(metrics, "dagster_stage_duration_seconds_sum", **labels) == pytest.approx(256 * 0.02 + 700)
    assert value(metrics, "dagster_stage_duration_seconds_bucket", le="0.01", **labels) == 0
    assert value(metrics, "dagster_stage_duration_seconds_bucket", le="0.025", **labels) == 256
    assert value(metrics, "dagster_stage_duration_seconds_bucket", le="600.0", **labels) == 256
    assert value(metrics, "dagster_stage_duration_seconds_bucket", le="+Inf", **labels) == 257


@given(times=st.lists(st.floats(-1, 1000), max_size=50))
def test_buckets_count_what_is_not_above_their_bound(times: list[float]) -> None:
    one_by_one, at_once = Metrics(), Metrics()
    for seconds in times:
        one_by_one.stage_observed("parse", "completed", seconds)
    at_once.stage_observations("parse", "completed", times)
    labels = {"stage": "parse", "status": "completed"}
    for bound in ("0.005", "1.0", "600.0"):
        counted = value(one_by_one, "dagster_stage_duration_seconds_bucket", le=bound, **labels)
        assert (counted or 0) == sum(seconds <= float(bound) for seconds in times)
        assert counted == value(at_once, "dagster_stage_duration_seconds_bucket", le=bound, **labels) or not times
    if times:
        total = value(at_once, "dagster_stage_duration_seconds_sum", **labels)
        assert total == pytest.approx(math.fsum(max(0.0, seconds) for seconds in times))


def test_a_batch_costs_less_than_ten_milliseconds() -> None:
    """500 documents through 8 stages, each with a time of its own; the best of five, for the machine is shared."""
    metrics = Metrics()
    times = [number / 1000 for number in range(500)]

    def batch() -> float:
        started = time.perf_counter()
        for stage in STAGES:
            metrics.stage_observations(stage, "completed", times)
        return time.perf_counter() - started

    assert min(batch() for _ in range(5)) < 0.010


def test_label_values_outside_their_set_are_other() -> None:
    metrics = Metrics(pipelines=["auto"])
    for number in range(1000):
        metrics.retried(f"stage-{number}", f"reason-{number}")
        metrics.job_active(f"pipeline-{number}", 1)
    assert value(metrics, "dagster_retry_attempts_total", stage="other", reason="other") == 1000
    assert value(metrics, "dagster_job_active", pipeline="other") == 1000
    assert len(metrics.render().splitlines()) < 100


def test_names_of_the_configuration_become_label_values_up_to_a_limit() -> None:
    metrics = Metrics(pipelines=["auto"])
    metrics.job_active("mine", 1)
    metrics.know(pipelines=["mine"], stages=["second_chunk"])
    metrics.job_active("mine", 1)
    metrics.rate_limit_waited("second_chunk", 0.0)
    assert value(metrics, "dagster_job_active", pipeline="other") == 1
    assert value(metrics, "dagster_job_active", pipeline="mine") == 1
    assert value(metrics, "dagster_rate_limit_wait_seconds_count", stage="second_chunk") == 1
    metrics.know(pipelines=[f"p{number}" for number in range(2 * MAX_NAMES)])
    metrics.job_active(f"p{2 * MAX_NAMES - 1}", 1)
    assert value(metrics, "dagster_job_active", pipeline="other") == 2


def test_the_breaker_is_in_exactly_one_state() -> None:
    metrics = Metrics()
    for state in ("closed", "open", "half_open"):
        metrics.breaker("ingest", state)
        states = {
            each: value(metrics, "dagster_circuit_breaker_state", stage="ingest", state=each)
            for each in ("closed", "open", "half_open")
        }
        assert states == {each: float(each == state) for each in states}


def test_what_is_unknown_is_absent_and_what_becomes_unknown_goes() -> None:
    metrics = Metrics()
    assert value(metrics, "medkg_outbox_rows") is None
    metrics.gpu(1024, 0.25, probe="endpoint")
    assert value(metrics, "medkg_gpu_memory_used_bytes", probe="endpoint") == 1024
    metrics.gpu(None, 0.0, probe="endpoint")
    assert value(metrics, "medkg_gpu_memory_used_bytes", probe="endpoint") is None
    assert value(metrics, "medkg_gpu_utilisation_ratio", probe="endpoint") == 0


def test_a_sensor_tells_when_it_ticked_and_what_it_asked_for() -> None:
    now = 1_700_000_000.0
    metrics = Metrics(sensors=["gates"])
    metrics.sensor_ticked("gates", None, ticks=0, triggered=0)
    assert value(metrics, "dagster_sensor_last_tick_timestamp_seconds", sensor="gates") is None
    assert value(metrics, "dagster_sensor_ticks_total", sensor="gates") == 0
    metrics.sensor_ticked("gates", now - 5, ticks=1, triggered=3)
    metrics.sensor_ticked("gates", now, ticks=1, triggered=0)
    assert value(metrics, "dagster_sensor_last_tick_timestamp_seconds", sensor="gates") == now
    assert value(metrics, "dagster_sensor_ticks_total", sensor="gates") == 2
    assert value(metrics, "dagster_sensor_triggers_total", sensor="gates") == 3


def test_a_status_without_jobs_stands_at_zero() -> None:
    metrics = Metrics()
    metrics.queue({"queued": 7, "failed": 1})
    metrics.queue({"queued": 2})
    assert value(metrics, "medkg_ledger_jobs", status="queued") == 2
    assert value(metrics, "medkg_ledger_jobs", status="failed") == 0


def test_threads_lose_no_count() -> None:
    metrics = Metrics()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [metrics.retried("embed", "rate_limited") for _ in range(2000)])
    assert value(metrics, "dagster_retry_attempts_total", stage="embed", reason="rate_limited") == 16_000


def test_the_registry_of_the_library_stays_out_of_it() -> None:
    Metrics()
    Metrics()
    assert not [family for family in REGISTRY.collect() if family.name.startswith(("medkg_", "dagster_"))]


def test_changes_of_a_child_process_add_up_in_its_parent() -> None:
    child, parent = Metrics(pipelines=["auto"]), Metrics(pipelines=["auto"])
    parent.retried("embed", "rate_limited")
    for _ in range(2):
        child.stage_observed("chunk", "completed", 0.1, 10)
        child.retried("embed", "rate_limited")
        child.job_active("auto", 1)
        child.queue({"queued": 5})
        parent.add_changes(json.loads(json.dumps(child.take_changes())))
    assert value(parent, "dagster_stage_duration_seconds_count", stage="chunk", status="completed") == 20
    assert value(parent, "dagster_retry_attempts_total", stage="embed", reason="rate_limited") == 3
    assert value(parent, "dagster_job_active", pipeline="auto") == 2
    assert value(parent, "medkg_ledger_jobs", status="queued") == 5


# --- over HTTP -------------------------------------------------------------------------------------------------------


@pytest.fixture
def exporter() -> Iterator[MetricsExporter]:
    metrics = Metrics()
    metrics.stage_observed("chunk", "completed", 0.2)
    with metrics.serve(0) as exporter:
        yield exporter


@pytest.fixture
def get(exporter: MetricsExporter) -> Callable[..., http.client.HTTPResponse]:
    def ask(path: str, method: str = "GET") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=5)
        connection.request(method, path)
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return answer

    return ask


def test_b5_the_exporter_serves_stage_durations_as_text(get: Callable[..., http.client.HTTPResponse]) -> None:
    answer = get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}  # type: ignore[attr-defined]
    buckets = [sample for sample in families["dagster_stage_duration_seconds"].samples if sample.name.endswith("_bucket")]
    assert {"0.1", "600.0"} <= {sample.labels["le"] for sample in buckets}
    assert all(sample.labels.keys() == {"stage", "status", "le"} for sample in buckets)


def test_health_other_paths_and_heads_are_answered(get: Callable[..., http.client.HTTPResponse]) -> None:
    assert (get("/healthz").status, get("/healthz").text) == (200, "ok\n")  # type: ignore[attr-defined]
    assert get("/").status == 404
    assert (get("/metrics?x=1", "HEAD").status, get("/metrics", "HEAD").text) == (200, "")  # type: ignore[attr-defined]
    assert get("/metrics", "POST").status == 501


def test_a_port_in_use_is_a_named_error(exporter: MetricsExporter) -> None:
    with pytest.raises(PartUnavailableError, match=f"127.0.0.1:{exporter.port}") as caught:
        Metrics().serve(exporter.port)
    assert caught.value.exit_code == 3
    assert caught.value.port == exporter.port
    with pytest.raises(PartUnavailableError):
        Metrics().serve(99_999)


def test_a_closed_exporter_gives_its_port_back() -> None:
    metrics = Metrics()
    first = metrics.serve(0)
    first.close()
    first.close()
    with metrics.serve(first.port) as second:
        assert second.port == first.port
