"""What the chunker cuts: a document's sections with their blocks, and the units (sentences, lines, rows) inside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

from Medical_KG_rev.models import Block, BlockType, Document, Section, SectionKind

__all__ = ["Level", "Passage", "TokenCounter", "Unit", "passages_of", "units_of"]

_CACHED_WORDS = 200_000
_CHARACTERS_PER_TOKEN = 32
"""A word counts as a token per this many characters at least: a model's "unknown" token must not hide a megabyte of text."""

_PARAGRAPH = re.compile(r"\S(?:.*?\S)??(?=\s*\n\s*\n|\s*\Z)", re.DOTALL)
_WORD = re.compile(r"\S+")


class Level(IntEnum):
    """What lies before a unit: the higher, the better a place to cut. Between pieces of one word a cut is forced."""

    SENTENCE = 0
    BLOCK = 1
    EDGE = 2
    """The edge of a table, list or figure."""
    SECTION = 3
    FORCED = 4


class Passage(NamedTuple):
    """A section's text with the white space after it; ``start`` and the blocks' ranges are offsets into the document."""

    text: str
    start: int
    title: str
    path: tuple[str, ...]
    kind: SectionKind
    blocks: tuple[Block, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_heading(self) -> bool:
        """Whether there is nothing but headers."""
        return all(block.type is BlockType.HEADER for block in self.blocks)


class Unit(NamedTuple):
    """The smallest thing that is not cut: a range of the document without white space at its ends."""

    start: int
    end: int
    tokens: int
    level: Level
    header: bool
    passage: int
    block: int


def passages_of(document: Document, excluded: Sequence[str]) -> list[Passage]:
    """The sections that are indexed, in order. A document without sections is one passage."""
    sections: Sequence[Section] = document.sections or (Section("s0", document.title, 0, len(document.text), (), ()),)
    starts = [section.start for section in sections[1:]] + [len(document.text)]
    found = []
    for section, following in zip(sections, starts, strict=True):
        if section.kind in excluded:
            continue
        gap = document.text[section.end : following]
        end = following if gap.isspace() else section.end
        text = document.text[section.start : end]
        if text.strip():
            blocks = section.blocks or paragraphs(text, section.start)
            found.append(Passage(text, section.start, section.title, section.path, section.kind, blocks))
    return found


def paragraphs(text: str, start: int) -> tuple[Block, ...]:
    """Blocks of a text that comes without: what blank lines separate."""
    return tuple(
        Block(f"b{start + match.start()}", BlockType.PARAGRAPH, start + match.start(), start + match.end())
        for match in _PARAGRAPH.finditer(text)
    )


class TokenCounter:
    """Counts tokens word by word, with a memory: a text's tokens are the sum over its white-space separated words."""

    def __init__(self, count_tokens: Callable[[Sequence[str]], list[int]]) -> None:
        self._count_tokens = count_tokens
        self._known: dict[str, int] = {}

    def learn(self, words: Iterable[str]) -> dict[str, int]:
        """Counts by word, for at least these words."""
        wanted = set(words)
        missing = list(wanted.difference(self._known))
        if missing:
            if len(self._known) + len(missing) > _CACHED_WORDS:
                self._known = {}
                missing = list(wanted)
            counts = self._count_tokens(missing)
            self._known.update(
                (word, max(count, len(word) // _CHARACTERS_PER_TOKEN)) for word, count in zip(missing, counts, strict=True)
            )
        return self._known


def units_of(
    passages: Sequence[Passage], pieces: Sequence[Sequence[tuple[int, str]]], counter: TokenCounter, max_tokens: int
) -> list[Unit]:
    """Units of all passages; ``pieces`` holds each passage's pieces with their offsets in it. None is above ``max_tokens``."""
    split = [[text.split() for _, text in row] for row in pieces]
    known = counter.learn(word for row in split for words in row for word in words)
    units: list[Unit] = []
    for index, (passage, row) in enumerate(zip(passages, pieces, strict=True)):
        heading = 0
        for unit in _merge_headers(_passage_units(index, passage, row, split[index], known)):
            limit = max_tokens - heading if heading <= max_tokens // 2 else max_tokens
            if unit.tokens > limit:
                units += _cut(unit, passage, counter, limit)
            else:
                units.append(unit)
            heading = heading + unit.tokens if unit.header else 0
    return units


def _passage_units(
    index: int, passage: Passage, pieces: Sequence[tuple[int, str]], split: Sequence[Sequence[str]], known: dict[str, int]
) -> Iterator[Unit]:
    blocks = passage.blocks
    last = len(blocks) - 1
    block, previous = 0, -1
    for (offset, text), words in zip(pieces, split, strict=True):
        if not words:
            continue
        start = passage.start + offset + len(text) - len(text.lstrip())
        while block < last and blocks[block + 1].start <= start:
            block += 1
        if previous < 0:
            level = Level.SECTION
        elif block == previous:
            level = Level.SENTENCE
        else:
            level = Level.BLOCK if _is_prose(blocks[block]) and _is_prose(blocks[previous]) else Level.EDGE
        previous = block
        end = passage.start + offset + len(text.rstrip())
        header = blocks[block].type is BlockType.HEADER
        yield Unit(start, end, sum([known[word] for word in words]), level, header, index, block)


def _is_prose(block: Block) -> bool:
    return block.type in (BlockType.PARAGRAPH, BlockType.HEADER, BlockType.EQUATION, BlockType.FOOTNOTE)


def _merge_headers(units: Iterator[Unit]) -> Iterator[Unit]:
    """A header is one unit, however many sentences it seems to have."""
    held: Unit | None = None
    for unit in units:
        if held is not None and unit.header and unit.block == held.block:
            held = held._replace(end=unit.end, tokens=held.tokens + unit.tokens)
            continue
        if held is not None:
            yield held
        held = unit
    if held is not None:
        yield held


def _cut(unit: Unit, passage: Passage, counter: TokenCounter, limit: int) -> Iterator[Unit]:
    """A unit above the limit in parts of about equal size, between words; words above the limit are cut themselves."""
    text = passage.text[unit.start - passage.start : unit.end - passage.start]
    goal = unit.tokens / -(-unit.tokens // limit)
    level, start, end, tokens = unit.level, 0, 0, 0
    for piece_start, piece_end, count, forced in _word_pieces(text, counter, limit):
        if tokens and (forced or tokens >= goal or tokens + count > limit):
            yield unit._replace(start=unit.start + start, end=unit.start + end, tokens=tokens, level=level)
            level, tokens = Level.FORCED if forced else Level.SENTENCE, 0
        if not tokens:
            start = piece_start
        end, tokens = piece_end, tokens + count
    if tokens:
        yield unit._replace(start=unit.start + start, end=unit.start + end, tokens=tokens, level=level)


def _word_pieces(text: str, counter: TokenCounter, limit: int) -> Iterator[tuple[int, int, int, bool]]:
    """Start, end and tokens of each word, and whether it continues the word before it."""
    for match in _WORD.finditer(text):
        cuts = _word_cuts(match.group(), counter, limit)
        for number, (left, right) in enumerate(pairwise(cuts)):
            piece = match.group()[left:right]
            yield match.start() + left, match.start() + right, max(1, counter.learn([piece])[piece]), number > 0


def _word_cuts(word: str, counter: TokenCounter, limit: int) -> list[int]:
    """Where to cut a word so that no piece is above the limit: halves of halves."""
    cuts = [0]
    pending = [(0, len(word))]
    while pending:
        left, right = pending.pop()
        if right - left > 1 and counter.learn([word[left:right]])[word[left:right]] > limit:
            middle = (left + right) // 2
            pending += [(middle, right), (left, middle)]
        else:
            cuts.append(right)
    return cuts
