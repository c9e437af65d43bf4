"""Finds in prose what trials report: an intervention changes an outcome against a comparator, or does not. Few, and sure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.quantities import effects, p_values
from Medical_KG_rev.extraction.spans import FoundClaim, FoundMention
from Medical_KG_rev.extraction.trial_prose.judge import Direction, Judge
from Medical_KG_rev.extraction.trial_prose.wording import AGAINST
from Medical_KG_rev.models import EntityType

METHOD: Final = "trial-prose"

_ARMS: Final = frozenset({EntityType.CHEMICAL, EntityType.PROCEDURE})
_OUTCOMES: Final = frozenset({EntityType.DISEASE, EntityType.PHENOTYPE, EntityType.CHEMICAL, EntityType.GENE})

_ADVERB = r"(?:(?:statistically|clinically|also|both|all|not|highly|very|much|markedly|substantially|slightly|\w+ly) )*"
_MORE = r"higher|greater|longer|larger|increased|elevated|raised|better|improved|more frequent|more common"
_LESS = r"lower|less|fewer|shorter|smaller|decreased|reduced|lowered|worse|less frequent|less common"
_THAN = r"(?:than|compared with|compared to|in comparison with|versus|vs\.?|relative to)(?: that| those)?"
_IN = r"(?:in|with|for|by|among|after|under|on)"
_PHRASE = r"[^.;:]"
_ARM_END = (
    r"(?=\s*(?:[.;:(\[,]|$|\b(?:at|after|during|throughout|over|with a|with no|and did|and was|and were|whereas|while|but)\b))"
)

_OUTCOME, _TESTED, _COMPARED = (
    rf"(?<!\w)(?P<outcome>{_PHRASE}{{3,120}}?)",
    rf"(?P<tested>{_PHRASE}{{2,80}}?)",
    rf"(?P<compared>{_PHRASE}{{2,80}}?){_ARM_END}",
)
_BETWEEN = rf"between {_TESTED} (?:and|or) {_COMPARED}"
_IS_MORE = rf"(?:(?P<more>{_MORE})|(?P<less>{_LESS}))"
_ABOUT = r"(?:in|for|regarding)(?: terms of)?"
_ALIKE = r"(?:similar|comparable|not (?:\w+ )*different)"
_CHANGES = r"(?:(?P<more>increased|improved|raised|enhanced|prolonged|elevated)|(?P<less>reduced|decreased|lowered|shortened))"

_PATTERNS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_OUTCOME} (?:was|were|is|are|remained) {_ADVERB}{_IS_MORE} {_IN} {_TESTED} {_THAN} (?:{_IN} )?{_COMPARED}",
        rf"(?:^|, |; |that ){_TESTED} {_ADVERB}{_CHANGES} {_OUTCOME},? (?:when )?{_THAN} (?:{_IN} )?{_COMPARED}",
        rf"\bno (?:\w+ ){{0,3}}differences? (?:\w+ )?{_ABOUT} {_OUTCOME} (?:was |were )?(?:\w+ )?{_BETWEEN}",
        rf"{_OUTCOME} (?:did not|does not) (?:\w+ly )?differ (?:\w+ly )?(?:between|in) {_TESTED} (?:and|or) {_COMPARED}",
        rf"{_OUTCOME} (?:was|were) {_ALIKE} (?:between|in|for|with) {_TESTED} (?:and|or) {_COMPARED}",
    )
)
_TOLD: Final = re.compile(r"significa|\bp\s?[<>=≤≥]|\bCI\b|differ|similar|comparable", re.IGNORECASE)
_COMPARES: Final = re.compile(
    r"\b(?:than|compared|comparison|versus|vs|between|relative to|similar|comparable|differ)\b", re.IGNORECASE
)
_LEAD: Final = re.compile(
    r"^(?:.*?\b(?:that|found|showed|whereas|while|however|moreover|furthermore|although|also|conclusions?"
    r"|results?)\b[,:]?\s+)?(?:there (?:was|were) )?"
    r"(?:(?:in|on|at|during|after|for|by) [^,]{1,50}, )?(?:the |a |an |mean |median |in |both |and |\([^)]{1,12}\) )*",
    re.IGNORECASE,
)
_ASKED: Final = re.compile(
    r"\b(?:whether|hypothes\w+|aim\w*|objectives?|to (?:compare|determine|evaluate|assess|investigate)|if)\b", re.IGNORECASE
)
_OF: Final = re.compile(
    r"(?:(?:incidence|risk|rate|severity|frequency|number|occurrence|prevalence|levels?|concentrations?|odds|risks|rates) of"
    r" )?(?:the )?",
    re.IGNORECASE,
)
_BRACKET: Final = re.compile(r"\s*\([^()]*\)\s*$")
_LONGEST: Final = 150
"""Tokens of the longest sentence that is read."""
_MOST_WORDS: Final = 16
_NO_OUTCOME: Final = frozenset({"groups", "group", "arms", "patients", "it", "they", "and", "these", "this", "which", "results"})


@dataclass(frozen=True, slots=True)
class _Reported:
    """Ranges of the text, and whether the tested arm has more or less; None for no difference."""

    tested: tuple[int, int]
    compared: tuple[int, int]
    outcome: tuple[int, int]
    more: bool | None


class TrialProse:
    """Reads sentences that report a comparison.

    A claim's subject is the intervention, which must be a known thing; the outcome is its object where that is a known thing,
    else its value. Qualifiers: ``outcome``, ``comparator``, ``direction``, and effect, interval and p-value where told. No
    significant difference is a negated claim. A pattern finds the parts, and the judge must agree with what it says of them.
    """

    def __init__(self, judge: Judge | None = None) -> None:
        """Reads the judge's weights where none is given.

        Raises:
            ModelCorruptError: they are not what their digest says.
        """
        self._judge = judge or Judge()
        self.fingerprint = f"trial-prose-1:{self._judge.fingerprint[:16]}"

    def find(self, text: AnalysedText, mentions: Sequence[FoundMention]) -> list[FoundClaim]:
        """The claims, in the order of the text."""
        known = [mention for mention in mentions if mention.id is not None]
        starts = [mention.start for mention in known]
        claims: list[FoundClaim] = []
        for first, last in text.sentences:
            start, end = text.starts[first], text.ends[last - 1]
            here = known[bisect_left(starts, start) : bisect_left(starts, end)]
            if not any(mention.type in _ARMS for mention in here) or last - first > _LONGEST or end - start > 10 * _LONGEST:
                continue
            sentence = text.text[start:end]
            if _TOLD.search(sentence) and _COMPARES.search(sentence) and not _ASKED.search(sentence):
                for reported in _reported(sentence, start):
                    claims += self._claims(text, (first, last), here, reported)
        return claims

    def _claims(
        self, text: AnalysedText, sentence: tuple[int, int], here: list[FoundMention], reported: _Reported
    ) -> Iterator[FoundClaim]:
        tested, compared, more = reported.tested, reported.compared, reported.more
        if _is_control(text.text[slice(*tested)]):
            tested, compared, more = compared, tested, None if more is None else not more
        arms = [mention for mention in _inside(here, tested) if mention.type in _ARMS]
        ids = {mention.id for mention in arms}
        if (
            len(ids) != 1
            or _inside(here, compared, ids)
            or not (_inside(here, compared) or _is_control(text.text[slice(*compared)]))
        ):
            return
        place = text.starts[sentence[0]], text.ends[sentence[1] - 1]
        words = [text.text[slice(*part)] for part in (tested, compared, reported.outcome)]
        direction, probability = self._judge.judge_sentence(text.text[slice(*place)], *words)
        said = Direction.SAME if more is None else Direction.INCREASED if more else Direction.DECREASED
        if direction is not said:
            return
        target = _named(text.text, reported.outcome, here)
        yield FoundClaim(
            str(arms[0].id),
            p.AFFECTS,
            target,
            (place,),
            round(probability, 4),
            METHOD,
            value=None if target else words[2],
            negated=more is None,
            qualifiers={"outcome": words[2], "comparator": words[1], "direction": str(direction), **_statistics(text, *sentence)},
        )


def _reported(sentence: str, offset: int) -> Iterator[_Reported]:
    """What the first pattern that fits finds; ``offset`` is the place of the sentence."""
    for pattern in _PATTERNS:
        match = pattern.search(sentence)
        if match is None:
            continue
        outcome = _trimmed(sentence, *match.span("outcome"))
        if outcome is None or "no " in sentence[max(0, outcome[0] - 4) : outcome[0]].lower():
            return
        groups = match.groupdict()
        denied = re.search(r"\b(?:not|no|neither|nor)\b", sentence[outcome[0] : match.start("tested")], re.IGNORECASE)
        more = None if denied or not (groups.get("more") or groups.get("less")) else groups.get("more") is not None
        worsened = re.search(r"\b(?:better|worse|improved)\b", groups.get("more") or groups.get("less") or "", re.IGNORECASE)
        if not worsened:
            parts = (match.span("tested"), match.span("compared"), outcome)
            tested, compared, place = ((start + offset, end + offset) for start, end in parts)
            yield _Reported(tested, compared, place, more)
        return


def _trimmed(sentence: str, start: int, end: int) -> tuple[int, int] | None:
    """An outcome without the words that lead to it; None where what is left is empty or too long to be one."""
    lead = _LEAD.match(sentence[start:end])
    start += lead.end() if lead else 0
    end -= len(sentence[start:end]) - len(_BRACKET.sub("", sentence[start:end]).rstrip())
    words = sentence[start:end].split()
    return (start, end) if words and len(words) <= _MOST_WORDS and words[-1].lower() not in _NO_OUTCOME else None


def _is_control(arm: str) -> bool:
    return any(word in AGAINST for word in re.findall(r"\w+", arm.lower()))


def _inside(mentions: list[FoundMention], place: tuple[int, int], ids: set[str | None] | None = None) -> list[FoundMention]:
    return [
        mention
        for mention in mentions
        if place[0] <= mention.start and mention.end <= place[1] and (ids is None or mention.id in ids)
    ]


def _named(text: str, outcome: tuple[int, int], here: list[FoundMention]) -> str | None:
    """The id of the known thing that an outcome is, or is the risk or level of."""
    for mention in _inside(here, outcome):
        lead = _OF.match(text, outcome[0], outcome[1])
        if mention.type in _OUTCOMES and mention.end == outcome[1] and lead and lead.end() == mention.start:
            return mention.id
    return None


def _statistics(text: AnalysedText, first: int, last: int) -> dict[str, Any]:
    """Effect and p-value of a sentence where it tells one alone."""
    sentence = AnalysedText(
        text.text, text.words[first:last], text.starts[first:last], text.ends[first:last], [(0, last - first)]
    )
    told = effects(sentence)
    if len(told) == 1:
        return told[0].as_qualifier()
    values = p_values(sentence)
    if len(values) != 1:
        return {}
    stated: dict[str, Any] = {"p_value": values[0].value}
    return stated if values[0].comparator == "=" else {**stated, "p_comparator": values[0].comparator}
