"""The acceptance scenarios of the durable core, by their ids, on the real stage runner with the shipped policies."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import GpuNotAvailableError, RemoteUnavailableError
from Medical_KG_rev.observability.logs import configure_logging
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.resilience import PolicyRunner
from Medical_KG_rev.orchestration.resilience.state import InProcessState
from Medical_KG_rev.orchestration.stages.runner import StageRunner
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig, ResiliencePolicyLoader
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "orchestration"


class Core:
    """A toy world whose calls run under real policies; time passes when something waits."""

    def __init__(self, world: Any, policy: ResiliencePolicyConfig) -> None:
        self.world = world
        self.waits: list[float] = []
        state = InProcessState(clock=world.clock, sleep=self.sleep)

        def callers(_policy: str, stage: str, on_retry: Any) -> PolicyRunner:
            return PolicyRunner(
                policy, stage, sleep=self.sleep, random=lambda: 0.0, clock=world.clock, state=state, on_retry=on_retry
            )

        world.runner = StageRunner(
            ledger=world.ledger,
            store=world.store,
            settings=world.settings,
            pipeline_for=lambda _name, _version: world.pipeline,
            pin_callers=lambda: callers,
            clock=world.clock,
            worker=world.registration.token,
        )

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.world.now += seconds

    def fail(self, stage: str, times: int, error: Callable[[], BaseException]) -> None:
        """The first calls of a stage fail."""
        note, left = self.world.stages.note, [times]

        def failing(name: str, doc_ids: Any) -> None:
            if name == stage and left[0]:
                left[0] -= 1
                raise error()
            note(name, doc_ids)

        self.world.stages.note = failing

    def ingest(self, text: str = "some words") -> Any:
        [document] = self.world.ingest([("d", text)])["documents"]
        return self.world.ledger.job(document["job_id"])

    def events(self, stage: str) -> list[Event]:
        rows = self.world.ledger.outbox.read(1000)
        return [event for row in rows for event in row.events if event.source == f"orchestration/{stage}"]


@pytest.fixture
def shipped() -> ResiliencePolicyLoader:
    return ResiliencePolicyLoader(SHIPPED)


def away() -> RemoteUnavailableError:
    return RemoteUnavailableError("503", status=503)


def test_o7_a_stage_that_meets_503_is_tried_four_times_with_growing_pauses(world: Any, shipped: Any) -> None:
    core = Core(world, shipped.load("default"))
    core.fail("parse", 99, away)
    job = core.ingest()
    assert (job.status, job.error_code, job.failure_mark) == ("failed", "remote_unavailable", "parse_failed")
    assert core.waits == [1.0, 2.0, 4.0]
    assert job.retry_count_per_stage == {"parse": 3}


def test_o8_without_a_gpu_embed_fails_at_once(world: Any, shipped: Any) -> None:
    core = Core(world, shipped.load("gpu-bound"))
    core.fail("embed", 99, lambda: GpuNotAvailableError("CUDA device not available"))
    job = core.ingest()
    assert (job.status, job.error_code, job.failure_mark) == ("failed", "gpu_unavailable", "embed_failed_no_gpu")
    assert core.waits == []
    [_started, failed] = core.events("embed")
    assert (failed.type, failed.data["reason"]) == ("stage.failed", "no_gpu")


def test_o9_five_failures_open_the_breaker_and_one_probe_closes_it(world: Any) -> None:
    policy = ResiliencePolicyConfig.model_validate(
        {
            "max_attempts": 1,
            "backoff_strategy": "none",
            "timeout_seconds": 10,
            "circuit_breaker": {"failure_threshold": 5, "reset_seconds": 60},
        }
    )
    core = Core(world, policy)
    core.fail("chunk", 5, away)
    result = world.ingest([(f"d{number}", f"words {number}") for number in range(7)])
    codes = [(document["error"] or {}).get("code") for document in result["documents"]]
    assert codes == ["remote_unavailable"] * 5 + ["circuit_open"] * 2
    world.now += 60
    retried = world.session.retry(world.ledger.list_jobs("default", status="failed"))
    assert [(d["status"], (d["error"] or {}).get("code")) for d in retried["documents"]] == [("completed", None)] * 7


def test_o10_b1_a_stage_tells_its_start_and_its_end(world: Any, shipped: Any) -> None:
    core = Core(world, shipped.load("default"))
    job = core.ingest()
    started, completed = core.events("chunk")
    assert (started.type, completed.type) == ("stage.started", "stage.completed")
    assert started.subject == completed.subject == "toy:d"
    assert completed.data["output_count"] == 1
    assert completed.data["duration_ms"] >= 0
    assert completed.data["gpu_used"] is False
    assert (completed.job_id, completed.correlation_id) == (job.job_id, job.submission_id)


def test_o11_b2_a_stage_that_succeeds_at_the_second_try_tells_so(world: Any, shipped: Any) -> None:
    core = Core(world, shipped.load("default"))
    core.fail("embed", 1, away)
    assert core.ingest().status == "completed"
    kinds = [(event.type, event.data) for event in core.events("embed")]
    assert [kind for kind, _data in kinds] == ["stage.started", "stage.retrying", "stage.completed"]
    retrying, completed = kinds[1][1], kinds[2][1]
    assert (retrying["attempt_number"], retrying["backoff_ms"], completed["retry_count"]) == (1, 1000.0, 1)


def test_o15_two_failures_and_a_success_count_two(world: Any, shipped: Any) -> None:
    core = Core(world, shipped.load("default"))
    core.fail("chunk", 2, away)
    assert core.ingest().retry_count_per_stage["chunk"] == 2


def test_b9_what_a_stage_logs_says_for_whom(world: Any, shipped: Any) -> None:
    core = Core(world, shipped.load("default"))
    stream = io.StringIO()
    handler = configure_logging(stream, json=True, level="INFO")
    note = world.stages.note

    def talking(name: str, doc_ids: Any) -> None:
        if name == "chunk":
            logging.getLogger("Medical_KG_rev.toy").info("cutting")
        note(name, doc_ids)

    world.stages.note = talking
    try:
        job = core.ingest()
    finally:
        logging.getLogger().removeHandler(handler)
    [line] = [json.loads(line) for line in stream.getvalue().splitlines() if "cutting" in line]
    expected = {
        "job_id": job.job_id,
        "tenant_id": "default",
        "stage": "chunk",
        "pipeline": "auto",
        "correlation_id": job.submission_id,
        "dagster_run_id": "run-1",
    }
    assert {name: line[name] for name in expected} == expected


def test_c9_the_address_of_a_database_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MK_USE_DAGSTER", "true")
    monkeypatch.setenv("MK_DAGSTER__POSTGRES_URL", "postgresql+psycopg2://u:hunter2@db/dagster")
    settings = Settings()
    assert settings.use_dagster is True
    assert settings.dagster.postgres_url.get_secret_value().endswith("db/dagster")
    assert "hunter2" not in repr(settings)
    assert "hunter2" in settings.secrets()
