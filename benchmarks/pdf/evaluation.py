"""A reader over all files, and what its scores come to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pdf.measures import Scores, running_heads, sample, score, with_running_head
from pdf.readers import Reader, pdfium_pages
from pdf.truth import Pair, truth


@dataclass(frozen=True)
class Evaluation:
    """Scores by the file's name; ``intruded`` are paragraphs of the sample that hold a running head."""

    scores: dict[str, Scores]
    sampled: int
    intruded: tuple[tuple[str, str], ...]

    def median(self, measure: str) -> float:
        return statistics.median(self._values(measure))

    def mean(self, measure: str) -> float:
        return statistics.fmean(self._values(measure))

    def worst(self, measure: str) -> float:
        return min(self._values(measure))

    @property
    def cells(self) -> float:
        """Of all cells that the files have as text, those found."""
        return sum(one.cells_found for one in self.scores.values()) / max(sum(one.cells_asked for one in self.scores.values()), 1)

    def _values(self, measure: str) -> list[float]:
        """Of the files that have anything to compare."""
        values = [float(getattr(one, measure)) for one in self.scores.values()]
        return [value for value in values if not math.isnan(value)] or [math.nan]


def evaluate(reader: Reader, pairs: Sequence[Pair]) -> Evaluation:
    """Reads every file and compares it with its article's XML."""
    scores: dict[str, Scores] = {}
    paragraphs: list[tuple[str, str]] = []
    for pair in pairs:
        extract = reader(pair.pdf)
        scores[pair.name] = score(extract, truth(pair.xml), "\n".join(_pages(pair.pdf)))
        paragraphs += [(pair.name, text) for text in extract.paragraphs]
    drawn = sample(paragraphs)
    files = {pair.name: pair for pair in pairs}
    intruded = [(name, text) for name, text in drawn if _is_intruded(text, files[name])]
    return Evaluation(scores, len(drawn), tuple(intruded))


def _is_intruded(paragraph: str, pair: Pair) -> bool:
    return bool(with_running_head([paragraph], running_heads(_pages(pair.pdf)), truth(pair.xml)))


@lru_cache(maxsize=64)
def _pages(pdf: Path) -> tuple[str, ...]:
    return tuple(pdfium_pages(pdf))
