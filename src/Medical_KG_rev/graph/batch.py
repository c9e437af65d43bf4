"""A write as rows: what one call puts into the graph, merged and without duplicates. Knows no particular store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from Medical_KG_rev.models import Claim, Entity, EntityType, Evidence

Row = dict[str, Any]

_VAGUE_TYPES = (EntityType.CONCEPT, EntityType.TEXT)
_TYPE_RANK = {kind: rank for rank, kind in enumerate([*(kind for kind in EntityType if kind not in _VAGUE_TYPES), *_VAGUE_TYPES])}
"""Where documents state different types of an entity, the lowest counts, in whatever order the documents come."""
_json = msgspec.json.Encoder(order="deterministic")


def merge_pair(first: Entity, second: Entity) -> Entity:
    """One entity of two of the same id.

    The first that says something wins for the name, the type of the lower rank for the type; the rest is joined.
    """
    return Entity(
        id=first.id,
        type=min(first.type, second.type, key=_TYPE_RANK.__getitem__),
        name=first.name or second.name,
        aliases=tuple(dict.fromkeys(first.aliases + second.aliases)),
        xrefs=tuple(dict.fromkeys(first.xrefs + second.xrefs)),
        mentions=first.mentions + second.mentions,
        attributes={**second.attributes, **first.attributes},
    )


def merge_entities(entities: Iterable[Entity]) -> dict[str, Entity]:
    """By id. Extraction works per document, so that a slice of documents brings the same entity many times."""
    merged: dict[str, Entity] = {}
    for entity in entities:
        known = merged.get(entity.id)
        merged[entity.id] = entity if known is None else merge_pair(known, entity)
    return merged


def to_json(value: Mapping[str, Any]) -> str:
    return _json.encode(value).decode()


def entity_row(entity: Entity) -> Row:
    names = (entity.id, entity.name, *entity.aliases)
    return {
        "id": entity.id,
        "type": entity.type.value,
        "name": entity.name,
        "aliases": list(entity.aliases),
        "xrefs": list(entity.xrefs),
        "attributes": to_json(entity.attributes),
        "search_keys": list(dict.fromkeys(name.lower() for name in names if name)),
    }


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """The rows of one write. Evidence is shared: one node per place in a document, however many claims it supports."""

    documents: list[Row]
    described: list[Row]
    entities: dict[str, Entity]
    values: list[Row]
    links: list[Row]
    evidence: list[Row]
    mentions: list[Row]
    supports: list[Row]

    @classmethod
    def build(
        cls, documents: Sequence[str], versions: Mapping[str, str], entities: Iterable[Entity], claims: Iterable[Claim]
    ) -> GraphBatch:
        own = dict.fromkeys(documents)
        merged = merge_entities(entities)
        stated = {claim.id: claim for claim in claims if claim.doc_id in own}
        places = {(claim.id, evidence_id(e)): e for claim in stated.values() for e in claim.evidence}
        rows = [{"id": doc_id, "source": doc_id.partition(":")[0], "version": versions[doc_id]} for doc_id in own]
        return cls(
            documents=[row for row in rows if row["id"] not in merged],
            described=[row for row in rows if row["id"] in merged],
            entities=merged,
            values=[_claim_row(claim) for claim in stated.values() if claim.object_id is None],
            links=[_claim_row(claim) for claim in stated.values() if claim.object_id is not None],
            evidence=[_evidence_row(place, e) for place, e in {place: e for (_, place), e in places.items()}.items()],
            mentions=_mention_rows(merged.values(), own),
            supports=[{"evidence": place, "claim": claim_id} for claim_id, place in places],
        )

    @property
    def referenced(self) -> set[str]:
        """Entities that claims of this call point at."""
        return {row[end] for row in self.values + self.links for end in ("subject", "object") if row[end] is not None}

    @property
    def nodes(self) -> int:
        rows = (self.documents, self.described, self.entities, self.values, self.links, self.evidence)
        return sum(map(len, rows))

    @property
    def relationships(self) -> int:
        rows = (self.described, self.mentions, self.values, self.links, self.links, self.evidence, self.supports)
        return sum(map(len, rows))

    def counts(self) -> dict[str, int]:
        """Per document: the claims it makes, and the entities that it describes, mentions or makes claims about."""
        entities = {row["id"]: set[str]() for row in self.documents}
        entities |= {row["id"]: {row["id"]} for row in self.described}
        claims = Counter(row["document_id"] for row in self.values + self.links)
        for row in self.mentions:
            entities[row["document_id"]].add(row["entity_id"])
        for row in self.values + self.links:
            entities[row["document_id"]].update(filter(None, (row["subject"], row["object"])))
        return {doc_id: len(ids) + claims[doc_id] for doc_id, ids in entities.items()}


def evidence_id(evidence: Evidence) -> str:
    return f"{evidence.doc_id}@{evidence.start}-{evidence.end}"


def _claim_row(claim: Claim) -> Row:
    return {
        "id": claim.id,
        "document_id": claim.doc_id,
        "subject": claim.subject_id,
        "object": claim.object_id,
        "predicate": claim.predicate,
        "value": claim.value,
        "qualifiers": to_json(claim.qualifiers),
        "score": float(claim.score),
        "negated": claim.negated,
        "method": claim.method,
    }


def _evidence_row(place: str, evidence: Evidence) -> Row:
    return {
        "id": place,
        "document_id": evidence.doc_id,
        "start": evidence.start,
        "stop": evidence.end,
        "text": evidence.text,
        "section": evidence.section,
        "page": evidence.page,
    }


def _mention_rows(entities: Iterable[Entity], own: Mapping[str, None]) -> list[Row]:
    rows = {
        (entity.id, mention.doc_id, mention.start, mention.end): {
            "document_id": mention.doc_id,
            "entity_id": entity.id,
            "start": mention.start,
            "stop": mention.end,
            "text": mention.text,
            "score": float(mention.score),
        }
        for entity in entities
        for mention in entity.mentions
        if mention.doc_id in own
    }
    return list(rows.values())
