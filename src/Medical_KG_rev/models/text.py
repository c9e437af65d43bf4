"""The intermediate representation (IR) of a document: one canonical text and ranges over it.

Every offset is a character offset into :attr:`Document.text`, end exclusive: ``document.text[start:end]`` is the quoted text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from Medical_KG_rev.errors import InvalidDocumentError

BoundingBox = tuple[float, float, float, float]
"""Left, top, right, bottom in points on the page."""


class Span(msgspec.Struct, frozen=True):
    """A character range ``[start, end)``; never empty."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InvalidDocumentError(f"A span must have 0 <= start < end; got {self.start}:{self.end}.")

    def quote(self, text: str) -> str:
        return text[self.start : self.end]


class BlockType(StrEnum):
    PARAGRAPH = "paragraph"
    TABLE = "table"
    FIGURE = "figure"
    LIST = "list"
    EQUATION = "equation"
    HEADER = "header"
    FOOTNOTE = "footnote"


class SectionKind(StrEnum):
    """What a section is for; the chunker leaves out the kinds that its settings name."""

    BODY = "body"
    METADATA = "metadata"
    """Authors, funders, topics, identifiers: stated by the record rather than told by the text."""
    REFERENCES = "references"
    RESPONSE = "response"
    """Sub-articles and author responses."""


class Cell(msgspec.Struct, frozen=True):
    """One table cell. An empty cell has ``start == end``. Rows and columns count from 0."""

    row: int
    column: int
    start: int
    end: int
    row_span: int = 1
    column_span: int = 1
    header: bool = False


class Table(msgspec.Struct, frozen=True):
    rows: int
    columns: int
    cells: tuple[Cell, ...]
    caption: Span | None = None


class Block(msgspec.Struct, frozen=True):
    """A paragraph, table, figure caption, … ``page`` counts from 1; ``label`` is the source's own ("Figure 1")."""

    id: str
    type: BlockType
    start: int
    end: int
    label: str = ""
    page: int | None = None
    bbox: BoundingBox | None = None
    table: Table | None = None
    reference: str | None = None
    """Where a figure's or supplement's file is, as the source names it."""


class Section(msgspec.Struct, frozen=True):
    """``path`` holds the titles from the outermost section to this one, itself included; untitled ones are left out."""

    id: str
    title: str
    start: int
    end: int
    blocks: tuple[Block, ...]
    path: tuple[str, ...] = ()
    kind: SectionKind = SectionKind.BODY


class Annotation(msgspec.Struct, frozen=True):
    """What the record itself states about a range of the text, in structured form.

    ``kind`` names the statement (``condition``, ``intervention``, ``author``, ``cited_work``, …) and ``attributes`` carries
    what the source gives with it: identifiers, roles, numbers. Extraction turns annotations into entities and claims.
    """

    kind: str
    start: int
    end: int
    attributes: Mapping[str, Any] = {}


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed record. Valid by construction: ranges lie inside the text and inside their section, ids are unique.

    ``doc_id`` is ``<source>:<id in the source>``. ``metadata`` holds JSON values only.
    """

    doc_id: str
    source: str
    title: str
    text: str
    sections: tuple[Section, ...]
    annotations: tuple[Annotation, ...] = ()
    metadata: Mapping[str, Any] = {}
    language: str = "en"
    adapter_version: str = ""
    parser_version: str = ""
    parsed_at: datetime | None = None

    def __post_init__(self) -> None:
        reasons = list(_structural_faults(self))
        if reasons:
            raise InvalidDocumentError(
                f"Document {self.doc_id} is not valid: {'; '.join(reasons[:5])}.", reasons=reasons, doc_id=self.doc_id
            )

    def iter_blocks(self) -> Iterator[tuple[Section, Block]]:
        for section in self.sections:
            for block in section.blocks:
                yield section, block

    def quote(self, start: int, end: int) -> str:
        return self.text[start:end]

    def section_at(self, offset: int) -> Section | None:
        """The section that holds this offset."""
        return next((section for section in self.sections if section.start <= offset < section.end), None)

    def digest(self) -> str:
        """sha256 of the content: the same for two parses of the same record, whenever they were made."""
        content = msgspec.structs.replace(self, parsed_at=None)
        return hashlib.sha256(_DIGEST_ENCODER.encode(content)).hexdigest()


_DIGEST_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def _structural_faults(document: Document) -> Iterator[str]:
    length = len(document.text)
    if ":" not in document.doc_id:
        yield f"doc_id {document.doc_id!r} is not <source>:<id>"
    yield from _duplicates("section", (section.id for section in document.sections))
    yield from _duplicates("block", (block.id for _, block in document.iter_blocks()))
    previous_end = 0
    for section in document.sections:
        if not previous_end <= section.start <= section.end <= length:
            yield f"section {section.id} ({section.start}:{section.end}) is outside the text or out of order"
        previous_end = section.end
        yield from _block_faults(section)
    for annotation in document.annotations:
        if not 0 <= annotation.start < annotation.end <= length:
            yield f"annotation {annotation.kind} ({annotation.start}:{annotation.end}) is outside the text"


def _duplicates(what: str, ids: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            yield f"{what} id {name!r} is not unique"
        seen.add(name)


def _block_faults(section: Section) -> Iterator[str]:
    previous_end = section.start
    for block in section.blocks:
        if not previous_end <= block.start <= block.end <= section.end:
            yield f"block {block.id} ({block.start}:{block.end}) is outside section {section.id} or out of order"
        previous_end = block.end
        if block.table is not None:
            yield from _table_faults(block, block.table)


def _table_faults(block: Block, table: Table) -> Iterator[str]:
    for cell in table.cells:
        if not block.start <= cell.start <= cell.end <= block.end:
            yield f"cell {cell.row},{cell.column} ({cell.start}:{cell.end}) is outside table {block.id}"
        if cell.row + cell.row_span > table.rows or cell.column + cell.column_span > table.columns:
            yield f"cell {cell.row},{cell.column} is outside the {table.rows}x{table.columns} grid of table {block.id}"
