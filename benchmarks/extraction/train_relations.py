"""Trains the classifiers of relations from the training parts of BC5CDR and BioRED, and writes the weights that ship.

    pip install scikit-learn lightgbm
    python benchmarks/extraction/train_relations.py [--out FILE]

Thresholds are chosen by five-fold cross-validation over the training abstracts; no development part is read. Runs in a minute on
one core; the same input gives the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from corpora import read_corpus
from numpy.typing import NDArray
from relation_pairs import PairSet, pair_set, score
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from Medical_KG_rev.extraction.relations import WEIGHTS
from Medical_KG_rev.extraction.relations.model import FEATURES_DIGEST, RelationModel, with_context
from Medical_KG_rev.extraction.relations.pairs import HASH_BITS
from Medical_KG_rev.models import EntityType

Array = NDArray[Any]

FOLDS = 5
COMMON = {
    "learning_rate": 0.04,
    "min_child_samples": 30,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.4,
    "reg_lambda": 5.0,
    "max_depth": 5,
    "random_state": 7,
    "deterministic": True,
    "force_row_wise": True,
    "n_jobs": 1,
    "verbose": -1,
}
DETECTOR_TREES = {**COMMON, "num_leaves": 12, "n_estimators": 200}
TYPER_TREES = {**COMMON, "num_leaves": 6, "n_estimators": 60}
LABELS = (
    "Association",
    "Positive_Correlation",
    "Negative_Correlation",
    "Bind",
    "Drug_Interaction",
    "Cotreatment",
    "Comparison",
    "Conversion",
)


def words(pairs: PairSet) -> csr_matrix:
    """(pairs, 2 ** HASH_BITS): 1 where a pair has a word feature."""
    hashed = np.concatenate([part.hashed for _, part in pairs.units])
    lengths = np.concatenate([np.diff(part.bounds) for _, part in pairs.units])
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    return csr_matrix((np.ones(len(hashed), np.float32), hashed, bounds), shape=(len(lengths), 1 << HASH_BITS))


def rows(pairs: PairSet, scores: Array) -> Array:
    """Features of the trees of all pairs, from their linear scores."""
    parts, at = [], 0
    for _, part in pairs.units:
        count = len(part.first)
        parts.append(with_context(part, scores[at : at + count]))
        at += count
    return np.concatenate(parts)


def folds(pairs: PairSet) -> Array:
    """A fold for each pair; a document's pairs are in one."""
    order = np.random.default_rng(0).permutation(pairs.document_of.max() + 1)
    return order[pairs.document_of] % FOLDS


def held_out(fold: Array, usable: Array, fit_predict: Callable[[Array, Array], Array], width: int) -> Array:
    """Predictions for each fold by a model of the others."""
    result = np.zeros((len(fold), width))
    for number in range(FOLDS):
        test = np.nonzero(fold == number)[0]
        result[test] = fit_predict(np.nonzero((fold != number) & usable)[0], test).reshape(len(test), width)
    return result


def best_threshold(pairs: PairSet, probability: Array) -> float:
    """The threshold with the best F1 over the training abstracts, held out."""

    def f1(threshold: float) -> float:
        return score({k: "" for k, p in zip(pairs.keys, probability, strict=True) if p >= threshold}, pairs.gold, typed=False).f1

    return float(max(np.arange(0.1, 0.7, 0.01), key=f1))


def flat(model: lightgbm.LGBMModel, prefix: str) -> dict[str, Array]:
    """The trees as arrays (trees, nodes); a leaf is its own child."""
    trees = model.booster_.dump_model()["tree_info"]
    nodes: list[list[tuple[int, float, int, int, float]]] = []
    deepest = 0

    def walk(node: dict[str, Any], into: list[tuple[int, float, int, int, float]], depth: int) -> int:
        nonlocal deepest
        deepest = max(deepest, depth)
        at = len(into)
        if "split_feature" not in node:
            into.append((0, 0.0, at, at, node["leaf_value"]))
            return at
        into.append((0, 0.0, 0, 0, 0.0))
        left = walk(node["left_child"], into, depth + 1)
        right = walk(node["right_child"], into, depth + 1)
        into[at] = (node["split_feature"], node["threshold"], left, right, 0.0)
        return at

    for tree in trees:
        nodes.append([])
        walk(tree["tree_structure"], nodes[-1], 0)
    widest = max(len(tree) for tree in nodes)
    padded = [tree + [(0, 0.0, at, at, 0.0) for at in range(len(tree), widest)] for tree in nodes]
    fields = {"feature": np.int16, "split": np.float32, "left": np.int16, "right": np.int16, "value": np.float32}
    arrays = {
        f"{prefix}.{name}": np.array([[n[i] for n in t] for t in padded], kind) for i, (name, kind) in enumerate(fields.items())
    }
    return {**arrays, f"{prefix}.depth": np.array(deepest)}


def linear_model(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=300, solver="liblinear", random_state=0)


def train_detector(prefix: str, pairs: PairSet) -> tuple[dict[str, Array], Array, Array]:
    """Arrays of a detector; the held-out linear scores and probabilities of the training pairs."""
    sparse, related, fold = words(pairs), pairs.related, folds(pairs)
    everything = np.ones(len(fold), dtype=bool)
    scores = held_out(
        fold, everything, lambda fit, at: linear_model(0.1).fit(sparse[fit], related[fit]).decision_function(sparse[at]), 1
    )[:, 0]
    full = linear_model(0.1).fit(sparse, related)
    features = rows(pairs, scores)
    probability = held_out(
        fold,
        everything,
        lambda fit, at: (
            lightgbm.LGBMClassifier(**DETECTOR_TREES).fit(features[fit], related[fit]).predict_proba(features[at])[:, 1]
        ),
        1,
    )[:, 0]
    threshold = best_threshold(pairs, probability)
    trees = lightgbm.LGBMClassifier(**DETECTOR_TREES).fit(features, related)
    found = {k: "" for k, p in zip(pairs.keys, probability, strict=True) if p >= threshold}
    print(f"{prefix}: threshold {threshold:.2f}, cross-validated {score(found, pairs.gold, typed=False)}", flush=True)
    arrays = {
        f"{prefix}.weights": full.coef_[0].astype(np.float16),
        f"{prefix}.bias": np.array(full.intercept_[0]),
        f"{prefix}.threshold": np.array(threshold),
        **flat(trees, prefix),
    }
    return arrays, features, probability


def train_typer(pairs: PairSet, features: Array, probability: Array, threshold: float) -> dict[str, Array]:
    """Arrays of the classifier of types, from related pairs alone."""
    sparse, fold = words(pairs), folds(pairs)
    usable = pairs.related.astype(bool)
    label = np.array([LABELS.index(name) if name else -1 for name in pairs.labels])

    def fit_linear(at: Array) -> LogisticRegression:
        return LogisticRegression(C=0.3, max_iter=300, random_state=0).fit(sparse[at], label[at])

    scores = held_out(fold, usable, lambda fit, at: fit_linear(fit).decision_function(sparse[at]), len(LABELS))
    full = fit_linear(np.nonzero(usable)[0])
    both = np.concatenate([features, scores], axis=1).astype(np.float32)

    def fit_trees(at: Array) -> lightgbm.LGBMClassifier:
        return lightgbm.LGBMClassifier(**TYPER_TREES).fit(both[at], label[at])

    guess = held_out(fold, usable, lambda fit, at: fit_trees(fit).predict(both[at]), 1)[:, 0].astype(int)
    found = {k: LABELS[g] for k, p, g in zip(pairs.keys, probability, guess, strict=True) if p >= threshold}
    right = float((guess[usable] == label[usable]).mean())
    print(f"typer: right of related pairs {right:.3f}, cross-validated {score(found, pairs.gold, typed=True)}", flush=True)
    return {
        "typer.labels": np.array(LABELS),
        "typer.weights": full.coef_.T.astype(np.float16),
        "typer.bias": full.intercept_.astype(np.float32),
        **flat(fit_trees(np.nonzero(usable)[0]), "typer"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    path = parser.parse_args().out
    arrays: dict[str, Array] = {"features": np.array(FEATURES_DIGEST)}
    induced = pair_set(read_corpus("bc5cdr", "train"), types=frozenset({EntityType.CHEMICAL, EntityType.DISEASE}), only=0)
    detector, _, _ = train_detector("induced", induced)
    arrays |= detector
    related = pair_set(read_corpus("biored", "train"))
    detector, features, probability = train_detector("related", related)
    arrays |= detector | train_typer(related, features, probability, float(detector["related.threshold"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n", encoding="ascii")
    RelationModel.open(path)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, sha256 {digest[:16]}…")


if __name__ == "__main__":
    main()
