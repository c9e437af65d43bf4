"""Backups taken in the middle of an ingest, restored, verified, and finished by the same command."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from shipped_medkg import Finished, Medkg

from Medical_KG_rev.platform import Platform

pytestmark = pytest.mark.chaos

RECORDS = 400


def test_a_backup_of_any_moment_of_an_ingest_can_be_worked_on(medkg: Medkg, records: Path, tmp_path: Path) -> None:
    working = medkg.on(medkg.data_dir, MK_BATCH__SIZE="20")
    done: list[Finished] = []
    ingest = threading.Thread(target=lambda: done.append(working("ingest", "local", records, "--json", "--quiet")))
    ingest.start()
    wait_for_first_document(working)
    backups = []
    while ingest.is_alive() and len(backups) < 4:
        folder = tmp_path / f"backup-{len(backups)}"
        backups.append((folder, working("backup", folder, "--json", "--quiet").expect(0).json["jobs"]))
    ingest.join()
    done[0].expect(0)
    moments = [(folder, jobs) for folder, jobs in backups if 0 < jobs.get("completed", 0) < RECORDS]
    assert moments, f"no backup is of the middle: {backups}"
    expected = graph_of(working)
    for number, (folder, jobs) in enumerate(moments):
        restored = medkg.on(tmp_path / f"restored-{number}", MK_BATCH__SIZE="20")
        assert restored("restore", folder, "--json", "--quiet").expect(0).json["jobs"] == jobs
        verify(restored, jobs["completed"])
        rest = restored("ingest", "local", records, "--json", "--quiet").expect(0).json
        assert (rest["completed"], rest["failed"]) == (RECORDS, 0)
        assert restored.ledger("SELECT count(DISTINCT doc_id) FROM jobs WHERE status = 'completed'") == [(RECORDS,)]
        assert restored.ledger("SELECT count(*) FROM jobs WHERE status <> 'completed'") == [(0,)]
        assert graph_of(restored) == expected


def wait_for_first_document(medkg: Medkg) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        has_table = (medkg.data_dir / "ledger.db").exists() and medkg.ledger("SELECT 1 FROM sqlite_master WHERE name = 'jobs'")
        if has_table and medkg.ledger("SELECT 1 FROM jobs WHERE status = 'completed' LIMIT 1"):
            return
        time.sleep(0.02)
    raise AssertionError("the ingest completes nothing")


def graph_of(medkg: Medkg) -> dict[str, object]:
    stats: dict[str, object] = medkg("graph", "stats", "--json").expect(0).json
    stats.pop("size_bytes")
    return stats


def verify(medkg: Medkg, completed: int) -> None:
    """Every document that the ledger calls completed shows, is found, and is in the graph."""
    doc_ids = [row[0] for row in medkg.ledger("SELECT doc_id FROM jobs WHERE status = 'completed'")]
    assert len(set(doc_ids)) == completed
    with Platform.open(data_dir=medkg.data_dir, models_dir=medkg.models_dir, embedding={"model": "static"}) as platform:
        assert all(platform.show(doc_id).doc_id == doc_id for doc_id in doc_ids)
        assert platform.parts.index_writer.live_versions("default", doc_ids).keys() == set(doc_ids)
        assert platform.parts.graph.live_versions("default", doc_ids).keys() == set(doc_ids)
        assert platform.graph.stats().documents >= completed
        for doc_id in doc_ids[:: max(1, completed // 10)]:
            word = f"word{doc_id.removeprefix('local:r')}"
            assert platform.search(word, k=1).hits[0].doc_id == doc_id
