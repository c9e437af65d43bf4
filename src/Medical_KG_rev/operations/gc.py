"""Clearing away what nothing refers to: objects without rows, remains of killed writers, old logs, locks of ended workers.

It may run beside anything: what is younger than the safety age stays, for a running batch writes its bytes before their rows.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, select

from Medical_KG_rev.operations.pdfs import PREFIX, unneeded_pdfs
from Medical_KG_rev.orchestration.ledger.marks import KEPT_SECONDS
from Medical_KG_rev.orchestration.ledger.schema import artifacts, commit_marks
from Medical_KG_rev.storage import ObjectStore

SAFETY_SECONDS = 3600.0
LOG_SECONDS = 14 * 86400.0
GROUP = 500
"""Objects per question to the ledger, asked right before they are removed."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was removed of one kind, or would be."""

    kind: str
    count: int = 0
    bytes: int = 0

    def plus(self, size_bytes: int) -> Cleared:
        return Cleared(self.kind, self.count + 1, self.bytes + size_bytes)


@dataclass(frozen=True, slots=True)
class GcReport:
    """One line a kind; ``dry_run`` when nothing was removed."""

    dry_run: bool
    cleared: tuple[Cleared, ...]

    @property
    def bytes(self) -> int:
        """Of all kinds."""
        return sum(item.bytes for item in self.cleared)

    def to_dict(self) -> dict[str, Any]:
        """JSON values only."""
        return {**asdict(self), "cleared": [asdict(item) for item in self.cleared], "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class GarbageCollector:
    """Removes what nothing refers to.

    Args:
        ledger: the engine of its database: objects that its rows name stay.
        safety_seconds: nothing younger is touched. It must be longer than the time between a part's bytes and its rows, which is
            that of one transaction.
        log_seconds: logs that nobody has written to for so long are removed.
        now: seconds since the epoch, by the clock that dates objects and files.
    """

    data_dir: Path
    ledger: Engine
    store: ObjectStore
    now: Callable[[], float]
    safety_seconds: float = SAFETY_SECONDS
    log_seconds: float = LOG_SECONDS

    def run(self, *, dry_run: bool = False) -> GcReport:
        """Clears every kind away, or only counts it."""
        before = self.now() - self.safety_seconds
        kinds = (
            _sum("objects without rows", self._orphans(before, dry_run)),
            _sum("PDFs that no job needs", self._pdfs(before, dry_run)),
            _sum("unfinished objects", self._unfinished(before, dry_run)),
            _sum("temporary files", _remove(_temporary_files(self.data_dir), before, dry_run)),
            _sum("old logs", _remove(_logs(self.data_dir), self.now() - self.log_seconds, dry_run)),
            _sum("locks of ended workers", _remove(_free_locks(self.data_dir / "workers"), before, dry_run)),
            Cleared("marks of old commits", self._marks(min(before, self.now() - KEPT_SECONDS), dry_run)),
        )
        return GcReport(dry_run, kinds)

    def _orphans(self, before: float, dry_run: bool) -> Iterator[int]:
        old = (entry for entry in self.store.entries("tenants/") if is_artifact(entry.key) and entry.modified < before)
        while group := list(islice(old, GROUP)):
            kept = self._referenced([entry.key for entry in group])
            for entry in group:
                if entry.key not in kept and (dry_run or self.store.delete(entry.key)):
                    yield entry.size_bytes

    def _pdfs(self, before: float, dry_run: bool) -> Iterator[int]:
        old = (entry for entry in self.store.entries(PREFIX) if entry.modified < before)
        while group := list(islice(old, GROUP)):
            with self.ledger.connect() as connection:
                unneeded = unneeded_pdfs(connection, [entry.key for entry in group])
            for entry in group:
                if entry.key in unneeded and (dry_run or self.store.delete(entry.key)):
                    yield entry.size_bytes

    def _referenced(self, keys: list[str]) -> set[str]:
        with self.ledger.connect() as connection:
            rows = connection.execute(select(artifacts.c.object_key).where(artifacts.c.object_key.in_(keys)).distinct())
            return {row[0] for row in rows}

    def _marks(self, before: float, dry_run: bool) -> int:
        """What threads that ended have left; a living thread that has not written for so long needs its mark no more either."""
        old = commit_marks.c.at < before
        with self.ledger.begin() as connection:
            if dry_run:
                return connection.execute(select(func.count()).select_from(commit_marks).where(old)).scalar_one()
            return connection.execute(delete(commit_marks).where(old)).rowcount

    def _unfinished(self, before: float, dry_run: bool) -> Iterator[int]:
        for remains in list(self.store.unfinished()):
            if remains.modified < before:
                if not dry_run:
                    self.store.discard(remains)
                yield remains.size_bytes


def is_artifact(key: str) -> bool:
    """``tenants/<tenant>/artifacts/…`` is what rows refer to; anything else in the store is not ours to judge."""
    parts = key.split("/", 3)
    return len(parts) == 4 and parts[2] == "artifacts"


def _temporary_files(data_dir: Path) -> Iterator[Path]:
    """Of killed writers. What index and graph leave behind, their next writer clears away under its lock."""
    yield from (data_dir / "dagster").glob("dagster.yaml.[0-9]*")
    yield from data_dir.glob("*/~FORMAT?*")
    with _if_free(data_dir / "backup.lock") as free:
        yield from [path for name in ("backup~*", "restore~*") for path in data_dir.glob(name)] if free else ()


def _logs(data_dir: Path) -> Iterator[Path]:
    return (path for path in (data_dir / "logs").rglob("*") if path.is_file())


def _free_locks(folder: Path) -> Iterator[Path]:
    """Files whose lock nobody holds: their processes are gone, and recovery takes a missing file for the same."""
    for path in folder.glob("*.lock"):
        with _if_free(path) as free:
            if free:
                yield path


@contextmanager
def _if_free(lock: Path) -> Iterator[bool]:
    """Whether nobody holds the lock; nobody takes it meanwhile."""
    if not lock.exists():
        yield True
        return
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _remove(paths: Iterable[Path], before: float, dry_run: bool) -> Iterator[int]:
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if status.st_mtime < before:
            size_bytes = _size(path)
            if not dry_run:
                _remove_whole(path)
            yield size_bytes


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _remove_whole(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sum(kind: str, sizes: Iterable[int]) -> Cleared:
    total = Cleared(kind)
    for size in sizes:
        total = total.plus(size)
    return total
