"""The flow of all pages made to blocks: roles given, paragraphs joined over columns and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutCell, LayoutKind
from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.captions import after_label
from Medical_KG_rev.parsing.pdf.local.cells import cells_of
from Medical_KG_rev.parsing.pdf.local.continued import with_whole_tables
from Medical_KG_rev.parsing.pdf.local.flow import Figure, Item, Stack, Table
from Medical_KG_rev.parsing.pdf.local.front import front_matter, title_of
from Medical_KG_rev.parsing.pdf.local.headings import MAIN, REFERENCES, headings_of, words_of
from Medical_KG_rev.parsing.pdf.local.paragraphs import BULLET, Paragraph, goes_on, joined, paragraphs_of
from Medical_KG_rev.parsing.pdf.local.pieces import Box, turned
from Medical_KG_rev.parsing.pdf.local.references import entries_of, is_entry, without_number
from Medical_KG_rev.parsing.pdf.local.runin import without_run_in
from Medical_KG_rev.parsing.pdf.local.text import Vocabulary, joined_lines

_SMALL = 0.93
_SAME_COLUMN = 3.5
"""Paragraphs nearer to each other, in sizes, are two; others may be one around something."""
_INDENTING = 0.15
"""Where so many paragraphs begin with an indent, one that does not goes on from before."""


@dataclass(frozen=True)
class Facts:
    """What is known of the file beside its flow."""

    body: Body
    height: float
    title: str
    heads: tuple[str, ...]
    vocabulary: Vocabulary


@dataclass
class _Part:
    """A paragraph with its role, or a table or figure."""

    item: Paragraph | Table | Figure
    kind: LayoutKind
    level: int = 1


def blocks_of_flow(items: Sequence[Item], facts: Facts) -> list[LayoutBlock]:
    """The blocks of a file in reading order."""
    parts = list(_parts(items, facts.body))
    _name_roles(parts, facts)
    blocks: list[LayoutBlock] = []
    references: list[Paragraph] = []
    for part in _whole(parts):
        if part.kind is LayoutKind.REFERENCE and isinstance(part.item, Paragraph):
            references.append(part.item)
            continue
        if part.kind is LayoutKind.HEADING and references:
            blocks += _references(references, facts.vocabulary)
            references = []
        blocks += _blocks(part, facts.vocabulary)
    blocks += _references(references, facts.vocabulary)
    return with_whole_tables([block for block in blocks if block.text or block.caption or block.cells])


def _references(paragraphs: Sequence[Paragraph], vocabulary: Vocabulary) -> Iterator[LayoutBlock]:
    for entry in entries_of(paragraphs):
        yield LayoutBlock(
            kind=LayoutKind.REFERENCE,
            page=entry.page,
            bbox=entry.box.rounded(),
            text=without_number(joined_lines(entry.lines, vocabulary)) if entry.number else joined_lines(entry.lines, vocabulary),
            label=entry.number,
        )


def _parts(items: Sequence[Item], body: Body) -> Iterator[_Part]:
    previous: Paragraph | None = None
    for item in items:
        if not isinstance(item, Stack):
            yield _Part(item, LayoutKind.TABLE if isinstance(item, Table) else LayoutKind.FIGURE)
            continue
        for paragraph in paragraphs_of(item, body, previous):
            previous = paragraph
            head, rest = without_run_in(paragraph, body)
            if head is not None:
                yield _Part(head, LayoutKind.HEADING)
            yield _Part(rest, LayoutKind.LIST if _is_item(rest) else LayoutKind.PARAGRAPH)


def _is_item(paragraph: Paragraph) -> bool:
    text = paragraph.lines[0].text
    return bool(BULLET.match(text)) and any(char.isalpha() for char in text)


def _name_roles(parts: Sequence[_Part], facts: Facts) -> None:
    """Title, what stands around it, headings with their levels, references, footnotes."""
    texts = [part for part in parts if isinstance(part.item, Paragraph)]
    paragraphs = [part.item for part in texts if isinstance(part.item, Paragraph)]
    levels = headings_of(paragraphs, facts.body)
    run_in = {index for index, part in enumerate(texts) if part.kind is LayoutKind.HEADING}
    deepest = max((level for index, level in levels.items() if index not in run_in), default=1)
    title = title_of(paragraphs, facts.height, facts.body, facts.title, facts.heads)
    front = front_matter(paragraphs, title, levels, facts.body.size) if title is not None else set()
    for index, part in enumerate(texts):
        if index in run_in:
            part.level = levels[index] if index in levels and words_of(paragraphs[index].lines[0].text) else min(deepest + 1, 6)
        elif index in levels:
            part.kind, part.level = LayoutKind.HEADING, levels[index]
        if index == title:
            part.kind = LayoutKind.TITLE
        elif index in front:
            part.kind = LayoutKind.AUTHORS
    _name_references(texts)
    _name_footnotes(texts, facts.body)


def _name_references(parts: Sequence[_Part]) -> None:
    """Paragraphs under the heading of the references, down to the next heading as large as it."""
    least_size: float | None = None
    for part in parts:
        paragraph = part.item
        if not isinstance(paragraph, Paragraph):
            continue
        if part.kind is LayoutKind.HEADING:
            text = joined_lines(paragraph.lines)
            if REFERENCES.match(text.strip("0123456789. ")):
                least_size = 0.97 * paragraph.size
            elif least_size is not None and (words_of(text) in MAIN or (paragraph.size >= least_size and not is_entry(text))):
                least_size = None
            elif least_size is not None:
                part.kind = LayoutKind.REFERENCE
        elif least_size is not None and part.kind in (LayoutKind.PARAGRAPH, LayoutKind.LIST):
            part.kind = LayoutKind.REFERENCE


def _name_footnotes(parts: Sequence[_Part], body: Body) -> None:
    """Small text after text of the usual size in one column, with no heading before it."""
    usual = body.size
    last: Paragraph | None = None
    for part in parts:
        paragraph = part.item
        if not isinstance(paragraph, Paragraph):
            continue
        if part.kind is LayoutKind.HEADING:
            usual, last = 0.0, None
        elif part.kind is LayoutKind.PARAGRAPH:
            usual = usual or paragraph.size
            is_below = last is not None and last.page == paragraph.page and last.box.overlap_x(paragraph.box) > 0
            if paragraph.size < _SMALL * min(usual, body.size) and is_below and paragraph.gap_above > 1.2 * body.step:
                part.kind = LayoutKind.FOOTNOTE
            else:
                last = paragraph


def _whole(parts: Sequence[_Part]) -> Iterator[_Part]:
    """The parts, paragraphs joined with what goes on after a break of column or page; floats and notes between come after."""
    indented = [part.item.is_indented for part in parts if part.kind is LayoutKind.PARAGRAPH and isinstance(part.item, Paragraph)]
    uses_indents = sum(indented) > _INDENTING * max(len(indented), 1)
    open_part: _Part | None = None
    between: list[_Part] = []
    for part in parts:
        if part.kind in (LayoutKind.TABLE, LayoutKind.FIGURE, LayoutKind.FOOTNOTE, LayoutKind.AUTHORS):
            between.append(part)
            continue
        if open_part is not None and _goes_on(open_part, part, uses_indents=uses_indents):
            open_part = _Part(_joined(open_part.item, part.item), open_part.kind)
            continue
        if open_part is not None:
            yield open_part
        yield from between
        open_part, between = part, []
    if open_part is not None:
        yield open_part
    yield from between


def _joined(one: object, other: object) -> Paragraph:
    if not isinstance(one, Paragraph) or not isinstance(other, Paragraph):
        raise TypeError("only paragraphs are joined")
    return joined(one, other)


def _goes_on(part: _Part, following: _Part, *, uses_indents: bool) -> bool:
    one, other = part.item, following.item
    if not isinstance(one, Paragraph) or not isinstance(other, Paragraph) or following.kind is not LayoutKind.PARAGRAPH:
        return False
    if part.kind not in (LayoutKind.PARAGRAPH, LayoutKind.LIST) or other.gap_above < _SAME_COLUMN:
        return False
    return goes_on(one, other, uses_indents=uses_indents)


def _blocks(part: _Part, vocabulary: Vocabulary) -> Iterator[LayoutBlock]:
    item = part.item
    if isinstance(item, Table):
        yield _table(item, vocabulary)
    elif isinstance(item, Figure):
        text = joined_lines(item.caption, vocabulary)
        label = item.region.label
        bbox = turned(item.box, -item.turn).rounded()
        yield LayoutBlock(
            kind=LayoutKind.FIGURE,
            page=item.page,
            bbox=bbox,
            label=_tidy(label),
            caption=after_label(text, label),
        )
    else:
        text = joined_lines(item.lines, vocabulary)
        if part.kind is LayoutKind.LIST:
            text = BULLET.sub("", text)
        yield LayoutBlock(kind=part.kind, page=item.page, bbox=item.box.rounded(), text=text, level=part.level)


def _table(table: Table, vocabulary: Vocabulary) -> LayoutBlock:
    region = table.region
    text = joined_lines(region.caption, vocabulary)
    return LayoutBlock(
        kind=LayoutKind.TABLE,
        page=table.page,
        bbox=turned(region.box, -table.turn).rounded(),
        label=_tidy(region.label),
        caption=after_label(text, region.label),
        cells=_turned_cells(cells_of(region), -table.turn),
        footnote=joined_lines(region.footnote, vocabulary),
    )


def _turned_cells(cells: tuple[LayoutCell, ...], turn: int) -> tuple[LayoutCell, ...]:
    if not turn:
        return cells
    return tuple(replace(cell, bbox=turned(Box(*cell.bbox), turn).rounded() if cell.bbox else None) for cell in cells)


def _tidy(label: str) -> str:
    return label.title() if label.isupper() else label
