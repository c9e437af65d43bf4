"""Bringing PDFs: from the best open copy, or from a file of this machine, into the object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from Medical_KG_rev.adapters.download.stage import PdfDownloadStage, PdfStore

__all__ = ["PdfDownloadStage", "PdfStore"]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: local files need no HTTP client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from Medical_KG_rev.adapters.download import stage

    return getattr(stage, name)
