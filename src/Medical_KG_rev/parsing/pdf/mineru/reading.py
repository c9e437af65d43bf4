"""What a server has read of one file, before it is a layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from Medical_KG_rev.parsing.pdf.layout import PageSize, PdfLayout
from Medical_KG_rev.parsing.pdf.mineru.blocks import Piece, blocks_of, scanned_pages

__all__ = ["ENGINE", "Reading", "layout_of"]

ENGINE = "mineru"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces in reading order, and what is said of the whole.

    ``version`` is that of the server which read it, empty where it does not say. ``missing`` are pages, from 1, of which it
    tells nothing: not even that they are empty.
    """

    version: str
    pieces: Sequence[Piece]
    missing: tuple[int, ...] = ()
    images: Mapping[str, bytes] = {}
    warnings: tuple[str, ...] = ()
    properties: Mapping[str, str] = {}


def layout_of(reading: Reading, sizes: Sequence[PageSize], version: str) -> PdfLayout:
    """The layout of a reading; ``version`` stands where the reading names none."""
    blocks = blocks_of(reading.pieces)
    named = {block.image for block in blocks}
    missing = (f"not read: page {', '.join(map(str, reading.missing))}",) if reading.missing else ()
    return PdfLayout(
        engine=ENGINE,
        engine_version=reading.version or version,
        pages=tuple(sizes),
        blocks=tuple(blocks),
        scanned=scanned_pages(reading.pieces, sizes),
        warnings=(*missing, *reading.warnings),
        images={name: content for name, content in reading.images.items() if name in named},
        properties=reading.properties,
    )
