"""Evidence Inference, read in place: what annotators say that articles report of an intervention, a comparator and an outcome."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from measuring import TEST_DATA
from numpy.typing import NDArray

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.trial_prose import Article

FOLDER: Path = TEST_DATA / "claims" / "evidence_inference"
FOLDS = 5


class Annotation(msgspec.Struct, frozen=True):
    """One annotator's answer; ``text[start:end]`` of the article is what it rests on."""

    pmcid: str
    prompt_id: str
    intervention: str
    comparator: str
    outcome: str
    label: str
    start: int
    end: int


def annotations() -> list[Annotation]:
    lines = (FOLDER / "annotations_open.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Annotation) for line in lines]


@cache
def article(pmcid: str) -> Article:
    return Article(analyse((FOLDER / f"{pmcid}.txt").read_text(encoding="utf-8")))


def folds(answers: list[Annotation], seed: int) -> NDArray[np.int64]:
    """A fold for each annotation; an article's are in one."""
    names = sorted({answer.pmcid for answer in answers})
    fold = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % FOLDS, strict=True))
    return np.array([fold[answer.pmcid] for answer in answers])
