"""Which documents a pipeline would find unchanged, told without loading or making anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from Medical_KG_rev.orchestration.ledger import ArtifactRow, Ledger
from Medical_KG_rev.orchestration.pipeline import Pipeline, PipelineStage


class KnownDocument(msgspec.Struct, frozen=True):
    """A document whose every output exists and which every store holds in exactly this version."""

    doc_id: str
    content_digest: str
    counts: Mapping[str, int]


def find_unchanged(
    pipeline: Pipeline, ledger: Ledger, tenant_id: str, payload_digests: Mapping[str, str]
) -> dict[str, KnownDocument]:
    """Those of the payloads (any name → digest) that would pass all stages without work.

    A pure stage is passed when the artifact for its input exists; an effect when its store says that this version is live.
    None is known where a later stage goes out for something that may have changed.
    """
    if pipeline.gate is not None or any(stage.kind.of_job for stage in pipeline.stages[1:]):
        return {}
    first = pipeline.stages[0].name
    outputs: dict[str, dict[str, Any]] = {name: {first: digest} for name, digest in payload_digests.items()}
    for stage in pipeline.stages[1:]:
        keep = _keep_live if stage.is_effect else _keep_stored
        outputs = keep(stage, ledger, tenant_id, outputs)
    return {name: _known(rows) for name, rows in outputs.items()}


def _keep_stored(
    stage: PipelineStage, ledger: Ledger, tenant_id: str, outputs: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    keys = {name: stage.key(_digest(rows[stage.input_from or ""])) for name, rows in outputs.items()}
    found = ledger.find_artifacts(tenant_id, keys.values())
    return {name: {**rows, stage.name: found[keys[name]]} for name, rows in outputs.items() if keys[name] in found}


def _keep_live(
    stage: PipelineStage, _ledger: Ledger, tenant_id: str, outputs: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    wanted = {}
    for name, rows in outputs.items():
        row: ArtifactRow = rows[stage.input_from or ""]
        wanted[name] = (row.doc_id or "", stage.key(row.key))
    live = stage.live_versions(tenant_id, [doc_id for doc_id, _ in wanted.values()])
    return {name: rows for name, rows in outputs.items() if live.get(wanted[name][0]) == wanted[name][1]}


def _digest(output: str | ArtifactRow) -> str:
    return output if isinstance(output, str) else output.digest


def _known(rows: Mapping[str, Any]) -> KnownDocument:
    stored = [row for row in rows.values() if isinstance(row, ArtifactRow)]
    counts: dict[str, int] = {}
    for row in stored:
        counts.update(row.counts)
    document = next(row for row in reversed(stored) if "sections" in row.counts)
    return KnownDocument(document.doc_id or "", document.digest, counts)
