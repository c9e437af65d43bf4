"""What an article reports of an intervention against a comparator for an outcome: more, less, or no significant difference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import ModelCorruptError
from Medical_KG_rev.extraction.trial_prose.cues import NAMES, cues
from Medical_KG_rev.extraction.trial_prose.matching import Article, Prompt

WEIGHTS: Final = Path(__file__).with_name("weights.json")
"""The weights that ship, written by ``benchmarks/extraction/train_trial_prose.py``."""

READ_SENTENCES: Final = 4
_TEMPERATURE: Final = 0.3


class Direction(StrEnum):
    """What became of the outcome with the intervention, against the comparator."""

    SAME = "no significant difference"
    INCREASED = "significantly increased"
    DECREASED = "significantly decreased"


DIRECTIONS: Final = tuple(Direction)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A direction with its probability, and the sentences that it was read from, the most telling first."""

    direction: Direction
    probability: float
    evidence: tuple[tuple[int, int], ...]


class _Weights(msgspec.Struct, frozen=True):
    names: tuple[str, ...]
    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]


class Judge:
    """A linear model over the cues of the sentences that tell most of what is asked."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        """Reads the weights; their sha256 stands beside them in ``<name>.sha256``.

        Raises:
            ModelCorruptError: they are not what their digest says, or are of other cues than this version's.
        """
        try:
            data = weights.read_bytes()
            expected = weights.with_name(weights.name + ".sha256").read_text(encoding="ascii").split()[:1]
            read = msgspec.json.decode(data, type=_Weights)
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            raise _corrupt(weights, str(error)) from error
        self.fingerprint = hashlib.sha256(data).hexdigest()
        if [self.fingerprint] != expected:
            raise _corrupt(weights, "its sha256 is not the one beside it")
        if read.names != NAMES:
            raise _corrupt(weights, "it was trained on other cues")
        self._coefficients = np.array(read.coefficients)
        self._intercepts = np.array(read.intercepts)

    def judge(self, article: Article, intervention: str, comparator: str, outcome: str) -> Judgement | None:
        """What an article says; None where no sentence of it names the outcome."""
        prompt = Prompt.of(intervention, comparator, outcome)
        ranked = article.ranked(prompt)[:READ_SENTENCES]
        if not ranked:
            return None
        chances = self._chances(row(article, prompt, ranked))
        best = int(chances.argmax())
        evidence = tuple(article.ranges[number] for _, number in ranked)
        return Judgement(DIRECTIONS[best], float(chances[best]), evidence)

    def judge_sentence(self, sentence: str, intervention: str, comparator: str, outcome: str) -> tuple[Direction, float]:
        """What one sentence says, and how probable that is."""
        told = np.array(cues(sentence, Prompt.of(intervention, comparator, outcome)))
        chances = self._chances(np.concatenate([told, told]))
        best = int(chances.argmax())
        return DIRECTIONS[best], float(chances[best])

    def _chances(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = self._coefficients @ features + self._intercepts
        powers = np.exp(scores - scores.max())
        return np.asarray(powers / powers.sum())


def row(article: Article, prompt: Prompt, ranked: list[tuple[float, int]]) -> NDArray[np.float64]:
    """The cues of the most telling sentence, and the mean of those of all, weighed by how telling each is: (2 cues,)."""
    told = np.array([cues(article.sentences[number], prompt) for _, number in ranked])
    scores = np.array([score for score, _ in ranked])
    shares = np.exp((scores - scores.max()) / _TEMPERATURE)
    return np.concatenate([told[0], (shares[:, None] * told).sum(axis=0) / shares.sum()])


def _corrupt(path: Path, reason: str) -> ModelCorruptError:
    return ModelCorruptError(
        f"The weights of trial results at {path} cannot be used: {reason}.",
        remedy="Install the package again.",
        model="trial-prose",
    )
