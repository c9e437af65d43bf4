"""FHIR R5: every resource validated by fhir.resources, ids and references checked beyond it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fhir.resources import __fhir_version__
from fhir.resources.bundle import Bundle

from Medical_KG_rev.graph.exports.curies import fhir_system
from Medical_KG_rev.graph.exports.fhir_elements import resource_id
from Medical_KG_rev.graph.results import EntityRef
from Medical_KG_rev.models import EntityType

from .conftest import TRIAL, claim

pytestmark = pytest.mark.component


def resources(bundle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["resource"]["id"]: entry["resource"] for entry in bundle.get("entry", [])}


def written(export: Callable[..., Any], *given: Any) -> dict[str, Any]:
    path, _ = export("fhir", *given)
    bundle: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return bundle


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [found for item in value for found in references(item)] if isinstance(value, list) else []


def test_it_is_valid_r5(export: Callable[..., Any]) -> None:
    path, receipt = export("fhir")
    bundle = Bundle.model_validate_json(path.read_bytes())
    assert __fhir_version__.startswith("5.")
    kinds = [entry.resource.get_resource_type() for entry in bundle.entry]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == receipt.written
    assert receipt.written == {"Citation": 2, "Evidence": 5, "ResearchStudy": 1}


def test_an_empty_graph_is_a_bundle_without_entries(export: Callable[..., Any]) -> None:
    bundle = written(export, [])
    assert bundle == {"resourceType": "Bundle", "type": "collection"}
    Bundle.model_validate(bundle)


def test_ids_are_legal_and_references_resolve(export: Callable[..., Any]) -> None:
    bundle = written(export)
    assert all(re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", name) for name in resources(bundle))
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    found = references(bundle)
    assert found
    assert set(found) <= set(urls)


def test_a_retracted_article_and_what_rests_on_it_are_retired(export: Callable[..., Any]) -> None:
    found = resources(written(export))
    citation = found["pmc-fulltext.PMC2"]
    assert citation["status"] == "retired"
    assert citation["citedArtifact"]["currentState"][0]["coding"][0]["code"] == "retracted"
    assert found["a4"]["status"] == "retired"
    assert found["a4"]["relatedArtifact"][0]["display"].startswith("[retracted]")
    assert found["a1"]["status"] == "active"


def test_evidence_has_codes_quotes_and_certainty(export: Callable[..., Any]) -> None:
    evidence = resources(written(export))["a1"]
    assert evidence["assertion"] == "Metformin — treats → Diabetes Mellitus, Type 2"
    observed = [variable["observed"]["identifier"] for variable in evidence["variableDefinition"]]
    assert [(each["system"], each["value"]) for each in observed] == [
        ("https://www.nlm.nih.gov/mesh", "D008687"),
        ("https://www.nlm.nih.gov/mesh", "D003924"),
    ]
    beliefs = [item["extension"][0]["valueDecimal"] for item in evidence["certainty"] if "extension" in item]
    assert beliefs == [0.9, 0.6]
    assert "Metformin improved type 2 diabetes." in evidence["relatedArtifact"][0]["citation"]
    assert "\x00" not in json.dumps(evidence, ensure_ascii=False)


def test_a_comparison_keeps_its_statistics(export: Callable[..., Any]) -> None:
    stated = {
        "effect_value": 0.72,
        "effect_measure": "Hazard Ratio (HR)",
        "ci_level": 95.0,
        "ci_low": 0.55,
        "ci_high": "NA",
        "p_value": 0.001,
        "p_comparator": "<",
        "groups": ["Metformin", "Placebo"],
        "method": "Log Rank",
    }
    outcome = EntityRef(id="clinicaltrials:NCT1:outcome:1", type=EntityType.OUTCOME, name="Survival")
    path, _ = export("fhir", [claim("c1", TRIAL, outcome, "MK:compared_between_groups", "0.72", qualifiers=stated)])
    Bundle.model_validate_json(path.read_bytes())
    (evidence,) = resources(json.loads(path.read_text())).values()
    (statistic,) = evidence["statistic"]
    assert (statistic["quantity"], statistic["statisticType"]) == ({"value": 0.72}, {"text": "Hazard Ratio (HR)"})
    interval, p_value = statistic["attributeEstimate"]
    assert (interval["level"], interval["range"]) == (0.95, {"low": {"value": 0.55}})
    assert p_value["quantity"] == {"value": 0.001, "comparator": "<"}
    assert [variable["description"] for variable in evidence["variableDefinition"]] == ["Survival", "Metformin", "Placebo"]
    assert evidence["note"] == [{"text": "method: Log Rank"}]


def test_a_study_keeps_phase_and_size(export: Callable[..., Any]) -> None:
    study = resources(written(export))["clinicaltrials.NCT00000001"]
    assert study["phase"]["coding"][0]["code"] == "phase-2-phase-3"
    assert study["recruitment"] == {"targetNumber": 120}
    assert study["date"] == "2020-05"
    assert study["identifier"][0] == {
        "system": "http://clinicaltrials.gov",
        "value": "NCT00000001",
        "type": {"text": "clinicaltrials"},
    }


def test_ids_of_different_things_differ() -> None:
    assert resource_id("MESH:D008687") == "MESH.D008687"
    assert resource_id("a:b.c") != resource_id("a.b:c") != resource_id("a:b:c")
    assert re.fullmatch(r"[0-9a-f-]{36}", resource_id("DOI:10.1000/x"))
    assert fhir_system("XX:1") == ("https://bioregistry.io/XX", "1")
