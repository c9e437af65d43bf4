"""What is known of a PDF before and after it was brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

ASSET_FORMAT = "pdf-asset"
"""Format of a payload whose content is a :class:`PdfCandidates`: where PDFs of a record can be had."""
STORED_FORMAT = "pdf"
"""Format of a payload whose content is a :class:`StoredPdf`: which object holds the bytes."""


class PdfAsset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One copy of an article as its source names it.

    ``licence`` and ``version`` (``publishedVersion``, ``acceptedVersion``, ``submittedVersion``) are the source's own words.
    ``checksum`` is ``<algorithm>:<hex>`` where the source gives one. ``url`` is http(s), or ``file`` for a local file.
    """

    url: str
    licence: str = ""
    version: str = ""
    checksum: str = ""
    is_open_access: bool = True
    content_type: str = "application/pdf"
    host: str = ""
    """Who offers the copy: ``publisher``, ``repository``, or a name."""


class PdfCandidates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The copies of one article, the best first, and what the source says of the article (JSON values only)."""

    assets: tuple[PdfAsset, ...]
    title: str = ""
    metadata: Mapping[str, Any] = {}


class StoredPdf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bytes that were brought: the object that holds them, and what they are."""

    object_key: str
    sha256: str
    size_bytes: int
    asset: PdfAsset
    title: str = ""
    metadata: Mapping[str, Any] = {}
