"""Putting a backup in place: everything is copied and checked before anything is replaced."""

from __future__ import annotations

import fcntl
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, inspect, text

from Medical_KG_rev.errors import BackupError, UsageError
from Medical_KG_rev.operations.backup import DAGSTER_DUMP, GRAPH_FOLDER, LEDGER_FILES, GraphArchive, alone
from Medical_KG_rev.operations.databases import restore_postgres
from Medical_KG_rev.operations.manifest import Manifest, Progress, copy_verified, read_manifest
from Medical_KG_rev.storage import ObjectStore
from Medical_KG_rev.storage.formats import check_formats

FOLDERS = ("index", "graph", "events", "dagster")
OBJECTS = "objects"
_GRAPHS = {"files": "the data folder", "server": "Neo4j"}


@dataclass(frozen=True, slots=True)
class RestoreTarget:
    """Where a backup is put.

    ``ledger`` and ``dagster`` are given where they are PostgreSQL, ``graph`` where a server has it; otherwise they are in the
    folder.
    """

    data_dir: Path
    store: ObjectStore
    ledger: Engine | None = None
    dagster: Engine | None = None
    graph: GraphArchive | None = None


def restore(backup: Path, target: RestoreTarget, *, force: bool = False, progress: Progress = lambda *_: None) -> Manifest:
    """Restores a backup into an empty target, or with ``force`` instead of what is there.

    Jobs that ran at the backup's moment belong to workers that are gone: the next ingest, or worker, takes them up.

    Raises:
        UsageError: one for another kind of ledger, or a target that is not empty.
        BackupError: no backup, a damaged one, or a target in use.
        FormatVersionError: a newer release made it.
    """
    manifest = read_manifest(backup)
    _require_kind(manifest, target)
    target.data_dir.mkdir(parents=True, exist_ok=True)
    with alone(target.data_dir):
        _require_idle(target.data_dir)
        if not force:
            _require_empty(target)
        with _staging(target.data_dir) as staging:
            _stage(backup, manifest, staging, progress)
            _upload(manifest, staging / "new", target.store, progress)
            _swap(manifest, staging, target)
    check_formats(target.data_dir)
    return manifest


def _stage(backup: Path, manifest: Manifest, staging: Path, progress: Progress) -> None:
    """Copies every file and holds it against the manifest."""
    done = 0
    for file in manifest.files:
        progress("checking and copying", done, manifest.bytes)
        copy_verified(backup, file, staging / "new" / file.path)
        done += file.bytes
    ledger = staging / "new" / LEDGER_FILES["sqlite"]
    if manifest.ledger == "sqlite":
        _forget_workers(ledger)


def _forget_workers(path: Path) -> None:
    """The workers of the backup's moment are not here: their locks are where nobody holds one, and their leases are over."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement, table, column in _FORGET:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if column in columns:
                connection.execute(statement)


_FORGET = (
    ("UPDATE workers SET lock_path = '/nonexistent/' || worker", "workers", "lock_path"),
    ("UPDATE batches SET lease_expires_at = 0 WHERE lease_expires_at IS NOT NULL", "batches", "lease_expires_at"),
)


def _upload(manifest: Manifest, files: Path, store: ObjectStore, progress: Progress) -> None:
    """Objects come first: as long as no ledger names them, they are only in the way of `medkg gc`."""
    objects = manifest.below(OBJECTS)
    total, done = sum(file.bytes for file in objects), 0
    for file in objects:
        progress("objects", done, total)
        with (files / file.path).open("rb") as content:
            store.upload(file.path.removeprefix(f"{OBJECTS}/"), content)
        done += file.bytes


def _swap(manifest: Manifest, staging: Path, target: RestoreTarget) -> None:
    """Databases of servers first, for they may refuse; then the folder's parts by renaming, the ledger last."""
    new, old = staging / "new", staging / "old"
    old.mkdir()
    if target.dagster is not None and (new / DAGSTER_DUMP).is_file():
        restore_postgres(target.dagster.url, new / DAGSTER_DUMP)
    if target.ledger is not None:
        restore_postgres(target.ledger.url, new / LEDGER_FILES[manifest.ledger])
        _forget_workers_of(target.ledger)
    if target.graph is not None:
        target.graph.load(new / GRAPH_FOLDER)
    names = [*FOLDERS] if target.ledger is not None else [*FOLDERS, *_ledger_files(target.data_dir)]
    places = [(target.data_dir / name, name) for name in names]
    _rename_all([*((place, old / name) for place, name in places), *((new / name, place) for place, name in places)])


def _rename_all(steps: Sequence[tuple[Path, Path]]) -> None:
    """Renames what there is, in order; undoes it all where one fails."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, place in steps:
            if source.exists():
                source.rename(place)
                done.append((source, place))
    except BaseException:
        for source, place in reversed(done):
            place.rename(source)
        raise


def _ledger_files(data_dir: Path) -> list[str]:
    """What SQLite keeps beside its file goes with it: a log of another database would be read into the new one."""
    return [path.name for path in data_dir.glob("ledger.db-*")] + [LEDGER_FILES["sqlite"]]


def _forget_workers_of(engine: Engine) -> None:
    with engine.begin() as connection:
        inspector = inspect(connection)
        for statement, table, column in _FORGET:
            if inspector.has_table(table) and column in {found["name"] for found in inspector.get_columns(table)}:
                connection.execute(text(statement))


# --- refusals ------------------------------------------------------------------------------------------------------------


def _require_kind(manifest: Manifest, target: RestoreTarget) -> None:
    kind = "sqlite" if target.ledger is None else target.ledger.dialect.name
    if manifest.ledger != kind:
        raise UsageError(
            f"The backup's ledger is a {manifest.ledger} database; this profile's is {kind}.",
            remedy="Restore it in the profile that it was made in.",
            found=manifest.ledger,
            expected=kind,
        )
    graph = "files" if target.graph is None else "server"
    if manifest.graph != graph:
        raise UsageError(
            f"The backup's graphs were in {_GRAPHS[manifest.graph]}; this profile has them in {_GRAPHS[graph]}.",
            remedy=f"Restore it with MK_GRAPH__KIND={'ladybug' if manifest.graph == 'files' else 'neo4j'}.",
            found=manifest.graph,
            expected=graph,
        )


def _require_empty(target: RestoreTarget) -> None:
    held = [name for name in FOLDERS if any(_content(target.data_dir / name))]
    held += [path.name for path in target.data_dir.glob("ledger.db")]
    if target.ledger is not None and _has_jobs(target.ledger):
        held.append(f"the ledger {target.ledger.url.render_as_string(hide_password=True)}")
    if target.graph is not None and target.graph.tenants():
        held.append("the graphs of Neo4j")
    if next(target.store.keys(), None) is not None:
        held.append(OBJECTS)
    if held:
        raise UsageError(
            f"{target.data_dir} is not empty: it holds {', '.join(held)}.",
            remedy="Restore into a new folder (--data-dir), or replace what is there with --force.",
            path=str(target.data_dir),
        )


def _content(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("FORMAT"))


def _has_jobs(ledger: Engine) -> bool:
    with ledger.connect() as connection:
        if not inspect(connection).has_table("jobs"):
            return False
        return connection.execute(text("SELECT 1 FROM jobs LIMIT 1")).scalar() is not None


def _require_idle(data_dir: Path) -> None:
    """Refuses a folder in which a process works."""
    for path in (data_dir / "workers").glob("*.lock"):
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupError(
                    f"A process is working in {data_dir} ({path.stem}).", remedy="End it, and restore again.", path=str(data_dir)
                ) from None


@contextmanager
def _staging(data_dir: Path) -> Iterator[Path]:
    folder = data_dir / f"restore~{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
