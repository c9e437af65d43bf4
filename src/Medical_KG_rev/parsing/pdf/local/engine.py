"""The engine that reads PDFs on this machine's CPU: pdfium's characters, and a layout of our own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from Medical_KG_rev.parsing.pdf.inspection import inspect_pdf, open_pdf
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, PageSize, PdfLayout
from Medical_KG_rev.parsing.pdf.limits import PdfLimits
from Medical_KG_rev.parsing.pdf.local.body import body_of
from Medical_KG_rev.parsing.pdf.local.compose import Facts, blocks_of_flow
from Medical_KG_rev.parsing.pdf.local.flow import flow_of
from Medical_KG_rev.parsing.pdf.local.furniture import without_furniture
from Medical_KG_rev.parsing.pdf.local.pieces import Page
from Medical_KG_rev.parsing.pdf.local.text import WORD, Vocabulary

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

LAYOUT_VERSION = "1"
"""To be raised whenever the same characters would give another layout."""

_LIBRARIES = ("pypdfium2", "pdfplumber")
_LEAST = 0.1
"""Points that a box is wide and high at least."""
_SCAN = 0.5
_WORDS_OF_SCAN = 25


class LocalPdfEngine:
    """Reads PDFs with pdfium. Nothing is kept between files."""

    name = "local"

    def __init__(self, limits: PdfLimits | None = None) -> None:
        self._limits = limits or PdfLimits()

    @property
    def version(self) -> str:
        return "+".join([LAYOUT_VERSION, *(f"{name}-{version(name)}" for name in _LIBRARIES)])

    @property
    def fingerprint(self) -> str:
        return f"{self.name}/{self.version}"

    def read(self, path: Path, *, password: str | None = None, progress: Callable[[int, int], None] | None = None) -> PdfLayout:
        """The layout of a file.

        Raises:
            PayloadError: the file is none, cannot be opened, or is beyond the limits.
        """
        passwords = (password,) if password is not None else ()
        inspect_pdf(path, self._limits, passwords)
        with _opened(path, passwords) as document:
            properties = document.get_metadata_dict(skip_empty=True)
            pages, warnings = _pages(document, progress)
        cleared = without_furniture(pages)
        body = body_of(cleared)
        facts = Facts(
            body, pages[0].height if pages else 0.0, properties.get("Title", ""), _heads(pages, cleared), _vocabulary(cleared)
        )
        flow = [item for page in cleared for item in flow_of(page, body)]
        sizes = tuple(PageSize(round(page.width, 2), round(page.height, 2)) for page in pages)
        return PdfLayout(
            engine=self.name,
            engine_version=self.version,
            pages=sizes,
            blocks=tuple(_on_its_page(block, sizes[block.page - 1]) for block in blocks_of_flow(flow, facts)),
            scanned=tuple(page.number for page in pages if _is_scan(page)),
            warnings=tuple(warnings),
            properties={key.lower(): value for key, value in properties.items()},
        )

    def close(self) -> None:
        """Nothing is held."""


def _on_its_page(block: LayoutBlock, page: PageSize) -> LayoutBlock:
    """The block with a box that has an area, and that on its page: broken files put letters beside it."""
    left, top = (min(max(side, 0.0), size - _LEAST) for side, size in zip(block.bbox[:2], (page.width, page.height), strict=True))
    right, bottom = min(max(block.bbox[2], left + _LEAST), page.width), min(max(block.bbox[3], top + _LEAST), page.height)
    return replace(block, bbox=(left, top, right, bottom))


@contextmanager
def _opened(path: Path, passwords: Sequence[str]) -> Iterator[PdfDocument]:
    document, _ = open_pdf(path, passwords)
    try:
        yield document
    finally:
        document.close()


def _pages(document: PdfDocument, progress: Callable[[int, int], None] | None) -> tuple[list[Page], list[str]]:
    from Medical_KG_rev.parsing.pdf.local.reading import read_pages

    pages: list[Page] = []
    warnings: list[str] = []
    total = len(document)
    for page, warning in read_pages(document):
        pages.append(page)
        if warning:
            warnings.append(warning)
        if progress is not None:
            progress(len(pages), total)
    return pages, warnings


def _heads(pages: Sequence[Page], cleared: Sequence[Page]) -> tuple[str, ...]:
    """The texts that were taken from the pages as running heads, in lower case."""
    heads: Counter[str] = Counter()
    for page, rest in zip(pages, cleared, strict=True):
        kept = set(map(id, rest.lines))
        heads.update(line.text.casefold() for line in page.lines if id(line) not in kept)
    return tuple(heads)


def _vocabulary(pages: Sequence[Page]) -> Vocabulary:
    """The words that stand within lines."""
    counts: Counter[str] = Counter()
    for page in pages:
        for line in page.lines:
            counts.update(WORD.findall(line.text.casefold().rpartition(" ")[0]))
    return counts


def _is_scan(page: Page) -> bool:
    """Whether pictures fill most of a page that has hardly a word."""
    words = sum(line.text.count(" ") + 1 for line in page.lines)
    largest = max((box.width * box.height for box in page.pictures), default=0.0)
    return words < _WORDS_OF_SCAN and largest > _SCAN * page.width * page.height
