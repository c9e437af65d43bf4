"""A small graph as records of a dump: two documents, one of them retracted, contradiction, values, and hostile names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from Medical_KG_rev.graph.exports import ExportReceipt, export_records
from Medical_KG_rev.graph.results import (
    AssertionRow,
    ClaimRow,
    DocumentRecord,
    EntityRecord,
    EntityRef,
    EvidenceRow,
    GraphRecord,
    MentionRecord,
    MentionRow,
)
from Medical_KG_rev.models import Certainty, EntityType

HOSTILE = (
    "\"quoted\" \\ 'single' <b>&amp;</b> </script><!-- ]]> \n\r\t\x00\x01\x1f\x7f\x85\u2028\u2029"
    ' \u05e2\u05d1\u05e8\u05d9\u05ea \u202eRTL\u202c | , ; {"a": [1]} \ufffe\uffff'
    " \U0001f9ec \U00020000 \U000e0041 \U000f0000 \U0010fffd"
)
"""Quotes, markup, control characters, line separators, right to left, noncharacters, every plane in use."""

TRIAL, PAPER = "clinicaltrials:NCT00000001", "pmc-fulltext:PMC2"
DRUG = EntityRef(id="MESH:D008687", type=EntityType.CHEMICAL, name="Metformin")
DISEASE = EntityRef(id="MESH:D003924", type=EntityType.DISEASE, name="Diabetes Mellitus, Type 2")
STUDY = EntityRef(id=TRIAL, type=EntityType.STUDY, name="Metformin in diabetes")
ARTICLE = EntityRef(id=PAPER, type=EntityType.PUBLICATION, name="A retracted article")
ODD = EntityRef(id='MK:concept:a"<b>\\{%20}/|^`#é', type=EntityType.CONCEPT, name=HOSTILE)
DOI = EntityRef(id="DOI:10.1000/x(1)<2>", type=EntityType.PUBLICATION, name="Cited work")
REFS = (DRUG, DISEASE, STUDY, ARTICLE, ODD, DOI)
SENTENCE = "Metformin improved type 2 diabetes."


def evidence(doc_id: str, text: str = SENTENCE, start: int = 100, page: int | None = None) -> EvidenceRow:
    return EvidenceRow(doc_id=doc_id, start=start, end=start + len(text), text=text, section="Results", page=page)


def claim(
    name: str,
    doc_id: str,
    subject: EntityRef,
    predicate: str,
    end: EntityRef | str,
    *quotes: EvidenceRow,
    assertion: str | None = None,
    **more: object,
) -> ClaimRow:
    stated = {
        "score": 0.9,
        "negated": False,
        "method": "record",
        "qualifiers": {},
        "source": doc_id.partition(":")[0],
        "activity": "1",
        "status": "retracted" if doc_id == PAPER else "live",
        **more,
    }
    return ClaimRow(
        id=name,
        doc_id=doc_id,
        subject=subject,
        predicate=predicate,
        object=end if isinstance(end, EntityRef) else None,
        value=None if isinstance(end, EntityRef) else end,
        evidence=quotes or (evidence(doc_id),),
        assertion_id=assertion,
        **stated,  # type: ignore[arg-type]
    )


def assertion(
    name: str, subject: EntityRef, predicate: str, end: EntityRef, *, claims: tuple[int, int, int, int], **more: object
) -> AssertionRow:
    """``claims`` counts those for it, against it, hypothetical and retracted."""
    stated = {"belief": 0.9 if claims[0] else 0.0, "belief_against": 0.6 if claims[1] else 0.0, "qualifiers": {}, **more}
    return AssertionRow(
        id=name,
        subject=subject,
        predicate=predicate,
        object=end,
        claims_for=claims[0],
        claims_against=claims[1],
        claims_hypothetical=claims[2],
        claims_retracted=claims[3],
        documents=1,
        **stated,  # type: ignore[arg-type]
    )


QUALIFIERS = {"object_direction_qualifier": "decreased", "outcome": HOSTILE, "n": [1, 2.5, None], "major": True}


@pytest.fixture(scope="session")
def records() -> list[GraphRecord]:
    treats = "biolink:treats"
    attributes = {
        "title": HOSTILE,
        "date": "2020-05",
        "phase": "PHASE2/PHASE3",
        "enrollment": 120,
        "status": "COMPLETED",
        "journal": "J",
        "score": 0.5,
    }
    entities = [
        EntityRecord(
            id=ref.id,
            type=ref.type,
            name=ref.name,
            aliases=("Glucophage", HOSTILE) if ref is DRUG else (),
            xrefs=("DRUGBANK:DB00331", "CHEBI:6801", "not a curie") if ref is DRUG else (),
            attributes=attributes if ref in (STUDY, ARTICLE) else {},
        )
        for ref in sorted(REFS, key=lambda ref: ref.id)
    ]
    claims = [
        claim("c1", TRIAL, DRUG, treats, DISEASE, evidence(TRIAL), evidence(TRIAL, HOSTILE, 900, 3), assertion="a1"),
        claim(
            "c2", TRIAL, DRUG, treats, DISEASE, assertion="a1", negated=True, method="relations", certainty=Certainty.UNCERTAIN
        ),
        claim("c3", PAPER, DRUG, treats, DISEASE, assertion="a1", method="relations"),
        claim("c4", TRIAL, STUDY, "biolink:clinical_trial_conditions", DISEASE, assertion="a2", qualifiers=QUALIFIERS),
        claim("c5", TRIAL, STUDY, "biolink:clinical_trial_phase", "Phase 2"),
        claim("c6", TRIAL, DRUG, "biolink:causes", ODD, assertion="a3", certainty=Certainty.HYPOTHETICAL, method="llm:x"),
        claim("c7", PAPER, ARTICLE, "MK:cites", DOI, assertion="a4"),
        claim("c8", TRIAL, ODD, "biolink:has_quantitative_value", HOSTILE, qualifiers={"unit": "mg", "nothing": None}),
        claim('c9 "odd"#/\u00e9', TRIAL, ODD, "biolink:related_to", DRUG, assertion="a5"),
    ]
    assertions = [
        assertion("a1", DRUG, treats, DISEASE, claims=(1, 1, 0, 1)),
        assertion("a2", STUDY, "biolink:clinical_trial_conditions", DISEASE, claims=(1, 0, 0, 0), qualifiers=QUALIFIERS),
        assertion("a3", DRUG, "biolink:causes", ODD, claims=(0, 0, 1, 0)),
        assertion("a4", ARTICLE, "MK:cites", DOI, claims=(0, 0, 0, 1)),
        assertion("a5", ODD, "biolink:related_to", DRUG, claims=(1, 0, 0, 0)),
    ]
    mention = MentionRow(doc_id=TRIAL, start=100, end=109, text="Metformin", score=1.0)
    return [
        DocumentRecord(id=TRIAL, source="clinicaltrials", version="v1", status="live"),
        DocumentRecord(id=PAPER, source="pmc-fulltext", version="v1", status="retracted"),
        *entities,
        MentionRecord(entity_id=DRUG.id, mention=mention),
        *claims,
        *assertions,
    ]


@pytest.fixture
def export(tmp_path: Path, records: list[GraphRecord]) -> Callable[..., tuple[Path, ExportReceipt]]:
    """Writes these records, or those of the sample, in a format."""

    def run(format: str, given: list[GraphRecord] | None = None) -> tuple[Path, ExportReceipt]:
        out = tmp_path / f"{format}.out"
        return out, export_records(records if given is None else given, format, out)

    return run
