"""The port behind which embedding models live, and how the configured one is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.models import Caller
from Medical_KG_rev.settings import EmbeddingSettings
from Medical_KG_rev.text.models import ModelStore

__all__ = ["EmbeddingBackend", "Vectors", "open_backend"]

Vectors = NDArray[np.float32]
"""Shape (n, dimension), rows of unit length."""


class EmbeddingBackend(Protocol):
    """Turns texts into vectors. ``max_tokens`` bounds a text as :meth:`count_tokens` counts it (special tokens apart)."""

    name: str
    dimension: int
    fingerprint: str
    max_tokens: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit row a text, in the order given. Raises where a text is too long: nothing is cut off silently."""
        ...

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a query, of shape (dimension,), with the model's own query prefix. An overlong query is cut."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text in the model's own tokens, without special ones. Adds up over whitespace-separated words."""
        ...

    def close(self) -> None:
        """Frees the model or the connection."""
        ...


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
