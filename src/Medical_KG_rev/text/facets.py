"""What a document states of itself that searches are narrowed by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from Medical_KG_rev.models import Document

__all__ = ["document_facets"]

_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?", re.ASCII)


def document_facets(document: Document) -> dict[str, tuple[str, ...]]:
    """Values by field, of ``date``, ``mesh``, ``phase``, ``has_results``, ``language`` and ``retracted``.

    A field that the document says nothing of is absent, but for ``retracted``: only a retraction is ever stated, so what is
    not stated to be retracted is not. ``date`` is a day, a month or a year, as exact as the source gives it.
    """
    metadata = document.metadata
    stated = {
        "date": _dates(metadata),
        "mesh": _texts(metadata.get("mesh")),
        "phase": _texts(metadata.get("phase")),
        "has_results": _booleans(metadata.get("has_results")),
        "language": _texts(metadata.get("language")) or _texts(document.language),
        "retracted": _booleans(metadata.get("retracted")) or ("false",),
    }
    return {field: values for field, values in stated.items() if values}


def _dates(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    for value in (metadata.get("date"), metadata.get("year")):
        match = _DATE.match(str(value)) if value else None
        if match:
            return (match.group(),)
    return ()


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(dict.fromkeys(text.strip() for text in values if isinstance(text, str) and text.strip()))


def _booleans(value: Any) -> tuple[str, ...]:
    return (str(value).lower(),) if isinstance(value, bool) else ()
