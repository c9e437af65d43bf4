"""The three facets of our own. Each has a schema file beside this one, which its ``_schemaURL`` names."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any, ClassVar

from Medical_KG_rev import __version__

__all__ = ["PRODUCER", "SCHEMA_BASE", "GPUUtilizationFacet", "ModelVersionFacet", "RetryAttemptFacet", "facet_schemas"]

PRODUCER = f"https://medical-kg.example.com/medical-kg-rev/{__version__}"
"""Names the code that makes the events."""
SCHEMA_BASE = "https://medical-kg.example.com/schemas/openlineage"
"""Where the schema files are published, each in a folder of its version: what each ``$id`` names."""


class _Facet:
    """A run facet as plain data. ``KEY`` is its name among the facets of a run, ``VERSION`` its schema's."""

    KEY: ClassVar[str]
    VERSION: ClassVar[str] = "1-0-0"

    def _as_facet(self, **fields: Any) -> dict[str, Any]:
        name = type(self).__name__
        known = {key: value for key, value in fields.items() if value is not None}
        return {"_producer": PRODUCER, "_schemaURL": f"{SCHEMA_BASE}/{self.VERSION}/{name}.json#/$defs/{name}", **known}


@dataclass(frozen=True, slots=True)
class GPUUtilizationFacet(_Facet):
    """The GPUs as they were seen during the stage: bytes in use, and how busy they were in percent. Unknown is left out."""

    KEY: ClassVar[str] = "medicalKg_gpuUtilization"

    gpu_memory_used: int | None
    gpu_utilization_percent: float | None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in an event."""
        return self._as_facet(gpu_memory_used=self.gpu_memory_used, gpu_utilization_percent=self.gpu_utilization_percent)


@dataclass(frozen=True, slots=True)
class ModelVersionFacet(_Facet):
    """The model that made the stage's outputs, and the one that made sparse vectors beside it."""

    KEY: ClassVar[str] = "medicalKg_modelVersion"
    VERSION: ClassVar[str] = "1-1-0"

    model_name: str
    model_version: str
    sparse_model_name: str | None = None
    sparse_model_version: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in an event."""
        return self._as_facet(**asdict(self))


@dataclass(frozen=True, slots=True)
class RetryAttemptFacet(_Facet):
    """Attempts beyond the first that the stage needed, and how the waits between them grew."""

    KEY: ClassVar[str] = "medicalKg_retryAttempt"

    retry_count: int
    backoff_strategy: str

    def to_dict(self) -> dict[str, Any]:
        """As it stands in an event."""
        return self._as_facet(retry_count=self.retry_count, backoff_strategy=self.backoff_strategy)


def facet_schemas() -> dict[str, Any]:
    """The published schemas, by file name."""
    files = sorted(resources.files(__package__).iterdir(), key=lambda file: file.name)
    return {file.name: json.loads(file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".json")}
