"""What one sentence says of a comparison, as numbers for the judge."""

from __future__ import annotations

import re
from typing import Final

from Medical_KG_rev.extraction.trial_prose.matching import Prompt, stems
from Medical_KG_rev.extraction.trial_prose.wording import BETTER, BURDEN, LESS, MORE, NO_DIFFERENCE, SIGNIFICANT, THAN, WORSE

NAMES: Final = (
    "none",
    "none_and_significant",
    "significant",
    "p_small",
    "p_large",
    "p_any",
    "interval_open",
    "more",
    "less",
    "turned_more",
    "turned_less",
    "near_more",
    "near_less",
    "numbers_more",
    "numbers_less",
    "sure_more",
    "sure_less",
    "than",
)
"""What each number tells."""

_P: Final = re.compile(r"\bp(?:[- ]?values?)?\s?(?:(?P<sign>[<>=≤≥])\s?|of |was |is )?(?P<value>0?[.·,]\d+)", re.IGNORECASE)
_INTERVAL: Final = re.compile(
    r"(?:CI|interval)\W{1,6}(?:95\s?%\W{0,3})?(?P<low>[-–−]?\d+[.·]?\d*)\s?(?:to|,|;|-|–|−)\s?(?P<high>[-–−]?\d+[.·]?\d*)",
    re.IGNORECASE,
)
_RATIO: Final = re.compile(r"\b(?:ratio|risk|RR|OR|HR|IRR|hazard)\b")
_NUMBER: Final = re.compile(r"(?<![\w.·])[-−]?\d+(?:[.·]\d+)?")
_VERSUS: Final = re.compile(
    r"(?P<one>[-−]?\d+(?:[.·]\d+)?)\s?%?(?:\s?[(\[±][^)\]]{0,30}[)\]]?)?[^\d.;]{0,40}?(?:\bvs\.?|\bversus|\band|\bcompared"
    r" (?:with|to)|\bthan|/)"
    r"[^\d.;]{0,40}?(?P<other>[-−]?\d+(?:[.·]\d+)?)",
    re.IGNORECASE,
)
_NEAR: Final = 70
"""Characters either side of a word of direction in which an arm is looked for."""


def cues(sentence: str, prompt: Prompt) -> list[float]:
    """One number a name of ``NAMES``."""
    none = NO_DIFFERENCE.search(sentence) is not None
    significant = SIGNIFICANT.search(sentence) is not None
    small, large = _p_values(sentence)
    more, less, turned_more, turned_less, near_more, near_less = _directions(sentence, prompt)
    numbers = _numbers(sentence, prompt)
    sure = (small > 0 or significant) and not none
    lean = (near_more + more + turned_more + (numbers > 0)) - (near_less + less + turned_less + (numbers < 0))
    return [
        float(none),
        float(none and significant),
        float(significant and not none),
        float(small > 0),
        float(large > 0),
        float(small + large > 0),
        float(_open_interval(sentence)),
        more,
        less,
        turned_more,
        turned_less,
        near_more,
        near_less,
        float(numbers > 0),
        float(numbers < 0),
        float(sure and lean > 0),
        float(sure and lean < 0),
        float(THAN.search(sentence) is not None),
    ]


def _p_values(sentence: str) -> tuple[int, int]:
    """How many p-values are below 0.05, and how many are not."""
    small = large = 0
    for match in _P.finditer(sentence):
        value = float("0." + re.sub(r"\D", "", match["value"].lstrip("0")))
        if match["sign"] in (">", "≥") or value > 0.05 or (value == 0.05 and match["sign"] not in ("<", "≤")):
            large += 1
        else:
            small += 1
    return small, large


def _open_interval(sentence: str) -> bool:
    """Whether an interval holds the value that means no effect."""
    for match in _INTERVAL.finditer(sentence):
        low, high = (float(match[side].replace("·", ".").replace("–", "-").replace("−", "-")) for side in ("low", "high"))
        if low < 0 < high or (low < 1 < high and _RATIO.search(sentence)):
            return True
    return False


def _directions(sentence: str, prompt: Prompt) -> list[float]:
    """Words for more and for less: said of the tested arm, of the arm compared with, and nearest to either."""
    result = [0.0] * 6
    than = THAN.search(sentence)
    against = _side(sentence[than.end() : than.end() + 90], prompt) if than else 0.0
    burden = BURDEN.search(prompt.outcome_text) is not None
    for pattern, sign in ((MORE, 1), (LESS, -1)):
        for match in pattern.finditer(sentence):
            word = match.group()
            says = -sign if burden and (BETTER.fullmatch(word) or WORSE.fullmatch(word)) else sign
            turned = than is not None and against > 0
            result[(2 if turned else 0) + (0 if (says > 0) != turned else 1)] = 1.0
            beside = _side(sentence[max(0, match.start() - _NEAR) : match.end() + _NEAR // 2], prompt)
            if than is None and beside:
                result[4 if says * beside > 0 else 5] = 1.0
    return result


def _side(text: str, prompt: Prompt) -> float:
    """Above 0 where words of the tested arm prevail, below 0 where those of the other do."""
    found = stems(text)
    tested, compared = len(found & prompt.tested), len(found & prompt.compared)
    return float(tested > compared) - float(compared > tested)


def _numbers(sentence: str, prompt: Prompt) -> float:
    """The sign of the difference between the values of the two arms, in the order in which the sentence names them."""
    match = _VERSUS.search(sentence)
    if match is None:
        return 0.0
    one, other = (float(match[side].replace("·", ".").replace("−", "-")) for side in ("one", "other"))
    first = _first(sentence, prompt.tested)
    second = _first(sentence, prompt.compared)
    if first is None and second is None:
        return 0.0
    order = 1 if second is None or (first is not None and first <= second) else -1
    return float(order * ((one > other) - (one < other)))


def _first(sentence: str, wanted: frozenset[str]) -> int | None:
    return next((match.start() for match in re.finditer(r"[^\W_]+", sentence) if stems(match.group()) & wanted), None)
