"""Lineage: which data each batch and stage took and made, as OpenLineage events. Off unless it is asked for.

Off means that there is no :class:`Lineage` object; the library is then never imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.orchestration.lineage.runs import BatchRun, Lineage, StageRun, run_id

__all__ = ["BatchRun", "Lineage", "StageRun", "open_lineage", "run_id"]


def open_lineage(
    kind: Literal["file", "http", "kafka"],
    *,
    path: Path | None = None,
    url: str = "",
    endpoint: str = "api/v1/lineage",
    api_key: str = "",
    bootstrap_servers: str = "",
    topic: str = "",
    options: Mapping[str, str] | None = None,
    timeout_seconds: float = 5.0,
) -> Lineage:
    """An emitter that sends to a file, an HTTP endpoint or a Kafka topic; close it.

    Raises:
        ConfigurationError: a parameter of this kind is missing or wrong.
        PartUnavailableError: the extra `lineage` (or `kafka`) is not installed.
    """
    try:
        from Medical_KG_rev.orchestration.lineage.emitter import OpenLineageEmitter
        from Medical_KG_rev.orchestration.lineage.transports import LineageTarget, open_transport
    except ModuleNotFoundError as error:
        raise PartUnavailableError.not_installed("The lineage client openlineage-python", "lineage") from error
    target = LineageTarget(
        kind=kind,
        path=path,
        url=url,
        endpoint=endpoint,
        api_key=api_key,
        bootstrap_servers=bootstrap_servers,
        topic=topic,
        options=options or {},
        timeout_seconds=timeout_seconds,
    )
    return OpenLineageEmitter(open_transport(target))
