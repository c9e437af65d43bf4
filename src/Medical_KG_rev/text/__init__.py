"""From text to passages to vectors: model artefacts, the chunker, the embedder, the sparse expander and their models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from Medical_KG_rev.text.backends import EmbeddingBackend
    from Medical_KG_rev.text.chunker import HaystackChunker
    from Medical_KG_rev.text.embedder import EmbeddingSample, HaystackEmbedder
    from Medical_KG_rev.text.expander import ExpansionSample, HaystackSparseExpander
    from Medical_KG_rev.text.models import ModelInfo, ModelStore
    from Medical_KG_rev.text.opening import open_backend, open_sparse_backend
    from Medical_KG_rev.text.sparse import SparseBackend

__all__ = [
    "EmbeddingBackend",
    "EmbeddingSample",
    "ExpansionSample",
    "HaystackChunker",
    "HaystackEmbedder",
    "HaystackSparseExpander",
    "ModelInfo",
    "ModelStore",
    "SparseBackend",
    "open_backend",
    "open_sparse_backend",
]

_HOMES = {
    "EmbeddingBackend": "backends",
    "EmbeddingSample": "embedder",
    "ExpansionSample": "expander",
    "HaystackChunker": "chunker",
    "HaystackEmbedder": "embedder",
    "HaystackSparseExpander": "expander",
    "ModelInfo": "models",
    "ModelStore": "models",
    "SparseBackend": "sparse",
    "open_backend": "opening",
    "open_sparse_backend": "opening",
}


def __getattr__(name: str) -> Any:
    """Haystack takes a second to import: each name brings its module when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
