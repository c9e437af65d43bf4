"""Processes of an ingest are killed at random moments; the same command again must finish as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from event_story import faults
from shipped_medkg import Medkg, worker_of

pytestmark = pytest.mark.chaos

ROUNDS = int(os.environ.get("MK_CHAOS_ROUNDS", "3"))
SEED = int(os.environ.get("MK_CHAOS_SEED", "20261124"))
LATEST_SECONDS = 8.0
PURE = "('parse', 'ir_validation', 'chunk', 'embed', 'extract')"


@pytest.fixture
def records(tmp_path: Path, samples: Path, request: pytest.FixtureRequest) -> Path:
    """Real records where there are any, else the samples."""
    folder = tmp_path / "records"
    folder.mkdir()
    sources = [(samples, 1000)]
    with contextlib.suppress(pytest.skip.Exception):
        data: Path = request.getfixturevalue("test_data")
        sources = [(data / "ctgov" / "studies", 90), (data / "jats", 15), (data / "openalex" / "works", 40)]
    for source, count in sources:
        for path in sorted(path for path in source.rglob("*") if path.is_file())[:count]:
            shutil.copy(path, folder / path.name)
    return folder


def kill(medkg: Medkg, records: Path, seconds: float, victims: str) -> bool:
    """Starts the ingest and kills it after so long; whether it was still running."""
    command = medkg.start("ingest", "local", records, "--json", "--quiet")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and command.poll() is None:
        time.sleep(0.01)
    worker, running = worker_of(command.pid), command.poll() is None
    if running and victims != "worker":
        command.kill()
    if worker is not None and victims != "command":
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    command.communicate(timeout=60)
    if worker is not None:
        wait_for_end(worker)
    return running


def wait_for_end(process: int) -> None:
    """A worker whose parent was killed ends by itself."""
    for _ in range(1500):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError(f"worker {process} outlived its parent")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service)])
def killing(request: pytest.FixtureRequest, medkg: Medkg) -> Medkg:
    """The command that is killed, with its ledger in either database."""
    settings = {"MK_BATCH__SIZE": "40", "MK_QUEUE__LEASE_SECONDS": "10"}
    if request.param == "postgres":
        settings["MK_DATABASE__URL"] = request.getfixturevalue("postgres_database")
    return medkg.on(medkg.data_dir, **settings)


def test_an_ingest_killed_again_and_again_ends_as_if_it_never_was(
    killing: Medkg, medkg: Medkg, tmp_path: Path, records: Path
) -> None:
    """Nothing lost, nothing done twice, nothing half visible, and the events tell all of it."""
    chance = random.Random(SEED)
    kills = [
        kill(killing, records, chance.uniform(0.8, LATEST_SECONDS), chance.choice(["both", "command", "worker"]))
        for _ in range(ROUNDS)
    ]
    assert any(kills), "no round killed a running ingest"
    count = len(list(records.iterdir()))
    result = killing("ingest", "local", records, "--json").expect(0).json
    assert (result["submitted"], result["completed"], result["failed"]) == (count, count, 0)

    assert killing.ledger("SELECT status, count(DISTINCT doc_id) FROM jobs GROUP BY 1") == [("completed", count)]
    repeated = killing.ledger(
        f"SELECT stage, input_digest, count(*) FROM stage_attempts WHERE status = 'completed' AND stage IN {PURE} "
        "GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert repeated == [], "a stage whose artifact existed was done again"

    lines = killing("events", "tail", "--json").expect(0).out.splitlines()
    assert faults(json.loads(line) for line in lines) == []

    clean = medkg.on(tmp_path / "clean", MK_BATCH__SIZE="40")
    clean("ingest", "local", records, "--quiet").expect(0)
    graphs = [command("graph", "stats", "--json").json for command in (killing, clean)]
    for graph in graphs:
        graph.pop("size_bytes")
    assert graphs[0] == graphs[1]
    for doc_id in [document["doc_id"] for document in result["documents"][::10]]:
        shown, expected = (command("show", doc_id, "--json").json["chunks"] for command in (killing, clean))
        assert shown == expected
