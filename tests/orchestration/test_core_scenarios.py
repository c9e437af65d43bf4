"""The acceptance scenarios of the durable core, by their ids, on the real stage runner with the shipped policies."""

from __future__ import annotations

import io
import json
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lineage_receiver import receiving

from Medical_KG_rev.adapters import AdapterManager, PluginIngestStage
from Medical_KG_rev.errors import GpuNotAvailableError, RemoteUnavailableError, StoreUnavailableError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.observability.logs import configure_logging
from Medical_KG_rev.orchestration.configuration_events import ConfigurationEvents
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger import Batch
from Medical_KG_rev.orchestration.lineage import open_lineage
from Medical_KG_rev.orchestration.lineage.observer import LineageObserver
from Medical_KG_rev.orchestration.pipeline import Pipeline, StagePlan, assemble
from Medical_KG_rev.orchestration.resilience import PolicyRunner, ResilientCaller
from Medical_KG_rev.orchestration.resilience.state import InProcessState
from Medical_KG_rev.orchestration.stages import StageRegistry
from Medical_KG_rev.orchestration.stages.report import RunObserver
from Medical_KG_rev.orchestration.stages.runner import StageRunner
from Medical_KG_rev.orchestration.topology import (
    ConfigWatch,
    PipelineLoader,
    ResiliencePolicyConfig,
    ResiliencePolicyLoader,
    order,
)
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "orchestration"


class Core:
    """A toy world whose calls run under real policies; time passes when something waits."""

    def __init__(
        self,
        world: Any,
        policy: ResiliencePolicyConfig,
        pipeline_for: Callable[[str, str], Pipeline] | None = None,
        observers: tuple[RunObserver, ...] = (),
    ) -> None:
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
            pipeline_for=pipeline_for or (lambda _name, _version: world.pipeline),
            pin_callers=lambda: callers,
            clock=world.clock,
            worker=world.registration.token,
            observers=observers,
        )

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.world.now += seconds

    def retrying(self, attempt: int, seconds: float, error: BaseException) -> None:
        """What the caller of remote requests tells."""
        self.world.runner.retrying(attempt, seconds, error)

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
        return [event for event in self.all_events() if event.source == f"orchestration/{stage}"]

    def all_events(self) -> list[Event]:
        return [event for row in self.world.ledger.outbox.read(1000) for event in row.events]


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


@pytest.mark.parametrize("fault", ["away", "damaged"])
def test_an_input_that_the_store_cannot_give_for_a_moment_is_read_again(world: Any, shipped: Any, fault: str) -> None:
    core = Core(world, shipped.load("default"))
    read, left = world.store.read, [2]

    def failing(*arguments: Any) -> bytes:
        if left[0]:
            left[0] -= 1
            if fault == "damaged":
                return b"\xff" * 10_000
            raise StoreUnavailableError("The object store does not answer.")
        return bytes(read(*arguments))

    world.store.read = failing
    job = core.ingest()
    assert (job.status, job.retry_count_per_stage) == ("completed", {"parse": 2})
    assert [event.data["reason"] for event in core.events("parse") if event.type == "stage.retrying"] == ["store_unavailable"] * 2


def test_i2_429_is_tried_eleven_times_with_a_retrying_event_each_and_fails(
    world: Any, shipped: Any, clinicaltrials_api: Any, api_errors: Any
) -> None:
    """Ruling 1: `polite-api` has 11 attempts; linear pauses, the first of a second. Ruling 24: the stage repeats none of them."""
    core = Core(world, shipped.load("remote-slice"))
    caller = ResilientCaller(
        shipped.load("polite-api"), sleep=core.sleep, random=lambda: 0.0, clock=world.clock, on_retry=core.retrying
    )
    adapters = AdapterManager(Settings(), lambda _policy: caller)
    world.stages.own["ingest"] = PluginIngestStage(adapters)
    clinicaltrials_api.fail(*[api_errors.rate_limited()] * 50)
    request = AdapterRequest(source="clinicaltrials", ids=("NCT04267848",))
    [document] = world.session.ingest(request, world.pipeline, adapters.get("clinicaltrials"))["documents"]
    assert (document["status"], document["stage"], document["error"]["code"]) == ("failed", "ingest", "retries_exhausted")
    assert len(clinicaltrials_api.requests) == 11
    [started, *retrying, failed] = core.events("ingest")
    assert [(event.type, event.data["reason"]) for event in retrying] == [("stage.retrying", "rate_limited")] * 10
    assert [event.data["attempt_number"] for event in retrying] == list(range(1, 11))
    assert [event.data["backoff_ms"] for event in retrying] == [1000.0 * number for number in range(1, 11)]
    assert (started.type, failed.type, failed.data["retry_count"]) == ("stage.started", "stage.failed", 10)
    assert {name for name, _ in world.stages.log} == set(), "nothing downstream runs"


class Configured(Core):
    """Runs the shipped `auto` from a folder that is watched; ``between`` is called after the first stage of a batch."""

    def __init__(self, world: Any, folder: Path) -> None:
        shutil.copytree(SHIPPED / "pipelines", folder / "pipelines")
        shutil.copy(SHIPPED / "resilience.yaml", folder)
        policies = ResiliencePolicyLoader(folder)
        self.file = folder / "pipelines" / "auto.yaml"
        self.between: Callable[[], object] = lambda: None
        self.topologies = PipelineLoader(
            folder,
            policies=policies.names,
            stage_types=StageRegistry.builtin().names(),
            sources=("clinicaltrials", "openalex", "pmc-fulltext", "unpaywall", "core", "local"),
        )
        super().__init__(world, policies.load("default"), self.pipeline_for)
        changes = ConfigurationEvents(world.ledger, folder, world.clock)
        self.watch = ConfigWatch(
            self.topologies, policies, on_reload=changes.reloaded, on_rejected=changes.rejected, clock=world.clock
        )
        world.now += self.watch.interval_seconds
        self.watch.check()
        world.session.run_batch = self.run_batch

    def pipeline_for(self, name: str, version: str | None = None) -> Pipeline:
        topology = self.topologies.load(name, version)
        stages = order(topology)
        toys = self.world.stages.implementations()
        plans = [StagePlan(stage.name, stage.stage_type, stage.policy, stage.depends_on, stage.config) for stage in stages]
        return assemble(name, topology.pin, plans, {stage.name: toys[stage.stage_type] for stage in stages})

    def run_batch(self, batch: Batch) -> None:
        for number, stage in enumerate(self.pipeline_for(batch.pipeline_name, batch.pipeline_version).stages):
            self.world.runner.run_stage(batch.batch_id, stage.name)
            if number == 0:
                self.between()
        self.world.runner.close(batch.batch_id)

    def stages_of(self, name: str) -> set[str]:
        """The stages that a new document passed."""
        request = AdapterRequest(source="toy", query=name)
        source = self.world.source([(name, f"words of {name}")])
        [document] = self.world.session.ingest(request, self.pipeline_for("auto"), source)["documents"]
        assert document["status"] == "completed"
        return {attempt.stage for attempt in self.world.ledger.attempts(document["job_id"])}

    def change(self, text: str) -> None:
        """The file is changed; five seconds pass."""
        self.file.write_text(text, encoding="utf-8")
        self.world.now += 5.0
        self.watch.check()


AUDIT = "\n  - name: audit\n    type: ir_validation\n    policy: default\n    depends_on: [parse]\n"


def test_c7_a_new_stage_is_for_new_jobs_and_a_running_one_keeps_its_topology(world: Any, tmp_path: Path) -> None:
    core = Configured(world, tmp_path / "config")
    core.between = lambda: core.change(core.file.read_text("utf-8") + AUDIT)
    assert "audit" not in core.stages_of("running")
    core.between = lambda: None
    assert "audit" in core.stages_of("new")
    [reloaded] = [event for event in core.all_events() if event.type == "config.reloaded"]
    assert (reloaded.data["file"], reloaded.data["digest"]) == ("pipelines/auto.yaml", core.topologies.pin("auto"))


def test_c8_a_broken_file_is_told_and_the_last_good_one_goes_on(
    world: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    core = Configured(world, tmp_path / "config")
    before, pin = core.stages_of("before"), core.topologies.pin("auto")
    core.change("stages: [")
    assert core.stages_of("after") == before
    assert core.topologies.pin("auto") == pin
    [rejected] = [event for event in core.all_events() if event.type == "config.rejected"]
    assert (rejected.data["file"], rejected.data["code"]) == ("pipelines/auto.yaml", "pipeline_config_invalid")
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "auto.yaml is not taken" in line


def test_b3_with_lineage_on_the_run_of_chunk_has_its_documents_chunks_and_counts(world: Any, shipped: Any) -> None:
    with receiving() as receiver:
        lineage = open_lineage("http", url=receiver.url)
        Core(world, shipped.load("default"), observers=(LineageObserver(lineage, lambda _policy: "exponential"),))
        world.ingest([(f"d{number}", f"words {number}") for number in range(3)])
        lineage.close()
    runs = {(event["job"]["name"], event["eventType"]): event for event in receiver.events}
    chunk, batch = runs["auto.chunk", "COMPLETE"], runs["auto", "COMPLETE"]
    [taken], [made] = chunk["inputs"], chunk["outputs"]
    assert (taken["name"].partition("/")[0], taken["inputFacets"]["inputStatistics"]["rowCount"]) == ("documents", 3)
    assert (made["name"].partition("/")[0], made["outputFacets"]["outputStatistics"]["rowCount"]) == ("chunks", 3)
    assert chunk["run"]["facets"]["parent"]["run"]["runId"] == batch["run"]["runId"]


def test_b4_with_lineage_off_no_stage_imports_sends_or_waits(world: Any, shipped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped command is held to the same in ``tests/lineage``."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "openlineage"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openlineage", None)  # an import of it fails
    core = Core(world, shipped.load("default"))
    with receiving() as receiver:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        assert core.ingest().status == "completed"
        assert receiver.requests == []
    assert core.waits == []
