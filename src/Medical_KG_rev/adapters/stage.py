"""The ingest stage: brings records through their source's adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from Medical_KG_rev.adapters.manager import AdapterManager
from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.models import AdapterRequest, RawPayload, StageContext

RENDITIONS = ("pdf",)


class PluginIngestStage:
    """Satisfies ``IngestStage``. Its fingerprint names the sources and their versions.

    ``rendition`` is what is asked for where a source has a record in several formats: ``pdf``, or what the source prefers.
    """

    def __init__(self, manager: AdapterManager, rendition: Literal["", "pdf"] = "") -> None:
        self._manager = manager
        self._rendition: Literal["", "pdf"] = rendition
        sources = (manager.describe(name) for name in manager.names())
        self.fingerprint = "ingest:" + ",".join(f"{source.name}={source.version}" for source in sources)

    @classmethod
    def configured(cls, manager: AdapterManager, config: Mapping[str, Any]) -> PluginIngestStage:
        """From the ``config`` of a pipeline's stage: nothing, or ``rendition: pdf``. Raises DagsterPipelineConfigError."""
        unknown = sorted(set(config) - {"rendition"})
        if unknown:
            raise DagsterPipelineConfigError(
                f"The config of an ingest stage has no {unknown[0]!r}.", field=f"config.{unknown[0]}", valid=["rendition"]
            )
        if config and config["rendition"] not in RENDITIONS:
            raise DagsterPipelineConfigError(
                f"{config['rendition']!r} is no rendition.",
                remedy=f"Valid: {', '.join(RENDITIONS)}.",
                field="config.rendition",
                valid=RENDITIONS,
            )
        return cls(manager, config.get("rendition", ""))

    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:  # noqa: ARG002 - the stage's contract
        """The payloads of ``request.ids``; an id that the source does not know is absent.

        Raises:
            UsageError: an unknown source or an id that is none of its.
            RemoteError: nothing could be fetched.
        """
        if self._rendition:
            request = msgspec.structs.replace(request, rendition=self._rendition)
        return self._manager.get(request.source).fetch(request)
