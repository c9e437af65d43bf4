"""The classifiers of relations: a linear model over hashed words whose score, with all other features, goes to boosted trees.

Both are read from one ``.npz`` file without pickle and run in numpy alone; ``benchmarks/extraction/train_relations.py`` trains
them.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import ModelCorruptError
from Medical_KG_rev.extraction.relations.features import NAMES
from Medical_KG_rev.extraction.relations.pairs import HASH_BITS, Pairs

CONTEXT_NAMES: Final = (
    "score",
    "rank_among_first",
    "below_best_of_first",
    "rank_among_second",
    "below_best_of_second",
    "rank",
    "below_best",
    "mean_score",
)
"""What ``with_context`` adds to the features of a pair: its linear score, alone and beside those of its rivals."""

FEATURES_DIGEST: Final = hashlib.sha256(repr((HASH_BITS, NAMES, CONTEXT_NAMES)).encode()).hexdigest()[:16]
"""Weights fit the features that they were trained on."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Boosted regression trees.

    Node *n* of tree *t* is a leaf of ``value[t, n]`` if it is its own child; else on to its left child if
    ``row[feature[t, n]] <= threshold[t, n]``. All arrays are (trees, nodes); node 0 is the root; ``depth`` steps reach any leaf.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]
    depth: int

    def leaves(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of the leaves that rows (rows, features) reach: (rows, trees)."""
        trees, nodes = self.feature.shape
        count, width = rows.shape
        base = (np.arange(count, dtype=np.int32) * width)[:, None]
        flat = np.ascontiguousarray(rows).ravel()
        feature, threshold, left, right = (array.ravel() for array in (self.feature, self.threshold, self.left, self.right))
        node = np.broadcast_to(np.arange(trees, dtype=np.int32) * nodes, (count, trees))
        for _ in range(self.depth):
            goes_left = flat.take(feature.take(node) + base) <= threshold.take(node)
            node = np.where(goes_left, left.take(node), right.take(node))
        return np.asarray(self.value.ravel().take(node))


@dataclass(frozen=True, slots=True)
class Detector:
    """Says of a pair how probable it is that the text relates the two."""

    weights: NDArray[np.float32]
    bias: float
    trees: Trees
    threshold: float

    def rows(self, pairs: Pairs) -> NDArray[np.float32]:
        """The features of the trees: (pairs, len(NAMES) + len(CONTEXT_NAMES))."""
        return with_context(pairs, linear(pairs, self.weights) + self.bias)

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        total = self.trees.leaves(rows).sum(axis=1, dtype=np.float64)
        return np.asarray(1 / (1 + np.exp(-total)))


@dataclass(frozen=True, slots=True)
class Typer:
    """Says of a related pair which of ``labels`` the relation is.

    ``weights`` is (2 ** HASH_BITS, labels); the trees go label by label.
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    trees: Trees

    def probabilities(self, pairs: Pairs, rows: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """(chosen, labels) for the chosen pairs, whose features for the detector are ``rows`` (all pairs)."""
        count = len(self.labels)
        scores = np.stack([linear(pairs, self.weights[:, label]) for label in range(count)], axis=1) + self.bias
        features = np.concatenate([rows[chosen], scores[chosen]], axis=1).astype(np.float32)
        leaves = self.trees.leaves(features).astype(np.float64)
        total = leaves.reshape(len(chosen), -1, count).sum(axis=1)
        powers = np.exp(total - total.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def linear(pairs: Pairs, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of the weights of each pair's words."""
    sums = np.concatenate(([0.0], np.cumsum(weights[pairs.hashed], dtype=np.float64)))
    return np.asarray(sums[pairs.bounds[1:]] - sums[pairs.bounds[:-1]])


def with_context(pairs: Pairs, score: NDArray[np.float64]) -> NDArray[np.float32]:
    """A pair's features, its linear score, and how that stands among the pairs of its kind that share an entity with it."""
    alike = pairs.kind[:, None] == pairs.kind[None, :]
    higher = score[None, :] > score[:, None]
    columns = [score]
    for group in (
        alike & (pairs.first[:, None] == pairs.first[None, :]),
        alike & (pairs.second[:, None] == pairs.second[None, :]),
        alike,
    ):
        columns.append((group & higher).sum(axis=1))
        columns.append(score - np.where(group, score[None, :], -np.inf).max(axis=1))
    columns.append((alike * score[None, :]).sum(axis=1) / alike.sum(axis=1))
    return np.concatenate([pairs.dense, np.stack(columns, axis=1)], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class RelationModel:
    """``induced`` knows chemicals that induce diseases; ``related`` any two entities, and ``typer`` how they are related."""

    fingerprint: str
    induced: Detector
    related: Detector
    typer: Typer

    @classmethod
    def open(cls, path: Path) -> RelationModel:
        """Reads the weights at ``path``; their sha256 stands beside them in ``<name>.sha256``.

        Raises:
            ModelCorruptError: a file is missing, is not what its digest says, or is of other features than this version's.
        """
        try:
            data = path.read_bytes()
            expected = path.with_name(path.name + ".sha256").read_text(encoding="ascii").split()[:1]
        except (OSError, UnicodeDecodeError) as error:
            raise _corrupt(path, str(error)) from error
        digest = hashlib.sha256(data).hexdigest()
        if [digest] != expected:
            raise _corrupt(path, "its sha256 is not the one beside it")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return cls._of(digest, {name: arrays[name] for name in arrays.files})
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise _corrupt(path, str(error)) from error

    @classmethod
    def _of(cls, digest: str, arrays: Mapping[str, NDArray[Any]]) -> RelationModel:
        if str(arrays["features"]) != FEATURES_DIGEST:
            raise ValueError("it was trained on other features")
        typer = Typer(
            tuple(str(label) for label in arrays["typer.labels"]),
            arrays["typer.weights"].astype(np.float32),
            arrays["typer.bias"].astype(np.float32),
            _trees(arrays, "typer"),
        )
        return cls(digest, _detector(arrays, "induced"), _detector(arrays, "related"), typer)


def _detector(arrays: Mapping[str, NDArray[Any]], name: str) -> Detector:
    weights = arrays[f"{name}.weights"].astype(np.float32)
    return Detector(weights, float(arrays[f"{name}.bias"]), _trees(arrays, name), float(arrays[f"{name}.threshold"]))


def _trees(arrays: Mapping[str, NDArray[Any]], name: str) -> Trees:
    feature, threshold, left, right, value = (
        arrays[f"{name}.{field}"] for field in ("feature", "split", "left", "right", "value")
    )
    offset = (np.arange(len(feature), dtype=np.int32) * feature.shape[1])[:, None]
    return Trees(
        feature.astype(np.int32),
        threshold.astype(np.float32),
        left.astype(np.int32) + offset,
        right.astype(np.int32) + offset,
        value.astype(np.float32),
        int(arrays[f"{name}.depth"]),
    )


def _corrupt(path: Path, reason: str) -> ModelCorruptError:
    return ModelCorruptError(
        f"The weights of relations at {path} cannot be used: {reason}.", remedy="Install the package again.", model="relations"
    )
