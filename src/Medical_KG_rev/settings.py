"""Settings: one tree, read from ``MK_…`` environment variables (``MK_SECTION__FIELD``) and overridden by arguments."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import BaseModel, Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class RemoteSource(BaseModel):
    """How one remote API is reached."""

    base_url: HttpUrl
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="Per request.")
    max_response_bytes: int = Field(default=64 * MEBIBYTE, gt=0, description="An answer above this size is refused.")
    page_size: int = Field(default=100, ge=1, le=1000, description="Records per listing page and per request by id.")
    policy: str = Field(default="polite-api", description="Resilience policy of each request.")


class AdapterSettings(BaseModel):
    """The sources' addresses and limits."""

    clinicaltrials: RemoteSource = RemoteSource(base_url=HttpUrl("https://clinicaltrials.gov/api/v2"))
    openalex: RemoteSource = RemoteSource(base_url=HttpUrl("https://api.openalex.org"), page_size=50)
    pmc_fulltext: RemoteSource = RemoteSource(base_url=HttpUrl("https://www.ebi.ac.uk/europepmc/webservices/rest"))
    max_file_bytes: int = Field(default=64 * MEBIBYTE, gt=0, description="A local file above this size is refused.")
    allow_private_addresses: bool = Field(
        default=False, description="Let sources live on private addresses; their configured host always may."
    )


class ChunkingSettings(BaseModel):
    """How documents are cut. Tokens are the embedding model's own."""

    max_tokens: int = Field(default=384, ge=32, le=8192)
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


class BatchSettings(BaseModel):
    """How jobs are grouped into runs."""

    size: int = Field(default=500, ge=1, le=1000, description="Jobs per Dagster run.")
    flush_seconds: float = Field(default=10.0, gt=0, le=30, description="A crash loses at most this much finished work.")
    fetch_slice: int = Field(default=50, ge=1, le=1000, description="Records per call of ingest.")
    index_slice: int = Field(default=256, ge=1, le=1000, description="Documents per index commit.")
    embed_slice: int = Field(default=256, ge=1, le=4096, description="Chunks per embedding call.")
    graph_slice: int = Field(default=256, ge=1, le=1000, description="Documents per graph commit.")


class SearchSettings(BaseModel):
    """Defaults of a query."""

    depth: int = Field(default=100, ge=1, le=10_000, description="Hits taken from each leg before fusion.")
    rrf_k: int = Field(default=60, ge=1, le=1000, description="The constant of reciprocal rank fusion.")


class Settings(BaseSettings):
    """The whole configuration of one process."""

    model_config = SettingsConfigDict(env_prefix="MK_", env_nested_delimiter="__", extra="ignore", frozen=True)

    profile: Literal["embedded"] = "embedded"
    data_dir: Path = Field(default_factory=lambda: user_data_path("medical-kg-rev"), description="Where everything is kept.")
    config_dir: Path | None = Field(default=None, description="Own pipelines and policies instead of the shipped ones.")
    models_dir: Path | None = Field(default=None, description="Where models are kept; `models` in the data folder by default.")
    contact_email: str = Field(default="", description="Sent to sources with polite pools.")
    adapters: AdapterSettings = AdapterSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    batch: BatchSettings = BatchSettings()
    search: SearchSettings = SearchSettings()

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
