"""A page of a PDF as a picture, with boxes drawn on it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.models import BoundingBox
from Medical_KG_rev.parsing.pdf.inspection import open_pdf
from Medical_KG_rev.parsing.pdf.isolation import IsolatedEngine
from Medical_KG_rev.parsing.pdf.layout import PageSize, PdfLayout
from Medical_KG_rev.parsing.pdf.limits import PdfLimits

POINTS_PER_INCH = 72
MAX_PIXELS = 50_000_000
"""Of one picture; a larger page is drawn smaller."""
_LINE = (214, 39, 40)
_FILL = (214, 39, 40, 40)
_PICTURE = "page.png"


class PageRenderer:
    """Draws one page, in the place of an engine: so a hostile file can do no more than to one."""

    name = "renderer"
    version = "1"
    fingerprint = "renderer-1"

    def __init__(self, *, page: int, boxes: Sequence[Sequence[float]], dpi: int) -> None:
        self._page = page
        self._boxes = boxes
        self._dpi = dpi

    def read(self, path: Path, *, password: str | None = None, progress: Callable[[int, int], None] | None = None) -> PdfLayout:  # noqa: ARG002 - the port's signature
        """A layout without blocks, whose one image is the page. Raises UsageError where there is no such page."""
        document, _ = open_pdf(path, (password,) if password is not None else ())
        with document:
            count = len(document)
            if not 1 <= self._page <= count:
                raise UsageError(f"There is no page {self._page}: the PDF has {count}.", remedy=f"Valid: 1 to {count}.")
            page = document[self._page - 1]
            width, height = page.get_size()
            scale = min(self._dpi / POINTS_PER_INCH, (MAX_PIXELS / max(1.0, width * height)) ** 0.5)
            content = _drawn(page.render(scale=scale).to_pil(), self._boxes, scale)
        return PdfLayout(
            engine=self.name,
            engine_version=self.version,
            pages=(PageSize(width, height),),
            blocks=(),
            images={_PICTURE: content},
        )

    def close(self) -> None:
        """Nothing is held."""


def render_page(
    path: Path, page: int, boxes: Sequence[BoundingBox], *, dpi: int, limits: PdfLimits, passwords: Sequence[str] = ()
) -> bytes:
    """A page (from 1) as PNG. ``boxes`` are in points from the upper left corner of the page as shown.

    Raises:
        UsageError: there is no such page.
        PayloadError: the file cannot be drawn, or takes too much time or memory.
    """
    options = {"page": page, "boxes": [list(box) for box in boxes], "dpi": dpi}
    engine = IsolatedEngine(PageRenderer, options, limits=limits, passwords=passwords)
    try:
        return engine.read(path).images[_PICTURE]
    finally:
        engine.close()


def _drawn(picture: object, boxes: Sequence[Sequence[float]], scale: float) -> bytes:
    from PIL import Image, ImageDraw

    assert isinstance(picture, Image.Image)  # noqa: S101 - pypdfium2 makes nothing else
    base = picture.convert("RGBA")
    layer = Image.new("RGBA", base.size)
    pen = ImageDraw.Draw(layer)
    for box in boxes:
        pen.rectangle([round(edge * scale) for edge in box], fill=_FILL, outline=_LINE, width=max(1, round(scale)))
    out = io.BytesIO()
    Image.alpha_composite(base, layer).convert("RGB").save(out, "PNG", optimize=True)
    return out.getvalue()
