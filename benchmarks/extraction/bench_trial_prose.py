"""How well trial results are read in prose: the direction of an outcome, and where it is read.

    python benchmarks/extraction/bench_trial_prose.py

The direction is scored by five-fold cross-validation grouped by article, with several ways of folding; the interval resamples
articles.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from evidence_inference import FOLDER, FOLDS, Annotation, annotations, article, folds
from measuring import skip
from numpy.typing import NDArray
from train_trial_prose import features, fit, label

from Medical_KG_rev.extraction.trial_prose.judge import DIRECTIONS
from Medical_KG_rev.extraction.trial_prose.matching import Prompt

BAR = 0.55
FOLDINGS = 5
RESAMPLED = 1_000


Array = NDArray[np.int64]


def by_class(labels: Array, guess: Array) -> list[tuple[float, float, float]]:
    """Precision, recall and F1 of each direction."""
    scores = []
    for number in range(len(DIRECTIONS)):
        right = int(((labels == number) & (guess == number)).sum())
        found, wanted = int((guess == number).sum()), int((labels == number).sum())
        scores.append((right / max(1, found), right / max(1, wanted), 2 * right / max(1, found + wanted)))
    return scores


def macro_f1(labels: Array, guess: Array) -> float:
    return float(np.mean([f1 for _, _, f1 in by_class(labels, guess)]))


def held_out(answers: list[Annotation], rows: NDArray[np.float64], labels: Array, seed: int) -> Array:
    fold = folds(answers, seed)
    guess = np.zeros(len(answers), dtype=np.int64)
    for number in range(FOLDS):
        guess[fold == number] = fit(rows[fold != number], labels[fold != number]).predict(rows[fold == number])
    return guess


def interval(answers: list[Annotation], labels: Array, guess: Array) -> tuple[float, float]:
    """95 % interval of macro F1 over samples of articles."""
    names = sorted({answer.pmcid for answer in answers})
    of = {name: np.array([at for at, answer in enumerate(answers) if answer.pmcid == name]) for name in names}
    random = np.random.default_rng(0)
    scores = []
    for _ in range(RESAMPLED):
        at = np.concatenate([of[names[i]] for i in random.integers(0, len(names), len(names))])
        scores.append(macro_f1(labels[at], guess[at]))
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def evidence_found(answers: list[Annotation], most: int) -> float:
    """The share of questions of which one of the first sentences overlaps with what an annotator marked."""
    marked: dict[str, list[Annotation]] = {}
    for answer in answers:
        marked.setdefault(answer.prompt_id, []).append(answer)
    found = 0
    for given in marked.values():
        read = article(given[0].pmcid)
        ranked = read.ranked(Prompt.of(given[0].intervention, given[0].comparator, given[0].outcome))[:most]
        ranges = [read.ranges[number] for _, number in ranked]
        found += any(answer.start < end and start < answer.end for answer in given for start, end in ranges)
    return found / len(marked)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not FOLDER.is_dir():
        skip(f"{FOLDER} is not there; point MK_TEST_DATA at the folder of real data")
    answers = annotations()
    rows = np.array([features(answer) for answer in answers])
    labels = np.array([label(answer) for answer in answers])
    guesses = [held_out(answers, rows, labels, seed) for seed in range(FOLDINGS)]
    macro = [macro_f1(labels, guess) for guess in guesses]
    low, high = interval(answers, labels, guesses[0])
    print(
        f"Evidence Inference: {len(answers)} annotations of {len({a.prompt_id for a in answers})} questions "
        f"on {len({a.pmcid for a in answers})} articles"
    )
    print(
        f"macro F1 {macro[0]:.3f} (95 % interval over articles {low:.3f} to {high:.3f}; "
        f"other foldings {np.mean(macro[1:]):.3f}; bar {BAR})"
    )
    for number, (precision, recall, f1) in enumerate(by_class(labels, guesses[0])):
        print(
            f"  {DIRECTIONS[number]:26} F1 {f1:.3f} (P {precision:.3f} / R {recall:.3f}; "
            f"{int((labels == number).sum())} annotations)"
        )
    most_common = Counter(labels.tolist()).most_common(1)[0][0]
    print(f"  always the commonest: macro F1 {macro_f1(labels, np.full(len(labels), most_common)):.3f}")
    print(
        "evidence among the first sentences: "
        + ", ".join(f"{most}: {evidence_found(answers, most):.2f}" for most in (1, 2, 3, 5))
    )


if __name__ == "__main__":
    main()
