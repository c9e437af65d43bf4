"""Facets and filters: spellings, refusals, and what every source's documents can be narrowed by."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.index.filters import EVERYTHING, FIELDS, day, day_of, facet, facets_of, make_filter
from Medical_KG_rev.models import Chunk, RawPayload, StageContext
from Medical_KG_rev.parsing import IrParser
from Medical_KG_rev.settings import ChunkingSettings
from Medical_KG_rev.text import HaystackChunker

pytestmark = pytest.mark.unit

SAMPLES = resources.files("Medical_KG_rev") / "samples" / "corpus"
FORMATS = {
    "clinicaltrials/NCT99990001.json": ("clinicaltrials", "ctgov-json"),
    "openalex/W9900000001.json": ("openalex", "openalex-json"),
    "jats/PMC9990001.xml": ("pmc-fulltext", "jats-xml"),
    "text/sciatica-exercises.txt": ("local", "text"),
}


def chunk(**facets):
    return Chunk(
        chunk_id="openalex:W1:chunk:0",
        doc_id="openalex:W1",
        tenant_id="default",
        source="openalex",
        title="t",
        text="text",
        start=0,
        end=4,
        section="Results",
        section_path=("Results",),
        facets=facets,
    )


def admitted(found, values, **dates):
    return make_filter(values, **dates).admits(facets_of(found), day_of(found))


@pytest.fixture(scope="module")
def chunks_of():
    """The chunks of a sample, as the shipped stages make them."""
    parser = IrParser(lambda: datetime(2026, 1, 2, tzinfo=UTC))
    chunker = HaystackChunker(ChunkingSettings(), lambda texts: [len(text.split()) for text in texts], 512, "words")

    def make(name):
        source, form = FORMATS[name]
        content = SAMPLES.joinpath(*name.split("/")).read_bytes()
        payload = RawPayload(
            source=source, source_id=name, format=form, content=content, uri=f"file:///{name}", adapter_version="test"
        )
        document = parser.execute(StageContext("default"), [payload])
        return chunker.execute(StageContext("default"), document)

    return make


@pytest.mark.parametrize("name", FORMATS)
def test_each_source_gives_facets_to_all_its_chunks(chunks_of, name):
    chunks = chunks_of(name)
    assert chunks
    for found in chunks:
        assert admitted(found, {"source": [found.source], "doc_id": [found.doc_id], "language": ["en"], "retracted": ["no"]})
        assert not admitted(found, {"source": ["elsewhere"]})
        assert not admitted(found, {"retracted": ["true"]})
        assert all(" " not in token and "=" in token for token in facets_of(found))


def test_a_trial_states_phase_results_terms_and_date(chunks_of):
    for found in chunks_of("clinicaltrials/NCT99990001.json"):
        assert found.facets.keys() == {"date", "mesh", "phase", "has_results", "language", "retracted"}
        assert admitted(found, {"phase": found.facets["phase"], "has_results": found.facets["has_results"]})
        assert admitted(found, {"mesh": [f"MESH:{found.facets['mesh'][0]}"]}, since="2000", until="2100")
        assert not admitted(found, {}, since="2100")


def test_an_article_states_terms_and_date(chunks_of):
    for found in chunks_of("openalex/W9900000001.json"):
        assert day_of(found) == 20220301
        assert admitted(found, {"mesh": [found.facets["mesh"][0].lower()]}, since="2022-03-01", until="2022-03-01")
        assert not admitted(found, {}, until="2022-02")
        assert not admitted(found, {"phase": ["2"]})


def test_a_full_text_states_its_date_and_lies_in_the_sections_around_it(chunks_of):
    chunks = chunks_of("jats/PMC9990001.xml")
    assert all(day_of(found) for found in chunks)
    nested = next(found for found in chunks if len(found.section_path) > 1)
    assert admitted(nested, {"section": [nested.section_path[0].upper()]})
    assert admitted(nested, {"section": [nested.section]})


def test_a_text_without_a_date_lies_in_no_range(chunks_of):
    for found in chunks_of("text/sciatica-exercises.txt"):
        assert day_of(found) == 0
        assert not admitted(found, {}, until="2100")
        assert not admitted(found, {}, since="1900")


@pytest.mark.parametrize(
    ("field", "stated", "asked"),
    [
        ("mesh", "D008687", "MESH:D008687"),
        ("mesh", "MESH:D008687", "mesh:d008687"),
        ("phase", "PHASE2", "2"),
        ("phase", "PHASE2", "Phase 2"),
        ("phase", "PHASE3", "III"),
        ("phase", "EARLY_PHASE1", "early phase 1"),
        ("phase", "NA", "n/a"),
        ("language", "en", "en-GB"),
        ("has_results", "true", "yes"),
        ("retracted", "false", "0"),
        ("section", "Eligibility  Criteria", "eligibility criteria"),
        ("doc_id", "openalex:W1", "OpenAlex:w1"),
    ],
)
def test_spellings_meet(field, stated, asked):
    assert facet(field, stated) == facet(field, asked)


def test_one_value_of_each_field_is_enough_and_each_field_is_needed():
    found = chunk(mesh=("D1", "D2"), phase=("PHASE2",))
    assert admitted(found, {"mesh": ["D2", "D9"], "phase": ["1", "2"]})
    assert not admitted(found, {"mesh": ["D2"], "phase": ["1"]})
    assert make_filter({}).is_empty
    assert EVERYTHING.admits((), 0)


@pytest.mark.parametrize(
    ("values", "dates", "message"),
    [
        ({"journal": ["Lancet"]}, {}, r"'journal' is not a field to filter by\. Fields: source, section"),
        ({"journal": []}, {}, "has no value|is not a field"),
        ({"mesh": []}, {}, "mesh has no value"),
        ({"mesh": [" "]}, {}, "mesh cannot be"),
        ({"phase": ["5"]}, {}, r"phase cannot be '5'\. Valid: early_phase1, phase1"),
        ({"has_results": ["perhaps"]}, {}, "Valid: true, false"),
        ({"language": ["English"]}, {}, "a code such as en"),
        ({}, {"since": "yesterday"}, "'yesterday' is not a date"),
        ({}, {"until": "2021-3"}, "'2021-3' is not a date"),
        ({}, {"until": "0000"}, "'0000' is not a date"),
    ],
)
def test_what_cannot_be_meant_is_refused(values, dates, message):
    with pytest.raises(UsageError, match=message):
        make_filter(values, **dates)


def test_days_of_months_and_years():
    assert [day(text) for text in ("2021", "2021-03", "2021-03-15", "2021-03-15T08:00")] == [20210101, 20210301] + [20210315] * 2
    assert [day(text, last=True) for text in ("2021", "2021-02", "2021-03-15")] == [20211231, 20210231, 20210315]
    assert day_of(chunk(date=("2021-3-5",))) == 0
    assert day_of(chunk(date=("unknown", "2021-03"))) == 20210301


@given(st.sampled_from(["source", "section", "doc_id", "has_results", "retracted"]), st.text(max_size=300))
def test_a_token_has_no_blank_can_be_stored_and_stands_for_itself(field, value):
    token = facet(field, value)
    assert not any(character.isspace() for character in token)
    assert len(token.encode()) < 4 * 220
    assert facet(field, token.removeprefix(f"{field}=")) == token


@given(st.dictionaries(st.sampled_from(FIELDS), st.lists(st.text(max_size=20), max_size=3).map(tuple)))
def test_facets_of_any_chunk_are_tokens(stated):
    for token in facets_of(msgspec.structs.replace(chunk(), facets=stated)):
        assert token.split() == [token]
