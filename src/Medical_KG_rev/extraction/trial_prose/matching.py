"""Which sentences of an article tell of an intervention, a comparator and an outcome."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.trial_prose.wording import AGAINST, FOR, LESS, MORE, NO_DIFFERENCE, SIGNIFICANT, THAN

_STOP: Final = frozenset(
    """
    the of and in to a an for with on at by or from as is was were be been are that this it its after before during than between
    per group groups mean number rate rates level levels patients change changes total average all each both
    """.split()
)
_STEM: Final = 6
_RESULT: Final = re.compile(r"\bp\s?[<>=≤≥]|\b\d+(?:\.\d+)?\s?%|\bCI\b|±", re.IGNORECASE)
_METHOD: Final = re.compile(
    r"\b(?:was|were) (?:measured|assessed|calculated|randomi[sz]ed|defined|recorded|analy[sz]ed|evaluated|collected|performed"
    r"|used)\b"
    r"|\b(?:we (?:will|aimed|hypothesi[sz]ed)|hypothesis|primary outcomes? (?:was|were|is)|secondary outcomes?|endpoints?"
    r" (?:was|were|included))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked of an article, as stems of words. ``tested`` and ``compared`` are the words that tell the two arms apart."""

    tested: frozenset[str]
    compared: frozenset[str]
    outcome: frozenset[str]
    outcome_text: str

    @classmethod
    def of(cls, intervention: str, comparator: str, outcome: str) -> Prompt:
        one, other = stems(intervention), stems(comparator)
        tested = (one - other) or one
        compared = (other - one) | ({_stem(word) for word in AGAINST} if other & {_stem(word) for word in AGAINST} else set())
        return cls(tested | ({_stem(word) for word in FOR} - compared), frozenset(compared - one), stems(outcome), outcome)


def stems(text: str) -> frozenset[str]:
    """Beginnings of the words that mean something."""
    return frozenset(
        _stem(word) for word in re.findall(r"[^\W_]+", text.lower()) if word not in _STOP and (len(word) > 1 or word.isdigit())
    )


def _stem(word: str) -> str:
    return word.lower().rstrip("s")[:_STEM] or word


class Article:
    """The sentences of a text with their words, and how rare each word is among them."""

    def __init__(self, text: AnalysedText) -> None:
        self.text = text
        self.ranges = [(text.starts[first], text.ends[last - 1]) for first, last in text.sentences]
        self.sentences = [text.text[start:end] for start, end in self.ranges]
        self.words = [stems(sentence) for sentence in self.sentences]
        counts = Counter(word for words in self.words for word in words)
        self._rarity = {word: math.log(1 + len(self.words) / count) for word, count in counts.items()}

    def covered(self, wanted: frozenset[str], sentence: int) -> float:
        """The share of the wanted words that a sentence has, rare ones weighing more; those the text never has do not count."""
        total = sum(self._rarity.get(word, 0.0) for word in wanted)
        return sum(self._rarity[word] for word in wanted & self.words[sentence]) / total if total else 0.0

    def ranked(self, prompt: Prompt) -> list[tuple[float, int]]:
        """Sentences with how well each answers, the best first."""
        scores = []
        for number, sentence in enumerate(self.sentences):
            outcome = self.covered(prompt.outcome, number)
            if outcome == 0.0:
                continue
            scores.append((outcome + self._telling(prompt, number, sentence), number))
        return sorted(scores, key=lambda scored: (-scored[0], scored[1]))

    def _telling(self, prompt: Prompt, number: int, sentence: str) -> float:
        arms = 0.25 * self.covered(prompt.tested, number) + 0.15 * self.covered(prompt.compared, number)
        result = 0.25 * bool(_RESULT.search(sentence)) + 0.2 * bool(
            SIGNIFICANT.search(sentence) or NO_DIFFERENCE.search(sentence)
        )
        compared = 0.15 * bool(THAN.search(sentence)) + 0.1 * bool(MORE.search(sentence) or LESS.search(sentence))
        return arms + result + compared - 0.35 * bool(_METHOD.search(sentence)) - 0.3 * (len(sentence) < 30)
