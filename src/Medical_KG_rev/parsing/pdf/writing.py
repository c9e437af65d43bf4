"""Writes the blocks of a layout into a document: headings open sections, tables keep their grid, references their identifiers."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from math import isfinite
from operator import itemgetter

from Medical_KG_rev.models import BlockType, BoundingBox, SectionKind, Span
from Medical_KG_rev.parsing.builder import CellText, DocumentBuilder, Place
from Medical_KG_rev.parsing.jats.identifiers import normal_doi
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutCell, LayoutKind, PageSize

MAX_HEADING = 500
"""Characters; what is longer is a paragraph in bold."""

MAX_LEVEL = 9
MAX_GRID = 2_000_000
"""Positions in one table; above, cells are taken as they come, without their places."""

_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b\ufeff\ufffe\uffff\ud800-\udfff]")
_KINDS = (
    (re.compile(r"(?:list of )?(?:references?|bibliography|literature cited|works cited|cited literature)", re.IGNORECASE),
     SectionKind.REFERENCES),
    (re.compile(r"authors?(?:['\u2019]? (?:details|information|affiliations?))?|affiliations?|correspondence|key ?words",
                re.IGNORECASE), SectionKind.METADATA),
)  # fmt: skip
_NUMBER = re.compile(r"^(?:[\dIVX]+(?:\.\d+)*\.?|[A-Z]\.)\s+")
_KEYWORDS = re.compile(r"key ?-?words?(?: and phrases)?\s*(?:[:.\u2013\u2014-]\s*|(?=(?-i:[A-Z])))", re.IGNORECASE)
_SEPARATOR = re.compile(r"[,;|\u2022\u00b7]")
_DASH = re.compile(r" [-\u2013] ")
_YEAR = re.compile(r"(?<![\d./-])(1[89]\d\d|20\d\d)(?![\d/-])")
_PMID = re.compile(r"(?:PMID|PubMed)[:\s]\s*(\d{1,9})(?!\d)", re.IGNORECASE)


def clean(text: str) -> str:
    """Text without what no reader sees: control characters, half surrogates, zero-width spaces."""
    return _INVISIBLE.sub("", text)


class LayoutWriter:
    """Writes blocks in the order in which they come. ``pages`` bounds their boxes."""

    def __init__(self, builder: DocumentBuilder, pages: Sequence[PageSize]) -> None:
        self._builder = builder
        self._pages = pages
        self._keywords_found = False

    def write(self, blocks: Sequence[LayoutBlock]) -> None:
        """All blocks: those before the first heading stand in sections without title."""
        pending = deque(blocks)
        while pending:
            if _is_heading(pending[0]):
                self._section(pending, SectionKind.BODY)
            else:
                self._untitled(pending)

    def _section(self, pending: deque[LayoutBlock], around: SectionKind) -> None:
        """A heading, what follows it, and the sections below it."""
        heading = pending.popleft()
        level, kind = _level(heading), _kind_of(heading.text) or around
        with self._builder.section(heading.text, kind, place=self._place(heading)):
            while pending and not (_is_heading(pending[0]) and _level(pending[0]) <= level):
                if _is_heading(pending[0]):
                    self._section(pending, kind)
                elif _own_kind(pending[0]) in (None, kind):
                    self._block(pending.popleft())
                else:
                    self._untitled(pending)

    def _untitled(self, pending: deque[LayoutBlock]) -> None:
        """Blocks of one kind that no heading announces: authors, references, anything else."""
        kind = _own_kind(pending[0])
        with self._builder.section(kind=kind):
            while pending and not _is_heading(pending[0]) and _own_kind(pending[0]) is kind:
                self._block(pending.popleft())

    def _block(self, block: LayoutBlock) -> None:
        builder, place = self._builder, self._place(block)
        if block.kind is LayoutKind.REFERENCE:
            self._reference(block, place)
        elif block.kind is LayoutKind.LIST:
            builder.items(block.text.split("\n"), place=place)
        elif block.kind is LayoutKind.TABLE:
            builder.table(table_rows(block.cells), caption=_caption(block), label=block.label, reference=block.image, place=place)
        elif block.kind is LayoutKind.FIGURE:
            builder.block(_caption(block), BlockType.FIGURE, label=block.label, reference=block.image, place=place)
        else:
            span = builder.block(block.text, _TYPES[block.kind], label=block.label, reference=block.image, place=place)
            self._keywords(block, span)
        builder.block(block.footnote, BlockType.FOOTNOTE, label=block.label, place=place)

    def _reference(self, block: LayoutBlock, place: Place) -> None:
        for span in self._builder.items([block.text], place=place):
            year, pmid = _YEAR.search(block.text), _PMID.search(block.text)
            self._builder.annotate(
                "cited_work",
                span,
                doi=normal_doi(block.text),
                pmid=pmid.group(1) if pmid else None,
                year=int(year.group(1)) if year else None,
            )

    def _keywords(self, block: LayoutBlock, span: Span | None) -> None:
        """States the keywords of the first paragraph that is named so."""
        text = " ".join(block.text.split())
        named = _KEYWORDS.match(text)
        if named is None or span is None or self._keywords_found or block.kind is not LayoutKind.PARAGRAPH:
            return
        self._keywords_found = True
        separator = _SEPARATOR if _SEPARATOR.search(text, named.end()) else _DASH
        start = named.end()
        for end in (*(cut.start() for cut in separator.finditer(text, start)), len(text)):
            word = text[start:end].strip(" .,;|\u2022\u00b7-\u2013")
            if word:
                first = span.start + text.index(word, start)
                self._builder.annotate("keyword", Span(first, first + len(word)))
            start = end

    def _place(self, block: LayoutBlock) -> Place:
        if not 1 <= block.page <= len(self._pages):
            return Place()
        return Place(block.page, _inside(block.bbox, self._pages[block.page - 1]))


_TYPES = {
    LayoutKind.TITLE: BlockType.HEADER,
    LayoutKind.AUTHORS: BlockType.PARAGRAPH,
    LayoutKind.HEADING: BlockType.PARAGRAPH,  # one that is too long for a section's title
    LayoutKind.PARAGRAPH: BlockType.PARAGRAPH,
    LayoutKind.EQUATION: BlockType.EQUATION,
    LayoutKind.FOOTNOTE: BlockType.FOOTNOTE,
}


def table_rows(cells: Sequence[LayoutCell]) -> list[list[CellText]]:
    """Rows as :meth:`DocumentBuilder.table` takes them: a cell for each position that no spanning cell covers.

    Rows and columns in which no cell begins are left out, cells in one place become one, and of cells that overlap the later one
    keeps its place alone.
    """
    placed: dict[tuple[int, int], list[LayoutCell]] = {}
    for cell in cells:
        placed.setdefault((cell.row, cell.column), []).append(cell)
    rows = sorted({row for row, _ in placed})
    columns = sorted({column for _, column in placed})
    spanned = sum(min(cell.row_span, len(rows)) * min(cell.column_span, len(columns)) for cell in cells)
    if max(len(rows) * len(columns), spanned) > MAX_GRID:
        by_row = groupby(sorted(placed), key=itemgetter(0))
        return [[_cell_text(placed[position]) for position in positions] for _, positions in by_row]
    grid: list[list[CellText]] = []
    taken: set[tuple[int, int]] = set()
    for y, row in enumerate(rows):
        line: list[CellText] = []
        for x, column in enumerate(columns):
            if (y, x) in taken:
                continue
            found = placed.get((row, column), [])
            down = bisect_left(rows, row + max((cell.row_span for cell in found), default=1)) - y
            right = bisect_left(columns, column + max((cell.column_span for cell in found), default=1)) - x
            covered = {(y + j, x + i) for j in range(down) for i in range(right)} or {(y, x)}
            if covered & taken or sum((rows[j], columns[i]) in placed for j, i in covered) > 1:
                down, right, covered = 1, 1, {(y, x)}
            taken |= covered
            line.append(_cell_text(found, down, right))
        grid.append(line)
    return grid


def _cell_text(cells: Sequence[LayoutCell], row_span: int = 1, column_span: int = 1) -> CellText:
    text = " ".join(cell.text for cell in cells)
    return CellText(text, row_span=row_span, column_span=column_span, header=any(cell.header for cell in cells))


def _is_heading(block: LayoutBlock) -> bool:
    return block.kind is LayoutKind.HEADING and 0 < len(block.text.strip()) <= MAX_HEADING


def _level(heading: LayoutBlock) -> int:
    return min(max(heading.level, 1), MAX_LEVEL)


def _kind_of(heading: str) -> SectionKind | None:
    """The kind of section that a heading names; None where it is that of the section around it."""
    bare = _NUMBER.sub("", " ".join(heading.split())).rstrip(" .:")
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(bare)), None)


def _own_kind(block: LayoutBlock) -> SectionKind | None:
    """The kind of section that a block asks for where no heading names one."""
    return {LayoutKind.AUTHORS: SectionKind.METADATA, LayoutKind.REFERENCE: SectionKind.REFERENCES}.get(block.kind)


def _caption(block: LayoutBlock) -> str:
    """Label and words, as captions of other formats have them; then what a table without cells holds."""
    caption = " ".join(block.caption.split())
    named = caption.casefold().startswith(block.label.casefold())
    heads = [caption] if named else [block.label, caption]
    return " ".join(filter(None, [*heads, block.text if not block.cells else ""]))


def _inside(box: BoundingBox, page: PageSize) -> BoundingBox | None:
    """The part of a box that is on its page; None where there is none."""
    if not all(map(isfinite, box)):
        return None
    left, right = (round(min(max(x, 0.0), page.width), 2) for x in (box[0], box[2]))
    top, bottom = (round(min(max(y, 0.0), page.height), 2) for y in (box[1], box[3]))
    return (left, top, right, bottom) if left < right and top < bottom else None
