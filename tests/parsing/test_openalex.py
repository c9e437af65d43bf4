"""OpenAlex works: what an invented work becomes, and what is refused."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import MalformedPayloadError, MissingIdentifierError, PayloadError, UnsupportedFormatError
from Medical_KG_rev.models import Document, RawPayload, SectionKind
from Medical_KG_rev.parsing import openalex

pytestmark = pytest.mark.unit

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
SAMPLE: dict[str, Any] = json.loads(Path(__file__).with_name("work_sample.json").read_text())


def read(record: Any) -> Document:
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    payload = RawPayload(source="openalex", source_id="work.json", format="openalex-json", content=content)
    return openalex.parse(payload, parsed_at=PARSED_AT)


@pytest.fixture(scope="module")
def document() -> Document:
    return read(SAMPLE)


def stated(document: Document, kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(document.quote(a.start, a.end), dict(a.attributes)) for a in document.annotations if a.kind == kind]


def test_title_and_abstract(document: Document) -> None:
    assert document.doc_id == "openalex:W9900000001"
    assert document.title == "Invented review of glimazole & gout"
    assert document.text.startswith(
        "Invented review of glimazole & gout\n\nThis work has been retracted.\n\nAbstract\n\n"
        "Glimazole eases extra gout. BACKGROUND Glimazole\n\nAuthors\n\n"
    )


def test_metadata(document: Document) -> None:
    assert document.metadata == {
        "kind": "article",
        "type": "review",
        "date": "2025-03-04",
        "year": 2025,
        "updated": "2025-04-05",
        "identifiers": {"openalex": "W9900000001", "doi": "10.9999/invented.1", "pmid": "99999903", "pmcid": "PMC9999904"},
        "language": "en",
        "license": "cc-by",
        "retracted": True,
        "journal": "Journal of Invented Medicine",
        "biblio": {"volume": "7", "first_page": "1", "last_page": "9"},
        "open_access": "gold",
        "topics": ["Gout treatment"],
        "mesh": ["D006073"],
        "cited_by_count": 3,
        "url": "https://openalex.org/W9900000001",
    }


def test_authors_with_identifiers_and_affiliations(document: Document) -> None:
    university = {
        "name": "Invented University",
        "openalex_id": "I9900000001",
        "ror": "https://ror.org/0abcdef12",
        "country": "UT",
    }
    assert stated(document, "author") == [
        ("Irma Vented", {"orcid": "0000-0002-1825-0097", "openalex_id": "A9900000001", "affiliations": [university]}),
        ("Phil Ctive", {"openalex_id": "A9900000002", "affiliations": ["Institute of Nowhere"]}),
        ("Only A. Name", {}),
    ]
    assert "Irma Vented - Invented University; Department of Fiction, Invented University" in document.text


def test_subjects(document: Document) -> None:
    assert stated(document, "topic") == [
        ("Gout treatment", {"openalex_id": "T99001", "score": 0.98, "field": "Medicine"}),
        ("Uric acid", {"openalex_id": "C99001", "score": 0.6}),
    ]
    assert "Chemistry" in document.text
    assert stated(document, "keyword") == [("Gout", {})]
    assert stated(document, "mesh") == [
        ("Gout", {"id": "D006073", "role": "heading", "major": True, "qualifier": "drug therapy"})
    ]


def test_funders_of_both_schemas(document: Document) -> None:
    assert stated(document, "funder") == [
        ("Fictive Council", {"id": "F9900000001", "ror": "https://ror.org/0abcdef34", "award_ids": ["AW-1"]}),
        ("Utopian Fund", {"id": "F9900000002", "award_ids": ["G-2"]}),
    ]
    assert "Fictive Council - AW-1 Gout in Utopia" in document.text


def test_references_are_ids_in_a_section_of_their_own(document: Document) -> None:
    assert stated(document, "cited_work") == [
        ("W9900000002", {"openalex_id": "W9900000002"}),
        ("W9900000003", {"openalex_id": "W9900000003"}),
    ]
    assert document.sections[-1].kind is SectionKind.REFERENCES
    assert {section.kind for section in document.sections[2:-1]} == {SectionKind.METADATA}


@pytest.mark.parametrize(
    ("index", "abstract"),
    [
        (None, ""),
        ({}, ""),
        ({"b": [1], "a": [0]}, "a b"),
        ({"a": [0, 2], "b": [9]}, "a a b"),
        ({"x": [3], "y": [3]}, "x y"),
        ({"far": [2**53], "near": [-1]}, "near far"),
        ({"lost": [], "kept": [0]}, "kept"),
    ],
)
def test_rebuild_abstract(index: dict[str, list[int]] | None, abstract: str) -> None:
    assert openalex.rebuild_abstract(index) == abstract


@given(st.lists(st.sampled_from(["gout", "pain", "the", "of"]), max_size=60))
def test_abstract_is_what_was_inverted(words: list[str]) -> None:
    index: dict[str, list[int]] = {}
    for position, word in enumerate(words):
        index.setdefault(word, []).append(position)
    assert openalex.rebuild_abstract(index) == " ".join(words)


def test_work_with_nothing_but_its_id() -> None:
    document = read({"id": "https://openalex.org/W1", "title": None, "display_name": None})
    assert (document.doc_id, document.title) == ("openalex:W1", "W1")
    assert document.language == "en"


def test_id_may_stand_in_ids_alone() -> None:
    assert read({"ids": {"openalex": "https://openalex.org/W12"}}).doc_id == "openalex:W12"


def test_without_id() -> None:
    with pytest.raises(MissingIdentifierError, match=r"work\.json.*no `id`"):
        read({"title": "Invented", "doi": "https://doi.org/10.9999/x"})


@pytest.mark.parametrize("record", [{"id": "https://openalex.org/A5001"}, {"meta": {}, "results": []}])
def test_what_is_not_a_work_is_unsupported(record: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFormatError):
        read(record)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": "W1/../../etc"}, "not the id"),
        ({"id": ["W1"]}, r"got `array` - at `\$\.id`"),
        ({"id": "W1", "authorships": {"a": 1}}, r"\$\.authorships"),
        ({"id": "W1", "abstract_inverted_index": {"a": ["first"]}}, r"\$\.abstract_inverted_index\[\.\.\.\]\[0\]"),
        ({"id": "W1", "cited_by_count": 10**30}, r"\$\.cited_by_count"),
        ([], "Expected `object`"),
    ],
)
def test_wrong_shape_names_its_path(record: Any, message: str) -> None:
    with pytest.raises(MalformedPayloadError, match=message):
        read(record)


def test_html_instead_of_json() -> None:
    with pytest.raises(MalformedPayloadError, match="line 1, column 1"):
        read(b"<!doctype html><title>404</title>")


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from([[], {}, [[]], [{}], {"a": [1]}]))


@given(st.dictionaries(st.sampled_from(sorted(SAMPLE)), JUNK, min_size=1, max_size=4))
def test_whatever_stands_in_a_record_it_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        document = read({**copy.deepcopy(SAMPLE), **changes})
    except PayloadError as error:
        assert "work.json" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert all(document.quote(a.start, a.end).strip() for a in document.annotations)
