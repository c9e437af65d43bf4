"""What runs batches: pipelines, the stage runner, lineage and Dagster."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.ledger import Batch
from Medical_KG_rev.orchestration.ledger.gate_arrivals import GateRule
from Medical_KG_rev.parts.reading import ReadingParts
from Medical_KG_rev.parts.stores import LedgerArchive
from Medical_KG_rev.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from Medical_KG_rev.orchestration.dagster.jobs import LaunchedJob
    from Medical_KG_rev.orchestration.dagster.ticks import SensorTicks
    from Medical_KG_rev.orchestration.gate_ticks import GateTicker
    from Medical_KG_rev.orchestration.lineage import Lineage
    from Medical_KG_rev.orchestration.pipeline import Pipeline
    from Medical_KG_rev.orchestration.stages.report import RunObserver
    from Medical_KG_rev.orchestration.stages.runner import (
        CallerFor,
        OnRetry,
        Progress,
        StageCaller,
        StageRunner,
    )
    from Medical_KG_rev.orchestration.topology import ConfigWatch, PipelineLoader


class PlatformParts(ReadingParts):
    """The parts of one process. Nothing is opened before it is used; :meth:`close` closes what was."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.progress: Progress | None = None
        self._pipelines: dict[tuple[str, str], Pipeline] = {}
        self._jobs: dict[tuple[str, str, str | None], LaunchedJob] = {}

    @cached_property
    def topologies(self) -> PipelineLoader:
        """Pipelines as their files state them."""
        from Medical_KG_rev.orchestration.topology import PipelineLoader

        return PipelineLoader(
            self.settings.orchestration_dir(),
            policies=self.policies.names,
            stage_types=self.stage_types.names(),
            sources=self.adapters.names(),
            archive=LedgerArchive(self),
        )

    def pipeline(self, name: str, version: str | None = None) -> Pipeline:
        """A pipeline with its stages built, in its part before any gate; ``version`` as a job pinned it.

        Raises:
            DagsterPipelineConfigError: unknown or invalid.
            StageContractError: an implementation has a wrong signature.
            ModelNotInstalledError: a stage's model is not there.
        """
        from Medical_KG_rev.orchestration.pipeline import assemble, gate_rules, stage_plans

        topology = self.topologies.load(name, version)
        if (name, topology.pin) not in self._pipelines:
            types = self.stage_types
            plans = stage_plans(topology, types.role)
            built = {stage.name: types.build(stage.stage_type, stage.config) for stage in topology.stages}
            self._pipelines[name, topology.pin] = assemble(name, topology.pin, plans, built, gate_rules(topology))
        return self._pipelines[name, topology.pin]

    def gate_rule(self, name: str, version: str, gate: str) -> GateRule | None:
        """A gate of a pipeline as a job pinned it; None where that version cannot be read any more."""
        from Medical_KG_rev.orchestration.pipeline import gate_rules

        try:
            rules = gate_rules(self.topologies.load(name, version))
        except DagsterPipelineConfigError:
            return None
        return next((rule for rule in rules if rule.name == gate), None)

    @cached_property
    def gates(self) -> GateTicker:
        """Lets jobs through gates."""
        from Medical_KG_rev.orchestration.gate_ticks import GateTicker
        from Medical_KG_rev.orchestration.submission import IdFactory

        size = self.settings.batch.size
        return GateTicker(self.ledger, self.gate_rule, size=size, new_id=IdFactory(time.time), metrics=self.metrics)

    @cached_property
    def runner(self) -> StageRunner:
        """Runs the stages of batches in this process."""
        from Medical_KG_rev.orchestration.stages.runner import StageRunner

        return StageRunner(
            ledger=self.ledger,
            store=self.store,
            settings=self.settings.batch,
            pipeline_for=self.pipeline,
            pin_callers=self._pin_callers,
            clock=time.time,
            worker=self.registration.token,
            lease_seconds=self.settings.queue.lease_seconds,
            observers=self.observers,
            document_key=self.pdf_document_key,
            progress=lambda *report: self.progress(*report) if self.progress else None,
        )

    @cached_property
    def observers(self) -> list[RunObserver]:
        """Who is told how batches get on."""
        from Medical_KG_rev.orchestration.stages.measured import MetricsObserver

        observers: list[RunObserver] = [MetricsObserver(self.metrics)]
        if self.lineage is not None:
            from Medical_KG_rev.orchestration.lineage.observer import LineageObserver

            backoff = lambda policy: self.policies.load(policy).backoff_strategy  # noqa: E731
            observers.append(LineageObserver(self.lineage, backoff))
        return observers

    @cached_property
    def lineage(self) -> Lineage | None:
        """Where OpenLineage events go; None where lineage is off."""
        if not self.settings.enable_openlineage:
            return None
        from Medical_KG_rev.orchestration.lineage import open_lineage

        settings = self.settings.lineage
        return open_lineage(
            settings.transport,
            path=settings.path or self.data_dir / "lineage.jsonl",
            url=settings.url,
            bootstrap_servers=self.settings.events.bootstrap_servers,
            topic=settings.topic,
            options=self.settings.events.client_options(),
        )

    @cached_property
    def dagster(self) -> DagsterInstance:
        """Dagster's run history and event log."""
        from Medical_KG_rev.orchestration.dagster.instance import open_instance

        return open_instance(self.dagster_home, self.dagster_template, self.settings.dagster_url)

    @cached_property
    def sensor_ticks(self) -> SensorTicks:
        """What Dagster's sensors did, for the metrics."""
        from Medical_KG_rev.orchestration.dagster.ticks import SensorTicks

        return SensorTicks(self.dagster, self.metrics)

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its own: its configuration, and its history where that is not in PostgreSQL."""
        home = self.data_dir / "dagster"
        return home / "services" if self.settings.dagster_url else home

    @property
    def dagster_template(self) -> Path:
        """The configuration that a new home is given."""
        name = "dagster-services.yaml" if self.settings.dagster_url else "dagster.yaml"
        return self.settings.orchestration_dir() / name

    @cached_property
    def watch(self) -> ConfigWatch:
        """Takes changed pipelines and policies into use; each change is an event."""
        from Medical_KG_rev.orchestration.configuration_events import ConfigurationEvents
        from Medical_KG_rev.orchestration.topology import ConfigWatch

        events = ConfigurationEvents(self.ledger, self.settings.orchestration_dir(), time.time)
        return ConfigWatch(
            self.topologies,
            self.policies,
            on_reload=events.reloaded,
            on_rejected=events.rejected,
            required_policies=self.settings.policies_named(),
        )

    def run_batch(self, batch: Batch) -> None:
        """Executes a batch, which this process has leased, as one Dagster run in this process."""
        from Medical_KG_rev.orchestration.dagster.launch import given_back, run_batch

        with given_back(batch, self):
            self.pipeline(batch.pipeline_name, batch.pipeline_version)
            job, instance = self._job(batch), self.dagster
        run_batch(job, batch, self, instance)

    def _job(self, batch: Batch) -> LaunchedJob:
        from Medical_KG_rev.orchestration.dagster.jobs import launched_job

        wanted = (batch.pipeline_name, batch.pipeline_version, batch.part)
        if wanted not in self._jobs:
            topology = self.topologies.load(batch.pipeline_name, batch.pipeline_version)
            self._jobs[wanted] = launched_job(topology, batch.part, self.stage_types.role)
        return self._jobs[wanted]

    def close(self) -> None:
        """Closes what was opened; the worker's token goes last but the ledger."""
        self.stop_reading_pdfs()
        opened = self.__dict__
        if "dagster" in opened:
            opened.pop("dagster").dispose()
        models = ("backend", "gpu_probe", "sparse_backend", "sparse_gpu_probe", "reranker")
        stores = ("index_stores", "search_server", "graph", "graph_server", "resilience_state")
        for name in ("adapters", *models, *stores, "registration", "lineage", "event_sink", "ledger"):
            part = opened.pop(name, None)
            if part is not None:
                part.close()

    def _pin_callers(self) -> CallerFor:
        """What makes the callers of a batch that begins now, under the policies of now."""
        from Medical_KG_rev.orchestration.resilience import PolicyRunner

        policies = self.policies.snapshot
        self._remote_callers.use(policies)

        def caller_for(policy: str, stage: str, on_retry: OnRetry) -> StageCaller:
            return PolicyRunner(
                policies.load(policy),
                stage,
                state=self.resilience_state,
                on_retry=on_retry,
                on_wait=lambda seconds: self._note_wait(stage, seconds),
            )

        return caller_for

    def _note_retry(self, attempt: int, seconds: float, error: BaseException) -> None:
        super()._note_retry(attempt, seconds, error)
        if "runner" in self.__dict__:
            self.runner.retrying(attempt, seconds, error)
