"""Identifiers of articles in one spelling, whatever the file's."""

from __future__ import annotations

import re

from lxml import etree

from Medical_KG_rev.errors import MissingIdentifierError
from Medical_KG_rev.models import RawPayload
from Medical_KG_rev.parsing.jats.inline import inline_text

_DOI = re.compile(r"10\.\d{4,9}/\S+")
_PMCID = re.compile(r"(?:PMC)?\s*(\d{1,12})(?:\.\d+)?", re.IGNORECASE)
_OUTSIDE_IDS = re.compile(r"[^A-Za-z0-9._-]")
MAX_ID = 200


def normal_doi(text: str) -> str | None:
    """The DOI in lower case (DOIs ignore case), without resolver or ``doi:``."""
    match = _DOI.search(text)
    return match.group().rstrip(".,;").lower() if match else None


def normal_pmid(text: str) -> str | None:
    """Digits only."""
    text = text.strip()
    return text if text.isascii() and text.isdigit() and len(text) <= 12 else None


def normal_pmcid(text: str) -> str | None:
    """``PMC`` and digits, without a version."""
    match = _PMCID.fullmatch(text.strip())
    return f"PMC{match.group(1)}" if match else None


def article_identifiers(meta: etree._Element) -> dict[str, str]:
    """``doi``, ``pmid``, ``pmcid`` of an ``article-meta``."""
    readers = {
        "doi": ("doi", normal_doi),
        "pmid": ("pmid", normal_pmid),
        "pmc": ("pmcid", normal_pmcid),
        "pmcid": ("pmcid", normal_pmcid),
    }
    found: dict[str, str] = {}
    for element in meta.iterfind("article-id"):
        name, read = readers.get(element.get("pub-id-type", ""), ("", normal_doi))
        value = read(inline_text(element)) if name else None
        if value:
            found.setdefault(name, value)
    return found


def document_id(payload: RawPayload, identifiers: dict[str, str], meta: etree._Element) -> str:
    """``pmc-fulltext:PMC…``; without a PMCID ``local:`` and the DOI as the file spells it.

    Raises:
        MissingIdentifierError: neither is there.
    """
    pmcid = identifiers.get("pmcid")
    if pmcid is None and payload.source == "pmc-fulltext":
        pmcid = normal_pmcid(payload.source_id)
    if pmcid:
        return f"pmc-fulltext:{pmcid}"
    if "doi" in identifiers:
        spelt = next(inline_text(e) for e in meta.iterfind("article-id") if e.get("pub-id-type") == "doi")
        match = _DOI.search(spelt)
        return "local:" + _OUTSIDE_IDS.sub("-", match.group() if match else spelt)[:MAX_ID]
    raise MissingIdentifierError(
        f"{payload.source_id} has no usable identifier: neither PMCID nor DOI in its article-meta.",
        remedy="Add an <article-id> of type pmcid or doi.",
        source_id=payload.source_id,
        path=payload.uri,
    )
