"""What must hold before anything is written to the graph. A broken constraint is laid to the document that breaks it.

The schema (``schema.yaml``) says what a row must look like; here stands what no single row shows: that words are quoted as long
as their range is, that a claim rests on its own document, and that its ends are known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from Medical_KG_rev.graph.batch import GraphBatch
from Medical_KG_rev.graph.schema_check import is_curie, is_predicate, schema_violations
from Medical_KG_rev.models import Claim, Entity, EntityType, Evidence, Mention, Violation

__all__ = ["Violation", "by_document", "is_curie", "is_predicate", "owning_documents", "violations"]

_Fault = tuple[str, str]
"""Constraint and reason."""


def violations(
    documents: Sequence[str],
    entities: Sequence[Entity],
    claims: Sequence[Claim],
    in_store: Collection[str] = frozenset(),
) -> list[Violation]:
    """All broken constraints of a call; ``in_store`` lists entities that the graph already holds."""
    own = frozenset(documents)
    known = {entity.id for entity in entities} | set(in_store)
    found: list[Violation] = []
    owners = owning_documents(documents, entities, claims)
    for entity in entities:
        faults = list(_entity_faults(entity, own))
        found += [Violation(doc_id, reason, name) for doc_id in owners.get(entity.id, {""}) for name, reason in faults]
        if entity.id not in owners:
            reason = f"nothing supports entity {entity.id}: no document, mention or claim of the call"
            found.append(Violation("", reason, "Entity.support"))
    for claim in claims:
        doc_id = claim.doc_id if claim.doc_id in own else ""
        found += [Violation(doc_id, reason, name) for name, reason in _claim_faults(claim, own, known)]
    found += list(_shared_claim_ids(claims))
    found += list(schema_violations(GraphBatch.build(documents, dict.fromkeys(documents, "1"), entities, claims)))
    return list({(violation.doc_id, violation.reason): violation for violation in found}.values())


def owning_documents(documents: Sequence[str], entities: Sequence[Entity], claims: Sequence[Claim]) -> dict[str, set[str]]:
    """The documents of the call that an entity rests on: they describe it, mention it, or make claims about it."""
    own = frozenset(documents)
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for entity in entities:
        if entity.id in own:
            owners[entity.id].add(entity.id)
        for mention in entity.mentions:
            if mention.doc_id in own:
                owners[entity.id].add(mention.doc_id)
    for claim in claims:
        if claim.doc_id in own:
            for entity_id in filter(None, (claim.subject_id, claim.object_id)):
                owners[entity_id].add(claim.doc_id)
    return dict(owners)


def _entity_faults(entity: Entity, own: Collection[str]) -> Iterator[_Fault]:
    if not isinstance(entity.type, EntityType):
        yield "Entity.type.values", f"entity {entity.id} has the unknown type {entity.type!r}"
    if not entity.name.strip():
        yield "Entity.name.required", f"entity {entity.id} has no name"
    for mention in entity.mentions:
        if mention.doc_id not in own:
            yield "MENTIONS.from", f"entity {entity.id} is mentioned in {mention.doc_id}, which is not part of the call"
        yield from _span_faults(mention, "MENTIONS", f"a mention of {entity.id}")


def _claim_faults(claim: Claim, own: Collection[str], known: Collection[str]) -> Iterator[_Fault]:
    if claim.doc_id not in own:
        yield "Claim.document_id", f"claim {claim.id} is of {claim.doc_id}, which is not part of the call"
    if claim.object_id is None and claim.value is None:
        yield "Claim.object", f"claim {claim.id} has neither an object nor a value"
    for name, end in (("SUBJECT.to", claim.subject_id), ("OBJECT.to", claim.object_id)):
        if end is not None and end not in known:
            yield name, f"claim {claim.id} points at the unknown entity {end}"
    for evidence in claim.evidence:
        if evidence.doc_id != claim.doc_id:
            yield "Evidence.document_id", f"claim {claim.id} of {claim.doc_id} rests on evidence from {evidence.doc_id}"
        yield from _span_faults(evidence, "Evidence", f"evidence of claim {claim.id}")


def _span_faults(span: Mention | Evidence, owner: str, what: str) -> Iterator[_Fault]:
    if not 0 <= span.start < span.end:
        yield f"{owner}.range", f"{what} has the span {span.start}:{span.end}"
    elif span.end - span.start != len(span.text):
        yield f"{owner}.quote", f"{what} quotes {len(span.text)} characters for the span {span.start}:{span.end}"


def _shared_claim_ids(claims: Sequence[Claim]) -> Iterator[Violation]:
    """A claim belongs to one document; the later ones are at fault."""
    first: dict[str, str] = {}
    for claim in claims:
        owner = first.setdefault(claim.id, claim.doc_id)
        if owner != claim.doc_id:
            yield Violation(claim.doc_id, f"claim {claim.id} belongs to {owner}", "Claim.claim_id.owner")


def by_document(found: Sequence[Violation]) -> dict[str, list[Violation]]:
    """Violations per document, in order."""
    grouped: defaultdict[str, list[Violation]] = defaultdict(list)
    for violation in found:
        grouped[violation.doc_id].append(violation)
    return dict(grouped)
