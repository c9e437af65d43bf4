"""Settings: one tree, read from ``MK_…`` environment variables (``MK_SECTION__FIELD``) and overridden by arguments."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import BaseModel, Field, FilePath, HttpUrl, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails, to_jsonable_python
from pydantic_settings import BaseSettings, SettingsConfigDict

from Medical_KG_rev.errors import ConfigurationError
from Medical_KG_rev.settings_extraction import ExtractionSettings, LlmSettings
from Medical_KG_rev.settings_mineru import MineruSettings
from Medical_KG_rev.settings_neo4j import GraphSettings, Neo4jSettings
from Medical_KG_rev.settings_pdf import DownloadSettings, PdfSettings

MEBIBYTE = 1024 * 1024
SECRET_NAME = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|URL")


class RemoteSource(BaseModel):
    """How one remote API is reached."""

    base_url: HttpUrl
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="Per request.")
    max_response_bytes: int = Field(default=64 * MEBIBYTE, gt=0, description="An answer above this size is refused.")
    page_size: int = Field(default=100, ge=1, le=1000, description="Records per listing page and per request by id.")
    policy: str = Field(default="polite-api", description="Resilience policy of each request.")


class UnpaywallSource(RemoteSource):
    """Unpaywall answers only to those who give an e-mail address of their own."""

    email: str = Field(default="", description="Sent with each request; `MK_CONTACT_EMAIL` unless given.")


class CoreSource(RemoteSource):
    """CORE answers few requests without a key."""

    api_key: SecretStr = Field(default=SecretStr(""), description="Optional, from CORE; raises the rate limit.")


class AdapterSettings(BaseModel):
    """The sources' addresses and limits."""

    clinicaltrials: RemoteSource = RemoteSource(base_url=HttpUrl("https://clinicaltrials.gov/api/v2"))
    openalex: RemoteSource = RemoteSource(base_url=HttpUrl("https://api.openalex.org"), page_size=50)
    pmc_fulltext: RemoteSource = RemoteSource(base_url=HttpUrl("https://www.ebi.ac.uk/europepmc/webservices/rest"))
    unpaywall: UnpaywallSource = UnpaywallSource(base_url=HttpUrl("https://api.unpaywall.org/v2"), page_size=50)
    core: CoreSource = CoreSource(base_url=HttpUrl("https://api.core.ac.uk/v3"), page_size=25)
    max_file_bytes: int = Field(
        default=64 * MEBIBYTE, gt=0, description="A local file above this size is refused; of PDFs, see MK_DOWNLOAD__MAX_BYTES."
    )
    allow_private_addresses: bool = Field(
        default=False, description="Let sources live on private addresses; their configured host always may."
    )


class ChunkingSettings(BaseModel):
    """How documents are cut. Tokens are the embedding model's own."""

    max_tokens: int = Field(default=510, ge=32, le=8192, description="At most; less where the model reads less.")
    target_tokens: int = Field(default=256, ge=16, le=8192)
    min_tokens: int = Field(default=48, ge=0, le=4096)
    excluded_section_kinds: tuple[str, ...] = Field(default=("references",), description="Sections that are not indexed.")


class EmbeddingSettings(BaseModel):
    """Which model makes the vectors, and where it runs."""

    model: Literal["bge-small", "minilm", "static", "http"] = "bge-small"
    batch_size: int = Field(default=8, ge=1, le=1024, description="Texts per model call of a local model.")
    request_size: int = Field(default=32, ge=1, le=2048, description="Texts per request to an endpoint.")
    threads: int = Field(default=0, ge=0, description="Threads of a local model; 0 means one per core.")
    base_url: HttpUrl = Field(
        default=HttpUrl("http://localhost:8000/v1"), description="OpenAI-compatible endpoint (model `http`)."
    )
    api_model: str = Field(default="Qwen/Qwen3-Embedding-0.6B", description="Name under which the endpoint serves the model.")
    api_key: SecretStr = SecretStr("")
    dimension: int = Field(default=1024, ge=1, le=8192, description="Dimension that the endpoint must answer with.")
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    query_prefix: str = Field(default="", description="Put before queries to the endpoint.")
    require_gpu: bool = Field(default=False, description="Fail where no GPU can be seen for a local endpoint.")
    policy: str = Field(default="gpu-bound", description="Resilience policy of each request.")


class SparseSettings(BaseModel):
    """Which model makes the learned sparse vectors, and where it runs."""

    model: Literal["none", "splade-tiny", "http"] | None = Field(
        default=None, description="Default: `splade-tiny`, but `none` where the embedding model is `static`."
    )
    top_terms: int = Field(default=400, ge=1, le=10_000, description="Heaviest terms kept of a chunk.")
    query_terms: int = Field(default=64, ge=1, le=1024, description="Heaviest terms kept of a query.")
    threads: int = Field(default=0, ge=0, description="Threads of a local model; 0 means one per core.")
    base_url: HttpUrl = Field(
        default=HttpUrl("http://localhost:8080"), description="Text Embeddings Inference with SPLADE pooling (model `http`)."
    )
    api_model: str = Field(default="prithivida/Splade_PP_en_v2", description="Model that the endpoint must serve.")
    api_key: SecretStr = SecretStr("")
    vocabulary: int = Field(default=30_522, ge=1, description="Terms in the vocabulary of the endpoint's model.")
    special_terms: tuple[int, ...] = Field(
        default=(0, 100, 101, 102, 103), description="Terms of that vocabulary that are no words; by default BERT's."
    )
    request_size: int = Field(default=32, ge=1, le=2048, description="Texts per request to an endpoint.")
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    require_gpu: bool = Field(default=False, description="Fail where no GPU can be seen for a local endpoint.")
    policy: str = Field(default="gpu-bound", description="Resilience policy of each request.")


class BatchSettings(BaseModel):
    """How jobs are grouped into runs."""

    size: int = Field(default=500, ge=1, le=1000, description="Jobs per Dagster run.")
    flush_seconds: float = Field(default=10.0, gt=0, le=30, description="A crash loses at most this much finished work.")
    fetch_slice: int = Field(default=50, ge=1, le=1000, description="Records per call of ingest.")
    index_slice: int = Field(default=256, ge=1, le=1000, description="Documents per index commit.")
    embed_slice: int = Field(
        default=32,
        ge=1,
        le=4096,
        description="Chunks per embedding call: seconds of work on a slow machine, far from its timeout.",
    )
    graph_slice: int = Field(default=500, ge=1, le=1000, description="Documents per graph commit.")


class DatabaseSettings(BaseModel):
    """Where the ledger lives in the profile `services`."""

    url: SecretStr = Field(default=SecretStr(""), description="`postgresql+psycopg2://user:password@host:port/name`.")
    pool_size: int = Field(default=4, ge=2, le=100, description="Connections a process keeps open.")
    patience_seconds: float = Field(default=60.0, ge=0, le=600, description="How long a database that is away is waited for.")


class QueueSettings(BaseModel):
    """Leases, and how much may wait."""

    lease_seconds: float = Field(default=60.0, ge=1, le=3600, description="A worker silent for so long has lost its batch.")
    poll_seconds: float = Field(default=1.0, gt=0, le=60, description="How often an idle worker looks for a batch.")
    max_waiting: int = Field(default=1_000_000, ge=1, description="Queued jobs of a tenant at which nothing more is taken.")


class EventSettings(BaseModel):
    """Where CloudEvents go."""

    sink: Literal["log", "kafka"] | None = Field(default=None, description="Default: `log` in `embedded`, `kafka` in `services`.")
    bootstrap_servers: str = Field(default="", description="Kafka's brokers, `host:port,…`.")
    topic: str = "orchestration.events.v1"
    pdf_queue_topic: str = Field(
        default="mineru.queue.v1", min_length=1, description="Kafka's topic by which PDF workers hear of files that wait."
    )
    partitions: int = Field(default=10, ge=1, description="Of the topics, when they are created.")
    replication_factor: int = Field(default=1, ge=1, description="Of the topics, when they are created.")
    retention_hours: float = Field(default=168.0, gt=0, description="Of the topics, when they are created.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How the brokers are spoken to: with TLS (`…SSL`), with a login (`SASL_…`)."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How the login is proved, with `SASL_…`."
    )
    username: str = Field(default="", description="With `SASL_…`.")
    password: SecretStr = Field(default=SecretStr(""), description="With `SASL_…`.")
    ca_file: FilePath | None = Field(
        default=None, description="PEM file of the authorities that vouch for the brokers, with `…SSL`; the system's by default."
    )

    def misfit(self) -> str | None:
        """What the security protocol lacks, or what it would leave unused; None where all fits."""
        protocol, login = self.security_protocol, (self.username, self.password.get_secret_value())
        if protocol.startswith("SASL") and not all(login):
            return f"MK_EVENTS__SECURITY_PROTOCOL={protocol} needs MK_EVENTS__USERNAME and MK_EVENTS__PASSWORD"
        if any(login) and not protocol.startswith("SASL"):
            return f"MK_EVENTS__USERNAME or …PASSWORD is given, but MK_EVENTS__SECURITY_PROTOCOL={protocol} has no login"
        if self.ca_file is not None and not protocol.endswith("SSL"):
            return f"MK_EVENTS__CA_FILE is given, but MK_EVENTS__SECURITY_PROTOCOL={protocol} has no TLS"
        return None

    def client_options(self) -> dict[str, str]:
        """How clients reach the brokers, as librdkafka's options: with the password, for no log."""
        options: dict[str, str] = {"security.protocol": self.security_protocol}
        if self.security_protocol.startswith("SASL"):
            options["sasl.mechanism"] = self.sasl_mechanism
            options["sasl.username"] = self.username
            options["sasl.password"] = self.password.get_secret_value()
        if self.ca_file is not None:
            options["ssl.ca.location"] = str(self.ca_file)
        return options


class ObjectStoreSettings(BaseModel):
    """Where artifacts and payloads lie."""

    kind: Literal["filesystem", "s3"] | None = Field(
        default=None, description="Default: `filesystem` in `embedded`, `s3` in `services`."
    )
    endpoint_url: str = Field(default="", description="Of S3, `http://host:port`.")
    bucket: str = "medical-kg"
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    region: str = "us-east-1"
    prefix: str = Field(default="", description="Put before every key.")
    create_bucket: bool = Field(default=True, description="Make the bucket where there is none.")


class DagsterSettings(BaseModel):
    """Dagster's own store and user interface."""

    postgres_url: SecretStr = Field(
        default=SecretStr(""), description="Run history and event log in `services`; the ledger's database unless given."
    )
    webserver_host: str = "127.0.0.1"
    webserver_port: int = Field(default=3000, ge=1, le=65535)
    retention_days: float = Field(default=30.0, gt=0, description="Finished runs leave Dagster's history after so long.")
    daemon_heartbeat_tolerance_seconds: int = Field(default=60, ge=1, description="A daemon silent for longer is unhealthy.")


class IndexSettings(BaseModel):
    """Where the search index lies."""

    kind: Literal["embedded", "services"] | None = Field(
        default=None,
        description="In the data folder, or in the database, OpenSearch and the object store. Default: as the profile.",
    )


class OpenSearchSettings(BaseModel):
    """The server of the lexical and the learned sparse leg."""

    url: str = Field(default="", description="`http://host:port` or `https://host:port`.")
    user: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = Field(default=None, description="Certificate authority of the server, where the system has none.")
    prefix: str = Field(default="medkg", pattern=r"^[a-z0-9][a-z0-9-]*$", description="Begins the name of every index.")
    placement: Literal["own", "shared"] = Field(
        default="own", description="An index a tenant, or one for all that are not named in `placements`."
    )
    placements: dict[str, Literal["own", "shared"]] = Field(default={}, description="Of single tenants, as JSON by their names.")
    shards: int = Field(default=1, ge=1, le=1024, description="Of an index, when it is made.")
    replicas: int = Field(default=0, ge=0, le=10, description="Of an index, when it is made.")
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="Per request.")
    policy: str = Field(default="search-store", description="Resilience policy of each request that writes.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("the address of OpenSearch begins with http:// or https://")
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("a user needs a password, and a password a user")
        return self

    def is_shared(self, tenant_id: str) -> bool:
        """Whether a tenant's rows lie in the index of all."""
        return self.placements.get(tenant_id, self.placement) == "shared"


class LineageSettings(BaseModel):
    """Where OpenLineage events go, if `MK_ENABLE_OPENLINEAGE` is set."""

    transport: Literal["file", "http", "kafka"] = "file"
    path: Path | None = Field(default=None, description="Of transport `file`; `lineage.jsonl` in the data folder by default.")
    url: str = Field(default="", description="Of transport `http`.")
    topic: str = Field(default="openlineage.events", description="Of transport `kafka`, on the brokers of the events.")


class LogSettings(BaseModel):
    """What processes write about themselves."""

    json_lines: bool = Field(default=True, description="JSON for machines; false: text for people.")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


STATIC_DENSE_WEIGHT = 0.35


class LegWeights(BaseModel):
    """How much each leg counts in a weighted fusion; chosen on SciFact's training queries (`benchmarks/retrieval`)."""

    bm25: float = Field(default=0.6, ge=0, le=1000)
    sparse: float = Field(default=0.3, ge=0, le=1000)
    dense: float | None = Field(
        default=None, ge=0, le=1000, description=f"Default: 1, but {STATIC_DENSE_WEIGHT} for vectors of the model `static`."
    )


class SearchSettings(BaseModel):
    """Defaults of a query."""

    depth: int = Field(default=100, ge=1, le=10_000, description="Hits taken from each leg before fusion.")
    fusion: Literal["rrf", "wrrf", "minmax"] = Field(
        default="minmax", description="The weighted mean of scaled scores, reciprocal rank fusion, or the same with weights."
    )
    weights: LegWeights = LegWeights()
    rrf_k: int = Field(default=60, ge=1, le=1000, description="The constant of reciprocal rank fusion.")
    leg_timeout_seconds: float = Field(
        default=5.0, gt=0, le=600, description="A leg that has not answered by then is left out, and named in the answer."
    )


class RerankSettings(BaseModel):
    """A cross-encoder that orders the first hits anew; off unless a server is named."""

    server: Literal["none", "tei", "vllm"] = Field(default="none", description="Whose `/rerank` is spoken.")
    base_url: HttpUrl = Field(default=HttpUrl("http://localhost:8082"), description="`/rerank` is put after it.")
    api_model: str = Field(default="BAAI/bge-reranker-v2-m3", description="Name under which the server has the model.")
    api_key: SecretStr = SecretStr("")
    candidates: int = Field(default=50, ge=1, le=1000, description="So many of the first hits are ordered anew.")
    request_size: int = Field(default=32, ge=1, le=1000, description="Passages per request.")
    timeout_seconds: float = Field(
        default=2.0, gt=0, le=600, description="Per request; a late reranker leaves the order as it is."
    )


def _users_data_folder() -> Path:
    return user_data_path("medical-kg-rev")


class Settings(BaseSettings):
    """The whole configuration of one process."""

    model_config = SettingsConfigDict(env_prefix="MK_", env_nested_delimiter="__", extra="ignore", frozen=True)

    profile: Literal["embedded", "services"] = "embedded"
    use_dagster: bool | None = Field(default=None, description="`false` asks for another path than Dagster's; there is none yet.")
    enable_openlineage: bool = Field(default=False, description="Emit OpenLineage events.")
    data_dir: Path = Field(default_factory=_users_data_folder, description="Where everything is kept.")
    config_dir: Path | None = Field(default=None, description="Own pipelines and policies instead of the shipped ones.")
    models_dir: Path | None = Field(default=None, description="Where models are kept; `models` in the data folder by default.")
    contact_email: str = Field(default="", description="Sent to sources with polite pools.")
    adapters: AdapterSettings = AdapterSettings()
    download: DownloadSettings = DownloadSettings()
    pdf: PdfSettings = PdfSettings()
    mineru: MineruSettings = MineruSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    sparse: SparseSettings = SparseSettings()
    extraction: ExtractionSettings = ExtractionSettings()
    llm: LlmSettings = LlmSettings()
    batch: BatchSettings = BatchSettings()
    queue: QueueSettings = QueueSettings()
    database: DatabaseSettings = DatabaseSettings()
    events: EventSettings = EventSettings()
    object_store: ObjectStoreSettings = ObjectStoreSettings()
    index: IndexSettings = IndexSettings()
    opensearch: OpenSearchSettings = OpenSearchSettings()
    graph: GraphSettings = GraphSettings()
    neo4j: Neo4jSettings = Neo4jSettings()
    dagster: DagsterSettings = DagsterSettings()
    lineage: LineageSettings = LineageSettings()
    log: LogSettings = LogSettings()
    search: SearchSettings = SearchSettings()
    rerank: RerankSettings = RerankSettings()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """A profile is whole: what it needs is given."""
        needed = {
            "MK_DATABASE__URL": "services" in (self.profile, self.index_kind) and not self.database.url.get_secret_value(),
            "MK_EVENTS__BOOTSTRAP_SERVERS": self.event_sink == "kafka" and not self.events.bootstrap_servers,
            "MK_OBJECT_STORE__ENDPOINT_URL": self.object_store_kind == "s3" and not self.object_store.endpoint_url,
            "MK_OPENSEARCH__URL": self.index_kind == "services" and not self.opensearch.url,
            "MK_NEO4J__URL": self.graph_kind == "neo4j" and not self.neo4j.url,
            "MK_MINERU__URL": self.pdf.engine == "mineru" and not self.mineru.url,
            "MK_LINEAGE__URL": self.enable_openlineage and self.lineage.transport == "http" and not self.lineage.url,
        }
        missing = [name for name, is_missing in needed.items() if is_missing]
        if missing:
            raise ValueError(f"profile {self.profile} needs {', '.join(missing)}; `medkg services up` starts servers to try")
        if misfit := self.events.misfit():
            raise ValueError(misfit)
        if self.use_dagster is False:
            raise ValueError("MK_USE_DAGSTER=false asks for a path that does not exist; unset it")
        return self

    def plain(self) -> dict[str, Any]:
        """As JSON values, secrets in clear: for a pipe to a process of ours, never for a file or a log."""
        return {name: _plain(value) for name, value in self}

    def policies_named(self) -> set[str]:
        """The resilience policies that these settings name."""
        sources = [source for _name, source in self.adapters if isinstance(source, RemoteSource)]
        named = {self.embedding.policy, self.sparse.policy, self.download.policy, *(source.policy for source in sources)}
        if self.llm.server != "none":
            named.add(self.llm.policy)
        return named | {part.policy for part in (self.opensearch, self.neo4j, self.mineru) if part.url}

    def secrets(self) -> list[str]:
        """The values that no message may contain, and the passwords inside addresses."""
        found = [value.get_secret_value() for value in _secrets_in(self)]
        passwords = [urlsplit(value).password or "" for value in found if "://" in value]
        return [value for value in (*found, *passwords) if value]

    @property
    def sparse_model(self) -> str:
        """``none``, ``splade-tiny`` or ``http``."""
        return self.sparse.model or ("none" if self.embedding.model == "static" else "splade-tiny")

    @property
    def leg_weights(self) -> dict[str, float]:
        """How much each leg counts."""
        weights = self.search.weights
        dense = STATIC_DENSE_WEIGHT if self.embedding.model == "static" else 1.0
        return {"bm25": weights.bm25, "sparse": weights.sparse, "dense": dense if weights.dense is None else weights.dense}

    @property
    def event_sink(self) -> str:
        """``log`` or ``kafka``."""
        return self.events.sink or ("kafka" if self.profile == "services" else "log")

    @property
    def index_kind(self) -> str:
        """``embedded`` or ``services``."""
        return self.index.kind or self.profile

    @property
    def graph_kind(self) -> str:
        """``ladybug`` or ``neo4j``."""
        return self.graph.kind or ("neo4j" if self.profile == "services" else "ladybug")

    @property
    def object_store_kind(self) -> str:
        """``filesystem`` or ``s3``."""
        return self.object_store.kind or ("s3" if self.profile == "services" else "filesystem")

    @property
    def dagster_url(self) -> str:
        """The PostgreSQL of Dagster's history, with its password; empty where that is SQLite, as the ledger is then."""
        return self.dagster.postgres_url.get_secret_value() or self.database.url.get_secret_value()

    @property
    def model_root(self) -> Path:
        """Where model and term artefacts lie."""
        return self.models_dir or self.data_dir / "models"

    def orchestration_dir(self) -> Path:
        """The folder with ``pipelines/``, ``versions/`` and ``resilience.yaml``."""
        if self.config_dir is not None:
            return self.config_dir / "orchestration" if (self.config_dir / "orchestration").is_dir() else self.config_dir
        package = Path(str(resources.files("Medical_KG_rev")))
        installed = package / "config" / "orchestration"
        # A checkout keeps the files at its top, where they are edited; the wheel carries them inside the package.
        return installed if installed.is_dir() else package.parents[1] / "config" / "orchestration"


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, BaseModel):
        return {name: _plain(item) for name, item in value}
    return to_jsonable_python(value)


def _secrets_in(model: BaseModel) -> Iterator[SecretStr]:
    for _name, value in model:
        if isinstance(value, SecretStr):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, SecretStr))
        elif isinstance(value, BaseModel):
            yield from _secrets_in(value)


def data_folder() -> Path:
    """The data folder by the environment: known although settings lack what `medkg services` is asked for."""
    return Path(os.environ.get("MK_DATA_DIR") or _users_data_folder())


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
    given = fault.get("input")
    shown = "" if SECRET_NAME.search(name) or not isinstance(given, str | int | float) else f" (got {given!r})"
    return f"MK_{name}: {fault['msg']}{shown}"
