"""A write as rows of the schema: what one call puts into the graph, merged and without duplicates. Knows no particular store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from Medical_KG_rev.graph.assertions import AssertionKey, DocumentStatus, Stated, assertion_key
from Medical_KG_rev.graph.entity_rows import entity_row, merge_entities, to_json
from Medical_KG_rev.models import Claim, Entity, Evidence, Mention

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship between two nodes by their keys. ``document`` is the one that it comes from."""

    source: str
    target: str
    document: str
    properties: Row = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """The rows of one write, by label and relationship of the schema.

    ``nodes[label][key]`` are the properties of a node. Entities are kept apart, since a store joins them with what it holds;
    ``entity_rows`` are theirs. ``assertions`` are those that claims of the batch state: the store computes their beliefs.
    Evidence is shared: one node per place in a document, however many claims it supports.
    """

    documents: tuple[str, ...]
    entities: dict[str, Entity]
    nodes: dict[str, dict[str, Row]]
    edges: dict[str, list[Edge]]
    assertions: dict[str, AssertionKey]

    @classmethod
    def build(
        cls,
        documents: Sequence[str],
        versions: Mapping[str, str],
        entities: Iterable[Entity],
        claims: Iterable[Claim],
        activity: str = "",
    ) -> GraphBatch:
        own = dict.fromkeys(documents)
        merged = merge_entities(entities)
        rows = _Rows()
        for doc_id in own:
            rows.document(doc_id, versions[doc_id], merged.get(doc_id))
        for claim in {claim.id: claim for claim in claims if claim.doc_id in own}.values():
            rows.claim(claim, activity)
        for entity in merged.values():
            for mention in {(m.doc_id, m.start, m.end): m for m in entity.mentions if m.doc_id in own}.values():
                rows.mention(entity.id, mention)
        return cls(tuple(own), merged, dict(rows.nodes), dict(rows.edges), rows.assertions)

    @property
    def entity_rows(self) -> dict[str, Row]:
        """Of the entities as this call has them."""
        return {key: entity_row(entity) for key, entity in self.entities.items()}

    @property
    def referenced(self) -> set[str]:
        """Entities that claims of this call point at."""
        return {edge.target for name in ("SUBJECT", "OBJECT") for edge in self.edges.get(name, ())}

    @property
    def node_count(self) -> int:
        """Nodes of the batch, those that a store computes left out."""
        return len(self.entities) + sum(map(len, self.nodes.values()))

    @property
    def edge_count(self) -> int:
        """Relationships of the batch; ``STATES`` included."""
        return sum(map(len, self.edges.values()))

    def stated(self) -> dict[str, list[Stated]]:
        """What claims of the batch say, by the id of the assertion that they state."""
        found: defaultdict[str, list[Stated]] = defaultdict(list)
        claims, documents = self.nodes.get("Claim", {}), self.nodes["Document"]
        for edge in self.edges.get("STATES", ()):
            claim, document = claims[edge.source], documents[edge.document]
            found[edge.target].append(stated(claim, document["source"], document["status"]))
        return found

    def counts(self) -> dict[str, int]:
        """Per document: the claims it makes, and the entities that it describes, mentions or makes claims about."""
        entities: defaultdict[str, set[str]] = defaultdict(set)
        for name in ("DESCRIBES", "MENTIONS", "SUBJECT", "OBJECT"):
            for edge in self.edges.get(name, ()):
                entities[edge.document].add(edge.target)
        claims = Counter(row["document_id"] for row in self.nodes.get("Claim", {}).values())
        return {doc_id: len(entities[doc_id]) + claims[doc_id] for doc_id in self.documents}


class _Rows:
    def __init__(self) -> None:
        self.nodes: defaultdict[str, dict[str, Row]] = defaultdict(dict)
        self.edges: defaultdict[str, list[Edge]] = defaultdict(list)
        self.assertions: dict[str, AssertionKey] = {}

    def document(self, doc_id: str, version: str, own: Entity | None) -> None:
        source = doc_id.partition(":")[0]
        status: DocumentStatus = "retracted" if own is not None and own.attributes.get("retracted") is True else "live"
        self.nodes["Source"][source] = {"source_id": source}
        self.nodes["Document"][doc_id] = {"document_id": doc_id, "source": source, "version": version, "status": status}
        self._edge("FROM_SOURCE", doc_id, source, doc_id)
        if own is not None:
            self._edge("DESCRIBES", doc_id, doc_id, doc_id)

    def claim(self, claim: Claim, activity: str) -> None:
        doc_id = claim.doc_id
        self.nodes["Claim"][claim.id] = _claim_row(claim)
        self._edge("SUBJECT", claim.id, claim.subject_id, doc_id)
        if claim.object_id is not None:
            self._edge("OBJECT", claim.id, claim.object_id, doc_id)
        maker = f"{claim.method}@{activity}"
        self.nodes["Activity"][maker] = {"activity_id": maker, "method": claim.method, "version": activity}
        self._edge("GENERATED_BY", claim.id, maker, doc_id)
        key = assertion_key(claim)
        if key is not None:
            self.assertions[key.id] = key
            self._edge("STATES", claim.id, key.id, doc_id)
        for place, evidence in {evidence_id(e): e for e in claim.evidence}.items():
            self._evidence(place, evidence)
            self._edge("SUPPORTS", place, claim.id, doc_id)

    def _evidence(self, place: str, evidence: Evidence) -> None:
        if place in self.nodes["Evidence"]:
            return
        doc_id = evidence.doc_id
        self.nodes["Evidence"][place] = _evidence_row(place, evidence)
        self._edge("DERIVED_FROM", place, doc_id, doc_id)
        if evidence.section:
            section = f"{doc_id}#{evidence.section}"
            if section not in self.nodes["Section"]:
                self.nodes["Section"][section] = {"section_id": section, "document_id": doc_id, "title": evidence.section}
                self._edge("PART_OF_DOCUMENT", section, doc_id, doc_id)
            self._edge("IN_SECTION", place, section, doc_id)

    def mention(self, entity_id: str, mention: Mention) -> None:
        self._edge("MENTIONS", mention.doc_id, entity_id, mention.doc_id, _mention_row(mention))

    def _edge(self, name: str, source: str, target: str, document: str, properties: Row | None = None) -> None:
        self.edges[name].append(Edge(source, target, document, properties or {}))


def evidence_id(evidence: Evidence) -> str:
    """A place in a document: ``<doc_id>@<start>-<end>``."""
    return f"{evidence.doc_id}@{evidence.start}-{evidence.end}"


def stated(claim: Row, source: str, status: str) -> Stated:
    """What the belief in an assertion needs to know of a claim's row and its document."""
    return Stated(
        claim_id=claim["claim_id"],
        document_id=claim["document_id"],
        source=source,
        method=claim["method"],
        score=claim["score"],
        negated=claim["negated"],
        certainty=claim["certainty"],
        status=status,
    )


def _claim_row(claim: Claim) -> Row:
    return {
        "claim_id": claim.id,
        "document_id": claim.doc_id,
        "predicate": claim.predicate,
        "value": claim.value,
        "qualifiers": to_json(claim.qualifiers),
        "score": float(claim.score),
        "negated": claim.negated,
        "certainty": claim.certainty.value,
        "method": claim.method,
    }


def _evidence_row(place: str, evidence: Evidence) -> Row:
    return {
        "evidence_id": place,
        "document_id": evidence.doc_id,
        "start_offset": evidence.start,
        "end_offset": evidence.end,
        "text": evidence.text,
        "section": evidence.section,
        "page": evidence.page,
    }


def _mention_row(mention: Mention) -> Row:
    return {
        "start_offset": mention.start,
        "end_offset": mention.end,
        "text": mention.text,
        "score": float(mention.score),
        "negated": mention.negated,
        "certainty": mention.certainty.value,
        "family": mention.family,
        "historical": mention.historical,
    }
