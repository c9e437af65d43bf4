"""Pages of stored PDFs: what stands on one, and where."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from Medical_KG_rev.errors import RecordNotFoundError, UsageError
from Medical_KG_rev.models import Block, Document
from Medical_KG_rev.models.pdf import pdf_key
from Medical_KG_rev.parts import PlatformParts


def blocks_on(document: Document, page: int, block_ids: Collection[str] | None = None) -> list[Block]:
    """The blocks that begin on a page (from 1), in reading order; of these ids only, where some are named.

    Raises:
        UsageError: the document has no pages, or not this one.
    """
    pages = document.metadata.get("pdf", {}).get("pages", 0)
    if not 1 <= page <= pages:
        why = f"it has {pages}" if pages else "it comes from no PDF"
        raise UsageError(f"{document.doc_id} has no page {page}: {why}.", doc_id=document.doc_id, page=page)
    return list(_blocks(document, page, block_ids))


def draw_page(parts: PlatformParts, tenant_id: str, document: Document, page: int, marked: Collection[Block], dpi: int) -> bytes:
    """A page as PNG, with the boxes of the blocks that are marked.

    Raises:
        RecordNotFoundError: its PDF is not stored any more.
        PayloadError: it cannot be drawn.
    """
    from Medical_KG_rev.parsing.pdf.engines import limits_of
    from Medical_KG_rev.parsing.pdf.rendering import render_page

    key = pdf_key(tenant_id, document.doc_id, document.metadata["pdf"]["sha256"])
    settings = parts.settings.pdf
    with tempfile.TemporaryDirectory(prefix="medkg-page-") as folder:
        path = Path(folder) / "document.pdf"
        try:
            path.write_bytes(parts.store.read(key))
        except KeyError:
            raise RecordNotFoundError(
                f"The PDF of {document.doc_id} is not stored any more ({key}).", remedy="Ingest it again.", doc_id=document.doc_id
            ) from None
        boxes = [block.bbox for block in marked if block.bbox is not None]
        passwords = [password.get_secret_value() for password in settings.passwords]
        return render_page(path, page, boxes, dpi=dpi, limits=limits_of(settings), passwords=passwords)


def _blocks(document: Document, page: int, block_ids: Collection[str] | None) -> Iterator[Block]:
    for _, block in document.iter_blocks():
        if block.page == page and (block_ids is None or block.id in block_ids):
            yield block
