"""FHIR R5 (https://hl7.org/fhir/R5/): a collection Bundle of Citation, ResearchStudy and Evidence resources.

A publication is a Citation, a study a ResearchStudy; an assertion is an Evidence that relates to the documents that say so, with
their words, and so is each comparison between groups of a study, with its statistics. Resources refer to each other by the
``urn:uuid`` of their full URLs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from Medical_KG_rev.graph.exports import fhir_evidence
from Medical_KG_rev.graph.exports.curies import iri, is_curie
from Medical_KG_rev.graph.exports.fhir_elements import concept, encode, filled, full_url, identifier, resource_id, text
from Medical_KG_rev.graph.exports.fhir_evidence import of_assertion, of_comparison
from Medical_KG_rev.graph.exports.outputs import Tally
from Medical_KG_rev.graph.exports.support import with_claims
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, DocumentRecord, EntityRecord, GraphRecord, MentionRecord
from Medical_KG_rev.models import EntityType

_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_PUBLICATIONS = (EntityType.PUBLICATION, EntityType.TEXT)
_PHASES = {
    "NA": ("n-a", "N/A"),
    "EARLY_PHASE1": ("early-phase-1", "Early Phase 1"),
    "PHASE1": ("phase-1", "Phase 1"),
    "PHASE1/PHASE2": ("phase-1-phase-2", "Phase 1/Phase 2"),
    "PHASE2": ("phase-2", "Phase 2"),
    "PHASE2/PHASE3": ("phase-2-phase-3", "Phase 2/Phase 3"),
    "PHASE3": ("phase-3", "Phase 3"),
    "PHASE4": ("phase-4", "Phase 4"),
}
_STATES = {"retracted": ("retracted", "Retracted"), "withdrawn": ("withdrawn", "Withdrawn")}


def write(records: Iterable[GraphRecord], files: Sequence[BinaryIO], tally: Tally) -> None:
    """One resource for each publication, study and assertion; other entities are what the assertions name."""
    (file,) = files
    status: dict[str, str] = {}
    kinds: dict[str, str] = {}
    file.write(b'{"resourceType":"Bundle","type":"collection"')
    separator = b',"entry":['
    for record in with_claims(records):
        if isinstance(record, DocumentRecord) and record.status != "live":
            status[record.id] = record.status
        resource = _resource(record, status, kinds, tally)
        if resource is None:
            continue
        kind = resource["resourceType"]
        if isinstance(record, EntityRecord):
            kinds[record.id] = kind
        file.write(separator + b"\n" + encode({"fullUrl": full_url(kind, resource["id"]), "resource": resource}))
        tally.wrote(kind)
        separator = b","
    file.write(b"\n]}\n" if separator == b"," else b"}\n")


def _resource(record: GraphRecord, status: Mapping[str, str], kinds: Mapping[str, str], tally: Tally) -> dict[str, Any] | None:
    match record:
        case EntityRecord(type=kind) if kind in _PUBLICATIONS:
            return _citation(record, status.get(record.id, "live"))
        case EntityRecord(type=EntityType.STUDY):
            return _study(record, status.get(record.id, "live"))
        case AssertionRow():
            return of_assertion(record, kinds)
        case ClaimRow(object=None, predicate=fhir_evidence.COMPARISON):
            return of_comparison(record, kinds)
        case ClaimRow(object=None):
            tally.left("claims with a value")
        case MentionRecord():
            tally.left("mentions")
        case EntityRecord():
            tally.left("entities without a resource of their own")
    return None


def _citation(entity: EntityRecord, status: str) -> dict[str, Any]:
    state, display = _STATES.get(status, ("published-final-form", "Published Final Form"))
    issued = _date(entity)
    return filled(
        {
            "resourceType": "Citation",
            "id": resource_id(entity.id),
            "status": "active" if status == "live" else "retired",
            "title": text(entity.name),
            "citedArtifact": filled(
                {
                    "identifier": list(_identifiers(entity)),
                    "currentState": [concept("http://hl7.org/fhir/cited-artifact-status-type", state, display)],
                    "title": [{"text": text(entity.name)}],
                    "publicationForm": [
                        filled({"publishedIn": filled({"title": text(entity.attributes.get("journal"))}), "articleDate": issued})
                    ],
                    "webLocation": [{"url": iri(entity.id)}],
                }
            ),
        }
    )


def _study(entity: EntityRecord, status: str) -> dict[str, Any]:
    phase = _PHASES.get(str(entity.attributes.get("phase", "")).upper().replace(" ", "").replace(",", "/"))
    enrollment = entity.attributes.get("enrollment")
    return filled(
        {
            "resourceType": "ResearchStudy",
            "id": resource_id(entity.id),
            "identifier": list(_identifiers(entity)),
            "url": iri(entity.id),
            "title": text(entity.name),
            "status": "active" if status == "live" else "retired",
            "date": _date(entity),
            "phase": concept("http://terminology.hl7.org/CodeSystem/research-study-phase", *phase) if phase else None,
            "progressStatus": [{"state": {"text": state}}] if (state := text(entity.attributes.get("status"))) else [],
            "recruitment": {"targetNumber": enrollment} if _is_count(enrollment) else None,
        }
    )


def _identifiers(entity: EntityRecord) -> Iterator[dict[str, Any]]:
    for curie in dict.fromkeys((entity.id, *entity.xrefs)):
        if is_curie(curie):
            yield identifier(curie)


def _date(entity: EntityRecord) -> str | None:
    """As exact as the record gives it."""
    for name in ("date", "year"):
        found = str(entity.attributes.get(name) or "")
        if _DATE.fullmatch(found):
            return found
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31
