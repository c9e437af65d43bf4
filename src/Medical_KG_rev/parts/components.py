"""What documents pass through: sources, policies, models and the components of the stages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.parts.stores import LedgerArchive, StoreParts
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.settings_extraction import TaggerName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from Medical_KG_rev.adapters import AdapterManager
    from Medical_KG_rev.endpoints.gpu import EndpointGpuProbe, GpuSample
    from Medical_KG_rev.extraction.lexicon import Lexicon
    from Medical_KG_rev.extraction.text import TextReader
    from Medical_KG_rev.graph import GraphStore
    from Medical_KG_rev.graph.neo4j import Neo4jArchive, Neo4jConnection
    from Medical_KG_rev.index import HaystackIndexWriter, Retriever
    from Medical_KG_rev.index.fusion import Fusion
    from Medical_KG_rev.index.opensearch_client import OpenSearchConnection
    from Medical_KG_rev.index.opensearch_schema import Layout
    from Medical_KG_rev.index.rerank_endpoint import HttpReranker
    from Medical_KG_rev.index.stores import IndexStores
    from Medical_KG_rev.models import Caller, SparseVector
    from Medical_KG_rev.orchestration.resilience.remote import RemoteCallers
    from Medical_KG_rev.orchestration.resilience.state import ResilienceState
    from Medical_KG_rev.orchestration.stages.registry import StageRegistry
    from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader
    from Medical_KG_rev.text import (
        EmbeddingBackend,
        EmbeddingSample,
        ExpansionSample,
        HaystackChunker,
        HaystackEmbedder,
        HaystackSparseExpander,
        SparseBackend,
    )

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HaystackComponents:
    """The Haystack components of a pipeline."""

    chunker: HaystackChunker
    embedder: HaystackEmbedder
    expander: HaystackSparseExpander | None
    index_writer: HaystackIndexWriter


class ComponentParts(StoreParts):
    """The stages of one process, and what they are made of."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.on_retry: Callable[[int, float, BaseException], None] | None = None
        """Told before each wait of a remote request: attempts so far, seconds, error."""

    @cached_property
    def policies(self) -> ResiliencePolicyLoader:
        """Resilience policies by name."""
        from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader

        return ResiliencePolicyLoader(self.settings.orchestration_dir(), archive=LedgerArchive(self))

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
    def backend(self) -> EmbeddingBackend:
        """The embedding model."""
        from Medical_KG_rev.text import open_backend

        return open_backend(self.settings.embedding, self.models, self.caller_for(self.settings.embedding.policy))

    @cached_property
    def sparse_backend(self) -> SparseBackend | None:
        """The model of learned sparse vectors; None where the settings name none."""
        from Medical_KG_rev.text import open_sparse_backend

        return open_sparse_backend(self.settings, self.models, self.caller_for(self.settings.sparse.policy))

    @cached_property
    def components(self) -> HaystackComponents:
        """Chunker, embedder, sparse expander and index writer."""
        from Medical_KG_rev.text import HaystackChunker, HaystackEmbedder, HaystackSparseExpander

        backend = self.backend
        chunker = HaystackChunker(self.settings.chunking, backend.count_tokens, backend.max_tokens, backend.fingerprint)
        sparse, expander = self.sparse_backend, None
        if sparse is not None:
            expander = HaystackSparseExpander(sparse, gpu=self.sparse_gpu_probe, record=self._note_expansion)
        embedder = HaystackEmbedder(backend, expander=expander, gpu=self.gpu_probe, record=self._note_embedding)
        return HaystackComponents(chunker, embedder, expander, self.index_writer)

    @cached_property
    def lexicon(self) -> Lexicon:
        """Names of biomedical things and what they mean."""
        from Medical_KG_rev.extraction.lexicon import Lexicon

        return Lexicon.open(self.models.path("lexicon", "lexicon"))

    def text_reader(self, tagger: TaggerName) -> TextReader:
        """What reads texts with this tagger; opened once."""
        from Medical_KG_rev.parts.extraction import open_reader

        if tagger not in self._readers:
            self._readers[tagger] = open_reader(self, tagger)
        return self._readers[tagger]

    @cached_property
    def _readers(self) -> dict[str, TextReader]:
        return {}

    @cached_property
    def search_server(self) -> OpenSearchConnection | None:
        """The server of the lexical and the learned sparse leg; None where an embedded index holds them."""
        from Medical_KG_rev.index.opensearch_client import OpenSearchConnection

        settings = self.settings.opensearch
        if not settings.url:
            return None
        return OpenSearchConnection(
            settings.url,
            user=settings.user,
            password=settings.password.get_secret_value(),
            ca_file=settings.ca_file,
            timeout_seconds=settings.timeout_seconds,
            caller=self.caller_for(settings.policy),
        )

    def search_layout(self, tenant_id: str, sparse: str = "") -> Layout:
        """Where a tenant's rows lie on the search server; ``sparse`` is the fingerprint of the model of their weights."""
        from Medical_KG_rev.index.opensearch_schema import Layout

        settings = self.settings.opensearch
        return Layout(
            tenant_id,
            prefix=settings.prefix,
            is_shared=settings.is_shared(tenant_id),
            sparse=sparse,
            shards=settings.shards,
            replicas=settings.replicas,
        )

    @cached_property
    def index_stores(self) -> IndexStores:
        """Where the index lies: in the data folder, or on the servers of ledger, objects and search."""
        from Medical_KG_rev.index.stores import EmbeddedStores

        server = self.search_server
        if self.settings.index_kind == "embedded" or server is None:
            return EmbeddedStores(self.data_dir / "index")
        from Medical_KG_rev.index.opensearch import OpenSearchStore
        from Medical_KG_rev.index.service_stores import ServiceStores

        return ServiceStores(
            self.settings.database.url.get_secret_value(),
            lambda tenant_id, sparse: OpenSearchStore(server, self.search_layout(tenant_id, sparse)),
            self.store,
            self.data_dir / "index-cache",
            pool_size=self.settings.database.pool_size,
        )

    @cached_property
    def index_writer(self) -> HaystackIndexWriter:
        """The writing side of the index."""
        from Medical_KG_rev.index import HaystackIndexWriter

        return HaystackIndexWriter(self.index_stores)

    @cached_property
    def graph_server(self) -> Neo4jConnection | None:
        """The server of the knowledge graph; None where files hold it."""
        settings = self.settings
        if settings.graph_kind != "neo4j":
            return None
        from Medical_KG_rev.graph.neo4j import Neo4jConnection

        return Neo4jConnection(settings.neo4j, self.caller_for(settings.neo4j.policy))

    @property
    def graph_archive(self) -> Neo4jArchive | None:
        """Copies the graphs of the server to files, and back; None where they are files."""
        if self.graph_server is None:
            return None
        from Medical_KG_rev.graph.neo4j import Neo4jArchive

        return Neo4jArchive(self.graph_server)

    @cached_property
    def graph(self) -> GraphStore:
        """The knowledge graph."""
        if self.graph_server is not None:
            from Medical_KG_rev.graph.neo4j import Neo4jGraphStore

            return Neo4jGraphStore(self.graph_server)
        from Medical_KG_rev.graph import LadybugGraphStore

        return LadybugGraphStore(self.data_dir / "graph")

    def retriever(self) -> Retriever:
        """The reading side of the index; a model is loaded by the first search that needs it."""
        from Medical_KG_rev.index import Retriever
        from Medical_KG_rev.index.snapshot import TenantReader

        search = self.settings.search
        return Retriever(
            lambda tenant_id: TenantReader(self.index_stores, tenant_id),
            self._encode_query,
            expand_query=self._expand_query if self.settings.sparse_model != "none" else None,
            depth=search.depth,
            fusion=self._fusion,
            leg_timeout_seconds=search.leg_timeout_seconds,
            model_fingerprint=lambda: self.backend.fingerprint,
            sparse_fingerprint=lambda: self._sparse_model.fingerprint,
            reranker=self.reranker,
            candidates=self.settings.rerank.candidates,
        )

    @cached_property
    def reranker(self) -> HttpReranker | None:
        """The reranker; None where the settings name none."""
        if self.settings.rerank.server == "none":
            return None
        from Medical_KG_rev.index.rerank_endpoint import HttpReranker

        return HttpReranker(self.settings.rerank)

    def _encode_query(self, query: str) -> NDArray[np.float32]:
        return self.backend.encode_query(query)

    def _expand_query(self, query: str) -> SparseVector:
        return self._sparse_model.encode_query(query)

    @property
    def _sparse_model(self) -> SparseBackend:
        if self.sparse_backend is None:
            raise UsageError("There is no model of learned sparse vectors.", remedy="Set MK_SPARSE__MODEL.")
        return self.sparse_backend

    @cached_property
    def _fusion(self) -> Fusion:
        from Medical_KG_rev.index.fusion import Fusion

        search = self.settings.search
        return Fusion(search.fusion, self.settings.leg_weights, search.rrf_k)

    @cached_property
    def stage_types(self) -> StageRegistry:
        """Stage types with what builds them: the built-in ones and those of plugins."""
        from Medical_KG_rev.orchestration.stages.registry import StageRegistry, without_config

        makers: dict[str, Callable[[], object]] = {
            "download": self._download_stage,
            "parse": self._parser,
            "ir_validation": self._validator,
            "chunk": lambda: self.components.chunker,
            "embed": lambda: self.components.embedder,
            "index": lambda: self.components.index_writer,
            "extract": self._extractor,
            "kg": self._graph_writer,
        }
        factories = {name: without_config(make) for name, make in makers.items()}
        registry = StageRegistry.builtin({"ingest": self._ingest_stage, **factories})
        registry.discover()
        return registry

    def _note_wait(self, stage: str, seconds: float) -> None:
        self.metrics.rate_limit_waited(stage, seconds)

    def _note_embedding(self, sample: EmbeddingSample) -> None:
        logger.info(
            "embedded %d texts (%d tokens) with %s in %.3f s%s",
            sample.texts,
            sample.tokens,
            sample.model,
            sample.seconds,
            self._note_gpu(sample.gpu, "endpoint"),
        )

    def _note_expansion(self, sample: ExpansionSample) -> None:
        logger.info(
            "expanded %d texts (%d terms, %d texts cut) with %s in %.3f s%s",
            sample.texts,
            sample.terms,
            sample.truncated,
            sample.model,
            sample.seconds,
            self._note_gpu(sample.gpu, "sparse_endpoint"),
        )

    def _note_gpu(self, gpu: GpuSample | None, probe: str) -> str:
        """Sets the gauges of an endpoint's GPU, and says what they say."""
        if gpu is None:
            return ""
        self.metrics.gpu(gpu.memory_used_bytes, gpu.utilisation, probe=probe)
        return f"; GPU memory used {gpu.memory_used_bytes}, utilisation {gpu.utilisation}"

    @cached_property
    def gpu_probe(self) -> EndpointGpuProbe | None:
        """An endpoint says on its metrics page what its GPU does; a model on this machine's CPU has none."""
        from Medical_KG_rev.endpoints.gpu import EndpointGpuProbe

        if self.settings.embedding.model != "http":
            return None
        return EndpointGpuProbe(str(self.settings.embedding.base_url).rstrip("/").removesuffix("/v1") + "/metrics")

    @cached_property
    def sparse_gpu_probe(self) -> EndpointGpuProbe | None:
        """The same of the endpoint of learned sparse vectors."""
        from Medical_KG_rev.endpoints.gpu import EndpointGpuProbe

        if self.settings.sparse_model != "http":
            return None
        return EndpointGpuProbe(str(self.settings.sparse.base_url).rstrip("/") + "/metrics")

    def _ingest_stage(self, config: Mapping[str, Any]) -> Any:
        from Medical_KG_rev.adapters import PluginIngestStage

        return PluginIngestStage.configured(self.adapters, config)

    def _download_stage(self) -> Any:
        from Medical_KG_rev.adapters.download import PdfDownloadStage

        return PdfDownloadStage(
            self.store,
            self.caller_for(self.settings.download.policy),
            self.caller_for("store-commit"),
            self.settings.download,
            contact_email=self.settings.contact_email,
            allow_private_addresses=self.settings.adapters.allow_private_addresses,
        )

    def _parser(self) -> Any:
        from Medical_KG_rev.parsing import IrParser

        return IrParser(lambda: datetime.now(UTC))

    def _validator(self) -> Any:
        from Medical_KG_rev.parsing import IrValidator

        return IrValidator()

    def _extractor(self) -> Any:
        from Medical_KG_rev.parts.extraction import open_extractor

        return open_extractor(self)

    def _graph_writer(self) -> Any:
        from Medical_KG_rev.graph import GraphWriter

        return GraphWriter(self.graph)

    def _note_retry(self, attempt: int, seconds: float, error: BaseException) -> None:
        if self.on_retry is not None:
            self.on_retry(attempt, seconds, error)
