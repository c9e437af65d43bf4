"""The list of references, cut into its entries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from Medical_KG_rev.parsing.pdf.local.paragraphs import Paragraph
from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, around

_NUMBERED = re.compile(r"^[\[(]?(\d{1,3})[\]).:]*(?:\s+|(?=[A-Z\u201c]))(?=\S)")
_AUTHOR = re.compile(r"^[A-Z\u00c0-\u017e][\w'\u2019\u2010-]+,?\s+(?:[A-Z]|&|et al)")
_HANG = 0.6


@dataclass(frozen=True)
class Entry:
    """Lines of one reference, the box of those on its first column, and its number in the list where it has one."""

    page: int
    number: str
    lines: tuple[Line, ...]
    box: Box


def entries_of(paragraphs: Sequence[Paragraph]) -> list[Entry]:
    """The entries of a list, by their numbers, or by hanging lines, or one a paragraph."""
    placed = [(paragraph, line) for paragraph in paragraphs for line in paragraph.lines]
    numbered = _by_number([line for _, line in placed])
    starts = numbered or _by_indent(paragraphs)
    groups: list[list[tuple[Paragraph, Line]]] = []
    for index, member in enumerate(placed):
        if groups and index not in starts:
            groups[-1].append(member)
        else:
            groups.append([member])
    return [_entry(group, is_numbered=bool(numbered)) for group in groups]


def _entry(members: Sequence[tuple[Paragraph, Line]], *, is_numbered: bool) -> Entry:
    first, lines = members[0][0], tuple(line for _, line in members)
    found = _NUMBERED.match(lines[0].text) if is_numbered else None
    box = around(line.box for paragraph, line in members if paragraph.page == first.page and abs(paragraph.left - first.left) < 5)
    return Entry(first.page, found[1] if found else "", lines, box)


def is_entry(text: str) -> bool:
    """Whether a text begins as numbered entries do."""
    return bool(_NUMBERED.match(text))


def without_number(text: str) -> str:
    """An entry's text without its number."""
    return _NUMBERED.sub("", text, count=1)


def _by_number(lines: Sequence[Line]) -> set[int]:
    """Places of the lines that begin with the number after the last one's; none where the list is not numbered."""
    starts: list[int] = []
    expected: int | None = None
    for index, line in enumerate(lines):
        found = _NUMBERED.match(line.text)
        if not found:
            continue
        value = int(found[1])
        if expected is None and value > 1:
            continue
        if expected is None or expected <= value <= expected + 1:
            starts.append(index)
            expected = value + 1
    return set(starts) if len(starts) > max(2, len(lines) / 12) else set()


def _by_indent(paragraphs: Sequence[Paragraph]) -> set[int]:
    """Places of the lines at the left edge of a column in which others hang."""
    starts: set[int] = set()
    index = 0
    for column in _columns(paragraphs):
        lines = [line for paragraph in column for line in paragraph.lines]
        edge = min(line.box.x0 for line in lines)
        hanging = [line.box.x0 > edge + _HANG * line.size for line in lines]
        if any(hanging):
            starts |= {index + place for place, hangs in enumerate(hanging) if not hangs}
        else:
            starts |= {index + place for place in _firsts(column)}
        index += len(lines)
    return starts


def _columns(paragraphs: Sequence[Paragraph]) -> Iterator[list[Paragraph]]:
    """Paragraphs that follow each other in one column."""
    group: list[Paragraph] = []
    for paragraph in paragraphs:
        if group and (paragraph.page != group[-1].page or abs(paragraph.left - group[-1].left) > 3):
            yield group
            group = []
        group.append(paragraph)
    if group:
        yield group


def _firsts(paragraphs: Sequence[Paragraph]) -> list[int]:
    """Places of the first lines of paragraphs, and of lines that begin with an author after one that ends short."""
    places, index = [], 0
    for paragraph in paragraphs:
        previous: Line | None = None
        for line in paragraph.lines:
            ends_short = previous is None or previous.box.x1 < paragraph.right - 2 * previous.size
            if (previous is None and _AUTHOR.match(line.text)) or (ends_short and _AUTHOR.match(line.text)):
                places.append(index)
            index += 1
            previous = line
    return places
