"""The composition: every part of a profile, built from settings when it is first asked for."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from Medical_KG_rev.errors import ConfigurationError, DagsterPipelineConfigError
from Medical_KG_rev.models import Caller
from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.ledger import Batch, Ledger
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.storage import FilesystemObjectStore, ObjectStore

if TYPE_CHECKING:
    from dagster import DagsterInstance, JobDefinition

    from Medical_KG_rev.adapters import AdapterManager
    from Medical_KG_rev.graph import LadybugGraphStore
    from Medical_KG_rev.index import HaystackIndexWriter, Retriever
    from Medical_KG_rev.observability.metrics import Metrics
    from Medical_KG_rev.observability.scrub import Scrubber
    from Medical_KG_rev.orchestration.events.places import EventPlace
    from Medical_KG_rev.orchestration.events.relay import OutboxRelay
    from Medical_KG_rev.orchestration.events.sink import EventSink
    from Medical_KG_rev.orchestration.ledger.workers import WorkerRegistration
    from Medical_KG_rev.orchestration.lineage import Lineage
    from Medical_KG_rev.orchestration.pipeline import Pipeline
    from Medical_KG_rev.orchestration.resilience.remote import RemoteCallers
    from Medical_KG_rev.orchestration.resilience.state import ResilienceState
    from Medical_KG_rev.orchestration.stages.registry import StageRegistry
    from Medical_KG_rev.orchestration.stages.runner import (
        CallerFor,
        OnRetry,
        Progress,
        RunObserver,
        StageCaller,
        StageRunner,
    )
    from Medical_KG_rev.orchestration.topology import ConfigWatch, PipelineLoader, ResiliencePolicyLoader
    from Medical_KG_rev.text import EmbeddingBackend, EmbeddingSample, GpuProbe, HaystackChunker, HaystackEmbedder, ModelStore

logger = logging.getLogger(__name__)

SECRET_NAME = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|URL")


@dataclass(frozen=True, slots=True)
class _LedgerArchive:
    """Keeps pinned texts in the ledger, which is opened when the first is put or wanted."""

    parts: PlatformParts

    def put(self, name: str, pin: str, text: str) -> None:
        self.parts.ledger.topologies.put(name, pin, text)

    def get(self, name: str, pin: str) -> str | None:
        return self.parts.ledger.topologies.get(name, pin)


@dataclass(frozen=True, slots=True)
class HaystackComponents:
    """The Haystack components of a pipeline."""

    chunker: HaystackChunker
    embedder: HaystackEmbedder
    index_writer: HaystackIndexWriter


class PlatformParts:
    """The parts of one process. Nothing is opened before it is used; :meth:`close` closes what was."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.progress: Progress | None = None
        self.on_retry: Callable[[int, float, BaseException], None] | None = None
        """Told before each wait of a remote request: attempts so far, seconds, error."""
        self._pipelines: dict[tuple[str, str], Pipeline] = {}
        self._jobs: dict[str, JobDefinition] = {}

    @property
    def data_dir(self) -> Path:
        """Where everything is kept."""
        return self.settings.data_dir

    # --- storage -----------------------------------------------------------------------------------------------------

    @cached_property
    def ledger(self) -> Ledger:
        """The job ledger: SQLite in the data folder, or PostgreSQL where an address is given."""
        self._check_formats()
        settings = self.settings.database
        location = settings.url.get_secret_value() or self.data_dir / "ledger.db"
        events = CloudEventFactory(time.time, scrub=self.scrubber.text)
        return Ledger.open(location, time.time, events, pool_size=settings.pool_size, patience_seconds=settings.patience_seconds)

    @cached_property
    def store(self) -> ObjectStore:
        """Artifacts and payloads."""
        self._check_formats()
        settings = self.settings.object_store
        if self.settings.object_store_kind == "filesystem":
            return FilesystemObjectStore(self.data_dir / "objects")
        from Medical_KG_rev.storage.s3 import S3ObjectStore

        return S3ObjectStore(
            endpoint_url=settings.endpoint_url,
            bucket=settings.bucket,
            access_key=settings.access_key.get_secret_value(),
            secret_key=settings.secret_key.get_secret_value(),
            region=settings.region,
            prefix=settings.prefix,
            create_bucket=settings.create_bucket,
        )

    @property
    def event_place(self) -> EventPlace:
        """Where CloudEvents go."""
        from Medical_KG_rev.orchestration.events.places import KafkaTopic, LogFolder

        events = self.settings.events
        if self.settings.event_sink == "log":
            return LogFolder(self.data_dir / "events")
        return KafkaTopic(
            events.bootstrap_servers,
            events.topic,
            partitions=events.partitions,
            replication_factor=events.replication_factor,
            retention_ms=int(events.retention_hours * 3_600_000),
        )

    @cached_property
    def event_sink(self) -> EventSink:
        """What publishes CloudEvents; opens at the first."""
        from Medical_KG_rev.orchestration.events.sink import open_event_sink

        return open_event_sink(self.event_place)

    @cached_property
    def relay(self) -> OutboxRelay:
        """Brings events from the outbox to the sink."""
        from Medical_KG_rev.orchestration.events.relay import OutboxRelay

        ledger = self.ledger
        return OutboxRelay(
            ledger.outbox,
            self.event_sink,
            clock=time.time,
            sleep=time.sleep,
            exclusive=lambda: ledger.database.exclusive("relay"),
        )

    @cached_property
    def graph(self) -> LadybugGraphStore:
        """The knowledge graph."""
        from Medical_KG_rev.graph import LadybugGraphStore

        return LadybugGraphStore(self.data_dir / "graph")

    @cached_property
    def index_writer(self) -> HaystackIndexWriter:
        """The writing side of the index."""
        from Medical_KG_rev.index import HaystackIndexWriter

        return HaystackIndexWriter(self.data_dir / "index")

    # --- configuration -----------------------------------------------------------------------------------------------

    @cached_property
    def policies(self) -> ResiliencePolicyLoader:
        """Resilience policies by name."""
        from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader

        return ResiliencePolicyLoader(self.settings.orchestration_dir(), archive=_LedgerArchive(self))

    @cached_property
    def stage_types(self) -> StageRegistry:
        """Stage types with what builds them: the built-in ones and those of plugins."""
        from Medical_KG_rev.orchestration.stages.registry import StageRegistry, without_config

        makers: dict[str, Callable[[], object]] = {
            "ingest": self._ingest_stage,
            "parse": self._parser,
            "ir_validation": self._validator,
            "chunk": lambda: self.components.chunker,
            "embed": lambda: self.components.embedder,
            "index": lambda: self.components.index_writer,
            "extract": self._extractor,
            "kg": self._graph_writer,
        }
        registry = StageRegistry.builtin({name: without_config(make) for name, make in makers.items()})
        registry.discover()
        return registry

    @cached_property
    def topologies(self) -> PipelineLoader:
        """Pipelines as their files state them."""
        from Medical_KG_rev.orchestration.topology import PipelineLoader

        return PipelineLoader(
            self.settings.orchestration_dir(),
            policies=self.policies.names,
            stage_types=self.stage_types.names(),
            sources=self.adapters.names(),
            archive=_LedgerArchive(self),
        )

    def pipeline(self, name: str, version: str | None = None) -> Pipeline:
        """A pipeline with its stages built; ``version`` as a job pinned it.

        Raises:
            DagsterPipelineConfigError: unknown or invalid.
            StageContractError: an implementation has a wrong signature.
            ModelNotInstalledError: a stage's model is not there.
        """
        from Medical_KG_rev.orchestration.pipeline import StagePlan, assemble
        from Medical_KG_rev.orchestration.topology import order

        topology = self.topologies.load(name, version)
        if topology.gates:
            raise DagsterPipelineConfigError(
                f"Pipeline {name} has gates, which cannot be waited at yet.",
                remedy="Use a pipeline without gates.",
                field="gates",
            )
        if (name, topology.pin) not in self._pipelines:
            stages, types = order(topology), self.stage_types
            plans = [
                StagePlan(stage.name, types.role(stage.stage_type), stage.policy, stage.depends_on, stage.config)
                for stage in stages
            ]
            built = {stage.name: types.build(stage.stage_type, stage.config) for stage in stages}
            self._pipelines[name, topology.pin] = assemble(name, topology.pin, plans, built)
        return self._pipelines[name, topology.pin]

    # --- sources, models, components ---------------------------------------------------------------------------------

    @cached_property
    def adapters(self) -> AdapterManager:
        """Adapters by source."""
        from Medical_KG_rev.adapters import AdapterManager

        return AdapterManager(self.settings, self.caller_for)

    def caller_for(self, policy: str) -> Caller:
        """Makes remote requests under a policy: as it was when the running batch began."""
        return self._remote_callers.caller(policy)

    @cached_property
    def _remote_callers(self) -> RemoteCallers:
        from Medical_KG_rev.orchestration.resilience.remote import RemoteCallers

        return RemoteCallers(
            self.policies,
            self.resilience_state,
            on_retry=self._note_retry,
            on_wait=lambda seconds: self._note_wait("remote", seconds),
        )

    @cached_property
    def resilience_state(self) -> ResilienceState:
        """Breakers and limiters: this process's own, or shared through PostgreSQL."""
        if self.settings.database.url.get_secret_value():
            from Medical_KG_rev.orchestration.resilience.shared import SharedState

            return SharedState(self.ledger.engine, on_state=self.metrics.breaker)
        from Medical_KG_rev.orchestration.resilience.state import InProcessState

        return InProcessState(on_state=self.metrics.breaker)

    @cached_property
    def models(self) -> ModelStore:
        """Model artefacts."""
        from Medical_KG_rev.text import ModelStore

        return ModelStore(self.settings.model_root)

    @cached_property
    def backend(self) -> EmbeddingBackend:
        """The embedding model."""
        from Medical_KG_rev.text import open_backend

        return open_backend(self.settings.embedding, self.models, self.caller_for(self.settings.embedding.policy))

    @cached_property
    def components(self) -> HaystackComponents:
        """Chunker, embedder and index writer."""
        from Medical_KG_rev.text import HaystackChunker, HaystackEmbedder

        backend = self.backend
        chunker = HaystackChunker(self.settings.chunking, backend.count_tokens, backend.max_tokens, backend.fingerprint)
        embedder = HaystackEmbedder(backend, gpu=self._gpu_probe(), record=self._note_embedding)
        return HaystackComponents(chunker, embedder, self.index_writer)

    def retriever(self, legs: tuple[str, ...]) -> Retriever:
        """The reading side of the index; the model is loaded only where a leg needs it."""
        from Medical_KG_rev.index import Retriever

        dense = "dense" in legs
        return Retriever(
            self.data_dir / "index",
            self.backend.encode_query if dense else None,
            depth=self.settings.search.depth,
            rrf_k=self.settings.search.rrf_k,
            model_fingerprint=self.backend.fingerprint if dense else None,
        )

    # --- execution ---------------------------------------------------------------------------------------------------

    @cached_property
    def registration(self) -> WorkerRegistration:
        """This process's run token."""
        from Medical_KG_rev.orchestration.ledger.workers import WorkerRegistration

        return WorkerRegistration(self.ledger, self.data_dir / "workers", f"w{secrets.token_hex(8)}", time.time())

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
            progress=lambda *report: self.progress(*report) if self.progress else None,
        )

    @cached_property
    def metrics(self) -> Metrics:
        """What this process reports of itself."""
        from Medical_KG_rev.observability.metrics import Metrics

        return Metrics()

    @cached_property
    def scrubber(self) -> Scrubber:
        """Takes the secrets of these settings, and what looks like one, out of texts."""
        from Medical_KG_rev.observability.scrub import Scrubber

        return Scrubber(self.settings.secrets())

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
        )

    @cached_property
    def dagster(self) -> DagsterInstance:
        """Dagster's run history and event log."""
        from Medical_KG_rev.orchestration.dagster.instance import open_instance

        return open_instance(self.dagster_home, self.dagster_template, self.settings.dagster_url)

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
            pipeline = self.pipeline(batch.pipeline_name, batch.pipeline_version)
            job, instance = self._job(pipeline), self.dagster
        run_batch(job, batch, pipeline.stages[0].name, self, instance)

    def _job(self, pipeline: Pipeline) -> JobDefinition:
        from Medical_KG_rev.orchestration.dagster.jobs import build_job

        if pipeline.version not in self._jobs:
            self._jobs[pipeline.version] = build_job(self.topologies.load(pipeline.name, pipeline.version))
        return self._jobs[pipeline.version]

    def close(self) -> None:
        """Closes what was opened; the worker's token goes last but the ledger."""
        opened = self.__dict__
        if "dagster" in opened:
            opened.pop("dagster").dispose()
        for name in ("adapters", "backend", "resilience_state", "registration", "lineage", "event_sink", "ledger"):
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
        if self.on_retry is not None:
            self.on_retry(attempt, seconds, error)
        if "runner" in self.__dict__:
            self.runner.retrying(attempt, seconds, error)

    def _note_wait(self, stage: str, seconds: float) -> None:
        self.metrics.rate_limit_waited(stage, seconds)

    def _note_embedding(self, sample: EmbeddingSample) -> None:
        gpu = sample.gpu
        if gpu is not None:
            self.metrics.gpu(gpu.memory_used_bytes, gpu.utilisation, probe="endpoint")
        logger.info(
            "embedded %d texts (%d tokens) with %s in %.3f s%s",
            sample.texts,
            sample.tokens,
            sample.model,
            sample.seconds,
            f"; GPU memory used {gpu.memory_used_bytes}, utilisation {gpu.utilisation}" if gpu else "",
        )

    def _check_formats(self) -> None:
        from Medical_KG_rev import __version__
        from Medical_KG_rev.storage.formats import check_formats

        if self.data_dir.exists():
            check_formats(self.data_dir, __version__)

    def _gpu_probe(self) -> GpuProbe | None:
        """An endpoint says on its metrics page what its GPU does; a model on this machine's CPU has none."""
        from Medical_KG_rev.text import EndpointGpuProbe

        if self.settings.embedding.model != "http":
            return None
        return EndpointGpuProbe(str(self.settings.embedding.base_url).rstrip("/").removesuffix("/v1") + "/metrics")

    def _ingest_stage(self) -> Any:
        from Medical_KG_rev.adapters import PluginIngestStage

        return PluginIngestStage(self.adapters)

    def _parser(self) -> Any:
        from Medical_KG_rev.parsing import IrParser

        return IrParser(lambda: datetime.now(UTC))

    def _validator(self) -> Any:
        from Medical_KG_rev.parsing import IrValidator

        return IrValidator()

    def _extractor(self) -> Any:
        from Medical_KG_rev.extraction import RecordExtractor

        return RecordExtractor()

    def _graph_writer(self) -> Any:
        from Medical_KG_rev.graph import GraphWriter

        return GraphWriter(self.graph)


def settings_from(overrides: Mapping[str, Any]) -> Settings:
    """Settings from the environment, with those of ``overrides`` that are given.

    Raises:
        ConfigurationError: names the variable, what is wrong with it and what it holds.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        faults = [_fault_text(fault) for fault in error.errors(include_url=False)]
        raise ConfigurationError(
            f"The settings are not valid. {'; '.join(faults)}.", remedy="docs/reference/configuration.md lists them all."
        ) from error


def _fault_text(fault: ErrorDetails) -> str:
    """One fault. What a secret holds, or all settings together, is not repeated."""
    if not fault["loc"]:
        return fault["msg"].removeprefix("Value error, ")
    name = "__".join(str(part) for part in fault["loc"]).upper()
    shown = "" if SECRET_NAME.search(name) else f" (got {fault.get('input')!r})"
    return f"MK_{name}: {fault['msg']}{shown}"
