"""Opens the models that the settings name."""

from __future__ import annotations

from Medical_KG_rev.models import Caller
from Medical_KG_rev.settings import EmbeddingSettings, Settings
from Medical_KG_rev.text.backends import EmbeddingBackend
from Medical_KG_rev.text.models import ModelStore
from Medical_KG_rev.text.sparse import SparseBackend


def open_backend(settings: EmbeddingSettings, store: ModelStore, caller: Caller | None = None) -> EmbeddingBackend:
    """The back end that the settings name. There is no fallback.

    Args:
        settings: which model, and how it runs.
        store: where local models lie.
        caller: retries the requests of the ``http`` back end; without one each is made once.

    Raises:
        ModelNotInstalledError: a local model was not fetched.
        ModelCorruptError: its files changed.
    """
    if settings.model == "http":
        from Medical_KG_rev.text.endpoint import HttpBackend

        return HttpBackend(settings, caller)
    if settings.model == "static":
        from Medical_KG_rev.text.static import StaticBackend

        return StaticBackend(store)
    from Medical_KG_rev.text.onnx import RECIPES, OnnxBackend

    return OnnxBackend(RECIPES[settings.model], store, batch_size=settings.batch_size, threads=settings.threads)


def open_sparse_backend(settings: Settings, store: ModelStore, caller: Caller | None = None) -> SparseBackend | None:
    """The back end that the settings name; None where they name none. There is no fallback.

    Args:
        settings: ``sparse_model`` says which model, ``sparse`` how it runs.
        store: where local models lie.
        caller: retries the requests of the ``http`` back end; without one each is made once.

    Raises:
        ModelNotInstalledError: a local model was not fetched.
        ModelCorruptError: its files changed.
    """
    if settings.sparse_model == "none":
        return None
    if settings.sparse_model == "http":
        from Medical_KG_rev.text.sparse_endpoint import TeiBackend

        return TeiBackend(settings.sparse, caller)
    from Medical_KG_rev.text.splade import SpladeBackend

    return SpladeBackend(store, settings.sparse)
