"""An engine that reads the pages that another one finds to be images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from Medical_KG_rev.models import BoundingBox
from Medical_KG_rev.parsing.pdf.inspection import open_pdf
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind, PageSize, PdfLayout
from Medical_KG_rev.parsing.pdf.ocr.lines import paragraphs
from Medical_KG_rev.parsing.pdf.ocr.recognition import RapidRecognizer, Recognizer
from Medical_KG_rev.parsing.pdf.port import PdfEngine

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

SCALE = 2.0
"""Pixels per point (144 dots per inch): letters of 8 points are read well."""

MAX_PIXELS = 16_000_000
"""Of one page; larger ones are shown smaller."""

VERSION = "1"
"""To be raised whenever the same recognised lines would give another layout."""


class OcrEngine:
    """Reads with ``engine``, then recognises the pages that are ``scanned``; one on which no text is found stays so."""

    def __init__(self, engine: PdfEngine, recognizer: Recognizer | None = None) -> None:
        self._engine = engine
        self._recognizer = recognizer or RapidRecognizer()
        self.name = engine.name

    @property
    def version(self) -> str:
        return f"{self._engine.version}+{self._recognizer.version}"

    @property
    def fingerprint(self) -> str:
        return f"{self._engine.fingerprint}+{self._recognizer.version}/{VERSION}/{SCALE:g}"

    def read(self, path: Path, *, password: str | None = None, progress: Callable[[int, int], None] | None = None) -> PdfLayout:
        """See :class:`PdfEngine`. Until the last page is recognised, progress lacks one page."""

        def tell(pages: int, total: int) -> None:
            if progress is not None:
                progress(min(pages, total - 1), total)

        layout = self._engine.read(path, password=password, progress=tell)
        total = len(layout.pages)
        blocks, scanned = list(layout.blocks), []
        document, _ = open_pdf(path, (password,) if password else ())
        try:
            for number in layout.scanned:
                found = list(self._page(document, number, layout.pages[number - 1], layout.blocks))
                if not found:
                    scanned.append(number)
                blocks = _inserted(blocks, found, number)
                tell(total, total)
        finally:
            document.close()
        if progress is not None:
            progress(total, total)
        read = [number for number in layout.scanned if number not in scanned]
        note = (f"{self._recognizer.version} read page {', '.join(map(str, read))}",) if read else ()
        return msgspec.structs.replace(
            layout,
            engine_version=self.version,
            blocks=tuple(blocks),
            scanned=tuple(scanned),
            warnings=(*layout.warnings, *note),
        )

    def close(self) -> None:
        """Closes the engine."""
        self._engine.close()

    def _page(self, document: PdfDocument, number: int, size: PageSize, known: Sequence[LayoutBlock]) -> Iterator[LayoutBlock]:
        """What a page shows and the engine has not read."""
        page = document[number - 1]
        scale = min(SCALE, (MAX_PIXELS / (size.width * size.height)) ** 0.5)
        image = page.render(scale=scale).to_numpy()[:, :, :3]
        page.close()
        height, width = image.shape[:2]
        recognition = self._recognizer.recognize(image)
        boxes = [block.bbox for block in known if block.page == number]
        for paragraph in paragraphs(recognition.lines):
            left, top, right, bottom = (side / scale for side in recognition.unturned(paragraph.bbox, width, height))
            box = (max(left, 0.0), max(top, 0.0), min(right, size.width), min(bottom, size.height))
            if not any(_has_middle(box, other) for other in boxes):
                yield LayoutBlock(kind=LayoutKind.PARAGRAPH, page=number, bbox=box, text=paragraph.text)


def _has_middle(box: BoundingBox, other: BoundingBox) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] <= x <= other[2] and other[1] <= y <= other[3]


def _inserted(blocks: Sequence[LayoutBlock], found: Sequence[LayoutBlock], page: int) -> list[LayoutBlock]:
    """The blocks with those of a page put after all that stands on pages up to it."""
    place = max((index + 1 for index, block in enumerate(blocks) if block.page <= page), default=0)
    return [*blocks[:place], *found, *blocks[place:]]
