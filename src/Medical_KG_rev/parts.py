"""The composition: every part of a profile, built from settings when it is first asked for."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from Medical_KG_rev.errors import ConfigurationError, DagsterPipelineConfigError
from Medical_KG_rev.models import Caller
from Medical_KG_rev.orchestration.ledger import Batch, Ledger
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.storage import FilesystemObjectStore

if TYPE_CHECKING:
    from dagster import DagsterInstance, JobDefinition

    from Medical_KG_rev.adapters import AdapterManager
    from Medical_KG_rev.graph import LadybugGraphStore
    from Medical_KG_rev.index import HaystackIndexWriter, Retriever
    from Medical_KG_rev.orchestration.ledger.workers import WorkerRegistration
    from Medical_KG_rev.orchestration.pipeline import Pipeline
    from Medical_KG_rev.orchestration.stages.registry import StageRegistry
    from Medical_KG_rev.orchestration.stages.runner import Progress, StageCaller, StageRunner
    from Medical_KG_rev.orchestration.topology import PipelineLoader, ResiliencePolicyLoader
    from Medical_KG_rev.text import EmbeddingBackend, EmbeddingSample, GpuProbe, HaystackChunker, HaystackEmbedder, ModelStore

logger = logging.getLogger(__name__)


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
        """The job ledger."""
        return Ledger.open(self.data_dir / "ledger.db", time.time)

    @cached_property
    def store(self) -> FilesystemObjectStore:
        """Artifacts and payloads."""
        return FilesystemObjectStore(self.data_dir / "objects")

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

        return ResiliencePolicyLoader(self.settings.orchestration_dir())

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
            policies=self.policies.names(),
            stage_types=self.stage_types.names(),
            sources=self.adapters.names(),
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
        """Makes remote requests under a policy."""
        from Medical_KG_rev.orchestration.resilience import ResilientCaller

        return ResilientCaller(
            self.policies.load(policy), name=policy, on_retry=lambda *retry: self.on_retry(*retry) if self.on_retry else None
        )

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
        embedder = HaystackEmbedder(backend, gpu=self._gpu_probe(), record=_log_embedding)
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
            caller_for=self._stage_caller,
            clock=time.time,
            worker=self.registration.token,
            progress=lambda *report: self.progress(*report) if self.progress else None,
        )

    @cached_property
    def dagster(self) -> DagsterInstance:
        """Dagster's run history and event log."""
        from Medical_KG_rev.orchestration.dagster.instance import open_instance

        return open_instance(self.dagster_home, self.settings.orchestration_dir() / "dagster.yaml")

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its own."""
        return self.data_dir / "dagster"

    def run_batch(self, batch: Batch) -> None:
        """Executes a batch as one Dagster run in this process."""
        from Medical_KG_rev.orchestration.dagster.jobs import build_job
        from Medical_KG_rev.orchestration.dagster.launch import run_batch

        pipeline = self.pipeline(batch.pipeline_name, batch.pipeline_version)
        if pipeline.version not in self._jobs:
            self._jobs[pipeline.version] = build_job(self.topologies.load(batch.pipeline_name, batch.pipeline_version))
        run_batch(self._jobs[pipeline.version], batch, pipeline.stages[0].name, self, self.dagster)

    def close(self) -> None:
        """Closes what was opened; the worker's token goes last but the ledger."""
        opened = self.__dict__
        if "dagster" in opened:
            opened.pop("dagster").dispose()
        for name in ("adapters", "backend", "registration", "ledger"):
            if name in opened:
                opened.pop(name).close()

    def _stage_caller(self, policy: str, stage: str) -> StageCaller:
        from Medical_KG_rev.orchestration.resilience import PolicyRunner

        return PolicyRunner(self.policies.load(policy), stage)

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


def _log_embedding(sample: EmbeddingSample) -> None:
    gpu = sample.gpu
    logger.info(
        "embedded %d texts (%d tokens) with %s in %.3f s; GPU memory used %s, utilisation %s",
        sample.texts,
        sample.tokens,
        sample.model,
        sample.seconds,
        gpu.memory_used_bytes if gpu else None,
        gpu.utilisation if gpu else None,
    )


def settings_from(overrides: Mapping[str, Any]) -> Settings:
    """Settings from the environment, with those of ``overrides`` that are given.

    Raises:
        ConfigurationError: names the variable, what is wrong with it and what it holds.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        faults = [
            f"MK_{'__'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']} (got {fault.get('input')!r})"
            for fault in error.errors(include_url=False)
        ]
        raise ConfigurationError(
            f"The settings are not valid. {'; '.join(faults)}.", remedy="docs/reference/configuration.md lists them all."
        ) from error
