"""A backup holds everything of one moment; a restore puts all of it back, or nothing."""

from __future__ import annotations

import fcntl
import itertools
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from Medical_KG_rev.errors import BackupError, FormatVersionError, UsageError
from Medical_KG_rev.operations import RestoreTarget, back_up, read_manifest, restore
from Medical_KG_rev.operations.freezing import freeze
from Medical_KG_rev.storage import FilesystemObjectStore

pytestmark = pytest.mark.component

MakeBackup = Callable[[], Path]
MOMENT = 1_800_000_000.0
NEW_KEY = "tenants/default/artifacts/r9/parse-new"


@pytest.fixture
def make_backup(library: Any, tmp_path: Path) -> MakeBackup:
    """Backs the library up to a new folder."""
    numbers = itertools.count()

    def make() -> Path:
        folder = tmp_path / f"backup-{next(numbers)}"
        back_up(library.source, folder, now=lambda: MOMENT)
        return folder

    return make


@pytest.fixture
def backup(library: Any, make_backup: MakeBackup) -> Path:
    library.populate()
    return make_backup()


def contents(folder: Path) -> dict[str, bytes]:
    """Files by path, without databases, stamps and locks."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if path.suffix not in (".db", ".lock") and not path.name.endswith("FORMAT")
    }


def test_everything_comes_back_but_what_belongs_to_writers(library: Any, backup: Path, target: RestoreTarget) -> None:
    manifest = restore(backup, target)
    expected = contents(library.data_dir)
    assert expected.pop("index/default-1/segments/2.tmp")
    assert expected.pop("graph/default/graph.next.lbug")
    assert contents(target.data_dir) == expected
    assert manifest == read_manifest(backup)
    assert (manifest.created_at, manifest.jobs, manifest.ledger) == ("2027-01-15T08:00:00+00:00", {"completed": 1}, "sqlite")
    assert manifest.formats == {"data": 1, "objects": 1, "index": 1, "graph": 1, "events": 1, "dagster": 1}
    restored = sqlite3.connect(target.data_dir / "ledger.db")
    assert restored.execute("SELECT job_id, status, doc_id FROM jobs").fetchall() == [("j1", "completed", "local:a")]
    restored.close()
    catalogue = sqlite3.connect(target.data_dir / "index" / "default-1" / "catalogue.db")
    assert catalogue.execute("SELECT count(*) FROM chunk").fetchone() == (0,)
    catalogue.close()
    assert [path.name for path in target.data_dir.iterdir() if "~" in path.name] == []


def test_the_manifest_vouches_for_every_file(backup: Path) -> None:
    manifest = read_manifest(backup)
    on_disk = {path.relative_to(backup).as_posix(): path.stat().st_size for path in backup.rglob("*") if path.is_file()}
    del on_disk["manifest.json"]
    assert {file.path: file.bytes for file in manifest.files} == on_disk
    assert manifest.bytes == sum(on_disk.values())


PARTS = ["ledger.db", "objects", "index", "graph", "events", "dagster"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", ["a bit", "cut", "gone"])
def test_a_damaged_backup_is_refused_and_changes_nothing(backup: Path, target: RestoreTarget, part: str, damage: str) -> None:
    paths = [backup / part] if part.endswith(".db") else [path for path in (backup / part).rglob("*") if path.is_file()]
    path = max(paths, key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    if damage == "a bit":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    with pytest.raises(BackupError, match="damaged") as caught:
        restore(backup, target)
    assert path.name in str(caught.value)
    assert contents(target.data_dir) == {}
    assert not (target.data_dir / "ledger.db").exists()


def rewrite(backup: Path, **changes: Any) -> None:
    path = backup / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes", [{"version": 2}, {"formats": {"index": 2}}, {"formats": {"unheard-of": 1}}, {"ledger_revision": "9999"}]
)
def test_a_newer_backup_is_refused_with_the_command_that_helps(
    backup: Path, target: RestoreTarget, changes: dict[str, Any]
) -> None:
    rewrite(backup, **changes)
    with pytest.raises(FormatVersionError, match="newer release") as caught:
        restore(backup, target)
    assert "pip install --upgrade medical-kg-rev" in caught.value.remedy
    assert not target.data_dir.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\0" * 100])
def test_a_broken_manifest_is_refused(backup: Path, target: RestoreTarget, content: bytes) -> None:
    (backup / "manifest.json").write_bytes(content)
    with pytest.raises(BackupError, match="damaged"):
        restore(backup, target)


def test_a_manifest_cannot_lead_out_of_the_backup(backup: Path, target: RestoreTarget) -> None:
    rewrite(backup, files=[{"path": "../data/ledger.db", "bytes": 1, "sha256": ""}])
    with pytest.raises(BackupError, match="leads out"):
        restore(backup, target)


def test_an_unfinished_backup_is_none(backup: Path, target: RestoreTarget, tmp_path: Path) -> None:
    (backup / "manifest.json").unlink()
    for folder in (backup, tmp_path / "nothing"):
        with pytest.raises(BackupError, match="no finished backup"):
            restore(folder, target)


def test_what_is_there_is_replaced_only_by_force(library: Any, backup: Path) -> None:
    library.job("j2", "local:b")
    library.file("index/default-1/segments/3.faiss", b"newer")
    later = library.put("tenants/default/artifacts/r2/parse-1", b"newer")
    before = contents(library.data_dir)
    target = RestoreTarget(library.data_dir, library.store)
    with pytest.raises(UsageError, match=r"not empty: it holds index, graph, events, dagster, ledger\.db, objects"):
        restore(backup, target)
    assert contents(library.data_dir) == before
    library.engine.dispose()
    restore(backup, target, force=True)
    with library.engine.connect() as connection:
        assert connection.execute(text("SELECT job_id FROM jobs")).fetchall() == [("j1",)]
    assert not (library.data_dir / "index/default-1/segments/3.faiss").exists()
    assert later.exists()  # nothing refers to it any more: `medkg gc` removes it


def test_a_replacement_that_breaks_off_is_undone(library: Any, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.job("j2", "local:b")
    library.file("graph/default/graph.lbug", b"newer")
    library.engine.dispose()
    before = contents(library.data_dir)
    rename = Path.rename

    def break_off(path: Path, to: Path) -> Path:
        if path.name == "ledger.db" and path.parent.name == "new":
            raise OSError(5, "the disk is gone")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", break_off)
    with pytest.raises(OSError, match="the disk is gone"):
        restore(backup, RestoreTarget(library.data_dir, library.store), force=True)
    assert contents(library.data_dir) == before
    with library.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 2


def test_models_logs_and_stamps_do_not_make_a_folder_full(backup: Path, target: RestoreTarget) -> None:
    for name in ("models/static/m.onnx", "logs/worker.log", "index/FORMAT"):
        (target.data_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (target.data_dir / name).write_text('{"version": 1}')
    restore(backup, target)
    assert (target.data_dir / "models/static/m.onnx").exists()


def test_a_folder_in_which_a_process_works_is_refused(backup: Path, target: RestoreTarget) -> None:
    lock = target.data_dir / "workers" / "w1.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="A process is working"):
            restore(backup, target, force=True)


def test_workers_of_the_backups_moment_are_lost_even_if_they_still_live_elsewhere(
    library: Any, make_backup: MakeBackup, target: RestoreTarget
) -> None:
    library.populate()
    lock = library.file("workers/w1.lock", b"")
    library.worker("w1", lock)
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        restore(make_backup(), target)
        restored = sqlite3.connect(target.data_dir / "ledger.db")
        ((path,),) = restored.execute("SELECT lock_path FROM workers")
        restored.close()
    assert not Path(path).exists()


@pytest.mark.parametrize("place", ["data/backup", "data", "full"])
def test_a_backup_goes_to_a_folder_of_its_own(library: Any, tmp_path: Path, place: str) -> None:
    library.populate()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    before = contents(tmp_path)
    with pytest.raises(UsageError):
        back_up(library.source, tmp_path / place, now=lambda: MOMENT)
    assert contents(tmp_path) == before


def test_two_backups_at_once_keep_out_of_each_others_way(library: Any, tmp_path: Path) -> None:
    library.populate()
    with (library.data_dir / "backup.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="is running"):
            back_up(library.source, tmp_path / "b", now=lambda: MOMENT)


def test_nothing_to_back_up_is_said(library: Any, tmp_path: Path) -> None:
    (library.data_dir / "ledger.db").unlink()
    with pytest.raises(BackupError, match="no ledger"):
        back_up(library.source, tmp_path / "b", now=lambda: MOMENT)


def test_a_ledger_that_is_no_database_is_said(library: Any, tmp_path: Path) -> None:
    (library.data_dir / "ledger.db").write_bytes(b"no database" * 1000)
    with pytest.raises(BackupError, match="cannot be copied"):
        back_up(library.source, tmp_path / "b", now=lambda: MOMENT)
    assert not (tmp_path / "b" / "manifest.json").exists()


class Deleting(FilesystemObjectStore):
    """A document is deleted right after the ledger was copied, once: its rows go, its object is rewritten."""

    on_listing: Callable[[], None] | None = None

    def entries(self, prefix: str = "") -> Iterator[Any]:
        if self.on_listing is not None:
            act, self.on_listing = self.on_listing, None
            act()
        return super().entries(prefix)


def test_objects_that_go_while_they_are_copied_make_the_moment_a_later_one(library: Any, tmp_path: Path) -> None:
    library.populate()
    library.artifact("k2", "tenants/default/artifacts/r9/parse-old")
    library.put("tenants/default/artifacts/r9/parse-old", b"0123456789")
    store = Deleting(library.data_dir / "objects")

    def delete_document() -> None:
        library.put(NEW_KEY, b"01234")
        with library.engine.begin() as connection:
            connection.execute(
                text("UPDATE artifacts SET object_key = 'tenants/default/artifacts/r9/parse-new' WHERE key = 'k2'")
            )
        store.delete("tenants/default/artifacts/r9/parse-old")

    store.on_listing = delete_document
    library.store = store
    manifest = back_up(library.source, tmp_path / "b", now=lambda: MOMENT)
    names = [Path(file.path).name for file in manifest.below("objects")]
    assert names == ["a.pdf", "parse-1", "parse-new"]
    copied = sqlite3.connect(tmp_path / "b" / "ledger.db")
    keys = {row[0] for row in copied.execute("SELECT object_key FROM artifacts")}
    copied.close()
    assert all((tmp_path / "b" / "objects" / key).is_file() for key in keys)


def test_an_object_that_is_missing_for_good_is_named(library: Any, tmp_path: Path) -> None:
    library.populate()
    library.artifact("k2", "tenants/default/artifacts/lost")
    with pytest.raises(BackupError, match=r"1 objects .* such as tenants/default/artifacts/lost"):
        back_up(library.source, tmp_path / "b", now=lambda: MOMENT)
    assert [path.name for path in library.data_dir.iterdir() if "~" in path.name] == []


def test_writers_wait_while_the_moment_is_taken(library: Any, tmp_path: Path) -> None:
    library.populate()
    seen: list[bool] = []

    def copy_ledger() -> None:
        for lock in (library.data_dir / "index/default-1/write.lock", library.data_dir / "graph/default/write.lock"):
            with lock.open("r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    seen.append(True)
                else:
                    seen.append(False)

    freeze(library.data_dir, tmp_path / "staging", copy_ledger)
    assert seen == [True, True]
    with (library.data_dir / "graph/default/write.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_tenant_that_comes_up_meanwhile_is_taken_too(library: Any, tmp_path: Path) -> None:
    library.populate()
    moments = []

    def copy_ledger() -> None:
        moments.append(True)
        if len(moments) == 1:
            library.file("graph/late/graph.lbug", b"late")

    freeze(library.data_dir, tmp_path / "staging", copy_ledger)
    assert len(moments) == 2, "the ledger is copied again"
    assert (tmp_path / "staging/graph/late/graph.lbug").read_bytes() == b"late"


def test_a_frozen_file_stays_as_it_was_when_its_writer_replaces_it(library: Any, tmp_path: Path) -> None:
    library.populate()
    freeze(library.data_dir, tmp_path / "staging", lambda: None)
    newer = library.file("graph/default/graph.next.lbug", b"newer")
    newer.replace(library.data_dir / "graph/default/graph.lbug")
    shutil.rmtree(library.data_dir / "index")
    assert (tmp_path / "staging/graph/default/graph.lbug").read_bytes() == b"graph"
    assert (tmp_path / "staging/index/default-1/segments/1.faiss").read_bytes() == b"vectors"


def test_the_ledger_is_copied_whole_while_it_is_written(library: Any, tmp_path: Path) -> None:
    """Pairs of rows that are written together are there together, or not at all."""
    library.populate()
    with library.engine.begin() as connection:
        connection.execute(text("CREATE TABLE pair (number INTEGER, half TEXT, filler TEXT)"))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with library.engine.begin() as connection:
                for half in "ab":
                    connection.execute(text("INSERT INTO pair VALUES (:n, :h, :f)"), {"n": number, "h": half, "f": "x" * 2000})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(8):
            back_up(library.source, tmp_path / f"b{number}", now=lambda: MOMENT)
    finally:
        stop.set()
        writer.join()
    counts = []
    for number in range(8):
        copied = sqlite3.connect(tmp_path / f"b{number}" / "ledger.db")
        counts.append(copied.execute("SELECT count(*), count(DISTINCT number) FROM pair").fetchone())
        copied.close()
    assert all(rows == 2 * pairs for rows, pairs in counts)
    assert counts[-1][0] > counts[0][0]


def test_progress_is_told(library: Any, tmp_path: Path, target: RestoreTarget) -> None:
    library.populate()
    told: list[tuple[str, int, int]] = []
    back_up(library.source, tmp_path / "b", now=lambda: MOMENT, progress=lambda *report: told.append(report))
    restore(tmp_path / "b", target, progress=lambda *report: told.append(report))
    assert {"ledger, index and graph", "objects", "files", "checking and copying"} <= {what for what, _, _ in told}
    assert all(0 <= done <= total for _, done, total in told if total)
