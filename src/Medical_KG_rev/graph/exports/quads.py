"""The graph as RDF quads: Biolink associations, each claim a nanopublication with its evidence.

The default graph holds documents, entities and assertions with their beliefs. A claim is a nanopublication of four named graphs
(http://nanopub.org/guidelines): ``#assertion`` holds the statement itself unless the text denies or only supposes it, and a
``biolink:Association`` that says all of it; ``#provenance`` holds PROV-O and, for each quote, a Web Annotation
(https://www.w3.org/TR/annotation-model/) with its position and its words. There are no blank nodes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from Medical_KG_rev.graph.exports.biolink_terms import QUALIFIERS, category
from Medical_KG_rev.graph.exports.curies import iri, is_curie, own_iri
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, DocumentRecord, EntityRecord, GraphRecord, MentionRecord

PREFIXES: dict[str, str] = {
    "biolink": "https://w3id.org/biolink/vocab/",
    "dct": "http://purl.org/dc/terms/",
    "medkg": "urn:medkg:vocab:",
    "np": "http://www.nanopub.org/nschema#",
    "oa": "http://www.w3.org/ns/oa#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


class Literal(NamedTuple):
    """A literal in its lexical form; ``datatype`` is an IRI, empty for a string."""

    value: str
    datatype: str = ""


class Quad(NamedTuple):
    """IRIs, and a literal where ``object`` is one. ``graph`` is empty for the default graph."""

    subject: str
    predicate: str
    object: str | Literal
    graph: str = ""


@cache
def term(name: str) -> str:
    """The IRI of a prefixed name of these vocabularies.

    >>> term("prov:Entity")
    'http://www.w3.org/ns/prov#Entity'
    """
    prefix, _, local = name.partition(":")
    return PREFIXES[prefix] + local


_TYPE, _BIOLINK, _MEDKG = term("rdf:type"), PREFIXES["biolink"], PREFIXES["medkg"]


def literal(value: Any) -> Literal:
    """Numbers and truth values with their XSD type, lists and objects as JSON text."""
    match value:
        case bool():
            return Literal("true" if value else "false", term("xsd:boolean"))
        case int():
            return Literal(str(value), term("xsd:integer"))
        case float():
            return Literal(repr(value), term("xsd:double"))
        case str():
            return Literal(value)
        case _:
            return Literal(json.dumps(value, ensure_ascii=False, sort_keys=True))


def quads(record: GraphRecord) -> Iterator[Quad]:
    """All that RDF says of one record; nothing for mentions."""
    match record:
        case DocumentRecord():
            return _document(record)
        case EntityRecord():
            return _entity(record)
        case ClaimRow():
            return _claim(record)
        case AssertionRow():
            return _assertion(record)
        case MentionRecord():
            return iter(())


def claim_iri(claim_id: str) -> str:
    return own_iri("claim", claim_id)


def assertion_iri(assertion_id: str) -> str:
    return own_iri("assertion", assertion_id)


def _document(document: DocumentRecord) -> Iterator[Quad]:
    subject = iri(document.id)
    yield Quad(subject, _TYPE, term("prov:Entity"))
    yield Quad(subject, term("dct:identifier"), Literal(document.id))
    yield Quad(subject, term("dct:isPartOf"), own_iri("source", document.source))
    yield Quad(subject, term("dct:hasVersion"), Literal(document.version))
    yield Quad(subject, term("medkg:status"), Literal(document.status))


def _entity(entity: EntityRecord) -> Iterator[Quad]:
    subject = iri(entity.id)
    yield Quad(subject, _TYPE, term(category(entity.id, entity.type)))
    yield Quad(subject, term("rdfs:label"), Literal(entity.name))
    yield Quad(subject, term("medkg:curie"), Literal(entity.id))
    for alias in entity.aliases:
        yield Quad(subject, term("skos:altLabel"), Literal(alias))
    for xref in entity.xrefs:
        if is_curie(xref):
            yield Quad(subject, term("biolink:xref"), iri(xref))
    for name, value in sorted(entity.attributes.items()):
        if value is not None:
            yield Quad(subject, own_iri("attribute", name), literal(value))


def _assertion(assertion: AssertionRow) -> Iterator[Quad]:
    subject = assertion_iri(assertion.id)
    yield from _association(subject, assertion.subject.id, assertion.predicate, iri(assertion.object.id), assertion.qualifiers)
    yield Quad(subject, term("biolink:has_confidence_score"), literal(float(assertion.belief)))
    yield Quad(subject, term("medkg:beliefAgainst"), literal(float(assertion.belief_against)))
    for name in ("claims_for", "claims_against", "claims_hypothetical", "claims_retracted", "documents"):
        yield Quad(subject, _MEDKG + name, literal(getattr(assertion, name)))


def _association(
    subject: str, start: str, predicate: str, end: str | Literal, qualifiers: Mapping[str, Any], graph: str = ""
) -> Iterator[Quad]:
    yield Quad(subject, _TYPE, term("biolink:Association"), graph)
    yield Quad(subject, term("biolink:subject"), iri(start), graph)
    yield Quad(subject, term("biolink:predicate"), iri(predicate), graph)
    yield Quad(subject, term("biolink:object"), end, graph)
    for name, value in sorted(qualifiers.items()):
        if value is not None:
            yield Quad(subject, _BIOLINK + name if name in QUALIFIERS else own_iri("qualifier", name), literal(value), graph)


def _claim(claim: ClaimRow) -> Iterator[Quad]:
    publication = claim_iri(claim.id)
    head, said, source, about = (f"{publication}#{part}" for part in ("head", "assertion", "provenance", "pubinfo"))
    yield Quad(publication, _TYPE, term("np:Nanopublication"), head)
    yield Quad(publication, term("np:hasAssertion"), said, head)
    yield Quad(publication, term("np:hasProvenance"), source, head)
    yield Quad(publication, term("np:hasPublicationInfo"), about, head)
    end = iri(claim.object.id) if claim.object else Literal(claim.value or "")
    if not claim.negated and claim.certainty != "hypothetical":
        yield Quad(iri(claim.subject.id), iri(claim.predicate), end, said)
    association = f"{publication}#association"
    yield from _association(association, claim.subject.id, claim.predicate, end, claim.qualifiers, said)
    yield Quad(association, term("biolink:negated"), literal(claim.negated), said)
    yield from _provenance(claim, publication, said, source)
    yield Quad(publication, term("prov:wasAttributedTo"), own_iri("software"), about)
    if claim.assertion_id is not None:
        yield Quad(publication, term("medkg:states"), assertion_iri(claim.assertion_id), about)


def _provenance(claim: ClaimRow, publication: str, said: str, graph: str) -> Iterator[Quad]:
    yield Quad(said, term("prov:wasDerivedFrom"), iri(claim.doc_id), graph)
    yield Quad(said, term("prov:wasGeneratedBy"), own_iri("activity", claim.method, claim.activity), graph)
    yield Quad(said, term("medkg:certainty"), Literal(claim.certainty.value), graph)
    yield Quad(said, term("medkg:status"), Literal(claim.status), graph)
    yield Quad(said, term("biolink:has_confidence_score"), literal(float(claim.score)), graph)
    for number, evidence in enumerate(claim.evidence, 1):
        place = f"{publication}#evidence-{number}"
        target, position, words = f"{place}-target", f"{place}-position", f"{place}-quote"
        yield Quad(said, term("prov:wasQuotedFrom"), target, graph)
        yield Quad(place, _TYPE, term("oa:Annotation"), graph)
        yield Quad(place, term("oa:hasBody"), said, graph)
        yield Quad(place, term("oa:hasTarget"), target, graph)
        yield Quad(target, _TYPE, term("oa:SpecificResource"), graph)
        yield Quad(target, term("oa:hasSource"), iri(evidence.doc_id), graph)
        yield Quad(target, term("oa:hasSelector"), position, graph)
        yield Quad(target, term("oa:hasSelector"), words, graph)
        yield Quad(position, _TYPE, term("oa:TextPositionSelector"), graph)
        yield Quad(position, term("oa:start"), literal(evidence.start), graph)
        yield Quad(position, term("oa:end"), literal(evidence.end), graph)
        yield Quad(words, _TYPE, term("oa:TextQuoteSelector"), graph)
        yield Quad(words, term("oa:exact"), Literal(evidence.text), graph)
        if evidence.section:
            yield Quad(target, term("medkg:section"), Literal(evidence.section), graph)
        if evidence.page is not None:
            yield Quad(target, term("medkg:page"), literal(evidence.page), graph)
