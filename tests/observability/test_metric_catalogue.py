"""The catalogue is complete, every row is reported by a method, and the page follows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from Medical_KG_rev.errors import CircuitOpenError, MedicalKGError, RateLimitedError
from Medical_KG_rev.observability import CATALOGUE, Metrics
from Medical_KG_rev.observability.catalogue import Kind
from Medical_KG_rev.observability.reference import is_stale, metrics_reference, write_reference

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs"

RULED = {
    "dagster_job_duration_seconds": ["pipeline", "status"],
    "dagster_stage_duration_seconds": ["stage", "status"],
    "dagster_retry_attempts_total": ["stage", "reason"],
    "dagster_circuit_breaker_state": ["stage", "state"],
    "dagster_rate_limit_wait_seconds": ["stage"],
    "dagster_job_active": ["pipeline"],
}


def report_everything(metrics: Metrics) -> None:
    metrics.job_finished("auto", "completed", 12.0)
    metrics.job_active("auto", 2)
    metrics.stage_observed("chunk", "completed", 0.02, 500)
    metrics.retried("embed", "rate_limited")
    metrics.breaker("embed", "open")
    metrics.rate_limit_waited("ingest", 0.2)
    metrics.sensor_ticked("queued_batches", 1_700_000_000.0, ticks=1, triggered=1)
    metrics.gate_waited("auto", "pdf_ir_ready", [40.0])
    metrics.gates({("auto", "pdf_ir_ready"): 3})
    metrics.pdf_queue(queued=2, leased=1, lag_seconds=12.0)
    metrics.pdf_read("local", "completed", pages=9, seconds=0.6)
    metrics.gpu(1 << 30, 0.5)
    metrics.queue({"queued": 4})
    metrics.leases(held=1, expired=0)
    metrics.dead_letters(2)
    metrics.outbox(rows=10, lag_seconds=0.5)
    metrics.llm(900, 100, 0.01, kept=2, refused=1)


def test_the_ruled_names_have_the_ruled_labels() -> None:
    labels = {metric.name: [label.name for label in metric.labels] for metric in CATALOGUE}
    assert RULED.items() <= labels.items()


def test_rows_are_complete_and_follow_the_naming_rules() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert re.fullmatch(r"(dagster|medkg)_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER), metric.name
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM), metric.name
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.help.endswith(".")
        assert metric.owner
        assert all(label.values or label.configured for label in metric.labels)


def test_durations_of_stages_span_the_ruled_buckets() -> None:
    stage = next(metric for metric in CATALOGUE if metric.name == "dagster_stage_duration_seconds")
    assert (stage.buckets[0], stage.buckets[-1]) == (0.005, 600.0)


def test_every_row_is_reported_and_nothing_else_is() -> None:
    metrics = Metrics(pipelines=["auto"], sensors=["queued_batches"])
    report_everything(metrics)
    reported = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(metrics.render())
        if family.samples
    }
    assert reported.keys() == {metric.name for metric in CATALOGUE}
    for metric in CATALOGUE:
        names = {name for sample in reported[metric.name].samples for name in sample.labels} - {"le"}
        assert names == {label.name for label in metric.labels}
        assert reported[metric.name].type == metric.kind.value


def test_reasons_are_the_codes_of_the_error_tree() -> None:
    retries = next(metric for metric in CATALOGUE if metric.name == "dagster_retry_attempts_total")
    reasons = set(retries.labels[1].values)
    assert {MedicalKGError.code, RateLimitedError.code, CircuitOpenError.code, "unexpected_error"} <= reasons


def test_the_committed_page_is_current() -> None:
    assert not is_stale(DOCS), "run: make generate"


def test_the_page_names_every_metric_and_is_written_where_it_belongs(tmp_path: Path) -> None:
    assert is_stale(tmp_path)
    assert write_reference(tmp_path).relative_to(tmp_path).as_posix() == "reference/metrics.md"
    assert not is_stale(tmp_path)
    page = metrics_reference()
    assert all(f"| `{metric.name}` | {metric.kind} |" in page for metric in CATALOGUE)
