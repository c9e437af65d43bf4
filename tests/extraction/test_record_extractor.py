"""What invented records state becomes entities and claims, and nothing else does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.extraction import PREDICATES, RecordExtractor, predicates
from Medical_KG_rev.extraction.names import (
    doi_id,
    mesh_curie,
    openalex_id,
    orcid_id,
    own_id,
    pmcid_id,
    pmid_id,
    ror_id,
    word_key,
)
from Medical_KG_rev.extraction.trials import MAX_TESTED_PAIRS
from Medical_KG_rev.models import Claim, Document, Entity, EntityType, RawPayload, SectionKind, StageContext
from Medical_KG_rev.orchestration.stages.contracts import ExtractStage
from Medical_KG_rev.parsing import ctgov, openalex
from Medical_KG_rev.parsing.builder import DocumentBuilder

pytestmark = pytest.mark.unit

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
SAMPLES = Path(__file__).parents[1] / "parsing"
CTX = StageContext(tenant_id="t")
STUDY = "clinicaltrials:NCT00000099"
WORK = "openalex:W9900000001"
GOUT, URATE, GLIMAZOLE = "MESH:D015210", "MESH:D033461", "MESH:C000999999"


class Found:
    """An extraction, easy to ask."""

    def __init__(self, document: Document) -> None:
        self.document = document
        entities, self.claims = RecordExtractor().execute(CTX, document)
        self.entities: dict[str, Entity] = {entity.id: entity for entity in entities}
        assert len(self.entities) == len(entities)

    def of_type(self, kind: EntityType) -> dict[str, str]:
        return {entity.name: entity.id for entity in self.entities.values() if entity.type is kind}

    def pairs(self, predicate: str) -> set[tuple[str, str | None]]:
        return {(claim.subject_id, claim.object_id) for claim in self.claims if claim.predicate == predicate}

    def claims_of(self, predicate: str) -> list[Claim]:
        return [claim for claim in self.claims if claim.predicate == predicate]


def study_record() -> dict[str, Any]:
    record: dict[str, Any] = json.loads((SAMPLES / "study_sample.json").read_text())
    return record


def study(record: dict[str, Any]) -> Found:
    content = json.dumps(record).encode()
    payload = RawPayload(source="clinicaltrials", source_id="study.json", format="ctgov-json", content=content)
    return Found(ctgov.parse(payload, parsed_at=PARSED_AT))


@pytest.fixture(scope="module")
def trial() -> Found:
    return study(study_record())


@pytest.fixture(scope="module")
def work() -> Found:
    content = (SAMPLES / "work_sample.json").read_bytes()
    payload = RawPayload(source="openalex", source_id="work.json", format="openalex-json", content=content)
    return Found(openalex.parse(payload, parsed_at=PARSED_AT))


def test_is_an_extract_stage() -> None:
    assert isinstance(RecordExtractor(), ExtractStage)


def test_text_about_bananas_states_nothing() -> None:
    builder = DocumentBuilder(doc_id="local:bananas", source="local", title="Text about bananas")
    builder.title()
    builder.block("Bananas are yellow. A placebo controlled trial of 120 patients with hypertension took ACE inhibitors.")
    entities, claims = RecordExtractor().execute(CTX, builder.build(metadata={"kind": "text"}))
    assert claims == []
    assert entities == [
        Entity(
            id="local:bananas",
            type=EntityType.TEXT,
            name="Text about bananas",
            attributes={"title": "Text about bananas", "source": "local"},
        )
    ]


def test_untitled_text_is_named_by_its_id() -> None:
    builder = DocumentBuilder(doc_id="local:1", source="local", title="")
    builder.block("text")
    assert RecordExtractor().execute(CTX, builder.build())[0][0].name == "local:1"


def test_study_itself(trial: Found) -> None:
    own = trial.entities[STUDY]
    assert own.type is EntityType.STUDY
    assert own.attributes["title"] == "Invented Study of Glimazole in Gouty Arthritis"
    assert own.attributes["date"] == "2023-01-09"
    assert own.attributes["url"].endswith("NCT00000099")


def test_conditions_are_grounded_by_the_derived_terms(trial: Found) -> None:
    assert trial.of_type(EntityType.DISEASE) == {"Arthritis, Gouty": GOUT, "Hyperuricemia": URATE}
    assert trial.pairs(predicates.STUDIES_CONDITION) == {(STUDY, GOUT), (STUDY, URATE)}
    gout = trial.entities[GOUT]
    assert [mention.text for mention in gout.mentions] == ["Gouty arthritis", "Arthritis, Gouty"]
    assert gout.aliases == ("Gouty arthritis",)


def test_interventions_and_their_types(trial: Found) -> None:
    diet = own_id(EntityType.PROCEDURE, "diet advice")
    assert trial.of_type(EntityType.CHEMICAL) == {"glimazole": GLIMAZOLE, "Placebo": own_id(EntityType.CHEMICAL, "Placebo")}
    assert trial.of_type(EntityType.PROCEDURE) == {"Diet advice": diet}
    assert set(trial.entities[GLIMAZOLE].aliases) == {"Glimazole", "GLIMAZOLE", "GLZ", "Glimaz"}


def test_only_what_was_tested_is_in_trials_for_the_condition(trial: Found) -> None:
    diet = own_id(EntityType.PROCEDURE, "diet advice")
    tested = trial.claims_of(predicates.STUDIED_FOR)
    assert {(c.subject_id, c.object_id) for c in tested} == {(GLIMAZOLE, GOUT), (GLIMAZOLE, URATE), (diet, GOUT), (diet, URATE)}
    assert tested[0].qualifiers == {"study": STUDY, "phase": ["PHASE2", "PHASE3"]}
    assert [evidence.section for evidence in tested[0].evidence] == ["Interventions", "Conditions"]


@pytest.mark.parametrize(
    ("field", "value"), [("primaryPurpose", "DIAGNOSTIC"), ("primaryPurpose", ""), ("studyType", "OBSERVATIONAL")]
)
def test_other_purposes_claim_no_treatment(field: str, value: str) -> None:
    record = study_record()
    design = record["protocolSection"]["designModule"]
    (design["designInfo"] if field == "primaryPurpose" else design)[field] = value
    assert study(record).claims_of(predicates.STUDIED_FOR) == []


def test_too_many_pairs_claim_none() -> None:
    record = study_record()
    record["protocolSection"]["conditionsModule"]["conditions"] = [f"condition {n}" for n in range(MAX_TESTED_PAIRS)]
    found = study(record)
    assert found.claims_of(predicates.STUDIED_FOR) == []
    assert len(found.claims_of(predicates.STUDIES_CONDITION)) > MAX_TESTED_PAIRS


def test_ungrounded_names_have_ids_of_their_own() -> None:
    record = study_record()
    del record["derivedSection"]
    found = study(record)
    assert found.of_type(EntityType.DISEASE)["Gouty arthritis"] == own_id(EntityType.DISEASE, "  GOUTY  arthritis")
    assert all(entity_id.startswith("MK:disease:") for entity_id in found.of_type(EntityType.DISEASE).values())


def test_derived_term_without_a_matching_name_is_still_stated() -> None:
    record = study_record()
    record["protocolSection"]["conditionsModule"]["conditions"] = ["Something else"]
    record["derivedSection"]["conditionBrowseModule"]["browseLeaves"] = []
    assert {(STUDY, GOUT), (STUDY, URATE)} < study(record).pairs(predicates.STUDIES_CONDITION)


def test_arms_and_what_they_receive(trial: Found) -> None:
    arms = trial.of_type(EntityType.STUDY_ARM)
    groups = [arm for name, arm in arms.items() if name in ("Glimazole", "Placebo")]
    assert all(arm.startswith(f"{STUDY}:{'group' if arm in groups else 'arm'}:") for arm in arms.values())
    assert len(groups) == 2
    assert trial.pairs(predicates.HAS_PART) == {(STUDY, arm) for arm in arms.values()}
    assert (arms["Glimazole arm"], GLIMAZOLE) in trial.pairs(predicates.HAS_PARTICIPANT)
    assert len(trial.pairs(predicates.HAS_PARTICIPANT)) == 4


def test_phases_and_sponsors(trial: Found) -> None:
    assert [claim.value for claim in trial.claims_of(predicates.IN_PHASE)] == ["Phase 2", "Phase 3"]
    sponsors = {trial.entities[str(c.object_id)].name: c.qualifiers["role"] for c in trial.claims_of(predicates.SPONSORED_BY)}
    assert sponsors == {"Invented Trials Unit": "lead", "Fictive Pharma Ltd": "collaborator"}


def test_posted_outcome_is_the_planned_one(trial: Found) -> None:
    outcomes = trial.of_type(EntityType.OUTCOME)
    assert set(outcomes) == {"Days of pain", "Serum urate", "Satisfaction"}
    claim = next(c for c in trial.claims_of(predicates.MEASURES) if c.object_id == outcomes["Days of pain"])
    assert [evidence.section for evidence in claim.evidence] == ["Primary outcomes", "Days of Pain"]


def test_results_are_values_with_their_cell_as_evidence(trial: Found) -> None:
    results = trial.claims_of(predicates.HAS_VALUE)
    assert [(r.value, r.qualifiers["group"]) for r in results] == [("3.1", "Glimazole"), ("5.2", "Placebo"), ("7", "OG009")]
    first = results[0]
    assert first.subject_id == trial.of_type(EntityType.OUTCOME)["Days of pain"]
    assert first.qualifiers["unit"] == "days"
    assert first.qualifiers["spread"] == "0.4"
    cell = first.evidence[0]
    table = next(block.table for _, block in trial.document.iter_blocks() if block.start <= cell.start < block.end)
    assert table is not None
    assert (cell.start, cell.end) in {(c.start, c.end) for c in table.cells}


def test_results_know_their_group_and_its_size(trial: Found) -> None:
    groups = trial.of_type(EntityType.STUDY_ARM)
    first, _, undescribed = trial.claims_of(predicates.HAS_VALUE)
    assert (first.qualifiers["group_id"], first.qualifiers["analyzed"]) == (groups["Glimazole"], "20")
    assert "group_id" not in undescribed.qualifiers
    sizes = {(c.subject_id, c.value, c.qualifiers["milestone"]) for c in trial.claims_of(predicates.SAMPLE_SIZE)}
    assert sizes == {(groups["Glimazole"], "20", "STARTED"), (groups["Placebo"], "20", "STARTED")}


def test_a_group_named_as_an_arm_is_that_arm() -> None:
    record = study_record()
    for group in record["resultsSection"]["participantFlowModule"]["groups"]:
        group["title"] = f"{group['title']} ARM"
    found = study(record)
    arms = found.of_type(EntityType.STUDY_ARM)
    assert {c.subject_id for c in found.claims_of(predicates.SAMPLE_SIZE)} == {arms["Glimazole arm"], arms["Placebo arm"]}


def test_an_analysis_states_groups_effect_interval_and_test(trial: Found) -> None:
    (claim,) = trial.claims_of(predicates.COMPARED_BETWEEN)
    groups = trial.of_type(EntityType.STUDY_ARM)
    assert claim.subject_id == trial.of_type(EntityType.OUTCOME)["Days of pain"]
    assert claim.value == "-2.1"
    assert claim.qualifiers == {
        "role": "primary",
        "time_frame": "4 weeks",
        "groups": ["Glimazole", "Placebo"],
        "group_ids": [groups["Glimazole"], groups["Placebo"]],
        "detail": "Null hypothesis: no difference",
        "analysis_type": "SUPERIORITY",
        "method": "ANCOVA",
        "p_value": 0.002,
        "effect_measure": "Mean Difference (Net)",
        "effect_value": -2.1,
        "ci_level": 95.0,
        "ci_sides": "TWO_SIDED",
        "ci_low": -3.0,
        "ci_high": -1.2,
    }
    assert claim.evidence[0].text.startswith("Statistical analysis: Glimazole versus Placebo.")


@pytest.mark.parametrize(
    ("stated", "value", "comparator"),
    [("<0.001", 0.001, "<"), ("=0.247", 0.247, None), ("p ≤ .05", 0.05, "<="), ("NS", "NS", None)],
)
def test_p_values_are_numbers_where_they_are(stated: str, value: float | str, comparator: str | None) -> None:
    record = study_record()
    record["resultsSection"]["outcomeMeasuresModule"]["outcomeMeasures"][0]["analyses"] = [
        {"groupIds": ["OG000", "OG001"], "pValue": stated}
    ]
    (claim,) = study(record).claims_of(predicates.COMPARED_BETWEEN)
    assert (claim.value, claim.qualifiers["p_value"], claim.qualifiers.get("p_comparator")) == (stated, value, comparator)


def test_totals_of_events(trial: Found) -> None:
    told = [(c.qualifiers["total"], c.value, c.qualifiers["at_risk"]) for c in trial.claims_of(predicates.EVENT_TOTAL)]
    assert told == [("All-cause mortality", "0", 20), ("Serious adverse events", "1", 20), ("Other adverse events", "4", 20)]


def test_adverse_events_that_happened(trial: Found) -> None:
    claims = trial.claims_of(predicates.REPORTS_EVENT)
    told = [(trial.entities[str(c.object_id)].name, c.qualifiers["affected"], c.qualifiers["serious"]) for c in claims]
    assert told == [("Anaphylaxis", 1, True), ("Nausea", 4, False)]


def test_studies_cite(trial: Found) -> None:
    assert trial.pairs(predicates.CITES) == {(STUDY, "DOI:10.9999/inv(20)1"), (STUDY, "PMID:99999902")}
    assert trial.entities["DOI:10.9999/inv(20)1"].xrefs == ("PMID:99999901",)


def test_keyword_that_names_a_derived_term_is_that_term(trial: Found) -> None:
    assert trial.pairs(predicates.HAS_TOPIC) == {(STUDY, own_id(EntityType.CONCEPT, "gout")), (STUDY, GLIMAZOLE)}
    assert trial.entities[GLIMAZOLE].type is EntityType.CHEMICAL


def test_name_of_a_term_wins_over_what_another_was_found_by() -> None:
    record = study_record()
    record["protocolSection"]["conditionsModule"]["conditions"] = ["Hyperuricemia"]
    leaf = {"name": "Arthritis, Gouty", "asFound": "Hyperuricemia"}
    record["derivedSection"]["conditionBrowseModule"]["browseLeaves"] = [leaf]
    found = study(record)
    assert [mention.text for mention in found.entities[URATE].mentions] == ["Hyperuricemia", "Hyperuricemia"]


def test_work_itself(work: Found) -> None:
    own = work.entities[WORK]
    assert own.type is EntityType.PUBLICATION
    assert own.xrefs == ("DOI:10.9999/invented.1", "PMID:99999903", "pmc-fulltext:PMC9999904")
    assert own.attributes["retracted"] is True
    assert own.attributes["type"] == "review"


def test_authors_and_affiliations(work: Found) -> None:
    people = work.of_type(EntityType.PERSON)
    nameless = own_id(EntityType.PERSON, WORK, "Only A. Name")
    assert people == {"Irma Vented": "ORCID:0000-0002-1825-0097", "Phil Ctive": "openalex:A9900000002", "Only A. Name": nameless}
    assert work.entities["ORCID:0000-0002-1825-0097"].xrefs == ("openalex:A9900000001",)
    affiliations = work.claims_of(predicates.AFFILIATED_WITH)
    assert [c.object_id for c in affiliations] == ["ROR:0abcdef12", own_id(EntityType.ORGANIZATION, "Institute of Nowhere")]
    assert [e.text for e in affiliations[0].evidence] == ["Irma Vented", "Invented University"]


def test_topics_headings_funders_and_citations(work: Found) -> None:
    topics = [(c.object_id, dict(c.qualifiers)) for c in work.claims_of(predicates.HAS_TOPIC)]
    assert topics == [
        ("openalex:T99001", {"relevance": 0.98}),
        ("openalex:C99001", {"relevance": 0.6}),
        ("MESH:D006073", {"major": True, "qualifier": "drug therapy"}),
        ("MESH:D006073", {}),
    ]
    assert work.pairs(predicates.FUNDED_BY) == {(WORK, "openalex:F9900000001"), (WORK, "openalex:F9900000002")}
    assert work.claims_of(predicates.FUNDED_BY)[0].qualifiers == {"award_ids": ["AW-1"]}
    assert work.pairs(predicates.CITES) == {(WORK, "openalex:W9900000002"), (WORK, "openalex:W9900000003")}


def article(*annotations: tuple[str, str, dict[str, Any]]) -> Found:
    builder = DocumentBuilder(doc_id="pmc-fulltext:PMC9900001", source="pmc-fulltext", title="Invented article")
    with builder.section("Record", SectionKind.METADATA):
        for kind, text, attributes in annotations:
            builder.annotate(kind, builder.block(text), **attributes)
    return Found(builder.build(metadata={"kind": "article"}))


def test_cited_works_by_their_best_identifier() -> None:
    found = article(
        ("cited_work", "First", {"doi": "10.9999/ABC", "pmid": "12", "title": "One"}),
        ("cited_work", "Second", {"pmid": "13"}),
        ("cited_work", "Third", {"pmcid": "PMC14", "doi": "10.9999/x"}),
        ("cited_work", "Fourth", {"title": "Untraceable", "year": 1999}),
        ("cited_work", "Itself", {"pmcid": "PMC9900001"}),
    )
    own = own_id(EntityType.PUBLICATION, "Untraceable", "1999")
    cited = ["DOI:10.9999/abc", "PMID:13", "pmc-fulltext:PMC14", own]
    assert [claim.object_id for claim in found.claims_of(predicates.CITES)] == cited
    assert found.entities["DOI:10.9999/abc"].xrefs == ("PMID:12",)


def test_the_same_statement_twice_is_one_claim_with_two_places() -> None:
    found = article(("keyword", "Gout", {}), ("keyword", "gout", {}))
    (claim,) = found.claims
    assert [evidence.text for evidence in claim.evidence] == ["Gout", "gout"]
    (concept,) = found.of_type(EntityType.CONCEPT).values()
    assert len(found.entities[concept].mentions) == 2


def test_unknown_kinds_and_unusable_ids_are_no_reason_to_fail() -> None:
    found = article(
        ("unheard_of", "x", {}),
        ("author", "A. Uthor", {"orcid": "not one", "openalex_id": 7, "affiliations": ["", "  ", {"ror": "x"}, {"name": "Lab"}]}),
        ("mesh", "Heading", {"id": "??"}),
        ("funder", "Fund", {"id": "10.13039/100000001"}),
        ("topic", "Topic", {}),
    )
    assert "DOI:10.13039/100000001" in found.entities
    assert own_id(EntityType.CONCEPT, "heading") in found.entities
    assert len(found.claims_of(predicates.AFFILIATED_WITH)) == 1


def test_page_and_section_come_from_the_block() -> None:
    found = article(("keyword", "Gout", {}))
    evidence = found.claims[0].evidence[0]
    assert (evidence.section, evidence.page, evidence.bbox) == ("Record", None, None)


@pytest.mark.parametrize(
    ("make", "value", "expected"),
    [
        (orcid_id, "https://orcid.org/0000-0002-1825-009x", "ORCID:0000-0002-1825-009X"),
        (orcid_id, None, None),
        (openalex_id, "https://openalex.org/W12", "openalex:W12"),
        (openalex_id, "https://openalex.org/keywords/gout", None),
        (mesh_curie, "D008687", "MESH:D008687"),
        (mesh_curie, "mesh:d008687", "MESH:D008687"),
        (mesh_curie, "X1", None),
        (ror_id, "https://ror.org/0abcdef12", "ROR:0abcdef12"),
        (pmid_id, 123, "PMID:123"),
        (pmid_id, "https://pubmed.ncbi.nlm.nih.gov/123", "PMID:123"),
        (pmid_id, "\u0661", None),
        (pmcid_id, "pmc12", "pmc-fulltext:PMC12"),
        (doi_id, "https://doi.org/10.1000/ABC", "DOI:10.1000/abc"),
        (doi_id, "none", None),
    ],
)
def test_identifiers(make: Any, value: Any, expected: str | None) -> None:
    assert make(value) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Arthritis, Juvenile", "juvenile arthritis", True),
        ("Substance Use Disorders", "substance-use disorder", True),
        ("Diabetes Mellitus, Type 2", "Type 2 Diabetes Mellitus", True),
        ("Type 1 diabetes", "Type 2 diabetes", False),
        ("Psoriasis", "Psoria", False),
    ],
)
def test_simple_variants_of_a_name(one: str, other: str, same: bool) -> None:
    assert (word_key(one) == word_key(other)) is same


def test_every_predicate_is_described() -> None:
    names = {value for name, value in vars(predicates).items() if name.isupper() and isinstance(value, str)}
    assert names == set(PREDICATES)
    assert all(name.startswith(("biolink:", "MK:")) for name in names)


NAMES = ["id", "role", "type", "orcid", "openalex_id", "doi", "pmid", "time_frame", "outcome", "value", "term", "affected"]
KINDS = ["condition", "intervention", "mesh", "arm", "phase", "outcome", "result", "adverse_event", "sponsor"]
KINDS += ["author", "topic", "funder", "cited_work", "keyword"]
VALUES = st.one_of(st.text(max_size=6), st.integers(0, 9), st.sampled_from(["condition", "intervention", "D008687", "W1"]))
ANNOTATION = st.tuples(st.sampled_from(KINDS), st.text(max_size=9), st.dictionaries(st.sampled_from(NAMES), VALUES))


@given(st.sampled_from(["study", "article", "text"]), st.lists(ANNOTATION))
def test_whatever_is_annotated_the_statements_hold_together(
    kind: str, annotations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    builder = DocumentBuilder(doc_id="local:x", source="local", title="Invented")
    builder.title()
    for name, text, attributes in annotations:
        builder.annotate(name, builder.block(text), **attributes)
    document = builder.build(metadata={"kind": kind})
    found = Found(document)
    for claim in found.claims:
        assert claim.subject_id in found.entities
        assert claim.object_id in found.entities or (claim.object_id is None and claim.value)
        assert all(document.quote(e.start, e.end) == e.text for e in claim.evidence)
    assert found.claims == Found(document).claims
