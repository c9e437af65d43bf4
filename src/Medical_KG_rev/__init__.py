"""Biomedical records and articles as a hybrid search index and a traceable knowledge graph."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Haystack decides at import whether to report usage; nothing of this project does.
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")

if TYPE_CHECKING:
    from Medical_KG_rev.platform import Platform

__all__ = ["Platform", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Platform":
        from Medical_KG_rev.platform import Platform

        return Platform
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
