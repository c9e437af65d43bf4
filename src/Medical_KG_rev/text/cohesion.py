"""How well the units of a text hang together, from their words alone.

Each unit is a TF-IDF vector over the words of its own document, so that no model has to run. The cosine between the windows
before and after a gap follows Hearst, "TextTiling" (Computational Linguistics 23(1), 1997).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["METHOD", "Cohesion"]

METHOD = "lexical-tfidf"

_WORD = re.compile(r"[^\W_]{3,}")
_COMMON_WORDS = """
and are been being between both but can each for from had has have into its may more most not other our
such than that the their them then there these they this those using was were when which while who will with within without
"""
_STOPWORDS = frozenset(_COMMON_WORDS.split())
_WINDOW = 3
_MAX_COLUMNS = 512
_TABLE_SIZE = 1 << 21
"""Cells of the unit by word table: in a very long document words share columns rather than filling the memory."""


class Cohesion:
    """Scores over a sequence of units; ranges are unit indexes, end exclusive."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._sums = np.zeros((len(texts) + 1, 1))
        self._scored = np.zeros(len(texts) + 1)
        vectors = _vectors(texts)
        self._sums = np.vstack([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0)])
        self._scored = np.concatenate([[0], np.cumsum(vectors.any(axis=1))])
        self.similarity: NDArray[np.float64] = self._gaps(len(texts))
        """At index i, the cosine in [0, 1] of the three units before unit i and the three from it on; 0 at both ends."""

    def coherence(self, starts: Sequence[int], ends: Sequence[int]) -> NDArray[np.float64]:
        """Mean cosine in [0, 1] of a range's unit vectors to their centroid: for unit vectors, the length of their mean."""
        counts = self._scored[list(ends)] - self._scored[list(starts)]
        lengths = np.linalg.norm(self._sums[list(ends)] - self._sums[list(starts)], axis=1)
        return np.minimum(np.where(counts > 0, lengths / np.maximum(counts, 1), 1.0), 1.0)

    def depth(self, gap: int) -> float:
        """How far similarity falls at a gap, below the nearest peaks to its left and right: TextTiling's depth score / 2."""
        similarity = self.similarity
        left = right = gap
        while left > 1 and similarity[left - 1] >= similarity[left]:
            left -= 1
        while right < len(similarity) - 2 and similarity[right + 1] >= similarity[right]:
            right += 1
        return float(similarity[left] + similarity[right] - 2 * similarity[gap]) / 2

    def _gaps(self, count: int) -> NDArray[np.float64]:
        similarity = np.zeros(count + 1)
        if count < 2:
            return similarity
        middle = np.arange(1, count)
        left = self._sums[middle] - self._sums[np.maximum(middle - _WINDOW, 0)]
        right = self._sums[np.minimum(middle + _WINDOW, count)] - self._sums[middle]
        norms = np.sqrt(np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right))
        dots = np.einsum("ij,ij->i", left, right)
        similarity[1:count] = np.clip(dots / np.where(norms > 0, norms, 1), 0, 1)
        return similarity


def _vectors(texts: Sequence[str]) -> NDArray[np.float64]:
    """Unit rows, or rows of zeros for texts without words."""
    columns: dict[str, int] = {}
    rows, cells = [], []
    for text in texts:
        words = [word for word in _WORD.findall(text.lower()) if word not in _STOPWORDS]
        rows.append(len(words))
        cells += [columns.setdefault(word, len(columns)) for word in words]
    width = max(1, min(len(columns), _MAX_COLUMNS, max(64, _TABLE_SIZE // max(1, len(texts)))))
    flat = np.repeat(np.arange(len(texts)), rows) * width + np.asarray(cells, np.int64) % width
    counts = np.bincount(flat, minlength=len(texts) * width).reshape(len(texts), width)
    weights = np.log1p(len(texts) / np.maximum(np.count_nonzero(counts, axis=0), 1))
    weighted = counts * weights
    norms = np.linalg.norm(weighted, axis=1, keepdims=True)
    unit: NDArray[np.float64] = weighted / np.where(norms > 0, norms, 1)
    return unit
