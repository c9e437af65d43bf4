"""Trains the judge of trial results on Evidence Inference, and writes the weights that ship.

    python benchmarks/extraction/train_trial_prose.py [--out FILE]

``bench_trial_prose.py`` trains the same model in five folds to score it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from evidence_inference import Annotation, annotations, article
from numpy.typing import NDArray

from Medical_KG_rev.extraction.trial_prose import WEIGHTS, Judge
from Medical_KG_rev.extraction.trial_prose.cues import NAMES
from Medical_KG_rev.extraction.trial_prose.judge import DIRECTIONS, READ_SENTENCES, row
from Medical_KG_rev.extraction.trial_prose.matching import Prompt

STRENGTH = 0.05
STEPS = 12


def features(answer: Annotation) -> NDArray[np.float64]:
    """The judge's features of one question; zeros where no sentence names the outcome."""
    prompt = Prompt.of(answer.intervention, answer.comparator, answer.outcome)
    read = article(answer.pmcid)
    ranked = read.ranked(prompt)[:READ_SENTENCES]
    return row(read, prompt, ranked) if ranked else np.zeros(2 * len(NAMES))


@dataclass(frozen=True, slots=True)
class Linear:
    """A multinomial logistic regression: (classes, features) and (classes,)."""

    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    def chances(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = rows @ self.coefficients.T + self.intercepts
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        return self.chances(rows).argmax(axis=1)


def fit(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> Linear:
    """By Newton's method; classes weigh the same, coefficients are held small, intercepts are free."""
    classes, width = len(DIRECTIONS), rows.shape[1] + 1
    inputs = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    counts = np.bincount(labels, minlength=classes)
    weight = STRENGTH * len(labels) / (classes * counts[labels])
    penalty = np.tile(np.append(np.ones(width - 1), 1e-6), classes)
    flat = np.zeros(classes * width)
    for _ in range(STEPS):
        model = Linear(flat.reshape(classes, width)[:, :-1], flat.reshape(classes, width)[:, -1])
        chances = model.chances(rows)
        gradient = ((chances - np.eye(classes)[labels]) * weight[:, None]).T @ inputs
        spread = weight[:, None, None] * (
            np.einsum("ij,jk->ijk", chances, np.eye(classes)) - chances[:, :, None] * chances[:, None, :]
        )
        curvature = np.einsum("iab,ic,id->acbd", spread, inputs, inputs).reshape(classes * width, classes * width)
        flat = flat - np.linalg.solve(curvature + np.diag(penalty), gradient.ravel() + penalty * flat)
    return Linear(flat.reshape(classes, width)[:, :-1], flat.reshape(classes, width)[:, -1])


def label(answer: Annotation) -> int:
    return [str(direction) for direction in DIRECTIONS].index(answer.label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    path = parser.parse_args().out
    answers = annotations()
    model = fit(np.array([features(answer) for answer in answers]), np.array([label(answer) for answer in answers]))
    written = {
        "names": NAMES,
        "coefficients": np.round(model.coefficients, 4).tolist(),
        "intercepts": np.round(model.intercepts, 4).tolist(),
    }
    data = msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n"
    path.write_bytes(data)
    path.with_name(path.name + ".sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  {path.name}\n", encoding="ascii")
    Judge(path)
    print(f"{path}: {len(answers)} annotations, {len(data)} bytes")


if __name__ == "__main__":
    main()
