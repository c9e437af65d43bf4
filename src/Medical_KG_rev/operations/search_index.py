"""Upkeep of the search index with the parts of one process: its stores, and the models that make lost vectors anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.models import Chunk, EmbeddingBatch, StageContext
from Medical_KG_rev.parts import PlatformParts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from Medical_KG_rev.index.maintenance import RepairReport, Verification
    from Medical_KG_rev.index.reembedding import ReembedReport, Target

Progress = Callable[[int, int], None]


def verify_index(parts: PlatformParts, tenant_id: str) -> Verification:
    """Holds every store of the index against its catalogue; changes nothing."""
    from Medical_KG_rev.index.maintenance import IndexMaintenance

    return IndexMaintenance(parts.index_stores, _embedder(parts, tenant_id)).verify(tenant_id)


def repair_index(parts: PlatformParts, tenant_id: str) -> RepairReport:
    """Makes anew what is lost, and clears away what belongs to nobody."""
    from Medical_KG_rev.index.maintenance import IndexMaintenance

    return IndexMaintenance(parts.index_stores, _embedder(parts, tenant_id)).repair(tenant_id)


def reembed_index(
    parts: PlatformParts, tenant_id: str, *, model: str | None, sparse: str | None, progress: Progress
) -> ReembedReport:
    """Brings the index to the models named; a kind that is not named stays.

    Raises:
        UsageError: none is named, or there is no such model.
        ModelNotInstalledError: it was not fetched.
    """
    from Medical_KG_rev.index.reembedding import Reembedding

    if model is None and sparse is None:
        raise UsageError("No model is named.", remedy="Give --model or --sparse; `medkg models list` shows what there is.")
    dense_settings, sparse_settings = ({"model": name} if name is not None else None for name in (model, sparse))
    with _with_models(parts, dense_settings, sparse_settings) as others:
        embed = _embedder(others, tenant_id, dense=model is not None)
        return Reembedding(parts.index_stores, embed, progress).run(tenant_id, _targets(others, model, sparse))


def switch_back(parts: PlatformParts, tenant_id: str, *, progress: Progress) -> ReembedReport:
    """Brings the index back to the models it had before; chunks written since get their vectors first.

    A model that is none of the local ones is asked of the endpoint of the settings, under its name.
    """
    from Medical_KG_rev.index.reembedding import Reembedding, returning

    with parts.index_stores.reading(tenant_id) as catalogue:
        if catalogue is None:
            raise UsageError(f"Tenant {tenant_id!r} has no index.", tenant=tenant_id)
        targets = returning(catalogue)
    former = {target.kind: _former(target) for target in targets}
    with _with_models(parts, former.get("dense"), former.get("sparse")) as others:
        embed = _embedder(others, tenant_id, dense="dense" in former)
        return Reembedding(parts.index_stores, embed, progress).run(tenant_id, targets)


def drop_retired(parts: PlatformParts, tenant_id: str) -> ReembedReport:
    """Removes the vectors of models that the index no longer has."""
    from Medical_KG_rev.index.reembedding import Reembedding

    return Reembedding(parts.index_stores, _embedder(parts, tenant_id)).drop_retired(tenant_id)


def _embedder(parts: PlatformParts, tenant_id: str, *, dense: bool = True) -> Callable[[Sequence[Chunk]], EmbeddingBatch]:
    """The embed stage as a function; without ``dense`` only sparse vectors are made."""

    def make_vectors(chunks: Sequence[Chunk]) -> EmbeddingBatch:
        if dense:
            return parts.components.embedder.execute(StageContext(tenant_id), list(chunks))
        import numpy as np

        expander = parts.components.expander
        found = expander.expand(list(chunks)) if expander is not None else None
        return EmbeddingBatch(tuple(chunks), np.zeros((len(chunks), 1), dtype=np.float32), "none", "none", found)

    return make_vectors


def _targets(parts: PlatformParts, model: str | None, sparse: str | None) -> list[Target]:
    from Medical_KG_rev.index.reembedding import Target

    targets = []
    if model is not None:
        backend = parts.backend
        targets.append(Target("dense", backend.name, backend.fingerprint, backend.dimension))
    if sparse is not None:
        expander = parts.sparse_backend
        targets.append(
            Target("sparse", "none", None, 0) if expander is None else Target("sparse", expander.name, expander.fingerprint, 0)
        )
    return targets


def _former(target: Target) -> dict[str, Any]:
    """The settings with which the model of a target is opened."""
    from Medical_KG_rev.text.artefacts import ARTEFACTS

    if target.model in {artefact.name for artefact in ARTEFACTS}:
        return {"model": target.model}
    return {"model": "http", "api_model": target.model} | ({"dimension": target.dimension} if target.kind == "dense" else {})


@contextmanager
def _with_models(parts: PlatformParts, dense: dict[str, Any] | None, sparse: dict[str, Any] | None) -> Iterator[PlatformParts]:
    """Parts with other models, given by what their sections of the settings say otherwise."""
    from Medical_KG_rev.settings import settings_from

    plain: dict[str, Any] = parts.settings.plain()
    plain["embedding"] |= dense or {}
    plain["sparse"] |= sparse or {"model": "none"}
    others = PlatformParts(settings_from(plain))
    try:
        yield others
    finally:
        others.close()
