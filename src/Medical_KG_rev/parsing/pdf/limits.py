"""What reading one PDF may cost."""

from __future__ import annotations

import msgspec

MEBIBYTE = 1024 * 1024


class PdfLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one file: a file beyond one of them is refused, or its reading ended.

    ``max_page_points`` is that of a page's longer side; the format itself names 14,400 (ISO 32000-1, annex C).
    """

    max_bytes: int = 512 * MEBIBYTE
    max_pages: int = 2000
    max_page_points: float = 14_400.0
    max_seconds: float = 600.0
    max_memory_bytes: int = 1024 * MEBIBYTE
