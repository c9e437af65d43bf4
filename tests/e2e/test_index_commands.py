"""The index broken and mended, its models changed, and a document deleted with a receipt, by the shipped commands."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from shipped_medkg import Medkg

pytestmark = pytest.mark.e2e

STUDY = "clinicaltrials:NCT99990001"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, static_models: Path, samples: Path) -> Medkg:
    medkg = Medkg(tmp_path_factory.mktemp("library") / "data", static_models)
    medkg("ingest", "local", samples / "clinicaltrials", "--quiet").expect(0)
    return medkg


def test_a_lost_segment_is_found_and_made_anew(filled: Medkg) -> None:
    whole = filled("index", "verify", "--json").expect(0).json
    assert whole["findings"] == []
    assert whole["chunks"] > 5
    for path in (filled.data_dir / "index").rglob("*.faiss"):
        path.unlink()
    assert {finding["store"] for finding in filled("index", "verify", "--json").expect(1).json["findings"]} == {"segments"}
    report = filled("index", "repair", "--json").expect(0).json
    assert (report["rebuilt_rows"], report["remaining"]) == (whole["chunks"], [])
    filled("index", "compact").expect(0)
    assert "All stores agree" in filled("index", "verify").expect(0).out


def test_a_receipt_can_be_checked(filled: Medkg, samples: Path, tmp_path: Path) -> None:
    brought = filled.data_dir / "objects" / "pdf" / "default" / STUDY / f"{'0' * 64}.pdf"
    brought.parent.mkdir(parents=True)
    brought.write_bytes(b"%PDF-1.7")
    receipt = filled("delete", STUDY, "--json").expect(0)
    removed = receipt.json["removed"]
    stores = {"index_chunks", "lexicon_rows", "segment_rows", "graph_nodes", "artifacts", "pdfs", "llm_answers", "objects"}
    assert removed.keys() == stores
    assert not brought.exists()
    assert all(count for store, count in removed.items() if store != "llm_answers")
    assert removed["lexicon_rows"] == removed["index_chunks"] == len(receipt.json["rows"])
    file = tmp_path / "receipt.json"
    file.write_text(receipt.out, encoding="utf-8")
    remaining = filled("verify-deletion", file, "--json").expect(0).json["remaining"]
    assert remaining.keys() == removed.keys()
    assert not any(remaining.values())
    filled("ingest", "local", samples / "clinicaltrials", "--quiet").expect(0)
    remaining = filled("verify-deletion", file, "--json").expect(1).json["remaining"]
    assert remaining["index_chunks"] == removed["index_chunks"]
    assert remaining["lexicon_rows"] == remaining["segment_rows"] == remaining["pdfs"] == remaining["objects"] == 0
    file.write_text(json.dumps({"doc_id": STUDY}), encoding="utf-8")
    assert "no receipt" in filled("verify-deletion", file).expect(2).err


def test_an_index_of_an_older_schema_is_mended_as_its_refusal_says(static_models: Path, samples: Path, tmp_path: Path) -> None:
    medkg = Medkg(tmp_path / "data", static_models)
    medkg("ingest", "local", samples / "clinicaltrials", "--quiet").expect(0)
    wanted = medkg("search", "study", "--json").expect(0).json["hits"]
    [catalogue] = (medkg.data_dir / "index").rglob("catalogue.db")
    with closing(sqlite3.connect(catalogue)) as database, database:
        database.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    for command in (
        ("search", "study"),
        ("index", "verify"),
        ("index", "repair"),
        ("ingest", "local", samples / "clinicaltrials"),
    ):
        refused = medkg(*command).expect(2).err
        assert f"{catalogue}" in refused
        assert "run `medkg ingest` for the same sources again" in " ".join(refused.split())

    catalogue.parent.rename(tmp_path / "old-index")
    done = medkg("ingest", "local", samples / "clinicaltrials", "--json", "--quiet").expect(0).json
    assert (done["failed"], done["unchanged"]) == (0, 0)
    assert medkg("search", "study", "--json").expect(0).json["hits"] == wanted
    assert medkg("index", "verify", "--json").expect(0).json["findings"] == []
    embedded = medkg.ledger("SELECT status FROM stage_attempts WHERE stage = 'embed' ORDER BY attempt_id")
    assert [status for (status,) in embedded][len(embedded) // 2 :] == ["skipped"] * (len(embedded) // 2), "nothing is made anew"


def test_models_are_refused_until_the_index_has_them(filled: Medkg) -> None:
    assert "Give --model" in filled("index", "reembed").expect(2).err
    assert "keeps no vectors" in filled("index", "reembed", "--switch-back").expect(2).err
    report = filled("index", "reembed", "--model", "static", "--json", "--quiet").expect(0).json
    assert (report["made"], report["generation"], report["active"]) == (0, 0, {"dense": "static"})
