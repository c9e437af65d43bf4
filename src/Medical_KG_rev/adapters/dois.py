"""DOIs: as identifiers of sources, and as parts of document ids."""

from __future__ import annotations

import hashlib
import re

DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.[0-9]{4,9}/\S+)", re.IGNORECASE)
MAX_ID_LENGTH = 150
_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]")


def normal_doi(given: str) -> str | None:
    """A DOI in lower case without resolver or scheme; None for what is none."""
    match = DOI.fullmatch(given)
    return match[1].lower() if match else None


def doi_name(doi: str) -> str:
    """The DOI as the second part of a document id: a slash reads ``-``.

    Where more than the first slash is written otherwise, or it is cut, a digest keeps it apart from others.
    """
    prefix, _, suffix = doi.partition("/")
    name = f"{prefix}-{_UNSAFE.sub('-', suffix)}"
    if name == f"{prefix}-{suffix}" and len(name) <= MAX_ID_LENGTH:
        return name
    return f"{name[:MAX_ID_LENGTH]}-{hashlib.sha256(doi.encode()).hexdigest()[:8]}"
