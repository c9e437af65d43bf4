"""A PDF's layout, whichever engine read it, as a document: sections by headings, page and box on every block."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from Medical_KG_rev.errors import EmptyPayloadError, PayloadError, PdfNeedsOcrError, PdfUnreadableError
from Medical_KG_rev.models import Document, StoredPdf
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind, PdfLayout
from Medical_KG_rev.parsing.pdf.writing import LayoutWriter, clean

VERSION = "pdf-1"
"""Part of the key under which a parse is kept, next to the engine's fingerprint."""

MAX_TITLE = 1000
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_NO_TITLE = re.compile(r"\.(docx?|dvi|indd|pdf|qxd|rtf|tex)\b|^(microsoft|untitled|doi:|10\.\d{4})|^\W*$", re.IGNORECASE)
"""What programs write into a file's title when nobody gave one."""

_WORD = re.compile(r"\w")
_BY_OCR = {
    "local": "pip install 'medical-kg-rev[ocr]', set MK_PDF__OCR=rapidocr",
    "mineru": "set MK_MINERU__TIER=basic or better, on a server with models, and MK_MINERU__OCR=auto",
}


def document_from_layout(layout: PdfLayout, stored: StoredPdf, *, doc_id: str, source: str, parsed_at: datetime) -> Document:
    """The document of a read PDF.

    Its metadata are what the source says of the article, and ``pdf``: engine and version, sha256, pages and their sizes in
    points, licence, address, pages that are images, warnings.

    Raises:
        PdfNeedsOcrError: there are only images of pages.
        PdfUnreadableError: there is not one word, and the engine says what it could not read.
        EmptyPayloadError: there is not one word.
    """
    blocks = [_cleaned(block) for block in layout.blocks]
    words = (part for block in blocks for part in (block.text, block.caption, *(cell.text for cell in block.cells)))
    if not any(map(_WORD.search, words)):
        raise _wordless(layout, doc_id)
    headline = next((block.text for block in blocks if block.kind is LayoutKind.TITLE), "")
    title = clean(stored.title) or headline or _title_of_file(layout, stored) or doc_id.partition(":")[2]
    builder = DocumentBuilder(doc_id=doc_id, source=source, title=title[:MAX_TITLE])
    if not headline:
        builder.title()
    LayoutWriter(builder, layout.pages).write(blocks)
    return builder.build(
        metadata=_metadata(layout, stored),
        language=_language(stored.metadata),
        parser_version=VERSION,
        parsed_at=parsed_at,
    )


def _cleaned(block: LayoutBlock) -> LayoutBlock:
    return msgspec.structs.replace(
        block,
        text=clean(block.text),
        label=clean(block.label).strip(),
        caption=clean(block.caption),
        footnote=clean(block.footnote),
        cells=tuple(msgspec.structs.replace(cell, text=clean(cell.text)) for cell in block.cells),
    )


def _wordless(layout: PdfLayout, doc_id: str) -> PayloadError:
    pages = len(layout.pages)
    if layout.scanned:
        return PdfNeedsOcrError(
            f"The PDF of {doc_id} has no text: {len(layout.scanned)} of its {pages} pages are images.",
            remedy=f"Read it by OCR: {_BY_OCR.get(layout.engine, _BY_OCR['local'])}, then `medkg jobs retry`.",
            doc_id=doc_id,
            pages=pages,
        )
    what, remedy = f"The PDF of {doc_id} has no text on its {pages} pages", "Take another copy of the article."
    if layout.warnings:
        return PdfUnreadableError(f"{what}: {'; '.join(layout.warnings[:3])}.", remedy=remedy, doc_id=doc_id)
    return EmptyPayloadError(f"{what}.", remedy=remedy, doc_id=doc_id)


def _title_of_file(layout: PdfLayout, stored: StoredPdf) -> str:
    """What the file calls itself, else its name."""
    stated = clean(layout.properties.get("title", "")).strip()
    return stated if not _NO_TITLE.search(stated) else PurePosixPath(unquote(urlsplit(stored.asset.url).path)).stem


def _language(metadata: Mapping[str, Any]) -> str:
    stated = metadata.get("language")
    return stated if isinstance(stated, str) and _LANGUAGE.fullmatch(stated) else "en"


def _metadata(layout: PdfLayout, stored: StoredPdf) -> dict[str, Any]:
    asset = stored.asset
    pdf = {
        "engine": layout.engine,
        "engine_version": layout.engine_version,
        "sha256": stored.sha256,
        "size_bytes": stored.size_bytes,
        "pages": len(layout.pages),
        "page_sizes": [[round(page.width, 2), round(page.height, 2)] for page in layout.pages],
        "licence": asset.licence,
        "version": asset.version,
        "url": asset.url,
        "host": asset.host,
        "scanned": list(layout.scanned),
        "warnings": [clean(warning) for warning in layout.warnings],
    }
    date = str(stored.metadata.get("date") or "")
    found: dict[str, Any] = {
        "kind": "article",
        "year": int(date[:4]) if date[:4].isdecimal() else None,
        "license": asset.licence,
        **stored.metadata,
    }
    kept = {name: value for name, value in found.items() if value not in (None, "", [], {})}
    return {**kept, "pdf": {name: value for name, value in pdf.items() if value not in ("", [])}}
