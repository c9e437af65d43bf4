"""What an engine reads from a PDF, whichever engine it is: blocks in reading order, each with its page and box."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from Medical_KG_rev.models import BoundingBox


class LayoutKind(StrEnum):
    TITLE = "title"
    AUTHORS = "authors"
    """Names, affiliations, correspondence: what stands between title and abstract."""
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    FIGURE = "figure"
    EQUATION = "equation"
    FOOTNOTE = "footnote"
    REFERENCE = "reference"
    """One entry of the list of references."""


class LayoutCell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One cell of a table; rows and columns count from 0."""

    row: int
    column: int
    text: str
    row_span: int = 1
    column_span: int = 1
    header: bool = False
    bbox: BoundingBox | None = None


class LayoutBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One block.

    ``page`` counts from 1; ``bbox`` is left, top, right, bottom in points from the page's upper left corner, as shown (after
    rotation). A paragraph that goes on over a column or page is one block, with the place of its beginning.

    ``text`` of a list holds one item a line; of a table or figure it is empty, ``caption`` has their words. ``level`` is that
    of a heading, from 1. ``image`` is a name in :attr:`PdfLayout.images`.
    """

    kind: LayoutKind
    page: int
    bbox: BoundingBox
    text: str = ""
    level: int = 1
    label: str = ""
    """The block's own number, as ``Table 1``."""
    caption: str = ""
    footnote: str = ""
    cells: tuple[LayoutCell, ...] = ()
    image: str | None = None


class PageSize(msgspec.Struct, frozen=True):
    """Width and height in points, as shown (after rotation)."""

    width: float
    height: float


class PdfLayout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A read PDF: blocks in reading order, without what only a printed page needs (running heads, page and line numbers).

    ``scanned`` lists pages (from 1) that show images and no text; ``warnings`` says what could not be read.
    """

    engine: str
    engine_version: str
    pages: tuple[PageSize, ...]
    blocks: tuple[LayoutBlock, ...]
    scanned: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    images: Mapping[str, bytes] = {}
    properties: Mapping[str, str] = {}
    """What the file says of itself: title, author, producer."""
