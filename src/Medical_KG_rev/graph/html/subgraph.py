"""The piece of a graph that is drawn: an entity, those near it, and what the claims between them say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from Medical_KG_rev.graph.exports.curies import iri
from Medical_KG_rev.graph.exports.support import with_claims
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, DocumentRecord, EntityRecord, GraphRecord, Neighbour

MAX_CLAIMS = 50
"""Claims shown for one assertion; their number is given."""


class Subgraph(NamedTuple):
    """Entities by id, in the order of their distance; hops from the centre; assertions by the pair of entities that they link."""

    centre: str
    entities: dict[str, EntityRecord]
    hops: dict[str, int]
    parents: dict[str, str]
    links: dict[tuple[str, str], list[AssertionRow]]
    retracted: frozenset[str]


def collect(records: Iterable[GraphRecord], centre: str, neighbours: Sequence[Neighbour]) -> Subgraph:
    """From a dump around the centre, what concerns it and these neighbours."""
    hops = {centre: 0} | {near.entity.id: near.hop for near in neighbours}
    parents = {near.entity.id: near.object_id if near.subject_id == near.entity.id else near.subject_id for near in neighbours}
    entities: dict[str, EntityRecord] = {}
    links: dict[tuple[str, str], list[AssertionRow]] = {}
    retracted = set[str]()
    for record in with_claims(_between(records, hops)):
        match record:
            case DocumentRecord():
                if record.status != "live":
                    retracted.add(record.id)
            case EntityRecord():
                entities[record.id] = record
            case AssertionRow():
                pair = min(record.subject.id, record.object.id), max(record.subject.id, record.object.id)
                links.setdefault(pair, []).append(record)
    ordered = {name: entities[name] for name in hops if name in entities}
    for found in links.values():
        found.sort(key=lambda assertion: (-assertion.belief, assertion.id))
    return Subgraph(centre, ordered, hops, parents, dict(sorted(links.items())), frozenset(retracted))


def _between(records: Iterable[GraphRecord], wanted: Mapping[str, int]) -> Iterable[GraphRecord]:
    for record in records:
        match record:
            case DocumentRecord() | EntityRecord():
                if isinstance(record, DocumentRecord) or record.id in wanted:
                    yield record
            case ClaimRow() | AssertionRow():
                if record.subject.id in wanted and record.object is not None and record.object.id in wanted:
                    yield record


def entity_data(entity: EntityRecord, retracted: bool) -> dict[str, Any]:
    """What the page shows of an entity."""
    return {
        "id": entity.id,
        "type": entity.type.value,
        "name": entity.name,
        "aliases": list(entity.aliases[:20]),
        "xrefs": list(entity.xrefs[:20]),
        "url": address(entity.id),
        "retracted": retracted,
    }


def assertion_data(assertion: AssertionRow) -> dict[str, Any]:
    """What the page shows of an assertion, with its evidence."""
    return {
        "subject": assertion.subject.id,
        "predicate": assertion.predicate,
        "object": assertion.object.id,
        "qualifiers": dict(assertion.qualifiers),
        "belief": assertion.belief,
        "against": assertion.belief_against,
        "documents": assertion.documents,
        "total": len(assertion.claims),
        "claims": [_claim_data(claim) for claim in assertion.claims[:MAX_CLAIMS]],
    }


def address(curie: str) -> str:
    """Where to read on, if there is such a place on the web."""
    found = iri(curie)
    return found if urlsplit(found).scheme in ("http", "https") else ""


def _claim_data(claim: ClaimRow) -> dict[str, Any]:
    return {
        "document": claim.doc_id,
        "url": address(claim.doc_id),
        "method": claim.method,
        "negated": claim.negated,
        "certainty": claim.certainty.value,
        "status": claim.status,
        "score": claim.score,
        "evidence": [
            {"start": found.start, "end": found.end, "text": found.text, "section": found.section, "page": found.page}
            for found in claim.evidence
        ],
    }
