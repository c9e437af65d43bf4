"""What one sentence says of what it names: that a chemical treats a disease, that two things are not related; how sure it is.

Patterns run over a sentence whose mentions stand as ``@c7`` (a chemical as item 7), ``@d9`` (a disease), ``@g``, ``@v``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from Medical_KG_rev.extraction.relations.units import Unit
from Medical_KG_rev.models import Certainty

_LETTERS: Final = "cdgv"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its mentions as marks. ``first`` is its first item."""

    words: str
    number: int


@dataclass(frozen=True, slots=True)
class Stated:
    """What a pattern found: ``kind`` of relation between the mentions at two items of the unit, said or denied."""

    kind: str
    first: int
    second: int
    negated: bool
    certainty: Certainty


def sentences(unit: Unit) -> Iterator[Sentence]:
    """The sentences of a unit that name at least two things."""
    marks: dict[int, str] = {}
    count = [0] * len(unit.item_ends)
    for occurrence, item in enumerate(unit.item_of):
        if item not in marks:
            marks[item] = f"@{_LETTERS[unit.types[unit.entity_of[occurrence]]]}{item}"
        count[unit.sentence_of[occurrence]] += 1
    start = 0
    for number, end in enumerate(unit.item_ends):
        if count[number] > 1:
            words = [marks.get(item) or unit.items[item] for item in range(start, end)]
            yield Sentence(" ".join(words), number)
        start = end


# --- patterns --------------------------------------------------------------------------------------------------------

_STOP = (
    "induc caus after follow develop due associa withdraw overdos toxic poison but whereas produc provok occur reveal risk rise"
    " increa worsen aggravat exacerbat incidence result monitor evidence warn advis"
)
_WORD = rf"(?:(?!(?:{'|'.join(_STOP.split())})|[;:.] )[^@\s]+ )"
_FREE = r"(?:(?![;:.] )[^@\s]+ )"


def _mentions(name: str, letters: str) -> str:
    one = rf"@[{letters}]\d+(?!\d)"
    return rf"(?P<{name}>{one}(?: \( {one} \))?(?:(?: ,)?(?: and| or| plus| /)?(?: both)? {one}(?: \( {one} \))?)*+)"


def _any_of(words: str) -> str:
    return f"(?:{'|'.join(word.replace('_', ' ') for word in words.split())})"


_CARE = "treatment management therapy therapies prevention prophylaxis control relief chemotherapy cure drug_of_choice"
_PARTS: Final = {
    "CHEMICAL": _mentions("first", "c"),
    "DISEASE": _mentions("second", "d") + r"(?! (?:associated with|induced|caused|due to|produced|- induc)| risk)",
    "FIRST": r"(?<!by )" + _mentions("first", _LETTERS) + r"(?! - \w+)",
    "SECOND": _mentions("second", _LETTERS) + r"(?! - \w+)",
    "CARE": _any_of(_CARE),
    "TO_CARE": (
        rf"(?:{_any_of(_CARE)} (?:of|for|in|against)"
        r"|treat|treating|prevent|preventing|manage|managing|control|controlling|relieve|relieving)"
    ),
    "EASED": _any_of(
        r"treated revers\w+ prevent\w* attenuat\w+ reliev\w+ controlled managed suppress\w* abolish\w* ameliorat\w+ alleviat\w+"
        r" cured? terminat\w+ resolved improv\w+ respond responded responds responsive"
    ),
    "EASES": _any_of(
        r"treats revers\w+ prevent\w* attenuat\w+ reliev\w+ controls? controlled suppress\w* abolish\w* ameliorat\w+"
        r" alleviat\w+ cure[sd]? terminat\w+ improv\w+ mitigat\w+ resolv\w+ reduc(?:e|es|ed|ing) decrea(?:e|es|ed|ing)"
        r" protect\w*_(?:against|from) no_effect_on"
    ),
    "PEOPLE": _any_of(
        "patients? subjects? adults? children women men individuals people infants rats mice animals man woman boy girl cases?"
    ),
    "GIVEN": _any_of("treated_with given receiving received receive randomised_to randomized_to on taking took"),
    "USED": _any_of(
        "used indicated approved prescribed effective efficacious efficacy safety beneficial benefit useful given administered"
        " taking recommended effectiveness licensed successful active protective"
    ),
    "NO": _any_of(r"no neither without lack_of absence_of"),
    "NOT": r"(?:not|never|no|neither|cannot|failed to)(?! only)",
    "VERB": "(?P<verb>"
    + _any_of(
        r"associa\w* correlat\w* link\w* relat\w* caus\w* induc\w* increa\w* decrea\w* reduc\w* affect\w* alter\w* chang\w*"
        r" influenc\w* modif\w* bind bound interact\w* inhibit\w* activat\w* prevent\w* contribut\w* predict\w* improv\w*"
        r" effect\w* impact role protect\w*"
    )
    + ")",
}
"""What the names in a template stand for."""

_OPTIONAL: Final = {
    "INDUCED": r"(?:@[cg]\d+ - \w+ )?",
    "WITH_SOME": (
        rf"(?:{_WORD}{{0,3}}{_PARTS['PEOPLE']} with )?"
        rf"(?:{_any_of('the a an acute chronic severe refractory recurrent advanced')} )?"
    ),
    "IS": (
        r"(?:(?:was|were|is|are|been|be|being|has|had|have|can|could|may|might|not|and|also|which|that|then|must|should|\w+ly) )"
        r"{0,5}"
    ),
}


def _compiled(template: str) -> re.Pattern[str]:
    """A pattern from a template: ``~5`` is up to five words that do not turn the sense, ``*5`` up to five of any."""
    parts = []
    for item in template.split():
        if item[0] in "~*":
            parts.append(f"{_WORD if item[0] == '~' else _FREE}{{0,{item[1:]}}}")
        else:
            parts.append(_OPTIONAL.get(item) or f"{_PARTS.get(item) or f'(?:{item})'} ")
    return re.compile(r"(?<!\S)" + "".join(parts).rstrip())


_TREATS: Final = tuple(
    _compiled(template)
    for template in (
        "CHEMICAL ~7 TO_CARE ~5 INDUCED DISEASE",
        "CARE of|for|in ~5 INDUCED DISEASE ~4 with|by|using|is ~5 CHEMICAL",
        "PEOPLE ~4 with|had|having ~4 DISEASE ~4 GIVEN ~4 CHEMICAL",
        "DISEASE PEOPLE ~3 GIVEN ~4 CHEMICAL",
        "CHEMICAL - treated WITH_SOME DISEASE",
        "CHEMICAL ~2 for|against WITH_SOME DISEASE",
        "CHEMICAL therapy|treatment|prophylaxis|infusion|use for|in|of WITH_SOME DISEASE",
        "CHEMICAL ~5 USED ~5 for|in|against|of|to|on ~6 INDUCED DISEASE",
        "USED ~3 of|with ~4 CHEMICAL ~2 for|in|against|on ~6 INDUCED DISEASE",
        "CHEMICAL ~4 EASES ~6 INDUCED DISEASE",
        "DISEASE IS EASED ~2 by|with|using|to ~5 CHEMICAL",
        "CARE with|by ~4 CHEMICAL ~4 for|of|in|against ~5 DISEASE",
        "in DISEASE , CHEMICAL is|was|are|were ~2 USED",
    )
)
_DENIALS: Final = tuple(
    _compiled(template)
    for template in (
        "NO *4 VERB *5 FIRST *8 and|with|on|in|for|or|to *6 SECOND",
        "FIRST *6 NOT *3 VERB *7 SECOND",
    )
)

_NOT: Final = re.compile(
    r"\b(?:not(?! only)|no(?! (?:recurrence|relapse|further|symptoms|longer))|never|neither|nor|cannot|fail\w*|ineffective|unable"
    r"|lack\w*|without)\b"
)
_ASKED: Final = re.compile(
    r"\b(?:whether|if|aim\w*|hypothes\w*|objectives?|purpose|to (?:\w+ )?(?:investigate|determine|examine|evaluate|assess"
    r"|test|study|explore|compare|clarify|establish))\b"
)
_DOUBTED: Final = re.compile(
    r"\b(?:may|might|could|possib\w*|suggest\w*|suspect\w*|potential(?:ly)?|probabl\w*|likely|unlikely|appears?|seems?|unclear"
    r"|presum\w*|perhaps|putative\w*|hypothe\w*|conceivabl\w*|propos\w*)\b"
)
_BLAMED: Final = re.compile(
    r"\b(?:induc\w*|provok\w*|precipitat\w*|trigger\w*|caus(?:e[ds]?|ing)(?<!any cause)(?<!all - cause)|due to|attributed to"
    r"|leads? to|led to|leading to|result(?:s|ed|ing)? in|toxic\w*|side effects?|poison\w*)\b"
)
_NEAR: Final = 150
"""Characters between two mentions of which one can be blamed for the other."""
_MARK: Final = re.compile(r"@\w(\d+)")
_REACH: Final = 60
"""Characters before a statement in which a word of doubt is about it."""


def treatments(sentence: Sentence) -> Iterator[Stated]:
    """Chemicals that a sentence says treat, or do not treat, or may treat, a disease. The chemical comes first."""
    if "@c" not in sentence.words or "@d" not in sentence.words:
        return
    for pattern in _TREATS:
        for match in pattern.finditer(sentence.words):
            negated = _NOT.search(_between(match)) is not None
            yield from _stated("treats", match, sentence, negated)


def denials(sentence: Sentence) -> Iterator[Stated]:
    """Pairs that a sentence says are not related; ``kind`` is the beginning of the verb that is denied."""
    if _NOT.search(sentence.words) is None:
        return
    for pattern in _DENIALS:
        for match in pattern.finditer(sentence.words):
            yield from _stated(match["verb"], match, sentence, negated=True)


def certainty_of(sentence: Sentence, start: int, end: int) -> Certainty:
    """How sure a sentence is of what it says between two characters of its words."""
    words = sentence.words
    if _ASKED.search(words, 0, end):
        return Certainty.HYPOTHETICAL
    doubted = _DOUBTED.search(words, max(0, start - _REACH), end)
    return Certainty.UNCERTAIN if doubted else Certainty.STATED


def certainty_about(sentence: Sentence, first: int, second: int) -> Certainty:
    """How sure a sentence is of what it says of the mentions at two items."""
    places = [match.start() for match in _MARK.finditer(sentence.words) if int(match[1]) in (first, second)]
    return certainty_of(sentence, min(places), max(places)) if places else Certainty.STATED


def blames(sentence: Sentence, first: int, second: int) -> bool:
    """Whether the mentions at two items stand near each other, with a word of cause or harm between or just before them."""
    places = [match.start() for match in _MARK.finditer(sentence.words) if int(match[1]) in (first, second)]
    if not places or max(places) - min(places) > _NEAR:
        return False
    return _BLAMED.search(sentence.words, max(0, min(places) - _REACH // 2), max(places)) is not None


def _between(match: re.Match[str]) -> str:
    """The words of a match without those inside of its lists of mentions."""
    return _MARK.sub(" ", match.group())


def _stated(kind: str, match: re.Match[str], sentence: Sentence, negated: bool) -> Iterator[Stated]:
    certainty = certainty_of(sentence, match.start(), match.end())
    for first in _MARK.findall(match["first"]):
        for second in _MARK.findall(match["second"]):
            yield Stated(kind, int(first), int(second), negated, certainty)
