"""OpenAlex works."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from Medical_KG_rev.errors import MalformedPayloadError, MissingIdentifierError, UnsupportedFormatError
from Medical_KG_rev.models import Document, RawPayload, SectionKind
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.json_record import decode_record
from Medical_KG_rev.parsing.openalex_schema import (
    Authorship,
    Biblio,
    Ids,
    Location,
    Named,
    OpenAccess,
    Scored,
    Topic,
    Venue,
    Work,
)
from Medical_KG_rev.parsing.phrase import Phrase, facts, listing

SOURCE = "openalex"
VERSION = "openalex-1"

_CONCEPT_THRESHOLD = 0.3
"""OpenAlex assigns a concept above this score; those below are only its ancestors
(https://docs.openalex.org/api-entities/concepts)."""

_WORK_ID = re.compile(r"W\d{1,15}")
_TAG = re.compile(r"</?(?:jats:|mml:)?[a-z][a-z0-9-]{0,15}(?:\s[^<>]{0,200})?/?>", re.IGNORECASE)


def parse(payload: RawPayload, *, parsed_at: datetime) -> Document:
    """The work of a payload as a document.

    Raises:
        MissingIdentifierError: no id.
        UnsupportedFormatError: a page of works, or another kind of OpenAlex record.
        MalformedPayloadError: broken JSON (line, column) or a value of the wrong type (its path).
    """
    work = decode_record(payload, msgspec.json.Decoder(Work), "an OpenAlex work")
    work_id = _work_id(payload, work)
    title = _plain(work.title or work.display_name) or work_id
    builder = DocumentBuilder(doc_id=f"{SOURCE}:{work_id}", source=SOURCE, title=title)
    builder.title()
    _content(builder, work)
    _authors(builder, work)
    _publication(builder, work, work_id)
    _subjects(builder, work)
    _funding(builder, work)
    _references(builder, work)
    return builder.build(
        metadata=_metadata(work, work_id),
        language=work.language or "en",
        adapter_version=payload.adapter_version,
        parser_version=VERSION,
        parsed_at=parsed_at,
    )


def rebuild_abstract(index: Mapping[str, Sequence[int]] | None) -> str:
    """The abstract of an inverted index: words in the order of their positions.

    A position without a word is skipped; where two words claim one position, both stand, in the order of the index.
    """
    if not index:
        return ""
    placed = [(position, word) for word, positions in index.items() for position in dict.fromkeys(positions)]
    placed.sort(key=lambda pair: pair[0])
    return " ".join(word for _, word in placed)


def _work_id(payload: RawPayload, work: Work) -> str:
    given = work.id or (work.ids.openalex if work.ids else None)
    if given is None and work.results is not None:
        raise UnsupportedFormatError(
            f"{payload.source_id}: this is a page of works, not one work.",
            remedy="Submit each entry of `results` as a payload of its own.",
            source_id=payload.source_id,
        )
    if not given:
        raise MissingIdentifierError(
            f"{payload.source_id}: the OpenAlex work has no `id`.",
            remedy="Fetch it from https://api.openalex.org/works/<id> without leaving `id` out of `select`.",
            source_id=payload.source_id,
        )
    tail = given.rstrip("/").rpartition("/")[2].upper()
    if re.fullmatch(r"[ACFIPST]\d+", tail):
        raise UnsupportedFormatError(
            f"{payload.source_id}: {tail} is not a work; only OpenAlex works (W…) are read.", source_id=payload.source_id
        )
    if not _WORK_ID.fullmatch(tail):
        raise MalformedPayloadError(
            f"{payload.source_id}: {given[:60]!r} is not the id of an OpenAlex work (W and digits).", source_id=payload.source_id
        )
    return tail


def _plain(text: str | None) -> str:
    """Text without markup and character references, as publishers leave them in titles and abstracts."""
    if not text:
        return ""
    if "<" in text:
        text = _TAG.sub("", text)
    return html.unescape(text) if "&" in text else text


def _content(builder: DocumentBuilder, work: Work) -> None:
    if work.is_retracted:
        builder.block("This work has been retracted.")
    abstract = rebuild_abstract(work.abstract_inverted_index or work.abstract_inverted_index_v3)
    if abstract:
        with builder.section("Abstract"):
            builder.block(_plain(abstract))


def _authors(builder: DocumentBuilder, work: Work) -> None:
    authors = [phrase for phrase in map(_author, work.authorships or ()) if phrase.text]
    if authors:
        with builder.section("Authors", SectionKind.METADATA):
            listing(builder, authors)


def _publication(builder: DocumentBuilder, work: Work, work_id: str) -> None:
    place = work.primary_location or Location()
    venue, biblio, access = place.source or Venue(), work.biblio or Biblio(), work.open_access or OpenAccess()
    with builder.section("Publication", SectionKind.METADATA):
        facts(
            builder,
            [
                ("OpenAlex id", work_id),
                ("DOI", work.doi or ""),
                ("Type", work.type or ""),
                ("Published", work.publication_date or ""),
                ("Published in", venue.display_name or place.raw_source_name or ""),
                ("Publisher", venue.host_organization_name or ""),
                ("Volume", biblio.volume or ""),
                ("Issue", biblio.issue or ""),
                ("Pages", "-".join(filter(None, (biblio.first_page, biblio.last_page)))),
                ("Open access", access.oa_status or ""),
                ("License", place.license or ""),
            ],
        )


def _author(authorship: Authorship) -> Phrase:
    author, institutions = authorship.author, authorship.institutions or []
    name = (author.display_name if author else None) or authorship.raw_author_name or ""
    raw = list(dict.fromkeys(filter(None, authorship.raw_affiliation_strings or ())))
    known = [
        {
            "name": " ".join(place.display_name.split()),
            "openalex_id": _tail(place),
            "ror": place.ror,
            "country": place.country_code,
        }
        for place in institutions
        if place.display_name and place.display_name.strip()
    ]
    affiliations = [{key: value for key, value in place.items() if value} for place in known]
    phrase = Phrase().add(
        name,
        "author",
        orcid=((author.orcid if author else None) or authorship.raw_orcid or "").rpartition("/")[2],
        openalex_id=_tail(author),
        affiliations=affiliations or [" ".join(text.split()) for text in raw if text.strip()],
    )
    if not phrase.text:
        return phrase
    return phrase.add("; ".join([place["name"] or "" for place in known] + raw), before="- ")


def _tail(thing: Named | None) -> str:
    """`A5035030619` of `https://openalex.org/A5035030619`."""
    return (thing.id or "").rpartition("/")[2] if thing else ""


def _subjects(builder: DocumentBuilder, work: Work) -> None:
    topics = [_topic(topic) for topic in work.topics or ()]
    concepts = [_concept(concept) for concept in work.concepts or ()]
    keywords = [Phrase().add(keyword.display_name or "", "keyword") for keyword in work.keywords or ()]
    headings = [
        Phrase()
        .add(
            heading.descriptor_name or "",
            "mesh",
            id=heading.descriptor_ui,
            role="heading",
            major=bool(heading.is_major_topic),
            qualifier=heading.qualifier_name,
        )
        .add(heading.qualifier_name or "", before="/ ")
        for heading in work.mesh or ()
    ]
    goals = [Phrase(goal.display_name or "") for goal in work.sustainable_development_goals or ()]
    for title, phrases in (
        ("Topics", topics),
        ("Keywords", keywords),
        ("MeSH headings", headings),
        ("Concepts", concepts),
        ("Sustainable development goals", goals),
    ):
        if any(phrase.text for phrase in phrases):
            with builder.section(title, SectionKind.METADATA):
                listing(builder, phrases)


def _topic(topic: Topic) -> Phrase:
    field = topic.field.display_name if topic.field else None
    phrase = Phrase().add(topic.display_name or "", "topic", openalex_id=_tail(topic), score=topic.score, field=field)
    above = [level.display_name for level in (topic.subfield, topic.field, topic.domain) if level and level.display_name]
    return phrase.add("; ".join(above), before="(", after=")") if phrase.text else phrase


def _concept(concept: Scored) -> Phrase:
    kind = "topic" if (concept.score or 0) > _CONCEPT_THRESHOLD else ""
    return Phrase().add(concept.display_name or "", kind, openalex_id=_tail(concept), score=concept.score)


def _funding(builder: DocumentBuilder, work: Work) -> None:
    """Funders with their awards: `funders` and `awards` of the newer schema, `grants` of the older one."""
    names: dict[str, str] = {}
    rors: dict[str, str | None] = {}
    awards: dict[str, dict[str, str]] = {}
    for funder in work.funders or ():
        names[funder.id or funder.display_name or ""] = funder.display_name or ""
        rors[funder.id or ""] = funder.ror
    stated = [(a.funder_id, a.funder_display_name, a.funder_award_id, a.display_name) for a in work.awards or ()]
    stated += [(g.funder, g.funder_display_name, g.award_id, None) for g in work.grants or ()]
    for funder_id, name, award, title in stated:
        key = funder_id or name or ""
        names.setdefault(key, name or "")
        if award or title:
            awards.setdefault(key, {})[award or title or ""] = title or ""
    phrases = []
    for key, name in names.items():
        given = awards.get(key, {})
        phrase = Phrase().add(name, "funder", id=key.rpartition("/")[2], ror=rors.get(key), award_ids=list(given))
        if phrase.text:
            phrase.add("; ".join(f"{award} {title}".strip() for award, title in given.items()), before="- ")
        phrases.append(phrase)
    if any(phrase.text for phrase in phrases):
        with builder.section("Funding", SectionKind.METADATA):
            listing(builder, phrases)


def _references(builder: DocumentBuilder, work: Work) -> None:
    """Cited works are known by their ids alone."""
    if not work.referenced_works:
        return
    with builder.section("References", SectionKind.REFERENCES):
        ids = dict.fromkeys(address.rpartition("/")[2] for address in work.referenced_works)
        listing(builder, [Phrase().add(work_id, "cited_work", openalex_id=work_id) for work_id in ids])


def _metadata(work: Work, work_id: str) -> Mapping[str, Any]:
    place, access, biblio = work.primary_location or Location(), work.open_access or OpenAccess(), work.biblio or Biblio()
    best = work.best_oa_location or Location()
    values: dict[str, Any] = {
        "kind": "article",
        "type": work.type,
        "date": work.publication_date,
        "year": work.publication_year,
        "updated": (work.updated_date or "")[:10],
        "identifiers": _identifiers(work, work_id),
        "language": work.language,
        "license": place.license or best.license,
        "retracted": work.is_retracted,
        "journal": (place.source.display_name if place.source else None) or place.raw_source_name,
        "biblio": {name: value for name, value in msgspec.structs.asdict(biblio).items() if value},
        "open_access": access.oa_status,
        "pdf_url": best.pdf_url or place.pdf_url,
        "topics": [topic.display_name for topic in work.topics or () if topic.display_name],
        "mesh": list(dict.fromkeys(heading.descriptor_ui for heading in work.mesh or () if heading.descriptor_ui)),
        "cited_by_count": work.cited_by_count,
        "url": f"https://openalex.org/{work_id}",
    }
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _identifiers(work: Work, work_id: str) -> dict[str, str]:
    """Bare identifiers, without the addresses that OpenAlex wraps them in."""
    ids = work.ids or Ids()
    doi = re.sub(r"^https?://(?:dx\.)?doi\.org/", "", work.doi or ids.doi or "")
    pmid = (ids.pmid or "").rstrip("/").rpartition("/")[2]
    pmcid = (ids.pmcid or "").rstrip("/").rpartition("/")[2].upper().removeprefix("PMC")
    known = {"openalex": work_id, "doi": doi.lower(), "pmid": pmid, "pmcid": f"PMC{pmcid}" if pmcid else ""}
    return {name: value for name, value in known.items() if value}
