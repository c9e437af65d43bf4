"""Fits the weights of a linear-chain model to labelled sentences: stochastic gradient descent with AdaGrad.

The model has weights that all corpora share, and for each corpus what it adds. A corpus that does not annotate a type says
nothing about it: in its sentences, labels of that type do not exist. What is returned is the mean over the second half of the
epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from Medical_KG_rev.extraction.tagging.decoding import Layout

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """Some documents of one corpus, tokens in the order of ``layout``.

    ``features``: tokens x rows; ``rows``: the numbers of these in the model; ``labels``: of each token; ``allowed``: labels that
    the corpus annotates.
    """

    corpus: str
    features: Any
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    layout: Layout

    @classmethod
    def of(
        cls,
        corpus: str,
        tokens: Sequence[NDArray[np.int64]],
        labels: Sequence[int],
        allowed: NDArray[np.bool_],
        sentences: Sequence[tuple[int, int]],
    ) -> Batch:
        """From the rows and the label of each token."""
        layout = Layout.of(sentences)
        ordered = [tokens[at] for at in layout.order]
        ends = np.cumsum([0, *map(len, ordered)])
        rows, columns = np.unique(np.concatenate(ordered), return_inverse=True)
        ones = np.ones(len(columns), np.float32)
        features = csr_matrix((ones, columns.astype(np.int32), ends.astype(np.int32)), shape=(len(ordered), len(rows)))
        return cls(corpus, features, rows, np.array(labels, np.int64)[layout.order], allowed, layout)


@dataclass
class Parameters:
    """``shared`` and, by corpus, ``added``: rows x labels; ``transitions``: (labels + 1) x labels, the last row the start."""

    shared: Floats
    added: dict[str, Floats]
    transitions: Floats

    @classmethod
    def zeros(cls, rows: int, labels: int, corpora: Sequence[str]) -> Parameters:
        added = {corpus: np.zeros((rows, labels), np.float32) for corpus in corpora}
        return cls(np.zeros((rows, labels), np.float32), added, np.zeros((labels + 1, labels), np.float32))

    def emissions(self, batch: Batch, shares: dict[str, float]) -> Floats:
        """Tokens x labels in the batch's order."""
        weights = self.shared[batch.rows]
        for corpus, share in shares.items():
            weights = weights + share * self.added[corpus][batch.rows]
        found: Floats = batch.features @ weights
        return found

    def add(self, other: Parameters, factor: float) -> None:
        """Adds another's values times ``factor``."""
        self.shared += factor * other.shared
        self.transitions += factor * other.transitions
        for corpus in self.added:
            self.added[corpus] += factor * other.added[corpus]


@dataclass(frozen=True)
class Recipe:
    """``dropout``: the part of features left out at random.

    ``decay`` and ``own_decay``: how shared weights, and those of corpora, are pulled towards nothing.
    """

    epochs: int = 10
    rate: float = 0.05
    dropout: float = 0.3
    decay: float = 1e-3
    own_decay: float = 3e-3
    seed: int = 0


def fit(batches: Sequence[Batch], rows: int, allowed: NDArray[np.bool_], recipe: Recipe) -> Parameters:
    """``rows``: number of feature rows; ``allowed``: which label may follow which, the last row for the start."""
    random = np.random.default_rng(recipe.seed)
    corpora = sorted({batch.corpus for batch in batches})
    labels = allowed.shape[1]
    current, squares = Parameters.zeros(rows, labels, corpora), Parameters.zeros(rows, labels, corpora)
    mean = Parameters.zeros(rows, labels, corpora)
    averaged = range(recipe.epochs // 2, recipe.epochs)
    for epoch in range(recipe.epochs):
        for number in random.permutation(len(batches)):
            _step(batches[number], current, squares, allowed, recipe, random)
        if epoch in averaged:
            mean.add(current, 1 / len(averaged))
    return mean


def _step(
    batch: Batch,
    current: Parameters,
    squares: Parameters,
    allowed: NDArray[np.bool_],
    recipe: Recipe,
    random: np.random.Generator,
) -> None:
    features = batch.features.copy()
    kept = random.random(len(features.data), dtype=np.float32) >= recipe.dropout
    features.data = kept.astype(np.float32) / np.float32(1 - recipe.dropout)
    own = current.added[batch.corpus]
    weights = current.shared[batch.rows] + own[batch.rows]
    jumps = np.exp(current.transitions) * allowed
    errors, jump_errors = _gradient(features @ weights, batch, jumps)
    slope = features.T @ errors
    size = len(batch.labels) / 100
    for values, square, decay, pulled in (
        (current.shared, squares.shared, recipe.decay, weights),
        (own, squares.added[batch.corpus], recipe.own_decay, own[batch.rows]),
    ):
        step = slope + decay * size * pulled
        seen = square[batch.rows] + step * step
        square[batch.rows] = seen
        values[batch.rows] -= recipe.rate * step / (np.sqrt(seen) + 1e-6)
    squares.transitions += jump_errors * jump_errors
    current.transitions -= recipe.rate * jump_errors / (np.sqrt(squares.transitions) + 1e-6)


def _gradient(emissions: Floats, batch: Batch, jumps: Floats) -> tuple[Floats, Floats]:
    """Expected minus observed: labels of tokens (tokens x labels), and transitions with the start in the last row."""
    weights = np.exp(emissions - emissions.max(axis=1, keepdims=True)) * batch.allowed
    steps = batch.layout.steps
    forward, backward = np.empty_like(weights), np.ones_like(weights)
    scale = np.empty((len(weights), 1), np.float32)
    before = None
    for place, width in steps:
        here = slice(place, place + width)
        reached = weights[here] * (jumps[-1] if before is None else before[:width] @ jumps[:-1])
        scale[here] = reached.sum(axis=1, keepdims=True)
        before = forward[here] = reached / scale[here]
    pairs = np.zeros_like(jumps)
    for (earlier, _), (place, width) in reversed(list(pairwise(steps))):
        here, previous = slice(place, place + width), slice(earlier, earlier + width)
        ahead = weights[here] * backward[here] / scale[here]
        backward[previous] = ahead @ jumps[:-1].T
        pairs[:-1] += forward[previous].T @ ahead
    expected = forward * backward
    pairs *= jumps
    pairs[-1] = expected[: steps[0][1]].sum(axis=0)
    np.subtract.at(pairs[-1], batch.labels[: steps[0][1]], 1)
    for (earlier, _), (place, width) in pairwise(steps):
        np.subtract.at(pairs, (batch.labels[earlier : earlier + width], batch.labels[place : place + width]), 1)
    expected[np.arange(len(expected)), batch.labels] -= 1
    return expected, pairs
