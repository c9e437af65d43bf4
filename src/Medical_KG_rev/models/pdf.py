"""What is known of a PDF before and after it was brought."""

from __future__ import annotations

import hashlib
import re
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
    """The copies of one article, the best first, and what the source says of the article (JSON values only).

    ``refusal`` says why there is none where ``assets`` is empty: the article is closed, or no copy of it is a PDF.
    """

    assets: tuple[PdfAsset, ...]
    refusal: str = ""
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


_SAFE_NAME = re.compile(r"[\w.:@-]{1,150}", re.ASCII)


def document_folder(kind: str, tenant_id: str, doc_id: str) -> str:
    """The prefix of what the object store holds of a kind of a document, with a slash at its end.

    An id that is long, or has other characters than a key may have, is cut and told apart by a digest.
    """
    return f"{kind}/{_name(tenant_id)}/{_name(doc_id)}/"


def pdf_folder(tenant_id: str, doc_id: str) -> str:
    """The prefix of a document's PDFs in the object store, with a slash at its end."""
    return document_folder("pdf", tenant_id, doc_id)


def pdf_key(tenant_id: str, doc_id: str, sha256: str) -> str:
    """Where the bytes of that digest lie: the same bytes once a document."""
    return f"{pdf_folder(tenant_id, doc_id)}{sha256}.pdf"


def _name(text: str) -> str:
    if _SAFE_NAME.fullmatch(text) and text.strip("."):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{re.sub(r'[^A-Za-z0-9_.:@-]', '-', text)[:100]}={digest}"
