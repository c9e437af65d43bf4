"""JATS full texts: front matter, body, floats, back matter, responses and references, with nothing left out.

Format: https://jats.nlm.nih.gov (Archiving, Publishing and Authoring tag sets, NLM 2.x and 3.0 included).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from lxml import etree

from Medical_KG_rev.errors import MissingIdentifierError
from Medical_KG_rev.models import Document, RawPayload, SectionKind
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.jats.body import BodyWriter
from Medical_KG_rev.parsing.jats.contributors import contributor_details, contributor_name
from Medical_KG_rev.parsing.jats.dates import publication_date, update_date
from Medical_KG_rev.parsing.jats.front import article_title, front_metadata, write_abstracts, write_statements
from Medical_KG_rev.parsing.jats.identifiers import article_identifiers, document_id
from Medical_KG_rev.parsing.jats.inline import XML_LANG, inline_text
from Medical_KG_rev.parsing.jats.root import article_of

VERSION = "jats-1"
__all__ = ["VERSION", "parse"]

_LANGUAGE = re.compile(r"[a-z]{2,3}(?![a-z])")
_READ_OF_STUBS = frozenset({"article-id", "title-group", "contrib-group", "abstract", "trans-abstract"})
_SUB_ARTICLES = ("sub-article", "response")
_SUB_ARTICLE_TITLES = {"reply": "Author response", "decision-letter": "Decision letter", "article-commentary": "Decision letter"}


def parse(payload: RawPayload, *, parsed_at: datetime) -> Document:
    """One article.

    Raises:
        PayloadError: not readable as JATS; the subclass and the message say why.
    """
    article = article_of(payload)
    front = article.find("front")
    meta = front.find("article-meta") if front is not None else None
    if front is None or meta is None:
        raise MissingIdentifierError(
            f"{payload.source_id} has no <article-meta>, so no identifier and no title.",
            remedy="Accepted is a whole JATS article.",
            source_id=payload.source_id,
            path=payload.uri,
        )
    identifiers = article_identifiers(meta)
    doc_id = document_id(payload, identifiers, meta)
    source, _, identifier = doc_id.partition(":")
    builder = DocumentBuilder(doc_id=doc_id, source=source, title=article_title(meta) or identifier)
    _write(builder, article, front, meta)
    metadata = _metadata(article, front, meta, identifiers)
    return builder.build(
        metadata=metadata,
        language=metadata["language"],
        adapter_version=payload.adapter_version,
        parser_version=VERSION,
        parsed_at=parsed_at,
    )


def _write(builder: DocumentBuilder, article: etree._Element, front: etree._Element, meta: etree._Element) -> None:
    """Reading order: what readers and passages need first; statements and references last."""
    builder.title()
    write_abstracts(builder, meta)
    writer = BodyWriter(builder)
    references = []
    for part in article:
        if part.tag == "back":
            references = [child for child in part if child.tag == "ref-list"]
            writer.flow(part, skip=references)
        elif part.tag == "floats-group" or part.tag == "floats-wrap":
            writer.section(part)
        elif part.tag in _SUB_ARTICLES:
            _write_sub_article(builder, part)
        elif part.tag != "front":
            writer.flow(part)
    write_statements(builder, front, meta)
    for references_list in references:
        writer.references(references_list)


def _write_sub_article(builder: DocumentBuilder, article: etree._Element) -> None:
    """A response or other article inside an article: a section of its own with everything that belongs to it."""
    front = article.find("front-stub")
    if front is None:
        front = article.find("front/article-meta")
    title = article_title(front) if front is not None else ""
    writer = BodyWriter(builder)
    with builder.section(title or _SUB_ARTICLE_TITLES.get(article.get("article-type", ""), "Response"), SectionKind.RESPONSE):
        if front is not None:
            _write_stub(builder, front)
        for part in article:
            if part.tag in _SUB_ARTICLES:
                _write_sub_article(builder, part)
            elif part.tag in ("floats-group", "floats-wrap"):
                writer.section(part)
            elif part.tag not in ("front", "front-stub"):
                writer.flow(part)


def _write_stub(builder: DocumentBuilder, stub: etree._Element) -> None:
    """Who wrote a sub-article, its abstracts, and what else it states. Its people are no authors of the article."""
    people = stub.iterfind("contrib-group//contrib")
    builder.items([", ".join(filter(None, (contributor_name(person), *contributor_details(person)))) for person in people])
    write_abstracts(builder, stub)
    for other in stub:
        if isinstance(other.tag, str) and other.tag not in _READ_OF_STUBS:
            builder.block(inline_text(other))


def _language(article: etree._Element) -> str:
    """The primary language; English where the article does not say it in two or three letters."""
    match = _LANGUAGE.match(article.get(XML_LANG, "").strip().lower())
    return match.group() if match else "en"


def _metadata(
    article: etree._Element, front: etree._Element, meta: etree._Element, identifiers: dict[str, str]
) -> dict[str, Any]:
    published = publication_date(meta)
    doi = identifiers.get("doi")
    found: dict[str, Any] = {
        "kind": "article",
        "article_type": article.get("article-type"),
        "date": published,
        "year": int(published[:4]) if published else None,
        "updated": update_date(meta),
        "identifiers": identifiers,
        "language": _language(article),
        "url": f"https://doi.org/{doi}" if doi else None,
        "retracted": article.get("article-type") == "retracted-article" or article_title(meta).upper().startswith("RETRACTED"),
        **front_metadata(front, meta),
    }
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}
