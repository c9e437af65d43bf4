"""A write as rows: what one call puts into the graph, merged and without duplicates. Knows no particular store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from Medical_KG_rev.models import Claim, Entity, EntityType

Row = dict[str, Any]

_VAGUE_TYPES = (EntityType.CONCEPT, EntityType.TEXT)
_json = msgspec.json.Encoder(order="deterministic")


def merge_pair(first: Entity, second: Entity) -> Entity:
    """One entity of two of the same id.

    The first that says something wins for name and a type that is not vague; the rest is joined.
    """
    return Entity(
        id=first.id,
        type=second.type if first.type in _VAGUE_TYPES else first.type,
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
    entities: dict[str, Entity]
    claims: list[Row]
    evidence: list[Row]
    mentions: list[Row]
    describes: list[Row]
    subjects: list[Row]
    objects: list[Row]
    supports: list[Row]
    derived: list[Row]

    @classmethod
    def build(
        cls, documents: Sequence[str], versions: Mapping[str, str], entities: Iterable[Entity], claims: Iterable[Claim]
    ) -> GraphBatch:
        own = dict.fromkeys(documents)
        merged = merge_entities(entities)
        stated = {claim.id: claim for claim in claims if claim.doc_id in own}
        places = {(claim.id, evidence_id(e.doc_id, e.start, e.end)): e for claim in stated.values() for e in claim.evidence}
        evidence = {place: found for (_, place), found in places.items()}
        return cls(
            documents=[{"id": d, "source": d.partition(":")[0], "version": versions[d]} for d in own],
            entities=merged,
            claims=[_claim_row(claim) for claim in stated.values()],
            evidence=[_evidence_row(place, found) for place, found in evidence.items()],
            mentions=_mention_rows(merged.values(), own),
            describes=[{"a": d, "b": d} for d in own if d in merged],
            subjects=[{"a": claim.id, "b": claim.subject_id} for claim in stated.values()],
            objects=[{"a": c.id, "b": c.object_id} for c in stated.values() if c.object_id is not None],
            supports=[{"a": place, "b": claim_id} for claim_id, place in places],
            derived=[{"a": place, "b": found.doc_id} for place, found in evidence.items()],
        )

    @property
    def referenced(self) -> set[str]:
        """Entities that claims of this call point at."""
        return {row["b"] for row in self.subjects} | {row["b"] for row in self.objects}

    @property
    def nodes(self) -> int:
        return len(self.documents) + len(self.entities) + len(self.claims) + len(self.evidence)

    @property
    def relationships(self) -> int:
        rows = (self.mentions, self.describes, self.subjects, self.objects, self.supports, self.derived)
        return sum(map(len, rows))

    def counts(self) -> dict[str, int]:
        """Per document: the claims it makes, and the entities that it describes, mentions or makes claims about."""
        owner = {row["id"]: row["document_id"] for row in self.claims}
        seen: dict[str, set[str]] = {row["id"]: set() for row in self.documents}
        for row in self.mentions + self.describes:
            seen[row["a"]].add(row["b"])
        for row in self.subjects + self.objects:
            seen[owner[row["a"]]].add(row["b"])
        counts = {doc_id: len(ids) for doc_id, ids in seen.items()}
        for doc_id in owner.values():
            counts[doc_id] += 1
        return counts


def evidence_id(doc_id: str, start: int, end: int) -> str:
    return f"{doc_id}@{start}-{end}"


def _claim_row(claim: Claim) -> Row:
    return {
        "id": claim.id,
        "document_id": claim.doc_id,
        "predicate": claim.predicate,
        "value": claim.value,
        "qualifiers": to_json(claim.qualifiers),
        "score": float(claim.score),
        "negated": claim.negated,
        "method": claim.method,
    }


def _evidence_row(place: str, evidence: Any) -> Row:
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
            "a": mention.doc_id,
            "b": entity.id,
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
