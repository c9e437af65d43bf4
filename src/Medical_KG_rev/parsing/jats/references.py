"""Reference lists: every cited work an item of text, with the identifiers that the record gives for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.jats.identifiers import normal_doi, normal_pmcid, normal_pmid
from Medical_KG_rev.parsing.jats.inline import XLINK_HREF, inline_text, listed_text, tidy

CITATIONS = frozenset({"element-citation", "mixed-citation", "citation", "nlm-citation"})
_TITLES = ("article-title", "data-title", "chapter-title", "part-title", "source")
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")


def write_references(builder: DocumentBuilder, references: list[etree._Element]) -> None:
    """A list block with an item per cited work, annotated ``cited_work`` with what the record tells of it."""
    works = [work for reference in references for work in _works(reference)]
    kept = [(text, attributes) for text, attributes in works if text]
    for span, (_, attributes) in zip(builder.items([text for text, _ in kept]), kept, strict=True):
        if attributes is not None:
            builder.annotate("cited_work", span, **attributes)


def _works(reference: etree._Element) -> list[tuple[str, dict[str, Any] | None]]:
    """Text and attributes of each citation. What precedes them all goes with the first, anything else with the one before.

    A reference without citation is a note: its text, without attributes.
    """
    works: list[tuple[list[str], dict[str, Any] | None]] = []
    loose: list[str] = []
    for text, citation in _parts(reference):
        if citation is not None:
            works.append(([] if works else [*loose], cited_work(citation)))
        (works[-1][0] if works else loose).append(text)
    return [(tidy(" ".join(" ".join(texts).split())), attributes) for texts, attributes in works or [(loose, None)]]


def _parts(reference: etree._Element) -> Iterator[tuple[str, etree._Element | None]]:
    yield reference.text or "", None
    for child in reference:
        if child.tag in CITATIONS:
            yield citation_text(child), child
        elif child.tag == "citation-alternatives":
            yield from _parts(child)
        elif isinstance(child.tag, str):
            yield inline_text(child), None
        yield child.tail or "", None


def citation_text(citation: etree._Element) -> str:
    """Mixed citations carry their own punctuation; the parts of others, and their names, are separated by commas."""
    own = [citation.text, *(child.tail for child in citation)]
    if citation.tag == "mixed-citation" or any(text and text.strip() for text in own):
        return tidy(inline_text(citation))
    parts = (
        listed_text(part) if part.tag == "person-group" else inline_text(part) for part in citation if isinstance(part.tag, str)
    )
    return tidy(", ".join(filter(None, parts)))


def _part(part: etree._Element) -> str:
    return listed_text(part) if part.tag == "person-group" else inline_text(part)


def cited_work(citation: etree._Element) -> dict[str, Any]:
    """``doi``, ``pmid``, ``pmcid``, ``title`` and ``year``, as far as they are given."""
    work: dict[str, Any] = dict(_identifiers(citation))
    title = next(filter(None, (inline_text(found) for name in _TITLES for found in citation.iter(name))), None)
    year = _YEAR.search(inline_text(found)) if (found := next(citation.iter("year"), None)) is not None else None
    return work | {"title": title, "year": int(year.group()) if year else None}


def _identifiers(citation: etree._Element) -> Iterator[tuple[str, str]]:
    found: dict[str, str] = {}
    for element in citation.iter("pub-id", "object-id", "ext-link", "uri"):
        value = inline_text(element)
        kind = element.get("pub-id-type") or element.get("ext-link-type") or ""
        href = element.get(XLINK_HREF) or value
        if kind == "doi" or "doi.org/10." in href:
            found.setdefault("doi", normal_doi(value) or normal_doi(href) or "")
        elif kind == "pmid":
            found.setdefault("pmid", normal_pmid(value) or "")
        elif kind in ("pmcid", "pmc"):
            found.setdefault("pmcid", normal_pmcid(value) or "")
    if not found.get("doi"):
        found["doi"] = normal_doi(inline_text(citation)) or ""
    return iter(found.items())
