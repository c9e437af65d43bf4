"""The ingest stage: brings records through their source's adapter."""

from __future__ import annotations

from Medical_KG_rev.adapters.manager import AdapterManager
from Medical_KG_rev.models import AdapterRequest, RawPayload, StageContext


class PluginIngestStage:
    """Satisfies ``IngestStage``. Its fingerprint names the sources and their versions."""

    def __init__(self, manager: AdapterManager) -> None:
        self._manager = manager
        sources = (manager.describe(name) for name in manager.names())
        self.fingerprint = "ingest:" + ",".join(f"{source.name}={source.version}" for source in sources)

    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:  # noqa: ARG002 - the stage's contract
        """The payloads of ``request.ids``; an id that the source does not know is absent.

        Raises:
            UsageError: an unknown source or an id that is none of its.
            RemoteError: nothing could be fetched.
        """
        return self._manager.get(request.source).fetch(request)
