"""Clearing away: what nothing refers to goes, what is young or referred to stays, whatever runs beside."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from shipped_medkg import Medkg
from sqlalchemy import create_engine, insert, select

from Medical_KG_rev.operations import GarbageCollector, GcReport
from Medical_KG_rev.orchestration.ledger.schema import commit_marks
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.storage import FilesystemObjectStore

HOUR = 3600.0
DAY = 24 * HOUR


def counts(report: GcReport) -> dict[str, tuple[int, int]]:
    return {item.kind: (item.count, item.bytes) for item in report.cleared if item.count}


@pytest.mark.component
def test_objects_without_rows_go_and_all_others_stay(library: Any) -> None:
    orphan = library.put("tenants/default/artifacts/r1/parse-1", b"12345")
    kept = [
        library.put("tenants/default/artifacts/r1/parse-2", b"has a row"),
        library.put("tenants/other/artifacts/r2/chunk-1", b"young", age=HOUR / 2),
        library.put("tenants/default/payloads/a", b"not an artifact"),
        library.put("elsewhere/artifacts/a", b"not a tenant's"),
    ]
    library.artifact("k", "tenants/default/artifacts/r1/parse-2")
    dry = library.collector().run(dry_run=True)
    assert dry.dry_run
    assert counts(dry) == {"objects without rows": (1, 5)}
    assert orphan.exists()
    done = library.collector().run()
    assert counts(done) == counts(dry)
    assert done.to_dict()["bytes"] == 5
    assert not orphan.exists()
    assert all(path.exists() for path in kept)
    assert counts(library.collector().run()) == {}


@pytest.mark.component
def test_pdfs_go_that_no_job_of_their_document_needs(library: Any) -> None:
    """The newest job's stays, and that of the last one that completed; and all while one is on its way."""
    for job_id, age in (("a1", 5 * HOUR), ("a2", 4 * HOUR), ("a4", 2 * HOUR)):
        library.job(job_id, "core:a", age=age, status=JobStatus.FAILED if job_id == "a4" else JobStatus.COMPLETED)
    gone = [
        library.pdf("a1", "core:a", "1" * 64),
        library.pdf("", "core:a", "3" * 64, named=False),
        library.pdf("", "core:unknown", "1" * 64, named=False),
        library.pdf("", "core:b", "1" * 64, named=False),
    ]
    kept = [
        library.pdf("a2", "core:a", "2" * 64),
        library.pdf("a4", "core:a", "4" * 64),
        library.pdf("", "core:a", "5" * 64, named=False, age=HOUR / 2),
        library.pdf("c1", "core:c", "1" * 64),
        library.pdf("", "core:c", "2" * 64, named=False),
        library.pdf("", "core:" + "d" * 300, "1" * 64, named=False),
        library.put("pdf/stray", b"%PDF"),
    ]
    library.job("b1", "core:b", status=JobStatus.CANCELLED)
    library.job("c1", "core:c")
    library.job("c2", "core:c", status=JobStatus.WAITING_AT_GATE)
    assert counts(library.collector().run(dry_run=True)) == {"PDFs that no job needs": (4, 16)}
    assert counts(library.collector().run()) == {"PDFs that no job needs": (4, 16)}
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    assert counts(library.collector().run()) == {}


@pytest.mark.component
def test_many_pdfs_are_asked_for_in_groups(library: Any) -> None:
    for number in range(600):
        library.pdf("", f"core:{number}", "1" * 64, named=False)
    assert counts(library.collector().run()) == {"PDFs that no job needs": (600, 2400)}


@pytest.mark.component
def test_many_orphans_are_asked_for_in_groups(library: Any) -> None:
    for number in range(1100):
        library.put(f"tenants/t/artifacts/b{number}/parse", b"1")
        if number % 3 == 0:
            library.artifact(f"k{number}", f"tenants/t/artifacts/b{number}/parse")
    assert counts(library.collector().run()) == {"objects without rows": (733, 733)}
    assert len(list(library.store.keys())) == 367


@pytest.mark.component
def test_remains_of_killed_processes_go_once_they_are_old(library: Any) -> None:
    gone = [
        library.file("objects/tenants/default/artifacts/a~0badf00d", b"12"),
        library.file("dagster/dagster.yaml.4711", b"1234"),
        library.file("workers/w1.lock", b""),
        library.file("logs/worker.log", b"123", age=15 * DAY),
    ]
    kept = [
        library.file("objects/tenants/default/artifacts/b~0badf00d", age=60),
        library.file("dagster/dagster.yaml"),
        library.file("workers/w2.lock", b"", age=60),
        library.file("logs/other.log", age=13 * DAY),
        library.file("submit.lock", b"", age=30 * DAY),
    ]
    report = library.collector().run()
    assert counts(report) == {
        "unfinished objects": (1, 2),
        "temporary files": (1, 4),
        "old logs": (1, 3),
        "locks of ended workers": (1, 0),
    }
    assert [path for path in gone if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


@pytest.mark.component
def test_marks_of_commits_go_once_nobody_can_try_them_again(library: Any) -> None:
    now = library.collector().now()
    with library.engine.begin() as connection:
        marks = {"ended": now - 2 * HOUR, "older": now - DAY, "living": now - 60}
        connection.execute(insert(commit_marks), [{"token": token, "at": at} for token, at in marks.items()])
    for dry_run in (True, False):
        report = library.collector(safety_seconds=1.0).run(dry_run=dry_run)
        assert counts(report) == {"marks of old commits": (2, 0)}, "an hour at least, whatever is asked for"
    with library.engine.connect() as connection:
        assert connection.execute(select(commit_marks.c.token)).scalars().all() == ["living"]
    assert counts(library.collector().run()) == {}


@pytest.mark.component
def test_the_lock_of_a_living_worker_stays_however_old_it_is(library: Any) -> None:
    lock = library.file("workers/w1.lock", b"", age=30 * DAY)
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert counts(library.collector().run()) == {}
        assert lock.exists()


@pytest.mark.component
def test_the_staging_of_a_killed_backup_goes_that_of_a_running_one_stays(library: Any) -> None:
    staged = library.file("backup~0badf00d/index/a", b"123")
    os.utime(staged.parent.parent, (library.collector().now() - 2 * HOUR,) * 2)
    (library.data_dir / "backup.lock").touch()
    with (library.data_dir / "backup.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert counts(library.collector().run()) == {}
    assert counts(library.collector().run()) == {"temporary files": (1, 3)}
    assert not staged.parent.parent.exists()


@pytest.mark.component
def test_an_empty_data_folder_has_nothing_to_clear(library: Any) -> None:
    assert counts(library.collector().run()) == {}


@pytest.mark.chaos
def test_an_ingest_loses_nothing_while_garbage_is_collected_all_the_time(medkg: Medkg, records: Path, tmp_path: Path) -> None:
    """With a safety age of two seconds, a hundredth of the default's, and parts that are written every 0.2 s."""
    settings = medkg.on(medkg.data_dir, MK_BATCH__SIZE="25", MK_BATCH__FLUSH_SECONDS="0.2")
    command = settings.start("ingest", "local", records, "--json", "--quiet")
    orphan = medkg.data_dir / "objects/tenants/default/artifacts/orphan"
    removed = rounds = 0
    answers: list[tuple[str, str]] = []
    waiting = threading.Thread(target=lambda: answers.append(command.communicate(timeout=120)))
    waiting.start()
    store = FilesystemObjectStore(medkg.data_dir / "objects")
    while waiting.is_alive():
        if (medkg.data_dir / "ledger.db").exists() and settings.ledger("SELECT 1 FROM sqlite_master WHERE name = 'artifacts'"):
            if rounds == 0:
                store.put("tenants/default/artifacts/orphan", b"x")
            engine = create_engine(f"sqlite:///{medkg.data_dir / 'ledger.db'}")
            report = GarbageCollector(medkg.data_dir, engine, store, time.time, safety_seconds=2.0).run()
            engine.dispose()
            removed, rounds = removed + report.cleared[0].count, rounds + 1
        time.sleep(0.02)
    assert command.returncode == 0, answers
    assert rounds > 20
    assert removed == 1, "the orphan and nothing else was without rows for two seconds"
    assert not orphan.exists()
    for key, offset, length in settings.ledger("SELECT object_key, offset, length FROM artifacts"):
        assert len(store.read(key, offset, length)) == length
    again = settings("ingest", "local", records, "--json", "--quiet").expect(0).json
    assert (again["completed"], again["unchanged"]) == (400, 400)
