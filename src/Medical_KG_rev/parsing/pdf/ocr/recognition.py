"""Text on images, by RapidOCR (PaddleOCR's models on onnxruntime); its package brings the models, nothing is fetched."""

from __future__ import annotations

import logging
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.models import BoundingBox
from Medical_KG_rev.parsing.pdf.ocr.lines import RecognizedLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    """Height, width, channels (BGR)."""

_SURE = 0.9
"""Mean score of a page that is read the right way up."""


class Recognition(msgspec.Struct, frozen=True):
    """Lines in pixels of the image as it was turned: ``turns`` quarters, counter-clockwise. ``score`` is their mean, 0 to 1."""

    lines: tuple[RecognizedLine, ...]
    score: float = 0.0
    turns: int = 0

    def unturned(self, box: BoundingBox, width: float, height: float) -> BoundingBox:
        """A box on the image as it was given, whose size this is."""
        left, top, right, bottom = box
        if self.turns == 1:
            return (width - bottom, left, width - top, right)
        if self.turns == 2:
            return (width - right, height - bottom, width - left, height - top)
        if self.turns == 3:
            return (top, height - right, bottom, height - left)
        return box


class Recognizer(Protocol):
    """``version`` names library and models."""

    @property
    def version(self) -> str: ...

    def recognize(self, image: Image) -> Recognition:
        """The lines of an image, turned upright first where it lies on its side."""
        ...


class RapidRecognizer:
    """Loads its models (27 MB) with the first image.

    Raises:
        PartUnavailableError: rapidocr is not installed.
    """

    def __init__(self) -> None:
        if find_spec("rapidocr") is None:
            raise PartUnavailableError.not_installed("rapidocr", "ocr")

    @property
    def version(self) -> str:
        return f"rapidocr-{version('rapidocr')}"

    def recognize(self, image: Image) -> Recognition:
        """See :class:`Recognizer`: where most lines stand upright, both quarter turns are tried."""
        import numpy as np

        first = self._lines(image)
        if first.score >= _SURE or not _lies(first.lines):
            return first
        turned = [msgspec.structs.replace(self._lines(np.rot90(image, turns).copy()), turns=turns) for turns in (1, 3)]
        return max((first, *turned), key=lambda found: found.score * sum(len(line.text) for line in found.lines))

    def _lines(self, image: Image) -> Recognition:
        found = self._engine(image)
        if found.boxes is None or not found.txts:
            return Recognition(())
        lines = []
        for corners, text in zip(found.boxes.tolist(), found.txts, strict=True):
            across, down = zip(*corners, strict=True)
            if text.strip():
                lines.append(RecognizedLine(text, (min(across), min(down), max(across), max(down))))
        return Recognition(tuple(lines), fmean(found.scores))

    @cached_property
    def _engine(self) -> Any:
        from rapidocr import RapidOCR

        logging.getLogger("RapidOCR").setLevel(logging.ERROR)
        return RapidOCR(params={"Global.log_level": "error"})


def _lies(lines: Sequence[RecognizedLine]) -> bool:
    """Whether most lines are higher than wide."""
    tall = sum(line.height > line.bbox[2] - line.bbox[0] for line in lines)
    return tall * 2 > len(lines)
