"""The engine that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from Medical_KG_rev.parsing.pdf.isolation import IsolatedEngine
from Medical_KG_rev.parsing.pdf.limits import MEBIBYTE, PdfLimits
from Medical_KG_rev.parsing.pdf.port import PdfEngine

if TYPE_CHECKING:
    from Medical_KG_rev.models import Caller
    from Medical_KG_rev.settings import Settings
    from Medical_KG_rev.settings_pdf import PdfSettings


def open_pdf_engine(settings: Settings, caller_for: Callable[[str], Caller]) -> PdfEngine:
    """What reads PDFs: on this machine, in a process that can be killed, or on a server, whose requests ``caller_for`` makes.

    Raises:
        PartUnavailableError: OCR is asked for and not installed.
        UsageError: no address of a MinerU server.
    """
    limits = limits_of(settings.pdf)
    passwords = tuple(password.get_secret_value() for password in settings.pdf.passwords)
    if settings.pdf.engine == "mineru":
        from Medical_KG_rev.parsing.pdf.mineru import MineruEngine

        return MineruEngine(settings.mineru, limits, caller_for(settings.mineru.policy), passwords=passwords)
    options = {"limits": msgspec.to_builtins(limits), "ocr": settings.pdf.ocr}
    return IsolatedEngine(local_engine, options, limits=limits, passwords=passwords)


def limits_of(settings: PdfSettings) -> PdfLimits:
    """What the settings allow one file."""
    return PdfLimits(
        max_bytes=settings.max_bytes,
        max_pages=settings.max_pages,
        max_page_points=settings.max_page_points,
        max_seconds=settings.max_seconds,
        max_memory_bytes=settings.max_memory_mb * MEBIBYTE,
    )


def local_engine(limits: Mapping[str, float], ocr: str = "off") -> PdfEngine:
    """The engine that reads on this machine; what a reader's process builds."""
    from Medical_KG_rev.parsing.pdf.local import LocalPdfEngine

    engine: PdfEngine = LocalPdfEngine(msgspec.convert(limits, PdfLimits))
    if ocr == "rapidocr":
        from Medical_KG_rev.parsing.pdf.ocr import OcrEngine

        engine = OcrEngine(engine)
    return engine
