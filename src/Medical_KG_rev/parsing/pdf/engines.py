"""The engine that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from Medical_KG_rev.parsing.pdf.isolation import IsolatedEngine
from Medical_KG_rev.parsing.pdf.limits import MEBIBYTE, PdfLimits

if TYPE_CHECKING:
    from Medical_KG_rev.models import Caller
    from Medical_KG_rev.parsing.pdf.port import PdfEngine
    from Medical_KG_rev.settings import Settings
    from Medical_KG_rev.settings_pdf import PdfSettings


def open_pdf_engine(settings: Settings, caller_for: Callable[[str], Caller]) -> PdfEngine:
    """What reads PDFs: on this machine, in a process that can be killed, or on a server, whose requests ``caller_for`` makes.

    Raises:
        UsageError: a server is asked for, and its address is not set.
    """
    limits = limits_of(settings.pdf)
    passwords = [password.get_secret_value() for password in settings.pdf.passwords]
    if settings.pdf.engine == "mineru":
        from Medical_KG_rev.parsing.pdf.mineru import MineruEngine

        return MineruEngine(settings.mineru, limits, caller_for(settings.mineru.policy), passwords=passwords)
    return IsolatedEngine(local_engine, {"limits": msgspec.to_builtins(limits)}, limits=limits, passwords=passwords)


def local_engine(limits: dict[str, Any]) -> PdfEngine:
    """The engine of this machine, as the process that reads makes it."""
    from Medical_KG_rev.parsing.pdf.local import LocalPdfEngine

    return LocalPdfEngine(msgspec.convert(limits, PdfLimits))


def limits_of(settings: PdfSettings) -> PdfLimits:
    """What one file may cost."""
    return PdfLimits(
        max_bytes=settings.max_bytes,
        max_pages=settings.max_pages,
        max_page_points=settings.max_page_points,
        max_seconds=settings.max_seconds,
        max_memory_bytes=settings.max_memory_mb * MEBIBYTE,
    )
