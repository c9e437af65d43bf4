"""The readers that are compared: the local engine, and the plain text of three libraries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pdfplumber
import pypdf
import pypdfium2
from pdf.measures import Extract

from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind, PdfLayout

Reader = Callable[[Path], Extract]

_LEFT_OUT = {LayoutKind.REFERENCE, LayoutKind.AUTHORS, LayoutKind.TITLE}


def local(path: Path) -> Extract:
    from Medical_KG_rev.parsing.pdf.local import LocalPdfEngine

    return from_layout(LocalPdfEngine().read(path))


def from_layout(layout: PdfLayout) -> Extract:
    """Its text without title, authors and references, of which the XML's body says nothing."""
    blocks = layout.blocks
    return Extract(
        text="\n".join(_text(block) for block in blocks if block.kind not in _LEFT_OUT),
        paragraphs=tuple(block.text for block in blocks if block.kind is LayoutKind.PARAGRAPH),
        headings=tuple(block.text for block in blocks if block.kind is LayoutKind.HEADING),
        tables=tuple(tuple(cell.text for cell in block.cells) for block in blocks if block.kind is LayoutKind.TABLE),
        references=tuple(block.text for block in blocks if block.kind is LayoutKind.REFERENCE),
        captions=tuple(block.caption for block in blocks if block.caption),
        title=next((block.text for block in blocks if block.kind is LayoutKind.TITLE), ""),
        is_structured=True,
    )


def _text(block: LayoutBlock) -> str:
    return "\n".join(filter(None, (block.label, block.caption, block.text, *(cell.text for cell in block.cells), block.footnote)))


def pdfium(path: Path) -> Extract:
    return Extract(text="\n".join(pdfium_pages(path)))


def pdfium_pages(path: Path) -> list[str]:
    with pypdfium2.PdfDocument(path) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def plain_pypdf(path: Path) -> Extract:
    return Extract(text="\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages))


def plain_pdfplumber(path: Path) -> Extract:
    with pdfplumber.open(path) as document:
        text, tables = [], []
        for page in document.pages:
            text.append(page.extract_text())
            tables += [tuple(cell for row in table for cell in row if cell) for table in page.extract_tables()]
            page.close()
    return Extract(text="\n".join(text), tables=tuple(tables))


READERS: dict[str, Reader] = {"local engine": local, "pypdf": plain_pypdf, "pypdfium2": pdfium, "pdfplumber": plain_pdfplumber}
