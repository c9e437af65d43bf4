"""What must hold before anything is written to the graph. A broken constraint is laid to the document that breaks it."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import msgspec

from Medical_KG_rev.graph.biolink import PREDICATES
from Medical_KG_rev.models import Claim, Entity, EntityType, Evidence, Mention

_CURIE = re.compile(r"[A-Za-z][\w.-]*:[^\s:][^\s]*")
_OWN_PREDICATE = re.compile(r"MK:[a-z][a-z0-9_]*")
MAX_ID_LENGTH = 512


class Violation(msgspec.Struct, frozen=True):
    """One broken constraint. ``doc_id`` is empty where no document of the call can be held responsible."""

    doc_id: str
    reason: str


def violations(
    documents: Sequence[str],
    entities: Sequence[Entity],
    claims: Sequence[Claim],
    in_store: Collection[str] = frozenset(),
) -> list[Violation]:
    """All broken constraints of a call; ``in_store`` lists entities that the graph already holds."""
    own = frozenset(documents)
    known = {entity.id for entity in entities} | set(in_store)
    found = [Violation(doc_id, f"{doc_id!r} is not a CURIE") for doc_id in own if not is_curie(doc_id)]
    owners = owning_documents(documents, entities, claims)
    for entity in entities:
        reasons = list(_entity_faults(entity, own))
        found += [Violation(doc_id, reason) for doc_id in owners.get(entity.id, {""}) for reason in reasons]
        if entity.id not in owners:
            found.append(Violation("", f"nothing supports entity {entity.id}: no document, mention or claim of the call"))
    for claim in claims:
        found += [Violation(claim.doc_id if claim.doc_id in own else "", reason) for reason in _claim_faults(claim, own, known)]
    found += list(_shared_claim_ids(claims))
    return list(dict.fromkeys(found))


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


def is_curie(text: str) -> bool:
    return len(text) <= MAX_ID_LENGTH and _CURIE.fullmatch(text) is not None


def is_predicate(text: str) -> bool:
    """A Biolink predicate (``biolink:treats``), or one of our own (``MK:has_arm``)."""
    return text in PREDICATES or _OWN_PREDICATE.fullmatch(text) is not None


def _entity_faults(entity: Entity, own: Collection[str]) -> Iterator[str]:
    if not is_curie(entity.id):
        yield f"entity id {entity.id!r} is not a CURIE"
    if not isinstance(entity.type, EntityType):
        yield f"entity {entity.id} has the unknown type {entity.type!r}"
    if not entity.name.strip():
        yield f"entity {entity.id} has no name"
    for mention in entity.mentions:
        if mention.doc_id not in own:
            yield f"entity {entity.id} is mentioned in {mention.doc_id}, which is not part of the call"
        yield from _span_faults(mention, f"a mention of {entity.id}")


def _claim_faults(claim: Claim, own: Collection[str], known: Collection[str]) -> Iterator[str]:
    if claim.doc_id not in own:
        yield f"claim {claim.id} is of {claim.doc_id}, which is not part of the call"
    if not is_predicate(claim.predicate):
        yield f"claim {claim.id} has the unknown predicate {claim.predicate!r}"
    if claim.object_id is None and claim.value is None:
        yield f"claim {claim.id} has neither an object nor a value"
    for end in filter(None, (claim.subject_id, claim.object_id)):
        if end not in known:
            yield f"claim {claim.id} points at the unknown entity {end}"
    if not math.isfinite(claim.score):
        yield f"claim {claim.id} has the score {claim.score}"
    if not claim.evidence:
        yield f"claim {claim.id} has no evidence"
    for evidence in claim.evidence:
        if evidence.doc_id != claim.doc_id:
            yield f"claim {claim.id} of {claim.doc_id} rests on evidence from {evidence.doc_id}"
        yield from _span_faults(evidence, f"evidence of claim {claim.id}")


def _span_faults(span: Mention | Evidence, what: str) -> Iterator[str]:
    if not 0 <= span.start < span.end:
        yield f"{what} has the span {span.start}:{span.end}"
    elif span.end - span.start != len(span.text):
        yield f"{what} quotes {len(span.text)} characters for the span {span.start}:{span.end}"


def _shared_claim_ids(claims: Sequence[Claim]) -> Iterator[Violation]:
    """A claim belongs to one document; the later ones are at fault."""
    first: dict[str, str] = {}
    for claim in claims:
        owner = first.setdefault(claim.id, claim.doc_id)
        if owner != claim.doc_id:
            yield Violation(claim.doc_id, f"claim {claim.id} belongs to {owner}")


def by_document(found: Sequence[Violation]) -> dict[str, list[str]]:
    """Reasons per document, in order."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for violation in found:
        reasons[violation.doc_id].append(violation.reason)
    return dict(reasons)
