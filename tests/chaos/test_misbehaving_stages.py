"""A stage that hangs, kills its process, or returns what it may not: only the guilty document pays for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from shipped_medkg import Medkg, write_study

pytestmark = pytest.mark.chaos

REPOSITORY = Path(__file__).resolve().parents[2]
FAULTS = REPOSITORY / "tests" / "fixtures" / "faults"
POISON = "NCT00000003"


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Six invented studies; the third is the one that the stage cannot bear."""
    folder = tmp_path / "studies"
    for number in range(1, 7):
        nct = f"NCT0000000{number}"
        words = "POISON" if nct == POISON else "quiet words"
        write_study(folder, nct, f"Study {number}", f"A study about {words} and lumbar disc herniation, number {number}.")
    return folder


@pytest.fixture
def impatient(tmp_path: Path) -> Path:
    """The shipped configuration with a second for each local call, and one attempt."""
    folder = tmp_path / "config"
    shutil.copytree(REPOSITORY / "config", folder)
    path = folder / "orchestration" / "resilience.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    start = lines.index("  default:")
    lines[start : start + 7] = ["  default:", "    max_attempts: 1", "    backoff_strategy: none", "    timeout_seconds: 1.0"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def broken(medkg: Medkg, fault: str, config: Path) -> Medkg:
    path = f"{FAULTS}:{os.environ.get('PYTHONPATH', '')}"
    return medkg.on(medkg.data_dir, MK_TEST_FAULT=fault, PYTHONPATH=path, MK_CONFIG_DIR=str(config), MK_BATCH__SIZE="3")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("hang", "stage_timeout"),
        ("unpicklable", "unexpected_error"),
        ("foreign", "stage_contract_broken"),
        ("garbage", "stage_contract_broken"),
    ],
)
def test_only_the_guilty_document_fails(medkg: Medkg, studies: Path, impatient: Path, fault: str, code: str) -> None:
    result = broken(medkg, fault, impatient)("ingest", "local", studies, "--json").expect(1).json
    found = {d["doc_id"].partition(":")[2]: (d["status"], (d["error"] or {}).get("code")) for d in result["documents"]}
    assert found.pop(POISON) == ("failed", code)
    assert set(found.values()) == {("completed", None)}
    marks = medkg.ledger("SELECT failure_mark FROM jobs WHERE status = 'failed'")
    assert marks == [("chunk_failed",)]
    if fault == "hang":
        workers = medkg.ledger("SELECT count(DISTINCT worker) FROM stage_attempts")
        assert workers[0][0] >= 2, "the process in which a call hangs is replaced before the next batch"


def test_a_document_that_kills_its_workers_is_dead_and_the_others_complete(medkg: Medkg, studies: Path, impatient: Path) -> None:
    medkg("ingest", "local", studies, "--no-wait", "--quiet").expect(0)
    broken(medkg, "die", impatient)("worker", "--once", "--quiet")
    states = dict(medkg.ledger("SELECT status, count(*) FROM jobs GROUP BY 1"))
    assert states == {"completed": 5, "dead": 1}
    letters = medkg("dlq", "list", "--json").expect(0).json
    assert [letter["error_code"] for letter in letters] == ["worker_lost"]
    assert POISON in letters[0]["doc_id"]
