"""``medkg dlq``: a document that cannot be read, from its letter to its cure or its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from shipped_medkg import Medkg

pytestmark = pytest.mark.e2e

LETTER = {
    *("job_id", "tenant_id", "doc_id", "source", "source_id", "pipeline_name", "stage", "error_code", "error_message"),
    *("causes", "artifact", "count", "replays", "state", "first_at", "last_at"),
}


@pytest.fixture
def broken(medkg: Medkg, tmp_path: Path) -> Path:
    """A folder with two broken documents, ingested."""
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "empty.txt").write_bytes(b"")
    (folder / "invalid.json").write_bytes(b"nothing like JSON {")
    medkg("ingest", "local", folder, "--quiet").expect(1)
    return folder


def letters(medkg: Medkg, *options: str) -> dict[str, Any]:
    """File name → letter."""
    found = medkg("dlq", "list", *options, "--json").expect(0).json
    return {Path(letter["source_id"]).name: letter for letter in found}


def test_a_broken_document_is_listed_shown_and_discarded(medkg: Medkg, broken: Path) -> None:
    found = letters(medkg)
    assert {name: letter["error_code"] for name, letter in found.items()} == {
        "empty.txt": "payload_empty",
        "invalid.json": "payload_malformed",
    }
    assert set(letters(medkg, "--code", "payload_empty")) == {"empty.txt"}
    assert letters(medkg, "--stage", "kg") == {}
    job = found["empty.txt"]["job_id"]
    shown = medkg("dlq", "show", job, "--json").expect(0).json
    assert set(shown) == LETTER
    assert (shown["state"], shown["stage"], shown["causes"][0]["code"]) == ("open", "ingest", "payload_empty")
    assert f"{broken / 'empty.txt'} is empty." in medkg("dlq", "show", job).expect(0).out
    assert medkg("jobs", "show", job, "--json").json["dead_letter"] == {"state": "open", "count": 1, "replays": 0}

    assert medkg("dlq", "discard", job, "--reason", "no use", "--json").expect(0).json == {"discarded": [job]}
    assert set(letters(medkg)) == {"invalid.json"}
    assert set(letters(medkg, "--state", "discarded")) == {"empty.txt"}
    assert medkg("jobs", "show", job, "--json").json["status"] == "dead"
    assert "discarded already" in medkg("dlq", "replay", job).expect(2).err
    audited = medkg.ledger("SELECT action, reason, actor <> '' FROM audit")
    assert audited == [("dlq.discard", "no use", 1)]


def test_a_replay_completes_once_the_cause_is_cured(medkg: Medkg, broken: Path) -> None:
    job = letters(medkg)["empty.txt"]["job_id"]
    (broken / "empty.txt").write_text("Invented words about aspirin.")
    result = medkg("dlq", "replay", "--all", "--code", "payload_empty", "--json").expect(0).json
    assert [(document["job_id"], document["status"]) for document in result["documents"]] == [(job, "completed")]
    assert set(letters(medkg)) == {"invalid.json"}
    assert letters(medkg, "--state", "replayed")["empty.txt"]["replays"] == 1


def test_what_comes_back_is_open_again_until_it_came_back_too_often(medkg: Medkg, broken: Path) -> None:
    job = letters(medkg)["empty.txt"]["job_id"]
    for _ in range(3):
        medkg("dlq", "replay", job, "--quiet").expect(1)
    letter = letters(medkg)["empty.txt"]
    assert (letter["state"], letter["count"], letter["replays"]) == ("open", 4, 3)
    assert "came back 3 times" in medkg("dlq", "replay", job).expect(2).err
    left = medkg("dlq", "replay", "--all", "--no-wait", "--json").expect(0)
    assert job in left.err
    assert job not in left.json["replayed"]
    (broken / "empty.txt").write_text("Cured.")
    assert medkg("jobs", "retry", job, "--json").expect(0).json["completed"] == 1


def test_without_waiting_the_job_is_queued(medkg: Medkg, broken: Path) -> None:
    job = letters(medkg)["invalid.json"]["job_id"]
    assert medkg("dlq", "replay", job, "--no-wait", "--json").expect(0).json == {"replayed": [job]}
    assert medkg("jobs", "show", job, "--json").json["status"] == "queued"


@pytest.mark.parametrize(
    "arguments", [("replay",), ("replay", "--all", "j1"), ("discard",), ("show", "j1"), ("list", "--state", "x")]
)
def test_what_makes_no_sense_is_refused(medkg: Medkg, arguments: tuple[str, ...]) -> None:
    ended = medkg("dlq", *arguments).expect(2)
    assert ended.out == ""
    assert ended.err
