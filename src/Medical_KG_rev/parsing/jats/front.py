"""Front matter: what an article states about itself, as metadata and as sections of kind METADATA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from Medical_KG_rev.models import SectionKind, Span
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.jats.body import BodyWriter
from Medical_KG_rev.parsing.jats.contributors import write_contributors
from Medical_KG_rev.parsing.jats.dates import iso_date
from Medical_KG_rev.parsing.jats.inline import inline_text
from Medical_KG_rev.parsing.jats.licenses import license_of

_ABSTRACTS = ("abstract", "trans-abstract")
_WRITTEN_ELSEWHERE = frozenset(
    {"article-id", "contrib-group", "aff", "aff-alternatives", "author-notes", "kwd-group", "funding-group", *_ABSTRACTS}
)
_TITLE = frozenset({"article-title", "subtitle"})
_DATES = frozenset({"pub-date", "history", "pub-history"})


def article_title(meta: etree._Element) -> str:
    """Title and subtitle."""
    group = meta.find("title-group")
    if group is None:
        return ""
    parts = (_without_notes(part) for name in ("article-title", "subtitle") for part in group.iterfind(name))
    return ": ".join(filter(None, parts))


def _without_notes(title: etree._Element) -> str:
    return inline_text(title, skip=frozenset({"tex-math", "fn", "xref"}))


def write_abstracts(builder: DocumentBuilder, meta: etree._Element) -> None:
    """Every abstract as a section: the main one, digests, summaries, translations."""
    writer = BodyWriter(builder)
    for abstract in meta.iterfind("*"):
        if abstract.tag in _ABSTRACTS:
            writer.section(abstract)


def write_statements(builder: DocumentBuilder, front: etree._Element, meta: etree._Element) -> None:
    """Keywords, people, funding and everything else that the front matter holds."""
    _write_keywords(builder, meta)
    write_contributors(builder, meta)
    _write_funding(builder, meta)
    _write_information(builder, front, meta)
    writer = BodyWriter(builder)
    for notes in front.iterfind("notes"):
        writer.section(notes, kind=SectionKind.METADATA)


def _write_keywords(builder: DocumentBuilder, meta: etree._Element) -> None:
    for group in meta.iterfind("kwd-group"):
        title = group.find("title")
        with builder.section(inline_text(title) if title is not None else "Keywords", SectionKind.METADATA):
            words = [inline_text(word) for word in group.iter("kwd", "compound-kwd")]
            for span in builder.items(words):
                builder.annotate("keyword", span)


def _write_funding(builder: DocumentBuilder, meta: etree._Element) -> None:
    groups = meta.findall("funding-group")
    if not groups:
        return
    with builder.section("Funding", SectionKind.METADATA):
        for group in groups:
            awards = [_award(award) for award in group.iter("award-group")]
            awards = [award for award in awards if award[0]]
            spans = builder.items([text for text, *_ in awards])
            for span, (_, funder, identifier, numbers) in zip(spans, awards, strict=True):
                if funder:
                    builder.annotate("funder", Span(span.start, span.start + len(funder)), id=identifier, award_ids=numbers)
            for other in group:
                if isinstance(other.tag, str) and other.tag != "award-group":
                    builder.block(inline_text(other))


def _award(award: etree._Element) -> tuple[str, str, str | None, list[str]]:
    """The whole text, which starts with the funder; the funder; its identifier; the award numbers."""
    sources = award.findall("funding-source")
    identifiers = [inline_text(found) for source in sources for found in source.iter("institution-id")]
    skip = frozenset({"tex-math", "institution-id"})
    funder = "; ".join(filter(None, (inline_text(source, skip) for source in sources)))
    numbers = list(filter(None, map(inline_text, award.iterfind("award-id"))))
    others = [inline_text(part) for part in award if isinstance(part.tag, str) and part.tag not in ("funding-source", "award-id")]
    text = "; ".join(filter(None, [funder, *identifiers, *numbers, *others]))
    return text, funder, next(filter(None, identifiers), None), numbers


def _write_information(builder: DocumentBuilder, front: etree._Element, meta: etree._Element) -> None:
    lines = [line for part in (front.find("journal-meta"), meta) if part is not None for line in _information(part)]
    if lines:
        with builder.section("Article information", SectionKind.METADATA):
            builder.items(lines)


def _information(part: etree._Element) -> Iterator[str]:
    for child in part:
        if not isinstance(child.tag, str) or child.tag in _WRITTEN_ELSEWHERE:
            continue
        if child.tag in _DATES:
            dates = [child] if child.tag == "pub-date" else list(child.iter("date"))
            yield from (f"{_kind_of(date)}: {iso_date(date) or inline_text(date)}" for date in dates)
        elif child.tag == "title-group":
            yield from (inline_text(title) for title in child if isinstance(title.tag, str) and title.tag not in _TITLE)
            yield from (inline_text(note) for title in child for note in title.iter("fn") if title.tag in _TITLE)
        elif child.tag == "article-categories":
            yield "; ".join(map(inline_text, child.iter("subject", "series-title")))
        elif len(child) == 0:
            yield f"{child.tag.replace('-', ' ')}: {inline_text(child)}" if inline_text(child) else ""
        else:
            yield inline_text(child)


def _kind_of(date: etree._Element) -> str:
    return date.get("date-type") or date.get("pub-type") or "date"


def front_metadata(front: etree._Element, meta: etree._Element) -> dict[str, Any]:
    """Journal, volume, pages, categories, licence: what the record gives, nothing for the rest."""
    journal = front.find("journal-meta")
    found: dict[str, Any] = {
        "journal": _first(journal, ".//journal-title", "abbrev-journal-title", "journal-id"),
        "issn": [inline_text(issn) for issn in journal.iterfind("issn")] if journal is not None else [],
        "publisher": _first(journal, ".//publisher-name"),
        "volume": _first(meta, "volume"),
        "issue": _first(meta, "issue"),
        "pages": "-".join(filter(None, (_first(meta, "fpage"), _first(meta, "lpage")))) or _first(meta, "elocation-id"),
        "subjects": list(dict.fromkeys(filter(None, map(inline_text, meta.iterfind("article-categories//subject"))))),
        "license": license_of(meta),
    }
    return {name: value for name, value in found.items() if value}


def _first(parent: etree._Element | None, *paths: str) -> str | None:
    if parent is None:
        return None
    return next(filter(None, (inline_text(found) for path in paths for found in parent.iterfind(path))), None)
