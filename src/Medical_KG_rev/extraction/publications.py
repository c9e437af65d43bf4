"""What the record of an article or work states: authors, topics, headings, keywords, funders, cited works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.names import (
    Meaning,
    doi_id,
    mesh_curie,
    openalex_id,
    orcid_id,
    own_id,
    pmcid_id,
    pmid_id,
    ror_id,
    word_key,
)
from Medical_KG_rev.extraction.statements import Statements
from Medical_KG_rev.models import Annotation, EntityType, Span

_AFFILIATION_REACH = 50_000
"""How many characters after an author's name the affiliation is looked for: author lists are long, texts are longer."""

Reader = Callable[[Statements, Annotation], None]


def read_publication(statements: Statements, by_kind: Mapping[str, list[Annotation]], meaning: Meaning | None = None) -> None:
    """States what the annotations of these kinds say; studies have keywords and cited works too."""
    for kind, read in _READERS.items():
        for annotation in by_kind.get(kind, ()):
            read(statements, annotation)
    _keywords(statements, by_kind.get("keyword", ()), by_kind.get("mesh", ()), meaning)


def _quote(say: Statements, annotation: Annotation) -> str:
    return say.document.text[annotation.start : annotation.end]


def _author(say: Statements, annotation: Annotation) -> None:
    """A name alone identifies nobody beyond its document: such a person's id contains the document's."""
    name, stated, doc_id = _quote(say, annotation), annotation.attributes, say.document.doc_id
    known = [orcid_id(stated.get("orcid")), openalex_id(stated.get("openalex_id"))]
    person = next(filter(None, known), None) or own_id(EntityType.PERSON, doc_id, name)
    say.entity(person, EntityType.PERSON, name, annotation, xrefs=known)
    say.claim(doc_id, p.HAS_AUTHOR, person, annotation)
    for affiliation in stated.get("affiliations", ()):
        _affiliation(say, annotation, person, {"name": affiliation} if isinstance(affiliation, str) else affiliation)


def _affiliation(say: Statements, author: Annotation, person: str, stated: Mapping[str, Any]) -> None:
    name = str(stated.get("name", "")).strip()
    if not name:
        return
    known = [ror_id(stated.get("ror")), openalex_id(stated.get("openalex_id"))]
    organization = next(filter(None, known), None) or own_id(EntityType.ORGANIZATION, name)
    start = say.document.text.find(name, author.end, author.end + _AFFILIATION_REACH)
    mentions = [Span(start, start + len(name))] if start >= 0 else []
    say.entity(organization, EntityType.ORGANIZATION, name, *mentions, xrefs=known, country=stated.get("country"))
    say.claim(person, p.AFFILIATED_WITH, organization, author, *mentions)


def _topic(say: Statements, annotation: Annotation) -> None:
    name, stated = _quote(say, annotation), annotation.attributes
    topic = openalex_id(stated.get("openalex_id")) or own_id(EntityType.CONCEPT, name)
    say.entity(topic, EntityType.CONCEPT, name, annotation, field=stated.get("field"))
    say.claim(say.document.doc_id, p.HAS_TOPIC, topic, annotation, relevance=stated.get("score"))


def _mesh(say: Statements, annotation: Annotation) -> None:
    """Headings of an article; the terms of a trial's conditions and interventions are the trial reader's."""
    name, stated = _quote(say, annotation), annotation.attributes
    if stated.get("role") not in ("heading", "keyword", None):
        return
    heading = mesh_curie(stated.get("id")) or own_id(EntityType.CONCEPT, name)
    say.entity(heading, EntityType.CONCEPT, name, annotation)
    major, qualifier = stated.get("major") or None, stated.get("qualifier")
    say.claim(say.document.doc_id, p.HAS_TOPIC, heading, annotation, major=major, qualifier=qualifier)


def _keywords(say: Statements, keywords: Iterable[Annotation], headings: Iterable[Annotation], meaning: Meaning | None) -> None:
    """A keyword that is the name of a MeSH term of the same record is that term, or else what it is known to mean.

    The others are concepts of our own.
    """
    terms = {word_key(_quote(say, heading)): mesh_curie(heading.attributes.get("id")) for heading in headings}
    for annotation in keywords:
        name = _quote(say, annotation)
        known = meaning(name, EntityType.CONCEPT) if meaning is not None else None
        term = terms.get(word_key(name)) or (known[0] if known is not None else None)
        keyword = say.entity(term or own_id(EntityType.CONCEPT, name), EntityType.CONCEPT, name, annotation)
        say.claim(say.document.doc_id, p.HAS_TOPIC, keyword, annotation)


def _funder(say: Statements, annotation: Annotation) -> None:
    name, stated = _quote(say, annotation), annotation.attributes
    given = stated.get("id")
    known = [openalex_id(given), doi_id(given), ror_id(given), ror_id(stated.get("ror"))]
    funder = next(filter(None, known), None) or own_id(EntityType.ORGANIZATION, name)
    say.entity(funder, EntityType.ORGANIZATION, name, annotation, xrefs=known, country=stated.get("country"))
    awards = [str(award) for award in stated.get("award_ids", ())]
    say.claim(say.document.doc_id, p.FUNDED_BY, funder, annotation, award_ids=awards)


def _cited_work(say: Statements, annotation: Annotation) -> None:
    stated, citation = annotation.attributes, _quote(say, annotation)
    title = str(stated.get("title") or citation)
    known = [
        openalex_id(stated.get("openalex_id")),
        pmcid_id(stated.get("pmcid")),
        doi_id(stated.get("doi")),
        pmid_id(stated.get("pmid")),
    ]
    work = next(filter(None, known), None) or own_id(EntityType.PUBLICATION, title, str(stated.get("year", "")))
    if work == say.document.doc_id:
        return
    say.entity(work, EntityType.PUBLICATION, title, annotation, xrefs=known, year=stated.get("year"))
    say.claim(say.document.doc_id, p.CITES, work, annotation, type=stated.get("type"))


_READERS: dict[str, Reader] = {
    "author": _author,
    "topic": _topic,
    "mesh": _mesh,
    "funder": _funder,
    "cited_work": _cited_work,
}
