"""Changes of configuration as events and log lines."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.ledger import Ledger

logger = logging.getLogger(__name__)


class ConfigurationEvents:
    """What a :class:`~Medical_KG_rev.orchestration.topology.ConfigWatch` tells.

    Processes that see the same change write the same event, which consumers take once.
    """

    def __init__(self, ledger: Ledger, directory: Path, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._directory = directory
        self._clock = clock

    def reloaded(self, kind: str, name: str, before: str | None, after: str | None) -> None:
        """A pipeline or the policies are in force as changed."""
        logger.info("%s %s reloaded: %s is in use instead of %s", kind, name, after, before)
        path = self._directory / ("resilience.yaml" if kind == "policies" else f"pipelines/{name}.yaml")
        digest, changed_at = self._state(path)
        event = self._ledger.events.config_reloaded(file=self._relative(path), digest=after or digest, changed_at=changed_at)
        self._ledger.outbox.write([event])

    def rejected(self, path: Path, error: DagsterPipelineConfigError) -> None:
        """A changed file is broken; the last good one stays in force."""
        logger.error("%s is not taken: %s", path, error)
        digest, changed_at = self._state(path)
        event = self._ledger.events.config_rejected(
            file=self._relative(path), digest=digest, changed_at=changed_at, code=error.code, message=error.message
        )
        self._ledger.outbox.write([event])

    def _state(self, path: Path) -> tuple[str, float]:
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime
        except OSError:
            return "", self._clock()

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._directory)) if path.is_relative_to(self._directory) else path.name
