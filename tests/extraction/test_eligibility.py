"""Criteria as constraints: who is required, excluded, permitted."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.context import ContextFinder
from Medical_KG_rev.extraction.eligibility import eligibility_claims
from Medical_KG_rev.extraction.predicates import PREDICATES
from Medical_KG_rev.extraction.spans import Candidate, FoundClaim, FoundMention
from Medical_KG_rev.models import Certainty, Document, EntityType, RawPayload
from Medical_KG_rev.parsing import ctgov

NAMES = {
    "gout": EntityType.DISEASE,
    "stroke": EntityType.DISEASE,
    "cancer": EntityType.DISEASE,
    "melanoma": EntityType.DISEASE,
    "aspirin": EntityType.CHEMICAL,
    "penicillin": EntityType.CHEMICAL,
    "platelets": EntityType.CELL_LINE,
    "EGFR": EntityType.GENE,
}


def document_of(criteria: str, **module: Any) -> Document:
    record = {
        "protocolSection": {
            "identificationModule": {"nctId": "NCT00000001", "briefTitle": "T"},
            "eligibilityModule": {"eligibilityCriteria": criteria, **module},
        }
    }
    payload = RawPayload(source="clinicaltrials", source_id="s", format="ctgov-json", content=msgspec.json.encode(record))
    return ctgov.parse(payload, parsed_at=datetime(2026, 1, 2, tzinfo=UTC))


def mentions_of(document: Document) -> list[FoundMention]:
    found, lower = [], document.text
    for name, kind in NAMES.items():
        start = lower.find(name)
        while start >= 0:
            candidates = (Candidate(f"X:{name}", name, 1.0, "test"),)
            found.append(FoundMention(start, start + len(name), kind, 1.0, "test", candidates))
            start = lower.find(name, start + 1)
    return sorted(found, key=lambda mention: mention.start)


def claims_of(criteria: str, **module: Any) -> list[FoundClaim]:
    document = document_of(criteria, **module)
    analysed = analyse(document.text)
    mentions = ContextFinder().annotate(analysed, mentions_of(document))
    claims = eligibility_claims(document, analysed, mentions)
    for claim in claims:
        assert claim.subject == document.doc_id
        assert claim.predicate in PREDICATES
        assert claim.object or claim.value
        assert all(0 <= start < end <= len(document.text) for start, end in claim.evidence)
    return claims


def brief(claims: list[FoundClaim]) -> list[tuple[str, str | None, str]]:
    return [(c.predicate.partition(":")[2], c.object or c.value, c.qualifiers["constraint"]) for c in claims]


INCLUDE, EXCLUDE = "Inclusion Criteria:\n\n* ", "Exclusion Criteria:\n\n* "


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (INCLUDE + "Patients with gout", [("requires", "X:gout", "condition")]),
        (EXCLUDE + "History of stroke or cancer", [("excludes", "X:stroke", "condition"), ("excludes", "X:cancer", "condition")]),
        (INCLUDE + "No history of stroke", [("excludes", "X:stroke", "condition")]),
        (INCLUDE + "Prior aspirin is permitted", [("permits", "X:aspirin", "treatment")]),
        (EXCLUDE + "Any cancer except melanoma", [("excludes", "X:cancer", "condition")]),
        (EXCLUDE + "Allergy to penicillin", [("excludes", "X:penicillin", "allergy")]),
        (INCLUDE + "Mutation of EGFR", [("requires", "X:EGFR", "marker")]),
        (EXCLUDE + "Pregnant or lactating women", [("excludes", "Pregnant or lactating women", "pregnancy")]),
        (INCLUDE + "Written informed consent", [("requires", "Written informed consent", "consent")]),
        (EXCLUDE + "Participation in another trial", [("excludes", "Participation in another trial", "participation")]),
        (INCLUDE + "Life expectancy of at least 3 months", [("requires", "Life expectancy of at least 3 months", "survival")]),
        (EXCLUDE + "Prior back surgery", [("excludes", "Prior back surgery", "treatment")]),
        (EXCLUDE + "Unstable angina pectoris syndrome", [("excludes", "Unstable angina pectoris syndrome", "condition")]),
        (INCLUDE + "Owns a bicycle", [("requires", "Owns a bicycle", "other")]),
        (INCLUDE + "Female", [("requires", "Female", "sex")]),
        (INCLUDE + "Male or female", [("requires", "Male or female", "other")]),
    ],
)
def test_what_a_criterion_constrains(criterion, expected):
    assert brief(claims_of(criterion)) == expected


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("Age ≥ 18 years", {"comparator": ">=", "low": 18.0, "unit": "a"}),
        ("18 to 65 years old", {"comparator": "range", "low": 18.0, "high": 65.0, "unit": "a"}),
        ("Age 20-60", {"comparator": "range", "low": 20.0, "high": 60.0, "unit": "a"}),
        ("Being 18 years or older", {"comparator": ">=", "low": 18.0, "unit": "a"}),
        ("Age < 18", {"comparator": "<", "high": 18.0, "unit": "a"}),
        ("Infants older than 6 months", {"comparator": ">", "low": 6.0, "unit": "mo"}),
    ],
)
def test_ages(criterion, expected):
    (claim,) = [c for c in claims_of(INCLUDE + criterion) if c.qualifiers["constraint"] == "age"]
    assert claim.qualifiers == {"constraint": "age", **expected}


@pytest.mark.parametrize(
    ("criterion", "measure", "expected"),
    [
        ("Hemoglobin ≥ 9 g/dL", "Hemoglobin", {"comparator": ">=", "low": 9.0, "unit": "g/dL"}),
        ("ALT and AST ≤ 2.5 x ULN", "AST", {"comparator": "<=", "high": 2.5, "unit": "{ULN}"}),
        ("Cardiac ejection fraction < 30%", "Cardiac ejection fraction", {"comparator": "<", "high": 30.0, "unit": "%"}),
        ("ECOG performance status of 0 or 1", "ECOG", {"comparator": "range", "low": 0.0, "high": 1.0}),
        ("Eastern Cooperative Oncology Group status 2", "Eastern Cooperative Oncology Group", {"value": 2.0}),
        ("BMI less than 20 kg/m2", "BMI", {"comparator": "<", "high": 20.0, "unit": "kg/m2"}),
        ("KPS>60", "KPS", {"comparator": ">", "low": 60.0}),
    ],
)
def test_measured_values(criterion, measure, expected):
    (claim,) = [c for c in claims_of(INCLUDE + criterion) if c.qualifiers["constraint"] == "lab"]
    assert claim.qualifiers == {"constraint": "lab", "measure": measure, **expected}


def test_each_value_of_a_list_is_a_constraint_of_its_own():
    claims = claims_of(INCLUDE + "Adequate function: platelets ≥ 100 x 10^9/L; creatinine ≤ 1.5 mg/dL")
    found = [(c.qualifiers["measure"], c.qualifiers.get("measure_id"), c.value) for c in claims]
    assert found == [
        ("platelets", "X:platelets", "platelets ≥ 100 x 10^9/L"),
        ("creatinine", None, "creatinine ≤ 1.5 mg/dL"),
    ]


def test_a_dose_is_no_measured_value():
    assert brief(claims_of(EXCLUDE + "More than 10 mg of prednisone daily therapy"))[0][2] == "treatment"


def test_time_windows():
    (claim,) = claims_of(EXCLUDE + "stroke within 6 months before screening")
    assert claim.qualifiers["window"] == {"comparator": "<=", "high": 6.0, "unit": "mo", "relative_to": "before screening"}
    first, second = claims_of(EXCLUDE + "aspirin in the past 2 weeks; stroke within 1 year")
    assert (first.qualifiers["window"]["high"], second.qualifiers["window"]["high"]) == (2.0, 1.0)


@pytest.mark.parametrize("words", ["None", "N/A", "Either of:\n  * gout"])
def test_what_says_nothing_is_no_constraint(words):
    assert [claim.value for claim in claims_of(EXCLUDE + words) if claim.object is None] == []


def test_an_age_in_days():
    (claim,) = claims_of(INCLUDE + "Patient is ≤ 365 days of age")
    assert claim.qualifiers == {"constraint": "age", "comparator": "<=", "high": 365.0, "unit": "d"}


def test_what_is_left_out_is_told():
    (claim,) = claims_of(EXCLUDE + "Any cancer except melanoma")
    assert claim.qualifiers["exceptions"] == ["X:melanoma"]


def test_an_exclusion_that_denies_is_doubtful():
    (claim,) = claims_of(EXCLUDE + "No gout")
    assert (claim.predicate, claim.qualifiers["present"], claim.certainty) == ("MK:excludes", False, Certainty.UNCERTAIN)


def test_nested_criteria_tell_what_they_stand_under():
    claims = claims_of("Exclusion Criteria:\n\n* Vascular disease such as:\n\n  * stroke")
    assert claims[1].qualifiers["under"] == "Vascular disease such as:"


def test_facts_of_the_record():
    claims = claims_of("", sex="FEMALE", minimumAge="18 Years", maximumAge="6 Months", healthyVolunteers=True)
    assert brief(claims) == [
        ("requires", "Female", "sex"),
        ("requires", "18 Years", "age"),
        ("requires", "6 Months", "age"),
        ("permits", "healthy volunteers", "other"),
    ]
    assert claims[1].qualifiers == {"constraint": "age", "comparator": ">=", "low": 18.0, "unit": "a"}
    assert claims[2].qualifiers == {"constraint": "age", "comparator": "<=", "high": 6.0, "unit": "mo"}
    assert all(claim.method == "record" for claim in claims)


def test_a_document_without_criteria_has_no_claims():
    assert claims_of("") == []


def test_criteria_are_read_even_where_the_text_was_read_without_them():
    document = document_of(INCLUDE + "Age ≥ 18 years")
    elsewhere = analyse(document.text, [(0, 1)])
    assert eligibility_claims(document, elsewhere, []) == eligibility_claims(document, None, [])


def test_every_criterion_of_real_studies_is_a_claim(test_data: Path) -> None:
    for path in sorted(test_data.glob("ctgov/studies/*.json"))[::12]:
        payload = RawPayload(source="clinicaltrials", source_id="s", format="ctgov-json", content=path.read_bytes())
        document = ctgov.parse(payload, parsed_at=datetime(2026, 1, 2, tzinfo=UTC))
        claims = eligibility_claims(document, None)
        told = {(a.start, a.end) for a in document.annotations if a.kind == "criterion" and not a.attributes.get("announces")}
        found = {claim.evidence[0] for claim in claims if claim.method == "eligibility"}
        assert found <= told
        assert all(document.text[start:end].endswith(":") for start, end in told - found)


@pytest.mark.parametrize("piece", ["Age ≥ 18 years, ", "except unless ", "a; ", "within 6 months ", "ECOG 0 ", "x" * 50, "( "])
def test_hostile_criteria_take_linear_time(piece):
    def seconds(times):
        document = document_of(INCLUDE + piece * times)
        started = time.process_time()
        eligibility_claims(document, None)
        return time.process_time() - started

    assert seconds(1_200) < 20 * seconds(150) + 0.5
