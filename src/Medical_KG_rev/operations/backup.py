"""Copying everything to a folder while the work goes on.

The copy is of one moment: the ledger is copied while the writers of index and graph wait, and the objects that its rows name
after that. Objects never change, they only come and go; where one went meanwhile (a document was deleted), the copy is made anew,
and keeps what it has.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, create_engine, func, select, text
from sqlalchemy.pool import NullPool

from Medical_KG_rev import __version__
from Medical_KG_rev.errors import BackupError, UsageError
from Medical_KG_rev.operations.databases import copy_sqlite, dump_postgres
from Medical_KG_rev.operations.freezing import freeze, freeze_folder
from Medical_KG_rev.operations.gc import is_artifact
from Medical_KG_rev.operations.manifest import (
    COPY_BYTES,
    BackedUpFile,
    Manifest,
    Progress,
    backed_up,
    copy_digested,
    write_manifest,
)
from Medical_KG_rev.orchestration.ledger.schema import artifacts, jobs
from Medical_KG_rev.storage import ObjectStore
from Medical_KG_rev.storage.formats import check_formats, format_versions

ATTEMPTS = 5
LEDGER_FILES = {"sqlite": "ledger.db", "postgresql": "ledger.dump"}
DAGSTER_DUMP = "dagster.dump"
ALONGSIDE = ("events", "dagster")
"""Copied after the ledger: an event that it has handed over is in their files."""
GRAPH_FOLDER = "graph-server"
"""Where the graphs of a server are; those of the data folder are in ``graph``."""


class GraphArchive(Protocol):
    """Graphs on a server, all tenants."""

    def tenants(self) -> list[str]:
        """Those that have a graph."""
        ...

    def held(self) -> AbstractContextManager[Callable[[Path], None]]:
        """Lets no writer change any of them; gives a function that copies them to a folder."""
        ...

    def load(self, folder: Path) -> None:
        """Makes the server hold what such a folder says, and no other graph."""
        ...


@dataclass(frozen=True, slots=True)
class BackupSource:
    """What is copied.

    ``dagster`` is its database where that is PostgreSQL; in SQLite it lies in the data folder. ``graph`` is given where a server
    has it.
    """

    data_dir: Path
    ledger: Engine
    store: ObjectStore
    dagster: Engine | None = None
    graph: GraphArchive | None = None


@dataclass(slots=True)
class _Ledger:
    """What the copied ledger says."""

    moment: float = 0.0
    revision: str = ""
    jobs: dict[str, int] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)


def back_up(source: BackupSource, target: Path, *, now: Callable[[], float], progress: Progress = lambda *_: None) -> Manifest:
    """Makes a backup in ``target``, which must be empty or absent.

    Raises:
        UsageError: the folder holds something, or lies in the data folder.
        BackupError: another backup runs, the ledger cannot be copied, or objects of it are missing.
        StorageFullError: as the object store raises it.
    """
    _require_room(source.data_dir, target)
    with alone(source.data_dir), _staging(source.data_dir) as staging:
        check_formats(source.data_dir)
        for _ in range(ATTEMPTS):
            ledger = _copy_moment(source, staging, target, now, progress)
            missing = _copy_objects(source.store, ledger.objects, target, progress)
            if not missing:
                break
        else:
            raise _incomplete(missing)
        files = [*_copy_staged(staging, target, progress), *_listed(target, ledger.objects, progress)]
        manifest = _manifest(source, ledger, sorted(files, key=lambda file: file.path))
        write_manifest(target, manifest)
    return manifest


def _copy_moment(source: BackupSource, staging: Path, target: Path, now: Callable[[], float], progress: Progress) -> _Ledger:
    """Ledger, index and graph of one moment; then what lies alongside."""
    progress("ledger, index and graph", 0, 0)
    kind = source.ledger.dialect.name
    found = _Ledger()

    def copy_ledger() -> None:
        found.moment = now()
        if kind == "postgresql":
            _dump_ledger(source.ledger, target / LEDGER_FILES[kind], found)
        else:
            _copy_ledger(Path(source.ledger.url.database or ""), target / LEDGER_FILES[kind], found)

    shutil.rmtree(staging / GRAPH_FOLDER, ignore_errors=True)
    with source.graph.held() if source.graph is not None else nullcontext() as copy_graphs:
        freeze(source.data_dir, staging, copy_ledger)
        if copy_graphs is not None:
            progress("graphs on the server", 0, 0)
            copy_graphs(staging / GRAPH_FOLDER)
    for name in ALONGSIDE:
        shutil.rmtree(staging / name, ignore_errors=True)
        freeze_folder(source.data_dir / name, staging / name)
    if source.dagster is not None:
        dump_postgres(source.dagster.url, target / DAGSTER_DUMP)
    return found


def _copy_ledger(path: Path, target: Path, found: _Ledger) -> None:
    if not path.is_file():
        raise BackupError(f"There is no ledger at {path}: nothing was ever ingested.", remedy="Check --data-dir.", path=str(path))
    target.unlink(missing_ok=True)
    copy_sqlite(path, target)
    engine = create_engine(f"sqlite:///{target}", poolclass=NullPool)
    with engine.connect() as connection:
        _look_into(connection, found)


def _dump_ledger(engine: Engine, target: Path, found: _Ledger) -> None:
    """Dump and rows of one snapshot, which the transaction exports."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        snapshot = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())
        _look_into(connection, found)
        dump_postgres(engine.url, target, snapshot)


def _look_into(connection: Connection, found: _Ledger) -> None:
    counts = connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status))
    found.jobs = {str(status): count for status, count in counts}
    found.objects = {row[0] for row in connection.execute(select(artifacts.c.object_key).distinct())}
    found.revision = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())


def _copy_objects(store: ObjectStore, referenced: set[str], target: Path, progress: Progress) -> list[str]:
    """Copies what the ledger names and is not copied yet, and all that is no artifact; the keys of what is missing."""
    sizes = {entry.key: entry.size_bytes for entry in store.entries()}
    referenced |= {key for key in sizes if not is_artifact(key)}
    missing = sorted(referenced - sizes.keys())
    wanted = [key for key in sorted(referenced & sizes.keys()) if not (target / "objects" / key).exists()]
    total, done = sum(sizes[key] for key in wanted), 0
    for key in wanted:
        progress("objects", done, total)
        try:
            _copy_object(store, key, sizes[key], target / "objects" / key)
        except KeyError:
            missing.append(key)
        done += sizes[key]
    return missing


def _copy_object(store: ObjectStore, key: str, size_bytes: int, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}~")
    with partial.open("wb") as file:
        for offset in range(0, max(size_bytes, 1), COPY_BYTES):
            file.write(store.read(key, offset, COPY_BYTES))
    partial.replace(path)


def _copy_staged(staging: Path, target: Path, progress: Progress) -> Iterator[BackedUpFile]:
    paths = [path for path in sorted(staging.rglob("*")) if path.is_file()]
    total, done = sum(path.stat().st_size for path in paths), 0
    for path in paths:
        progress("files", done, total)
        copy = target / path.relative_to(staging)
        copy.parent.mkdir(parents=True, exist_ok=True)
        size, digest = copy_digested(path, copy)
        yield BackedUpFile(path.relative_to(staging).as_posix(), size, digest)
        done += size


def _listed(target: Path, referenced: Iterable[str], progress: Progress) -> Iterator[BackedUpFile]:
    """Objects and dumps, read back: what the manifest vouches for is what lies there. Objects of a given-up attempt go."""
    kept = {target / "objects" / key for key in referenced}
    for path in [path for path in (target / "objects").rglob("*") if path.is_file() and path not in kept]:
        path.unlink()
    paths = [*sorted(kept), *(target / name for name in (*LEDGER_FILES.values(), DAGSTER_DUMP) if (target / name).is_file())]
    for path in paths:
        progress(f"checking {path.name[:40]}", 0, 0)
        yield backed_up(target, path)


def _manifest(source: BackupSource, ledger: _Ledger, files: list[BackedUpFile]) -> Manifest:
    return Manifest(
        release=__version__,
        moment=ledger.moment,
        created_at=datetime.fromtimestamp(ledger.moment, UTC).isoformat(timespec="seconds"),
        ledger=source.ledger.dialect.name,
        graph="files" if source.graph is None else "server",
        ledger_revision=ledger.revision,
        formats=format_versions(source.data_dir),
        jobs=ledger.jobs,
        files=files,
    )


def _require_room(data_dir: Path, target: Path) -> None:
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise UsageError(f"{target} lies in the data folder itself.", remedy="Choose a folder elsewhere.", path=str(target))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not an empty folder.", remedy="Choose a new one for each backup.", path=str(target))
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(f"{target} cannot be made: {error.strerror}.", remedy="Choose another folder.") from error


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Holds the lock that keeps backups and restores of one data folder apart. Raises BackupError where another has it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "backup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                f"Another backup or restore of {data_dir} is running.", remedy="Wait for it to end.", path=str(data_dir)
            ) from None
        yield


@contextmanager
def _staging(data_dir: Path) -> Iterator[Path]:
    """A folder beside the stores, so that links reach; `medkg gc` removes those of killed backups."""
    folder = data_dir / f"backup~{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _incomplete(missing: list[str]) -> BackupError:
    return BackupError(
        f"{len(missing)} objects that the ledger names are not in the object store, such as {missing[0]}.",
        remedy="If documents are being deleted, wait until that is over; otherwise `medkg doctor` says what is wrong.",
        objects=missing[:20],
    )
