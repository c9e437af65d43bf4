"""The port behind which embedding models live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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
