"""Eligibility criteria: roles, nesting and exact ranges, in all the shapes that sponsors write."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.models import Document, RawPayload
from Medical_KG_rev.parsing import ctgov

pytestmark = pytest.mark.unit


def read(criteria: str, **module: object) -> Document:
    record = {
        "protocolSection": {
            "identificationModule": {"nctId": "NCT00000001", "briefTitle": "T"},
            "eligibilityModule": {"eligibilityCriteria": criteria, **module},
        }
    }
    payload = RawPayload(source="clinicaltrials", source_id="s", format="ctgov-json", content=msgspec.json.encode(record))
    return ctgov.parse(payload, parsed_at=datetime(2026, 1, 2, tzinfo=UTC))


def told(document: Document) -> list[tuple[str, str, int]]:
    """Role, words and level of each criterion that says something."""
    return [
        (a.attributes.get("role", ""), document.text[a.start : a.end], a.attributes["level"])
        for a in document.annotations
        if a.kind == "criterion" and not a.attributes.get("announces")
    ]


def test_lists_below_headings_have_roles_and_levels() -> None:
    text = "Inclusion Criteria:\n\n* Gout, with:\n\n  * tophi\n    * large\n* Age \\>= 18\n\n"
    text += "Exclusion Criteria:\n\n1. Cancer\n2) Stroke"
    assert told(read(text)) == [
        ("inclusion", "Gout, with:", 0),
        ("inclusion", "tophi", 1),
        ("inclusion", "large", 2),
        ("inclusion", "Age >= 18", 0),
        ("exclusion", "1. Cancer", 0),
        ("exclusion", "2) Stroke", 0),
    ]


@pytest.mark.parametrize(
    "heading",
    [
        "Exclusion Criteria",
        "EXCLUSION CRITERIA:",
        "Key Exclusion Criteria :",
        "Disease-specific exclusion criteria:",
        "Pre-Operative Exclusion Criteria:",
        "Specific exclusion criteria for renal/lung transplant patients:",
        "• Exclusion Criteria:",
        "Exclusion:",
        "III.6 EXCLUSION CRITERIA",
        "Exclusion criteria determined after tissue explant/sequestrectomy",
        "Participants are excluded from the study if any of the following criteria apply:",
        "A subject is not eligible to participate if any of the following criteria are met:",
        "Patients may not be enrolled in the study if any of the following exclusion criteria are present:",
        "* Exclusion Criteria: All answers must be NO to be eligible for the study.",
    ],
)
def test_headings_of_exclusion(heading: str) -> None:
    assert told(read(f"Inclusion Criteria:\n\n* Gout\n\n{heading}\n\n* Cancer")) == [
        ("inclusion", "Gout", 0),
        ("exclusion", "Cancer", 0),
    ]


@pytest.mark.parametrize(
    "heading",
    [
        "Inclusion criteria for participation in the dose finding study:",
        "Participants must satisfy the following criteria to be enrolled in the study:",
        "To be eligible to participate in the study, prospective participants must:",
        "Subject Inclusion Criteria:",
    ],
)
def test_headings_of_inclusion(heading: str) -> None:
    assert told(read(f"Exclusion Criteria:\n\n* Cancer\n\n{heading}\n\n* Gout"))[1] == ("inclusion", "Gout", 0)


def test_an_item_turns_the_role_of_what_is_nested_in_it() -> None:
    text = "Inclusion Criteria:\n\n* A participant will not be eligible if any of the following apply:\n\n  * Cancer\n* Gout"
    assert told(read(text)) == [("exclusion", "Cancer", 1), ("inclusion", "Gout", 0)]


def test_a_criterion_behind_its_heading() -> None:
    assert told(read("Inclusion Criteria: Adults with gout\n\nExclusion Criteria: none")) == [
        ("inclusion", "Adults with gout", 0)
    ]


def test_paragraphs_are_criteria_too() -> None:
    assert told(read("Adults.\n\nExclusion Criteria:\n\nCancer.\n\nStroke.")) == [
        ("", "Adults.", 0),
        ("exclusion", "Cancer.", 0),
        ("exclusion", "Stroke.", 0),
    ]


def test_facts_beside_the_criteria_are_stated_at_their_values() -> None:
    document = read("", sex="FEMALE", minimumAge="18 Years", healthyVolunteers=False)
    stated = {a.attributes["field"]: document.text[a.start : a.end] for a in document.annotations if a.kind == "eligibility"}
    assert stated == {"sex": "Female", "minimum_age": "18 Years", "healthy_volunteers": "No"}


LINES = [
    "Inclusion Criteria:",
    "Exclusion:",
    "* a",
    "  * b",
    "    1. c",
    "text",
    "x:",
    "",
    "\t* d",
    "Exclusion Criteria: e",
    "*",
    "* not eligible:",
]


@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=12)), max_size=15).map("\n".join))
def test_any_text_gives_criteria_inside_the_document(text: str) -> None:
    document = read(text)
    places = [(a.start, a.end) for a in document.annotations if a.kind == "criterion"]
    assert places == sorted(places)
    assert all(one[1] <= other[0] for one, other in pairwise(places))
