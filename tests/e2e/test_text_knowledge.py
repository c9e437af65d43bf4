"""What texts say, through the shipped command: extraction without a store, and an ingest whose graph and hits name things."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from shipped_medkg import Medkg

pytestmark = pytest.mark.e2e

READING = {"MK_EXTRACTION__TEXT": "true"}
TEXTS = {
    "a": "Metformin improved glycaemic control in patients with type 2 diabetes mellitus (T2DM). T2DM was not cured.",
    "b": "Carbamazepine-induced Stevens-Johnson syndrome: two patients developed Stevens-Johnson syndrome after carbamazepine.",
    "c": "There was no evidence of lactic acidosis. Her mother had breast cancer.",
    "empty": "",
    "planes": "\u0627\u0644\u0633 \U0001f9ec \u05d0\u05d1\u05d2 \u4e2d\u6587 metformin \U00020000\U0010ffff",
}


@pytest.fixture(scope="session")
def reading_models(static_models: Path) -> Path:
    if not (static_models / "lexicon").is_dir():
        pytest.skip(f"the lexicon is not in {static_models}; `medkg models fetch lexicon` brings it")
    return static_models


@pytest.fixture
def reading(tmp_path: Path, reading_models: Path) -> Medkg:
    """A command that reads texts, on an empty data folder."""
    return Medkg(tmp_path / "data", reading_models, READING)


def test_extract_names_what_is_meant_and_quotes_exactly(reading: Medkg, tmp_path: Path) -> None:
    lines = [json.dumps({"_id": name, "text": text}) for name, text in TEXTS.items()]
    (tmp_path / "texts.jsonl").write_text("\n".join([*lines, "{", '{"_id": 1}', '{"_id": "x", "text": 5}']) + "\n")
    done = reading("extract", "--batch", tmp_path / "texts.jsonl").expect(1)
    assert [line.split(" ")[0].rsplit(":", 1)[1] for line in done.err.splitlines() if "is not a JSON object" in line] == [
        "6",
        "7",
        "8",
    ]
    found = {row["_id"]: row for row in map(json.loads, done.out.splitlines())}
    assert list(found) == list(TEXTS)
    for name, row in found.items():
        for mention in row["mentions"]:
            assert TEXTS[name][mention["start"] : mention["end"]] == mention["text"]
        for claim in row["claims"]:
            assert TEXTS[name][claim["evidence"]["start"] : claim["evidence"]["end"]].strip()
    first = {mention["text"]: mention for mention in found["a"]["mentions"]}
    assert (first["Metformin"]["id"], first["Metformin"]["type"]) == ("MESH:D008687", "chemical")
    assert {first[name]["id"] for name in ("type 2 diabetes mellitus", "T2DM")} == {"MESH:D003924"}
    assert ("MESH:D002220", "biolink:causes", "MESH:D013262") in {
        (claim["subject"], claim["predicate"], claim["object"]) for claim in found["b"]["claims"]
    }
    denied, of_relative = found["c"]["mentions"]
    assert (denied["id"], denied["negated"]) == ("MESH:D000140", True)
    assert (of_relative["id"], of_relative["negated"], of_relative["family"]) == ("MESH:D001943", False, True)
    assert found["empty"] == {"_id": "empty", "mentions": [], "claims": []}
    assert [mention["id"] for mention in found["planes"]["mentions"]] == ["MESH:D008687"]


def test_a_text_on_the_command_line_is_shown_to_people(reading: Medkg) -> None:
    shown = reading("extract", TEXTS["b"]).expect(0).out
    assert "MESH:D002220" in shown
    assert "biolink:causes" in shown
    assert "Give a TEXT" in reading("extract").expect(2).err


def test_without_a_lexicon_the_command_that_brings_it_is_named(tmp_path: Path) -> None:
    bare = Medkg(tmp_path / "data", tmp_path / "no-models", READING)
    assert "medkg models fetch lexicon" in bare("extract", "Metformin").expect(3).err


def test_an_ingest_makes_a_graph_and_hits_that_name_things(reading: Medkg, tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(
        "".join(json.dumps({"_id": name, "title": "", "text": text}) + "\n" for name, text in TEXTS.items() if text)
    )
    before = reading("plan", "local", tmp_path / "records.jsonl", "--json").expect(0).json
    assert (before["tagger"], before["extract_seconds"]) == ("fast", None), "nothing was measured yet"
    reading("ingest", "local", tmp_path / "records.jsonl").expect(0)
    (tmp_path / "more.txt").write_text("Metformin lowers glucose.")
    after = reading("plan", "local", tmp_path / "more.txt", "--json").expect(0).json
    assert 0 <= after["extract_seconds"] <= after["estimated_seconds"]
    hits = reading("search", "severe skin reaction", "--entity", "mesh:d002220", "--json").expect(0).json["hits"]
    assert [hit["doc_id"] for hit in hits] == ["local:b"]
    assert {"MESH:D002220", "MESH:D013262"} <= {entity["id"] for entity in hits[0]["entities"]}
    broader = reading("search", "--entity", "Diabetes Mellitus", "--json").expect(0).json["hits"]
    assert [hit["doc_id"] for hit in broader] == ["local:a"], "type 2 diabetes is a diabetes"
    unknown = reading("search", "x", "--entity", "no such thing at all").expect(2)
    assert "No entity is called" in unknown.err
    shown = reading("graph", "show", "carbamazepine", "--json").expect(0).json["entity"]
    assert shown["id"] == "MESH:D002220"
    assert any(row["object"]["id"] == "MESH:D013262" and row["belief"] > 0.5 for row in shown["assertions"])
    rows = (
        reading(
            "graph",
            "query",
            "MATCH (v:Evidence)-[:SUPPORTS]->(c:Claim)-[:SUBJECT]->(e:Entity {entity_id: 'MESH:D002220'}) RETURN v.text",
            "--json",
        )
        .expect(0)
        .json["rows"]
    )
    assert all(row[0] in TEXTS["b"] for row in rows)
    made_by = "MATCH (c:Claim)-[:GENERATED_BY]->(a:Activity {method: 'relation-model'}) RETURN DISTINCT a.version"
    [[version]] = reading("graph", "query", made_by, "--json").expect(0).json["rows"]
    assert re.fullmatch(r"record-\d+:meaning-\d+:\w+\+text-\d+:\w+\+eligibility-\d+", version), "the extractor's fingerprint"
    receipt = reading("delete", "local:b", "--json").expect(0).json
    assert receipt["removed"]["graph_nodes"] > 0
    assert reading("graph", "show", "MESH:D002220", "--json").expect(1).json["entity"] is None
