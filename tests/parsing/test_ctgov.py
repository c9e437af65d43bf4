"""ClinicalTrials.gov v2 studies: what an invented study becomes, and what is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import (
    EmptyPayloadError,
    HostileContentError,
    MalformedPayloadError,
    MissingIdentifierError,
    PayloadError,
    UnsupportedFormatError,
)
from Medical_KG_rev.models import Annotation, BlockType, Document, RawPayload, SectionKind
from Medical_KG_rev.parsing import ctgov
from Medical_KG_rev.parsing.ctgov.derived import mesh_id
from Medical_KG_rev.parsing.ctgov.labels import readable

pytestmark = pytest.mark.unit

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
SAMPLE: dict[str, Any] = json.loads(Path(__file__).with_name("study_sample.json").read_text())
MINIMAL: dict[str, Any] = {"protocolSection": {"identificationModule": {"nctId": "NCT00000099"}}}


def read(record: Any) -> Document:
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    payload = RawPayload(
        source="clinicaltrials", source_id="study.json", format="ctgov-json", content=content, adapter_version="a-1"
    )
    return ctgov.parse(payload, parsed_at=PARSED_AT)


@pytest.fixture(scope="module")
def document() -> Document:
    return read(SAMPLE)


def stated(document: Document, kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(document.quote(a.start, a.end), dict(a.attributes)) for a in document.annotations if a.kind == kind]


def section_text(document: Document, title: str) -> str:
    return next(document.quote(s.start, s.end) for s in document.sections if s.title == title)


def test_identity_and_versions(document: Document) -> None:
    assert document.doc_id == "clinicaltrials:NCT00000099"
    assert (document.source, document.adapter_version, document.parser_version) == ("clinicaltrials", "a-1", ctgov.VERSION)
    assert document.parsed_at == PARSED_AT
    first = document.sections[0].blocks[0]
    assert first.type is BlockType.HEADER
    assert document.quote(first.start, first.end) == document.title == "Invented Study of Glimazole in Gouty Arthritis"


def test_metadata(document: Document) -> None:
    assert document.metadata == {
        "kind": "study",
        "date": "2023-01-09",
        "year": 2023,
        "updated": "2024-06-01",
        "identifiers": {"nct": "NCT00000099"},
        "aliases": ["NCT00000098"],
        "acronym": "GLIMMER",
        "status": "ACTIVE_NOT_RECRUITING",
        "phase": ["PHASE2", "PHASE3"],
        "study_type": "INTERVENTIONAL",
        "primary_purpose": "TREATMENT",
        "enrollment": 40,
        "has_results": True,
        "countries": ["Utopia"],
        "mesh": ["D015210", "D033461", "C000999999"],
        "url": "https://clinicaltrials.gov/study/NCT00000099",
    }


def test_description_becomes_paragraphs_and_lists(document: Document) -> None:
    section = next(s for s in document.sections if s.title == "Detailed description")
    shape = [(block.type.value, document.quote(block.start, block.end)) for block in section.blocks]
    assert shape == [
        ("header", "Detailed description"),
        ("paragraph", "First paragraph, p < 0.05."),
        ("paragraph", "Aims:"),
        ("list", "ease pain\nshorten attacks\n1. Screening\n2. Follow-up"),
        ("paragraph", "Last paragraph."),
    ]


def test_criteria_are_sections_of_eligibility(document: Document) -> None:
    paths = [section.path for section in document.sections]
    assert ("Eligibility", "Inclusion Criteria") in paths
    assert ("Eligibility", "Exclusion Criteria") in paths
    assert "Adults >= 18 years" in section_text(document, "Inclusion Criteria")
    assert "Age groups: Adult, Older adult" in section_text(document, "Eligibility")


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("Exclusion Criteria", "Exclusion Criteria"),
        ("Key Inclusion Criteria:", "Key Inclusion Criteria"),
        ("• Inclusion criteria for all groups:", "Inclusion criteria for all groups"),
        ("Inclusion:", "Inclusion"),
        ("Inclusion Criteria: adults", ""),
        ("Patients who meet no exclusion", ""),
    ],
)
def test_headings_of_criteria(line: str, title: str) -> None:
    record = copy.deepcopy(MINIMAL)
    record["protocolSection"]["eligibilityModule"] = {"eligibilityCriteria": f"{line}\n\n* Adults"}
    found = [section.title for section in read(record).sections if "clusion" in section.title]
    assert found == ([title] if title else [])


def test_enumerations_are_readable(document: Document) -> None:
    design = section_text(document, "Study design")
    assert "Phase: Phase 2\nPhase: Phase 3" in design
    assert "Masking: Double (Participant, Outcomes assessor)" in design
    assert "Overall status: Active, not recruiting" in section_text(document, "Status")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("NOT_YET_RECRUITING", "Not yet recruiting"),
        ("PHASE2", "Phase 2"),
        ("NA", "Not applicable"),
        ("Own words", "Own words"),
        ("", ""),
    ],
)
def test_readable(value: str, expected: str) -> None:
    assert readable(value) == expected


def test_record_statements_are_metadata_and_references_apart(document: Document) -> None:
    kinds = {section.title: section.kind for section in document.sections}
    assert kinds["Sponsors"] is kinds["Contacts and locations"] is kinds["MeSH terms of conditions"] is SectionKind.METADATA
    assert kinds["References"] is SectionKind.REFERENCES
    assert kinds["Summary"] is kinds["Outcome measures"] is SectionKind.BODY


def test_personal_addresses_are_left_out(document: Document) -> None:
    assert "Cora Tact" in document.text
    assert "@" not in document.text
    assert "555-01" not in document.text


def test_annotations_cover_exactly_what_they_state(document: Document) -> None:
    assert stated(document, "condition") == [("Gouty arthritis", {}), ("Hyperuricaemia of invented kind", {})]
    assert stated(document, "intervention")[0] == (
        "Glimazole",
        {"type": "DRUG", "other_names": ["GLZ", "Glimaz"], "arms": ["Glimazole arm"]},
    )
    assert stated(document, "arm")[1] == (
        "Placebo arm",
        {"type": "PLACEBO_COMPARATOR", "interventions": ["Drug: Placebo", "Behavioral: Diet advice"]},
    )
    assert [quote for quote, _ in stated(document, "phase")] == ["Phase 2", "Phase 3"]
    assert stated(document, "sponsor")[1] == ("Fictive Pharma Ltd", {"role": "collaborator", "class": "INDUSTRY"})
    assert stated(document, "outcome")[0] == ("Days of pain", {"role": "primary", "time_frame": "4 weeks"})
    assert stated(document, "cited_work")[0][1] == {"pmid": "99999901", "doi": "10.9999/Inv(20)1", "type": "BACKGROUND"}
    assert stated(document, "cited_work")[1][0] == "PMID 99999902"
    assert stated(document, "location") == [("Invented Clinic, Nowhere, 00000, Utopia", {"country": "Utopia"})]


def test_mesh_terms_carry_canonical_ids_and_what_they_were_found_by(document: Document) -> None:
    assert stated(document, "mesh") == [
        ("Arthritis, Gouty", {"id": "D015210", "role": "condition"}),
        ("Hyperuricemia", {"id": "D033461", "role": "condition", "as_found": ["Hyperuricaemia of invented kind"]}),
        ("glimazole", {"id": "C000999999", "role": "intervention"}),
    ]


def test_retracted_references_say_so(document: Document) -> None:
    assert "PMID 99999902 (Derived) Retracted: J Invented Med. 2021;2:2 (PMID 99999905)" in document.text


@pytest.mark.parametrize(
    ("citation", "doi"),
    [
        ("J Invented. 2020. doi: 10.9999/abc.1. Epub 2020.", "10.9999/abc.1"),
        ("J Invented. https://doi.org/10.9999/abc", ""),
        ("(doi:https://doi.org/10.9999/S0140(20)7)", "10.9999/S0140(20)7"),
        ("No DOI here", ""),
    ],
)
def test_doi_of_a_citation(citation: str, doi: str) -> None:
    record = copy.deepcopy(MINIMAL)
    record["protocolSection"]["referencesModule"] = {"references": [{"citation": citation}]}
    assert stated(read(record), "cited_work") == [(citation, {"doi": doi} if doi else {})]


@pytest.mark.parametrize(
    ("padded", "canonical"),
    [
        ("D000015210", "D015210"),
        ("D000066388", "D000066388"),
        ("D000086382", "D000086382"),
        ("C000588418", "C588418"),
        ("C000718108", "C000718108"),
        ("D015210", "D015210"),
        ("D\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661", "D\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661"),
    ],
)
def test_mesh_id(padded: str, canonical: str) -> None:
    assert mesh_id(padded) == canonical


def table_rows(document: Document, caption: str) -> Iterator[list[str]]:
    table = next(
        b.table
        for _, b in document.iter_blocks()
        if b.table and b.table.caption and caption in b.table.caption.quote(document.text)
    )
    for row in range(table.rows):
        yield [document.quote(cell.start, cell.end) for cell in table.cells if cell.row == row]


def test_outcome_measure_is_a_table_of_groups(document: Document) -> None:
    assert list(table_rows(document, "Outcome: Days of Pain")) == [
        ["Measured", "Glimazole", "Placebo", "OG009"],
        ["Number analyzed, Participants", "20", "20", ""],
        ["Knee; severe", "3.1 (0.4)", "5.2 (4.9 to 5.5) [one value imputed]", ""],
        ["Hip", "NA", "", "7"],
    ]
    assert "Outcome: Days of Pain (days, Mean, Standard Deviation)" in document.text


def test_header_cells_are_marked(document: Document) -> None:
    table = next(b.table for _, b in document.iter_blocks() if b.table)
    assert all(cell.header == (cell.row == 0 or cell.column == 0) for cell in table.cells)


def test_results_are_stated_at_their_cells(document: Document) -> None:
    results = stated(document, "result")
    assert results[0] == (
        "3.1 (0.4)",
        {
            "outcome": "Days of Pain",
            "role": "primary",
            "time_frame": "4 weeks",
            "group": "Glimazole",
            "category": "Knee; severe",
            "value": "3.1",
            "unit": "days",
            "param_type": "MEAN",
            "dispersion_type": "Standard Deviation",
            "spread": "0.4",
            "analyzed": "20",
            "analyzed_units": "Participants",
        },
    )
    assert results[1][1]["lower"] == "4.9"
    assert len(results) == 4


def test_analysis_is_text(document: Document) -> None:
    assert (
        "Statistical analysis: Glimazole versus Placebo. Null hypothesis: no difference "
        "Non-inferiority tested: No. Type: Superiority. Method: ANCOVA. P-value: 0.002. not adjusted "
        "Mean Difference (Net): -2.1. Confidence interval: Two sided 95% -3.0 to -1.2. glimazole minus placebo"
    ) in document.text


def test_participant_flow_baseline_and_events(document: Document) -> None:
    assert list(table_rows(document, "Participant flow: Overall Study"))[1:] == [
        ["Started", "20", "20 (one twice)"],
        ["ITT", "19", ""],
        ["Reason not completed: Lost to Follow-up", "1", "0"],
    ]
    assert list(table_rows(document, "Baseline: Age, Continuous"))[1] == ["Age, Continuous", "51 (8)", "50 (9)"]
    assert "Baseline: Ethnicity" in document.text
    assert list(table_rows(document, "Serious adverse events"))[1] == [
        "Anaphylaxis (after dose one)",
        "Immune system disorders",
        "Systematic assessment, MedDRA 26.0",
        "1/20 (2)",
        "0/20",
    ]
    assert stated(document, "adverse_event")[0] == (
        "1/20 (2)",
        {
            "term": "Anaphylaxis",
            "group": "Glimazole",
            "serious": True,
            "affected": 1,
            "at_risk": 20,
            "events": 2,
            "organ_system": "Immune system disorders",
            "assessment": "SYSTEMATIC_ASSESSMENT",
            "vocabulary": "MedDRA 26.0",
            "time_frame": "12 weeks",
        },
    )


def test_study_with_nothing_but_its_id() -> None:
    document = read(MINIMAL)
    assert document.title == "NCT00000099"
    assert document.text == "NCT00000099\n\nIdentifiers\n\nNCT id: NCT00000099"
    assert document.annotations == ()


def test_study_with_empty_modules_has_no_empty_sections() -> None:
    record = {part: {module: {} for module in modules} for part, modules in SAMPLE.items() if isinstance(modules, dict)}
    record["protocolSection"]["identificationModule"] = {"nctId": "NCT00000099", "briefTitle": "Invented"}
    assert [section.title for section in read(record).sections] == ["", "Identifiers"]


def test_nulls_read_as_absent() -> None:
    record = copy.deepcopy(SAMPLE)
    record["protocolSection"]["designModule"]["phases"] = None
    record["protocolSection"]["armsInterventionsModule"]["interventions"][1]["otherNames"] = [None]
    record["resultsSection"] = None
    assert "Phase:" not in read(record).text


def test_two_parses_are_the_same() -> None:
    assert read(SAMPLE).digest() == read(json.dumps(SAMPLE, indent=3).encode()).digest()


def test_byte_order_mark_is_accepted() -> None:
    assert read(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode()).doc_id == "clinicaltrials:NCT00000099"


def test_last_of_duplicate_keys_counts() -> None:
    record = b'{"protocolSection": {"identificationModule": {"nctId": "NCT00000001", "nctId": "NCT00000002"}}}'
    assert read(record).doc_id == "clinicaltrials:NCT00000002"


@pytest.mark.parametrize("key", ["FullStudiesResponse", "StudyFieldsResponse", "Study", "ProtocolSection"])
def test_v1_is_refused_with_what_to_use(key: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"v1.*api/v2/studies") as caught:
        read({key: {"ProtocolSection": {"IdentificationModule": {"NCTId": "NCT00000099"}}}})
    assert caught.value.source_id == "study.json"


def test_page_of_studies_is_refused() -> None:
    with pytest.raises(UnsupportedFormatError, match="page of studies"):
        read({"studies": [MINIMAL], "nextPageToken": "x"})


@pytest.mark.parametrize("record", [{}, {"protocolSection": {}}, {"protocolSection": {"identificationModule": {"nctId": "  "}}}])
def test_without_id(record: dict[str, Any]) -> None:
    with pytest.raises(MissingIdentifierError, match="nctId"):
        read(record)


@pytest.mark.parametrize("nct_id", ["NCT1", "nct00000099", "NCT00000099/../x", "NCT0000009\u0669"])
def test_wrong_id(nct_id: str) -> None:
    with pytest.raises(MalformedPayloadError, match="is not an NCT id"):
        read({"protocolSection": {"identificationModule": {"nctId": nct_id}}})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("protocolSection",), [], r"Expected `object`, got `array` - at `\$\.protocolSection`"),
        (
            ("protocolSection", "conditionsModule", "conditions"),
            {"a": 1},
            r"got `object` - at `\$\.protocolSection\.conditionsModule",
        ),
        (("protocolSection", "conditionsModule", "conditions"), [7], r"\$\.protocolSection\.conditionsModule\.conditions\[0\]"),
        (("protocolSection", "identificationModule", "briefTitle"), 5, r"Expected `str`, got `int`"),
        (
            ("protocolSection", "designModule", "enrollmentInfo", "count"),
            10**40,
            r"\$\.protocolSection\.designModule\.enrollmentInfo",
        ),
        (("protocolSection", "designModule", "enrollmentInfo", "count"), "many", r"Expected `int \| null`, got `str`"),
        (("resultsSection", "adverseEventsModule", "eventGroups"), "none", r"Expected `array`, got `str`"),
    ],
)
def test_wrong_type_names_its_path(path: tuple[str, ...], value: Any, message: str) -> None:
    record = copy.deepcopy(SAMPLE)
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(MalformedPayloadError, match=message):
        read(record)


def test_broken_json_has_line_and_column() -> None:
    with pytest.raises(MalformedPayloadError, match="line 3, column 11") as caught:
        read('{\n "protocolSection":\n   {"é": nope}}'.encode())
    assert (caught.value.line, caught.value.column) == (3, 11)


@pytest.mark.parametrize("length", [10, 500, 5000])
def test_truncated_json(length: int) -> None:
    with pytest.raises(MalformedPayloadError, match=r"truncated.*line 1, column"):
        read(json.dumps(SAMPLE).encode()[:length])


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_empty(content: bytes) -> None:
    with pytest.raises(EmptyPayloadError):
        read(content)


def test_wrong_encoding() -> None:
    with pytest.raises(MalformedPayloadError, match="UTF-8"):
        read('{"protocolSection": {"identificationModule": {"nctId": "NCT00000099", "briefTitle": "é"}}}'.encode("latin-1"))


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
def test_nesting_bomb(content: bytes) -> None:
    with pytest.raises((HostileContentError, MalformedPayloadError)):
        read(content)


def test_padded_table_is_refused() -> None:
    record = copy.deepcopy(SAMPLE)
    measure = record["resultsSection"]["outcomeMeasuresModule"]["outcomeMeasures"][0]
    measure["groups"] = [{"id": f"OG{n}", "title": "g"} for n in range(500)]
    measure["classes"] = [{"title": "c", "categories": [{"title": "x"}]} for _ in range(500)]
    with pytest.raises(HostileContentError, match=r"study\.json: A results table of 501 rows"):
        read(record)


def test_nul_characters_do_not_reach_the_text() -> None:
    record = copy.deepcopy(MINIMAL)
    record["protocolSection"]["identificationModule"]["briefTitle"] = "a\0b"
    assert read(record).title == "a b"


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(item, (*path, key))


PATHS = list(paths(SAMPLE))[1:]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({}), st.just([[{}]])
)


@given(st.lists(st.tuples(st.sampled_from(PATHS), JUNK), min_size=1, max_size=4))
def test_whatever_stands_in_a_record_it_is_read_or_refused(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    record = copy.deepcopy(SAMPLE)
    for path, junk in changes:
        place: Any = record
        try:
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = junk
        except (KeyError, IndexError, TypeError):
            continue
    try:
        document = read(record)
    except PayloadError as error:
        assert "study.json" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert all(isinstance(a, Annotation) and document.quote(a.start, a.end).strip() for a in document.annotations)
