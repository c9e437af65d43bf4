"""The port behind which learned sparse models live, and what is kept of their weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.models import SparseMatrix, SparseVector

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAVIEST = float(np.finfo(np.float16).max)
"""The greatest weight that can be kept."""


class SparseBackend(Protocol):
    """Turns texts into weights of vocabulary terms.

    ``fingerprint`` covers the model, its vocabulary and how many terms of a text are kept: term ids and weights mean nothing
    under another one. ``max_tokens`` bounds what is read of a text, special tokens apart; the rest of it is cut off.
    """

    name: str
    fingerprint: str
    max_tokens: int
    truncated: int
    """Texts cut so far."""

    def encode(self, texts: Sequence[str]) -> SparseMatrix:
        """One row a text, in the order given; a text of which the model makes nothing has an empty row."""
        ...

    def encode_query(self, text: str) -> SparseVector:
        """The heaviest terms of a query."""
        ...

    def close(self) -> None:
        """Frees the model or the connection."""
        ...


def prune(terms: NDArray[np.int32], weights: NDArray[np.float32], limit: int, special: NDArray[np.int32]) -> SparseVector:
    """The ``limit`` heaviest terms that are words, ascending, with their weights as 16-bit floats have them.

    Of equally heavy terms the lower ids are kept. Weights must be finite and at most :data:`HEAVIEST`.
    """
    kept = weights.astype(np.float16).astype(np.float32)
    words = np.flatnonzero((kept > 0) & ~np.isin(terms, special))
    if len(words) > limit:
        words = words[np.lexsort((terms[words], -kept[words]))[:limit]]
    words = words[np.argsort(terms[words])]
    return SparseVector(terms[words].astype(np.int32), kept[words])


def matrix_of(rows: Iterable[SparseVector], model: str, fingerprint: str) -> SparseMatrix:
    """The vectors as one matrix."""
    vectors = list(rows)
    return SparseMatrix(
        np.cumsum([0, *(len(vector.terms) for vector in vectors)], dtype=np.int64),
        np.concatenate([np.empty(0, np.int32), *(vector.terms for vector in vectors)]),
        np.concatenate([np.empty(0, np.float16), *(vector.weights.astype(np.float16) for vector in vectors)]),
        model,
        fingerprint,
    )
