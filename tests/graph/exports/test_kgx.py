"""KGX: accepted by KGX's own validator against the Biolink Model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kgx_validation import validated

from Medical_KG_rev.graph.exports import biolink_terms
from Medical_KG_rev.graph.exports.curies import namespace_to_declare
from Medical_KG_rev.graph.exports.kgx import node_id

pytestmark = pytest.mark.component


def by_id(file: Path) -> dict[str, dict[str, Any]]:
    """Lines end with a line feed: other separators are text."""
    return {row["id"]: row for row in map(json.loads, file.read_text("utf-8").split("\n")[:-1])}


def edges(folder: Path) -> dict[str, dict[str, Any]]:
    return by_id(folder / "edges.jsonl")


def test_kgx_accepts_what_we_write_and_refuses_what_is_wrong(export: Callable[..., Any], tmp_path: Path) -> None:
    folder, receipt = export("kgx")
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    with (wrong / "edges.jsonl").open("a") as file:
        file.write('{"id": "x", "subject": "no curie", "predicate": "biolink:knows", "object": "XX:1"}\n')
    ours, theirs = validated(folder, wrong)
    assert ours["errors"] == {}
    assert ours["not_predicates"] == []
    assert ours["dangling"] == []
    assert (ours["nodes"], ours["edges"]) == (receipt.written["nodes"], receipt.written["edges"]) == (6, 5)
    assert ours["biolink_version"] == biolink_terms.VERSION
    assert theirs["errors"]
    assert theirs["dangling"] == ["XX:1", "no curie"]


def test_an_empty_graph_is_valid(export: Callable[..., Any]) -> None:
    folder, receipt = export("kgx", [])
    assert (folder / "nodes.jsonl").read_bytes() == (folder / "edges.jsonl").read_bytes() == b""
    assert json.loads((folder / "metadata.json").read_text())["nodes"] == 0
    assert receipt.written == {}


def test_contradictions_stand_side_by_side(export: Callable[..., Any]) -> None:
    found = edges(export("kgx")[0])
    affirmed, denied = found["a1"], found["a1-negated"]
    assert "negated" not in affirmed
    assert denied["negated"] is True
    assert (affirmed["has_confidence_score"], denied["has_confidence_score"]) == (0.9, 0.6)
    assert affirmed["publications"] == denied["publications"] == ["CLINICALTRIALS:NCT00000001"]
    assert affirmed["retracted_publications"] == ["PMCID:PMC2"]
    assert (affirmed["knowledge_level"], denied["agent_type"]) == ("knowledge_assertion", "text_mining_agent")
    assert affirmed["primary_knowledge_source"] == "infores:clinicaltrials"


def test_what_is_supposed_is_no_edge_and_what_was_retracted_is_marked(export: Callable[..., Any]) -> None:
    folder, receipt = export("kgx")
    found = edges(folder)
    assert "a3" not in found
    assert receipt.left_out == {"claims with a value": 2, "hypothetical assertions": 1, "mentions": 1}
    assert found["a4"]["deprecated"] is True
    assert found["a4"]["has_confidence_score"] == 0.0
    nodes = by_id(folder / "nodes.jsonl")
    assert nodes["PMCID:PMC2"]["deprecated"] is True
    assert "deprecated" not in nodes["MESH:D008687"]


def test_predicates_that_biolink_lacks_are_kept_beside_related_to(export: Callable[..., Any]) -> None:
    found = edges(export("kgx")[0])
    assert (found["a4"]["predicate"], found["a4"]["original_predicate"]) == ("biolink:related_to", "MK:cites")
    assert found["a2"]["original_predicate"] == "biolink:clinical_trial_conditions"
    assert found["a2"]["object_direction_qualifier"] == "decreased"
    assert "major=true" in found["a2"]["medkg_qualifiers"]


def test_prefixes_that_biolink_lacks_are_declared(export: Callable[..., Any]) -> None:
    metadata = json.loads((export("kgx")[0] / "metadata.json").read_text())
    assert metadata["prefixes"] == {"CLINICALTRIALS": "https://www.clinicaltrials.gov/study/", "MK": "urn:medkg:"}
    assert namespace_to_declare("doi") is namespace_to_declare("MESH") is None
    assert namespace_to_declare("XX") == "https://bioregistry.io/XX:"


def test_ids_in_biolinks_spelling() -> None:
    assert node_id("mesh:D008687") == "MESH:D008687"
    assert node_id("DOI:10.1000/x") == "doi:10.1000%2Fx"
    assert node_id("clinicaltrials:NCT1") == "CLINICALTRIALS:NCT1"
    assert node_id("MK:person:0a") == "MK:person%3A0a"
