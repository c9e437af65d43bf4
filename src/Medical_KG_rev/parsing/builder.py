"""Builds a :class:`Document` from front to back, so that every range is right by construction.

The canonical text is a sequence of blocks separated by a blank line. A table's text is its rows, one a line, cells separated
by a tab. Runs of whitespace inside a block become one space. A section's title is its first block, of type header.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from Medical_KG_rev.models import (
    Annotation,
    Block,
    BlockType,
    BoundingBox,
    Cell,
    Document,
    Section,
    SectionKind,
    Span,
    Table,
)

BLOCK_SEPARATOR = "\n\n"


def normalize(text: str) -> str:
    """Runs of whitespace as one space; none at the ends; no NUL."""
    return " ".join(text.replace("\0", " ").split())


class Place(NamedTuple):
    """Where a block stands in a paginated source: the page, from 1, and its box on it."""

    page: int | None = None
    bbox: BoundingBox | None = None


NOWHERE = Place()


class CellText:
    """A cell as a parser reads it."""

    __slots__ = ("column_span", "header", "row_span", "text")

    def __init__(self, text: str, *, row_span: int = 1, column_span: int = 1, header: bool = False) -> None:
        self.text = normalize(text)
        self.row_span = max(1, row_span)
        self.column_span = max(1, column_span)
        self.header = header


class DocumentBuilder:
    """Accumulates text, blocks and annotations. Sections nest; in the document they are flat, in reading order."""

    def __init__(self, *, doc_id: str, source: str, title: str) -> None:
        self._doc_id = doc_id
        self._source = source
        self._title = normalize(title)
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[Section] = []
        self._blocks: list[Block] = []
        self._block_count = 0
        self._open: list[tuple[str, SectionKind]] = []
        self._annotations: list[Annotation] = []

    @contextmanager
    def section(self, title: str = "", kind: SectionKind | None = None, *, place: Place = NOWHERE) -> Iterator[None]:
        """Everything added inside belongs to this section. A nested section inherits its parent's kind."""
        self._close_section()
        inherited = self._open[-1][1] if self._open else SectionKind.BODY
        self._open.append((normalize(title), kind or inherited))
        if self._open[-1][0]:
            self.block(title, BlockType.HEADER, place=place)
        yield
        self._close_section()
        self._open.pop()

    def title(self) -> Span | None:
        """The document's title as a header block."""
        return self.block(self._title, BlockType.HEADER)

    def block(
        self,
        text: str,
        type: BlockType = BlockType.PARAGRAPH,
        *,
        label: str = "",
        reference: str | None = None,
        place: Place = NOWHERE,
    ) -> Span | None:
        """A block of one run of text; None, and nothing added, when the text is blank."""
        text = normalize(text)
        if not text:
            return None
        start = self._append(text)
        self._add_block(type, start, place, label=label, reference=reference)
        return Span(start, self._length)

    def items(self, texts: Sequence[str], *, label: str = "", place: Place = NOWHERE) -> list[Span]:
        """A list block, one item a line; blank items are left out. The spans are those of the items."""
        kept = [text for text in map(normalize, texts) if text]
        if not kept:
            return []
        start = offset = self._append("\n".join(kept))
        self._add_block(BlockType.LIST, start, place, label=label)
        spans = []
        for text in kept:
            spans.append(Span(offset, offset + len(text)))
            offset += len(text) + 1
        return spans

    def table(
        self,
        rows: Sequence[Sequence[CellText]],
        *,
        caption: str = "",
        label: str = "",
        reference: str | None = None,
        place: Place = NOWHERE,
    ) -> Span | None:
        """A table block: caption, then the rows. Spanning cells are placed as HTML places them. None when all is blank."""
        caption = normalize(caption)
        if not caption and not any(cell.text for row in rows for cell in row):
            return None
        lines = [caption] if caption else []
        lines += ["\t".join(cell.text for cell in row) for row in rows]
        start = self._append("\n".join(lines))
        offset = start + (len(caption) + 1 if caption else 0)
        cells: list[Cell] = []
        taken: set[tuple[int, int]] = set()
        for row_index, row in enumerate(rows):
            column = 0
            for cell in row:
                while (row_index, column) in taken:
                    column += 1
                row_span = min(cell.row_span, len(rows) - row_index)
                taken.update((row_index + down, column + right) for down in range(row_span) for right in range(cell.column_span))
                cells.append(Cell(row_index, column, offset, offset + len(cell.text), row_span, cell.column_span, cell.header))
                offset += len(cell.text) + 1
                column += cell.column_span
            if not row:
                offset += 1
        columns = max((cell.column + cell.column_span for cell in cells), default=0)
        grid = Table(len(rows), columns, tuple(cells), Span(start, start + len(caption)) if caption else None)
        self._add_block(BlockType.TABLE, start, place, label=label, reference=reference, table=grid)
        return Span(start, self._length)

    @property
    def last_block(self) -> Block:
        """The block added last in the section that is open; its table knows where each cell stands."""
        return self._blocks[-1]

    def annotate(self, kind: str, span: Span | None, **attributes: Any) -> None:
        """States something about a range; attributes that are None or empty are left out. Without a range, nothing is stated."""
        if span is not None:
            kept = {name: value for name, value in attributes.items() if value not in (None, "", [], {})}
            self._annotations.append(Annotation(kind, span.start, span.end, kept))

    def build(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        language: str = "en",
        adapter_version: str = "",
        parser_version: str = "",
        parsed_at: datetime | None = None,
    ) -> Document:
        self._close_section()
        return Document(
            doc_id=self._doc_id,
            source=self._source,
            title=self._title,
            text="".join(self._parts),
            sections=tuple(self._sections),
            annotations=tuple(self._annotations),
            metadata=metadata or {},
            language=language,
            adapter_version=adapter_version,
            parser_version=parser_version,
            parsed_at=parsed_at,
        )

    def _append(self, text: str) -> int:
        """Adds text after a separator; returns where it starts."""
        if self._length:
            self._parts.append(BLOCK_SEPARATOR)
            self._length += len(BLOCK_SEPARATOR)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        return start

    def _add_block(self, type: BlockType, start: int, place: Place, **details: Any) -> None:
        block_id = f"b{self._block_count}"
        self._blocks.append(Block(block_id, type, start, self._length, page=place.page, bbox=place.bbox, **details))
        self._block_count += 1

    def _close_section(self) -> None:
        if not self._blocks:
            return
        title, kind = self._open[-1] if self._open else ("", SectionKind.BODY)
        self._sections.append(
            Section(
                id=f"s{len(self._sections)}",
                title=title,
                start=self._blocks[0].start,
                end=self._blocks[-1].end,
                blocks=tuple(self._blocks),
                path=tuple(name for name, _ in self._open if name),
                kind=kind,
            )
        )
        self._blocks = []
