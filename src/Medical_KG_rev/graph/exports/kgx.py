"""KGX: nodes and edges as JSON Lines, as the Biolink community exchanges graphs (https://github.com/biolink/kgx).

``nodes.jsonl``, ``edges.jsonl`` and ``metadata.json``, which declares the prefixes that the Biolink Model lacks. An edge is an
assertion; one that claims affirm and others deny is two edges, the second ``negated``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec

from Medical_KG_rev.graph.exports.biolink_terms import OWN_SOURCE, QUALIFIERS, VERSION, category, predicate, provenance
from Medical_KG_rev.graph.exports.curies import biolink_curie, iri, is_curie, namespace_to_declare
from Medical_KG_rev.graph.exports.outputs import Tally
from Medical_KG_rev.graph.exports.support import with_claims
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, DocumentRecord, EntityRecord, GraphRecord, MentionRecord

FILES = ("nodes.jsonl", "edges.jsonl", "metadata.json")
MAX_QUOTES = 20
"""Quotes of one edge; ``evidence_count`` counts all."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def write(records: Iterable[GraphRecord], files: Sequence[BinaryIO], tally: Tally) -> None:
    """Nodes and edges; claims with a value, mentions and what is only supposed have no place here."""
    nodes, edges, metadata = files
    retracted: set[str] = set()
    prefixes: set[str] = set()
    for record in with_claims(records):
        match record:
            case DocumentRecord():
                if record.status != "live":
                    retracted.add(record.id)
            case EntityRecord():
                node = _node(record, record.id in retracted)
                nodes.write(_encode(node) + b"\n")
                prefixes.add(node["id"].partition(":")[0])
                tally.wrote("nodes")
            case AssertionRow():
                written = [_encode(edge) + b"\n" for edge in _edges(record)]
                edges.writelines(written)
                tally.wrote("edges", len(written)) if written else tally.left("hypothetical assertions")
            case ClaimRow():
                if record.object is None:
                    tally.left("claims with a value")
            case MentionRecord():
                tally.left("mentions")
    metadata.write(_encode(_metadata(tally, prefixes)) + b"\n")


def node_id(curie: str) -> str:
    """The CURIE as KGX takes it for one: Biolink's prefix, and no `/` or `:` in the local part."""
    prefix, _, local = biolink_curie(curie).partition(":")
    return f"{prefix}:{quote(local, safe='')}"


def _node(entity: EntityRecord, retracted: bool) -> dict[str, Any]:
    node = {
        "id": node_id(entity.id),
        "category": [category(entity.id, entity.type)],
        "name": entity.name,
        "synonym": list(entity.aliases),
        "xref": [node_id(xref) for xref in entity.xrefs if is_curie(xref)],
        "iri": iri(entity.id),
        "deprecated": True if retracted else None,
    }
    return {name: value for name, value in node.items() if value not in (None, [])}


def _edges(assertion: AssertionRow) -> Iterator[dict[str, Any]]:
    """No edge for what no text says but only supposes."""
    said = [claim for claim in assertion.claims if claim.certainty != "hypothetical"]
    for negated, belief in ((False, assertion.belief), (True, assertion.belief_against)):
        claims = [claim for claim in said if claim.negated is negated]
        if claims:
            yield _edge(assertion, claims, negated, belief)


def _edge(assertion: AssertionRow, claims: list[ClaimRow], negated: bool, belief: float) -> dict[str, Any]:
    live = [claim for claim in claims if claim.status == "live"]
    origin = provenance(live or claims)
    own_predicate = predicate(assertion.predicate)
    quotes = list(dict.fromkeys(evidence.text for claim in live or claims for evidence in claim.evidence))
    edge = {
        "id": f"{assertion.id}-negated" if negated else assertion.id,
        "subject": node_id(assertion.subject.id),
        "predicate": own_predicate,
        "object": node_id(assertion.object.id),
        "original_predicate": assertion.predicate if own_predicate != assertion.predicate else None,
        "negated": negated or None,
        "has_confidence_score": float(belief),
        **origin,
        "aggregator_knowledge_source": [OWN_SOURCE] if origin["primary_knowledge_source"] != OWN_SOURCE else None,
        "publications": _documents(live),
        "retracted_publications": _documents(claim for claim in claims if claim.status != "live"),
        "deprecated": None if live else True,
        "evidence_count": sum(len(claim.evidence) for claim in live),
        "supporting_text": quotes[:MAX_QUOTES],
        **{name: value for name, value in assertion.qualifiers.items() if name in QUALIFIERS},
        "medkg_qualifiers": [
            f"{name}={value if isinstance(value, str) else _encode(value).decode()}"
            for name, value in sorted(assertion.qualifiers.items())
            if name not in QUALIFIERS
        ],
    }
    return {name: value for name, value in edge.items() if value not in (None, [])}


def _documents(claims: Iterable[ClaimRow]) -> list[str]:
    return [node_id(doc_id) for doc_id in dict.fromkeys(claim.doc_id for claim in claims)]


def _metadata(tally: Tally, prefixes: Iterable[str]) -> dict[str, Any]:
    return {
        "biolink_version": VERSION,
        "knowledge_source": OWN_SOURCE,
        "prefixes": {prefix: namespace for prefix in sorted(prefixes) if (namespace := namespace_to_declare(prefix))},
        "nodes": tally.written.get("nodes", 0),
        "edges": tally.written.get("edges", 0),
    }
