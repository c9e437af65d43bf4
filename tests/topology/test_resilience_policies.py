"""Policies from YAML: the shipped ones, ranges, and what is said where a value is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig, ResiliencePolicyLoader
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

LEGAL: dict[str, Any] = {
    "max_attempts": 4,
    "backoff_strategy": "exponential",
    "initial_backoff_seconds": 0.5,
    "max_backoff_seconds": 20.0,
    "jitter_seconds": 2.0,
    "timeout_seconds": 45.0,
    "circuit_breaker": {"failure_threshold": 5, "reset_seconds": 60.0},
    "rate_limit": {"per_second": 2.5},
}


def write(folder: Path, text: str) -> ResiliencePolicyLoader:
    (folder / "resilience.yaml").write_text(text, encoding="utf-8")
    return ResiliencePolicyLoader(folder)


def test_c3_a_legal_policy_gives_checked_fields(tmp_path: Path) -> None:
    policy = write(
        tmp_path,
        "policies:\n  mine:\n    max_attempts: 4\n    backoff_strategy: linear\n    timeout_seconds: 45\n"
        "    circuit_breaker: {failure_threshold: 5, reset_seconds: 60}\n    rate_limit: {per_second: 2.5}\n",
    ).load("mine")
    assert (policy.max_attempts, policy.backoff_strategy, policy.timeout_seconds) == (4, "linear", 45.0)
    assert policy.circuit_breaker is not None
    assert (policy.circuit_breaker.failure_threshold, policy.circuit_breaker.reset_seconds) == (5, 60.0)
    assert policy.rate_limit is not None
    assert policy.rate_limit.per_second == 2.5
    with pytest.raises(ValidationError, match="frozen"):
        policy.max_attempts = 5


def test_c4_fibonacci_lists_the_strategies(tmp_path: Path) -> None:
    loader = write(
        tmp_path, "policies:\n  mine:\n    max_attempts: 4\n    backoff_strategy: fibonacci\n    timeout_seconds: 45\n"
    )
    with pytest.raises(DagsterPipelineConfigError, match="'fibonacci' is unknown; valid: exponential, linear, none") as caught:
        loader.load("mine")
    assert caught.value.valid == ("exponential", "linear", "none")
    assert (caught.value.line, caught.value.field) == (4, "policies.mine.backoff_strategy")
    assert caught.value.file == str(tmp_path / "resilience.yaml")


def test_shipped_policies_count_as_ruled(shipped: Path) -> None:
    loader = ResiliencePolicyLoader(shipped)
    default, gpu, polite = (loader.load(name) for name in ("default", "gpu-bound", "polite-api"))

    assert (default.max_attempts, default.backoff_strategy, default.timeout_seconds) == (4, "exponential", 30.0)
    assert (default.initial_backoff_seconds, default.max_backoff_seconds, default.jitter_seconds) == (1.0, 10.0, 1.0)
    assert (gpu.max_attempts, gpu.backoff_strategy, gpu.timeout_seconds) == (2, "none", 60.0)
    assert gpu.circuit_breaker is not None
    assert (gpu.circuit_breaker.failure_threshold, gpu.circuit_breaker.reset_seconds) == (5, 60.0)
    assert (polite.max_attempts, polite.backoff_strategy, polite.timeout_seconds) == (11, "linear", 10.0)
    assert (polite.initial_backoff_seconds, polite.max_backoff_seconds, polite.circuit_breaker) == (1.0, 10.0, None)
    assert polite.rate_limit is not None
    assert polite.rate_limit.per_second == 5.0


def test_every_shipped_policy_loads_and_those_that_settings_name_exist(shipped: Path) -> None:
    loader = ResiliencePolicyLoader(shipped)
    for name in loader.names():
        assert loader.load(name).timeout_seconds >= 1
    named = Settings().policies_named()
    assert {"polite-api", "gpu-bound"} <= named <= set(loader.names())


def test_unknown_policy_lists_those_there_are(shipped: Path) -> None:
    with pytest.raises(DagsterPipelineConfigError, match=r"default, extraction, gpu-bound, .*pdf-engine, polite-api") as caught:
        ResiliencePolicyLoader(shipped).load("fast")
    assert "default" in caught.value.valid


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("max_attempts", 1, 20),
        ("initial_backoff_seconds", 0.1, 10),
        ("max_backoff_seconds", 1, 300),
        ("jitter_seconds", 0, 5),
        ("timeout_seconds", 1, 600),
        ("circuit_breaker.failure_threshold", 3, 10),
        ("circuit_breaker.reset_seconds", 30, 600),
        ("rate_limit.per_second", 0.1, 100),
    ],
)
def test_ranges(field: str, least: float, most: float) -> None:
    def policy(value: Any) -> ResiliencePolicyConfig:
        section, _, name = field.rpartition(".")
        low_start = {
            "max_backoff_seconds": {"initial_backoff_seconds": 0.1, "timeout_seconds": 600.0},
            "timeout_seconds": {"initial_backoff_seconds": 0.1, "max_backoff_seconds": 1.0},
        }.get(field, {})
        change = {section: {**LEGAL[section], name: value}} if section else {name: value}
        return ResiliencePolicyConfig.model_validate({**LEGAL, **low_start, **change})

    for value in (least, most):
        assert policy(value)
    step = 1 if isinstance(least, int) and field.endswith(("attempts", "threshold")) else 0.01
    for wrong in (least - step, most + step, float("nan"), float("inf"), True, "3", None):
        with pytest.raises(ValidationError):
            policy(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"initial_backoff_seconds": 9.0, "max_backoff_seconds": 5.0}, r"above max_backoff_seconds \(5\)"),
        ({"initial_backoff_seconds": 5.0, "timeout_seconds": 4.0}, r"5 is above timeout_seconds \(4\)"),
        ({"max_backoff_seconds": 46.0}, r"46 is above timeout_seconds \(45\)"),
        ({"backoff_strategy": "none"}, "has no effect with backoff_strategy none"),
        ({"retries": 3}, "Extra inputs"),
    ],
)
def test_contradictions(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ResiliencePolicyConfig.model_validate({**LEGAL, **change})


def test_a_wrong_key_lists_the_right_ones(tmp_path: Path) -> None:
    loader = write(
        tmp_path,
        "policies:\n  mine:\n    max_attempts: 4\n    backoff_strategy: none\n    timeout_seconds: 45\n"
        "    rate_limit:\n      per_minute: 3\n      per_second: 1\n",
    )
    with pytest.raises(DagsterPipelineConfigError, match="is not a known key; valid: per_second") as caught:
        loader.names()
    assert (caught.value.line, caught.value.field) == (7, "policies.mine.rate_limit.per_minute")


def test_a_policy_with_a_wrong_name(tmp_path: Path) -> None:
    with pytest.raises(DagsterPipelineConfigError, match=r"resilience.yaml:2: policies.Mine: 'Mine': string should match"):
        write(tmp_path, "policies:\n  Mine: {max_attempts: 1, backoff_strategy: none, timeout_seconds: 1}\n").names()


@pytest.mark.parametrize(
    ("change", "line", "field", "valid"),
    [
        ("    rate_limit: {per_second: 0}\n", 5, "rate_limit.per_second", "0.1 to 100"),
        ("    rate_limit: {per_second: 1000}\n", 5, "rate_limit.per_second", "0.1 to 100"),
        ("    circuit_breaker: {failure_threshold: 1, reset_seconds: 60}\n", 5, "circuit_breaker.failure_threshold", "3 to 10"),
        ("    max_backoff_seconds: 31\n", 5, "max_backoff_seconds", "1 to 30"),
        ("    max_attempts: 21\n", 5, "max_attempts", "1 to 20"),
    ],
)
def test_a_value_out_of_range_is_named_with_file_line_and_range(
    tmp_path: Path, change: str, line: int, field: str, valid: str
) -> None:
    head = "policies:\n  mine:\n    timeout_seconds: 30\n    backoff_strategy: linear\n"
    attempts = "" if "max_attempts" in change else "    max_attempts: 4\n"
    with pytest.raises(DagsterPipelineConfigError) as caught:
        write(tmp_path, head + change + attempts).load("mine")
    error = caught.value
    assert (error.line, error.field, error.valid) == (line, f"policies.mine.{field}", (valid,))
    assert f"resilience.yaml:{line}: policies.mine.{field}: " in str(error)
    assert f"valid: {valid}" in str(error)
    assert error.exit_code == 2
