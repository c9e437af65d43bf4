"""What a relation is looked for in: a part of a text as long as an abstract, with the entities that it names.

A mention counts as one item of its sentence whatever its length: ``chronic renal failure`` is as far from a word as ``pain`` is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.spans import FoundMention
from Medical_KG_rev.models import EntityType

RELATED_TYPES: Final = (EntityType.CHEMICAL, EntityType.DISEASE, EntityType.GENE, EntityType.VARIANT)
"""The types that relations link; a phenotype counts as a disease."""

_TYPE_INDEX: Final = {kind: index for index, kind in enumerate(RELATED_TYPES)} | {EntityType.PHENOTYPE: 1}

UNIT_TOKENS: Final = 600
_UNIT_ENTITIES: Final = 32
_SENTENCE_TOKENS: Final = 250
_SENTENCE_CHARACTERS: Final = 5_000
"""What is longer is no sentence: a table, a list of references."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A run of sentences with what is named in them.

    Entity *e* is ``ids[e]``, of type ``RELATED_TYPES[types[e]]``; ``titled[e]`` tells whether the title names it. Occurrence *o*
    names entity ``entity_of[o]`` as item ``item_of[o]`` of the unit, in its sentence ``sentence_of[o]``, by the mention
    ``mentions[o]``. ``items`` are words in lower case or, for a mention, its type after an ``@``; ``item_ends[s]`` is the end of
    sentence *s* among them.
    """

    ids: list[str]
    types: list[int]
    titled: list[bool]
    items: list[str]
    item_ends: list[int]
    sentences: list[tuple[int, int]]
    entity_of: list[int]
    item_of: list[int]
    sentence_of: list[int]
    mentions: list[FoundMention]


def units(text: AnalysedText, mentions: Sequence[FoundMention]) -> Iterator[Unit]:
    """The parts of a text that name at least two entities that a relation may link.

    Mentions without an id are left out; one with several ids names several entities.
    """
    known = sorted(
        (mention for mention in mentions if mention.id is not None and mention.type in _TYPE_INDEX),
        key=lambda mention: mention.start,
    )
    if len(known) < 2:
        return
    title_end = _title_end(text)
    titled = {curie for mention in known if mention.start < title_end for curie in mention.ids}
    position = 0
    for first, last in _runs(text):
        start, end = text.starts[text.sentences[first][0]], text.ends[text.sentences[last - 1][1] - 1]
        here: list[FoundMention] = []
        while position < len(known) and known[position].start < end:
            if known[position].start >= start:
                here.append(known[position])
            position += 1
        kept = _most_named(here)
        if len(kept) > 1:
            yield _unit(text, text.sentences[first:last], here, kept, titled)


def _title_end(text: AnalysedText) -> int:
    """Where the title ends: the first sentence, if a line ends with it and more follows."""
    if len(text.sentences) < 2:
        return 0
    end, next_start = text.ends[text.sentences[0][1] - 1], text.starts[text.sentences[1][0]]
    return end if "\n" in text.text[end:next_start] else 0


def _runs(text: AnalysedText) -> Iterator[tuple[int, int]]:
    """Ranges of sentences of at most about ``UNIT_TOKENS`` tokens, not fewer than one."""
    sentences = text.sentences
    first = 0
    while first < len(sentences):
        limit = sentences[first][0] + UNIT_TOKENS
        last = first + 1
        while last < len(sentences) and sentences[last][1] <= limit:
            last += 1
        yield first, last
        first = last


def _most_named(mentions: list[FoundMention]) -> set[str]:
    counts: dict[str, int] = {}
    for mention in mentions:
        for curie in mention.ids:
            counts[curie] = counts.get(curie, 0) + 1
    return set(sorted(counts, key=lambda curie: -counts[curie])[:_UNIT_ENTITIES])


def _unit(
    text: AnalysedText, sentences: list[tuple[int, int]], mentions: list[FoundMention], kept: set[str], titled: set[str]
) -> Unit:
    """Walks over tokens and mentions together."""
    ids: dict[str, int] = {}
    unit = Unit([], [], [], [], [], sentences, [], [], [], [])
    position = 0
    for number, (first, last) in enumerate(sentences):
        overlong = last - first > _SENTENCE_TOKENS or text.ends[last - 1] - text.starts[first] > _SENTENCE_CHARACTERS
        token = last if overlong else first
        begin = text.ends[last - 1] if overlong else text.starts[first]
        while position < len(mentions) and mentions[position].start < begin:
            position += 1
        while token < last:
            covered = token
            while position < len(mentions) and mentions[position].start < text.ends[token]:
                mention = mentions[position]
                position += 1
                item = len(unit.items) if mention.end > text.starts[token] else len(unit.items) - 1
                for curie in mention.ids:
                    if curie not in kept:
                        continue
                    entity = ids.setdefault(curie, len(ids))
                    if entity == len(unit.types):
                        unit.types.append(_TYPE_INDEX[mention.type])
                        unit.titled.append(curie in titled)
                    unit.entity_of.append(entity)
                    unit.item_of.append(item)
                    unit.sentence_of.append(number)
                    unit.mentions.append(mention)
                    covered = max(covered, bisect_right(text.starts, mention.end - 1, token, last))
            if covered > token:
                unit.items.append("@" + RELATED_TYPES[unit.types[unit.entity_of[-1]]])
                token = covered
            else:
                unit.items.append(text.words[token].lower())
                token += 1
        unit.item_ends.append(len(unit.items))
    unit.ids.extend(ids)
    return unit
