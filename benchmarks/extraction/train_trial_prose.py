"""Trains the judge of trial results on Evidence Inference, and writes the weights that ship.

    pip install scikit-learn
    python benchmarks/extraction/train_trial_prose.py [--out FILE]

``bench_trial_prose.py`` trains the same model in five folds to score it.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import msgspec
import numpy as np
from evidence_inference import Annotation, annotations, article
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from Medical_KG_rev.extraction.trial_prose import WEIGHTS, Judge
from Medical_KG_rev.extraction.trial_prose.cues import NAMES
from Medical_KG_rev.extraction.trial_prose.judge import DIRECTIONS, READ_SENTENCES, row
from Medical_KG_rev.extraction.trial_prose.matching import Prompt


def features(answer: Annotation) -> NDArray[np.float64]:
    """The judge's features of one question; zeros where no sentence names the outcome."""
    prompt = Prompt.of(answer.intervention, answer.comparator, answer.outcome)
    read = article(answer.pmcid)
    ranked = read.ranked(prompt)[:READ_SENTENCES]
    return row(read, prompt, ranked) if ranked else np.zeros(2 * len(NAMES))


def fit(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> LogisticRegression:
    return LogisticRegression(C=0.05, max_iter=2_000, class_weight="balanced").fit(rows, labels)


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
        "coefficients": np.round(model.coef_, 4).tolist(),
        "intercepts": np.round(model.intercept_, 4).tolist(),
    }
    data = msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n"
    path.write_bytes(data)
    path.with_name(path.name + ".sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  {path.name}\n", encoding="ascii")
    Judge(path)
    print(f"{path}: {len(answers)} annotations, {len(data)} bytes")


if __name__ == "__main__":
    main()
