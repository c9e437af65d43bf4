"""In what dose, and in whom: what the sentence of a claim tells besides."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import Any, Final

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.quantities import doses, populations, quantities

_DOSE: Final = re.compile(r"\d\s?(?:[kmunµμ]?g|mcg|m[lL]|[uU]|IU|units?|[mµμu]?mol|c?Gy|tablets?|capsules?|puffs?)\b")
_PEOPLE: Final = re.compile(
    r"\b(?:n\s?=\s?\d|\d+[- ](?:years?|yrs?|months?|weeks?|days?)[- ](?:old|of age)"
    r"|\d[\d,]*\s(?:\w+\s){0,2}(?:patients|subjects|participants|adults|children|women|men|volunteers|infants)"
    r"|children|infants?|neonates?|adolescents?|adults?|elderly|wom[ae]n|m[ae]n|males?|females?)\b",
    re.IGNORECASE,
)


def circumstances(text: AnalysedText, start: int, end: int) -> dict[str, Any]:
    """Qualifiers from a sentence: its dose where it tells one alone, and what it tells once of who was studied."""
    dosed = _DOSE.search(text.text, start, end) is not None
    people = _PEOPLE.search(text.text, start, end) is not None
    if not dosed and not people:
        return {}
    first, last = bisect_left(text.starts, start), bisect_right(text.ends, end)
    sentence = AnalysedText(
        text.text, text.words[first:last], text.starts[first:last], text.ends[first:last], [(0, last - first)]
    )
    measured = quantities(sentence)
    stated: dict[str, Any] = {}
    if dosed and len(told := doses(sentence, measured)) == 1:
        stated |= told[0].as_qualifier()
    facts = populations(sentence, measured) if people else []
    for kind in ("age", "sex", "size"):
        of_kind = [fact for fact in facts if fact.kind == kind]
        if len(of_kind) == 1:
            stated |= of_kind[0].as_qualifier()
    return stated
