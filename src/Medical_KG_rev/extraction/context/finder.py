"""Tells how a text speaks of each mention: denied, doubted, supposed, of a relative, of the past."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.context.phrases import Match, kinds, matches
from Medical_KG_rev.extraction.context.triggers import Scope, Side, Sign, Trigger, table
from Medical_KG_rev.extraction.spans import Context, FoundMention
from Medical_KG_rev.models import Certainty

_JOINED = frozenset({"and", "or", "nor"})
_RELATIVE = frozenset({"who", "that", "which"})
_CLOSE = 5
"""A trigger that acts on either side acts forward when a mention begins within so many tokens."""


class ContextFinder:
    """Gives each mention its :class:`Context`, from the words around it in its sentence. Linear in the text."""

    fingerprint = "context-2"

    def annotate(self, text: AnalysedText, mentions: Sequence[FoundMention]) -> list[FoundMention]:
        """The same mentions in the same order, each with its context; those outside what was read stay as they are."""
        found = list(mentions)
        for (first, last), members in _by_sentence(text, mentions):
            signs = _Sentence(text, first, last, [mentions[index] for index in members]).signs()
            for index, sign in zip(members, signs, strict=True):
                if sign:
                    found[index] = replace(mentions[index], context=_context(sign))
        return found


def _context(sign: Sign) -> Context:
    certainty = Certainty.STATED
    if sign & (Sign.HYPOTHETICAL | Sign.EXPECTED):
        certainty = Certainty.HYPOTHETICAL
    if sign & Sign.UNCERTAIN:
        certainty = Certainty.UNCERTAIN
    expected = bool(sign & Sign.EXPECTED) and not sign & (Sign.HYPOTHETICAL | Sign.UNCERTAIN)
    return Context(bool(sign & Sign.NEGATED), certainty, bool(sign & Sign.FAMILY), bool(sign & Sign.HISTORICAL), expected)


def _by_sentence(text: AnalysedText, mentions: Sequence[FoundMention]) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Each sentence that holds mentions, with the places of these in the sequence."""
    starts = [text.starts[first] for first, _ in text.sentences]
    members: dict[int, list[int]] = {}
    for index, mention in enumerate(mentions):
        sentence = bisect_right(starts, mention.start) - 1
        if sentence >= 0 and mention.start < text.ends[text.sentences[sentence][1] - 1]:
            members.setdefault(sentence, []).append(index)
    for sentence, indices in members.items():
        yield text.sentences[sentence], indices


class _Sentence:
    """One sentence: its words, where mentions stand, where scopes end, what acts on each token."""

    def __init__(self, text: AnalysedText, first: int, last: int, mentions: Sequence[FoundMention]) -> None:
        raw = text.words[first:last]
        self._words, self._lists = kinds(raw), table().words
        self._places = [_place(text, first, last, mention) for mention in mentions]
        self._inside = [False] * len(self._words)
        self._begins = [False] * len(self._words)
        for start, end in self._places:
            self._begins[start] = True
            for index in range(start, end):
                self._inside[index] = True
        self._found = matches(self._words, [not inside for inside in self._inside])
        self._boundary = _boundaries(raw, self._words, self._found)

    def signs(self) -> list[Sign]:
        """What is said of each mention."""
        acting = [Sign.NONE] * len(self._words)
        for match in self._found:
            for trigger in match.triggers:
                if trigger.sign:
                    for index in self._reached(match, trigger):
                        acting[index] |= trigger.sign
        return [_union(acting[start:end]) for start, end in self._places]

    def _reached(self, match: Match, trigger: Trigger) -> range:
        if trigger.side is Side.BEFORE or (trigger.side is Side.EITHER and not self._mention_follows(match)):
            return self._backward(match, trigger)
        return self._forward(match, trigger)

    def _mention_follows(self, match: Match) -> bool:
        return any(self._begins[match.last : match.last + _CLOSE])

    def _forward(self, match: Match, trigger: Trigger) -> range:
        words, start = self._words, match.last
        if trigger.scope is Scope.PREDICATE:
            verb = next((i for i in range(start, min(len(words), start + 15)) if self._tells_occurrence(i)), None)
            if verb is None or any(self._boundary[i] and words[i] not in _RELATIVE for i in range(start, verb)):
                return range(0)
            start = verb + 1
        end = start
        while end < len(words) and end - start < trigger.reach and not self._ends(end, start, trigger):
            end += 1
        return range(start, end)

    def _ends(self, index: int, start: int, trigger: Trigger) -> bool:
        """Whether the scope that began at ``start`` ends before this token."""
        word = self._words[index]
        if self._boundary[index] and not (index == start and word == ":"):
            return True
        if self._inside[index]:
            return False
        if trigger.sign & Sign.FAMILY and word in self._lists["self"]:
            return True
        if trigger.sign & Sign.NEGATED and self._goes_on(index, start, trigger.scope):
            return True
        if trigger.scope is Scope.CLAUSE:
            return self._tells_population(index)
        if trigger.scope is Scope.PHRASE and word in (",", "and"):
            return True
        return self._is_preposition(index, start, trigger.scope)

    def _tells_occurrence(self, index: int) -> bool:
        """Whether this is the verb of `no patient developed`; in `no patient who received … developed` it is the second."""
        return self._words[index] in self._lists["occur"] and self._words[index - 1] not in _RELATIVE

    def _goes_on(self, index: int, start: int, scope: Scope) -> bool:
        """Whether the clause goes on about what was denied: by a verb, or by something else beside it (`no A and a B`)."""
        word = self._words[index]
        if word == "and":
            return self._words[index + 1 : index + 2] in (["a"], ["an"], ["the"])
        if scope is Scope.NOUNS:
            return word.endswith("ed") and word not in self._lists["occur"]
        return index > start and word in self._lists["auxiliary"]

    def _tells_population(self, index: int) -> bool:
        word = self._words[index]
        following = self._words[index + 1 : index + 2]
        return word in ("after", "during") or (
            word in ("in", "among", "of") and not self._lists["population"].isdisjoint(following)
        )

    def _is_preposition(self, index: int, start: int, scope: Scope) -> bool:
        """Whether a list ends at this preposition; `such as` goes on, and so does `treatment with`."""
        word, before = self._words[index], self._words[index - 1] if index else ""
        if word not in self._lists["prepositions"] or (word == "as" and before == "such"):
            return False
        return scope is Scope.PHRASE if index == start else before not in self._lists["transparent"]

    def _backward(self, match: Match, trigger: Trigger) -> range:
        """Back to where the clause begins; of its subject, what stands before the first preposition."""
        start, least = match.first, max(0, match.first - trigger.reach)
        while start > least and not self._boundary[start]:
            start -= 1
        if self._boundary[start] and start < match.first and not self._inside[start]:
            start += 1
        if not self._lists["causes"].isdisjoint(self._words[start : match.first]):
            return range(0)
        end = next(
            (i for i in range(start + 1, match.first) if self._words[i] in self._lists["prepositions"] and not self._inside[i]),
            match.first,
        )
        if not any(self._begins[start:end]):
            end = match.first
        return range(start, end)


def _union(signs: Sequence[Sign]) -> Sign:
    whole = Sign.NONE
    for sign in signs:
        whole |= sign
    return whole


def _place(text: AnalysedText, first: int, last: int, mention: FoundMention) -> tuple[int, int]:
    """The mention's tokens, counted from the sentence's first."""
    start = bisect_right(text.starts, mention.start, first, last) - 1
    end = start + 1
    while end < last and text.starts[end] < mention.end:
        end += 1
    return start - first, end - first


def _boundaries(raw: Sequence[str], words: Sequence[str], found: Sequence[Match]) -> list[bool]:
    """Tokens that no scope crosses: ends of scopes, of sentences, semicolons, colons, commas or `and` that begin a clause."""
    lists = table().words
    boundary = [word in (";", ":") or (word == "." and _is_stop(raw, index)) for index, word in enumerate(words)]
    begins = [False] * len(words)
    for match in found:
        if match.triggers:
            begins[match.first] = any(trigger.sign for trigger in match.triggers)
        else:
            boundary[match.first] = True
    ahead = _verb_ahead(words, lists["finite"])
    opened = told = bool(words) and words[0] in lists["openers"]
    for index, word in enumerate(words):
        if boundary[index]:
            opened = told = False
        elif word == "," or (word == "and" and words[index - 1 : index] != [","]):
            following = index + 2 if word == "," and words[index + 1 : index + 2] == ["and"] else index + 1
            after = words[following] if following < len(words) else ""
            new = word == "," and (after == "<number>" or (bool(after) and begins[following] and after not in ("or", "nor")))
            closes = opened and word == "," and _JOINED.isdisjoint(words[index + 1 : index + 1 + _CLOSE])
            if told and (ahead[index] or new or closes):
                boundary[index] = True
                opened = told = False
        if word in lists["finite"] or begins[index]:
            told = True
    return boundary


def _is_stop(raw: Sequence[str], index: int) -> bool:
    """Short lines come as one piece, whatever full stops are in them."""
    before, after = raw[index - 1 : index], raw[index + 1 : index + 2]
    return bool(before and after) and len(before[0]) > 2 and after[0][0].isupper()


def _verb_ahead(words: Sequence[str], finite: frozenset[str]) -> list[bool]:
    """For each comma and `and`: whether a finite verb stands before the next one."""
    ahead = [False] * len(words)
    verb = False
    for index in range(len(words) - 1, -1, -1):
        word = words[index]
        if word in finite:
            verb = True
        elif word in (",", "and", "or", ";"):
            ahead[index] = verb
            if not (word == "and" and words[index - 1 : index] == [","]):
                verb = False
    return ahead
