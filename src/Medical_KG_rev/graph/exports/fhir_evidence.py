"""Evidence resources: assertions with what rests on them, and comparisons between groups with their statistics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from Medical_KG_rev.graph.exports.curies import iri
from Medical_KG_rev.graph.exports.fhir_elements import concept, filled, identifier, notes, reference, resource_id, text
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, EntityRef

BELIEF = "urn:medkg:vocab:belief"
"""The extension that holds a belief, a probability; FHIR's certainty ratings are judgements of people."""
COMPARISON = "MK:compared_between_groups"
"""The predicate of claims that have statistics: an outcome with an effect, its interval, a p-value."""
MAX_QUOTES = 20

_ROLE = "http://terminology.hl7.org/CodeSystem/variable-role"
_ESTIMATE = "http://terminology.hl7.org/CodeSystem/attribute-estimate-type"
_STATED_AS_STATISTIC = (
    "effect_value",
    "effect_measure",
    "ci_level",
    "ci_low",
    "ci_high",
    "p_value",
    "p_comparator",
    "groups",
    "group_ids",
)


def of_assertion(assertion: AssertionRow, kinds: Mapping[str, str]) -> dict[str, Any]:
    """What claims say together. ``kinds`` are the documents that have a resource, with its type."""
    denied = assertion.belief_against > assertion.belief
    relation = f"{'does not ' if denied else ''}{assertion.predicate.partition(':')[2].replace('_', ' ')}"
    sentence = text(f"{assertion.subject.name} — {relation} → {assertion.object.name}")
    retracted = not assertion.claims_for + assertion.claims_against and assertion.claims_retracted
    return filled(
        {
            "resourceType": "Evidence",
            "id": resource_id(assertion.id),
            "identifier": [{"system": "urn:medkg:assertion", "value": assertion.id}],
            "status": "retired" if retracted else "active",
            "assertion": sentence,
            "description": sentence,
            "note": notes(assertion.qualifiers),
            "relatedArtifact": list(_artifacts(assertion.claims, kinds)),
            "variableDefinition": [
                _variable("exposure", "exposure", assertion.subject.name, assertion.subject),
                _variable("measuredVariable", "measured variable", assertion.object.name, assertion.object),
            ],
            "certainty": list(_certainties(assertion)),
        }
    )


def of_comparison(claim: ClaimRow, kinds: Mapping[str, str]) -> dict[str, Any]:
    """An outcome compared between groups: the effect as a statistic, with its interval and its p-value."""
    stated = claim.qualifiers
    return filled(
        {
            "resourceType": "Evidence",
            "id": resource_id(claim.id),
            "identifier": [{"system": "urn:medkg:claim", "value": text(claim.id)}],
            "status": "active" if claim.status == "live" else "retired",
            "description": text(claim.subject.name),
            "note": notes({name: value for name, value in stated.items() if name not in _STATED_AS_STATISTIC}),
            "relatedArtifact": list(_artifacts([claim], kinds)),
            "variableDefinition": [
                _variable("measuredVariable", "measured variable", claim.subject.name, claim.subject),
                *(_variable("exposure", "exposure", group) for group in stated.get("groups") or ()),
            ],
            "statistic": [
                filled(
                    {
                        "description": text(claim.value),
                        "statisticType": filled({"text": text(stated.get("effect_measure"))}),
                        "quantity": _quantity(stated.get("effect_value")),
                        "attributeEstimate": [found for found in (_interval(stated), _p_value(stated)) if found],
                    }
                )
            ],
        }
    )


def _interval(stated: Mapping[str, Any]) -> dict[str, Any]:
    bounds = filled({"low": _quantity(stated.get("ci_low")), "high": _quantity(stated.get("ci_high"))})
    if not bounds:
        return {}
    level = stated.get("ci_level")
    known = filled({"level": round(level / 100, 6) if isinstance(level, (int, float)) else None, "range": bounds})
    return {"type": concept(_ESTIMATE, "C53324", "Confidence interval"), **known}


def _p_value(stated: Mapping[str, Any]) -> dict[str, Any]:
    quantity = _quantity(stated.get("p_value"))
    if not quantity:
        return {}
    comparator = stated.get("p_comparator")
    known = {**quantity, "comparator": comparator} if comparator in ("<", "<=", ">=", ">") else quantity
    return {"type": concept(_ESTIMATE, "C44185", "P-value"), "quantity": known}


def _quantity(value: Any) -> dict[str, Any]:
    return {"value": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else {}


def _artifacts(claims: Iterable[ClaimRow], kinds: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Each document once, with its quotes; a registered study or article by its own resource."""
    by_document: dict[str, list[ClaimRow]] = {}
    for claim in claims:
        by_document.setdefault(claim.doc_id, []).append(claim)
    for doc_id, own in by_document.items():
        quotes = dict.fromkeys(evidence.text for claim in own for evidence in claim.evidence)
        marked = "[retracted] " if own[0].status != "live" else ""
        yield filled(
            {
                "type": "derived-from",
                "label": text(doc_id),
                "display": text(f"{marked}{doc_id}"),
                "citation": text("\n\n".join(f"“{quote}”" for quote in list(quotes)[:MAX_QUOTES])),
                "document": {"url": iri(doc_id)},
                "resourceReference": reference(kinds[doc_id], doc_id) if doc_id in kinds else None,
            }
        )


def _certainties(assertion: AssertionRow) -> Iterator[dict[str, Any]]:
    for belief, claims, side in (
        (assertion.belief, assertion.claims_for, "for"),
        (assertion.belief_against, assertion.claims_against, "against"),
    ):
        if claims:
            yield {
                "description": f"Belief {belief:.3f}: {_number(claims)} {side} it.",
                "type": {"text": f"belief {side}"},
                "extension": [{"url": BELIEF, "valueDecimal": round(float(belief), 6)}],
            }
    if assertion.claims_retracted:
        yield {"description": f"{_number(assertion.claims_retracted)} of retracted documents, counted for nothing."}


def _number(claims: int) -> str:
    return f"{claims:,} claim" if claims == 1 else f"{claims:,} claims"


def _variable(code: str, display: str, name: str, entity: EntityRef | None = None) -> dict[str, Any]:
    """What is observed, by its code: an EvidenceVariable that the bundle names and does not hold."""
    words = text(name)
    known = {"identifier": identifier(entity.id)} if entity else {}
    return filled(
        {
            "variableRole": concept(_ROLE, code, display),
            "description": words,
            "observed": filled({**known, "display": words}),
        }
    )
