"""A graph database file with one writer and any number of readers that never wait.

LadybugDB lets either one process write a file or several read it. So the file that readers open is never written: a writer
copies it, changes the copy, and renames the copy over it. A reader that has the old file open keeps it until it is done; a
writer killed at any moment leaves the published file as it was; its remains are cleared away by the next writer.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from Medical_KG_rev.errors import (
    MedicalKGError,
    StorageFullError,
    StoreCorruptError,
    StoreOutOfMemoryError,
    StoreUnavailableError,
)
from Medical_KG_rev.graph.readers import GraphReaders
from Medical_KG_rev.graph.session import MEBIBYTE, EngineLimits, GraphSession, writing

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CORRUPTION = ("Unable to open database", "Cannot read checkpoint", "hecksum", "orrupt", "IO exception", "Storage exception")
_NEXT = "graph.next."
MINIMUM_ROOM_BYTES = 32 * MEBIBYTE
_POLL_SECONDS = 0.01
_FICLONE = 0x40049409
"""Linux's request to share the blocks of two files."""


class PublishedGraph:
    """One tenant's ``graph.lbug`` and the way it is read and replaced."""

    def __init__(self, folder: Path, limits: EngineLimits, readers: GraphReaders) -> None:
        self.path = folder / "graph.lbug"
        # A name for each copy: the engine may let go of a failed one only when its error is forgotten, and writes once more then.
        self._next = folder / f"{_NEXT}{uuid4().hex}.lbug"
        self._lock = folder / "write.lock"
        self._limits = limits
        self._readers = readers

    @property
    def size_bytes(self) -> int:
        """0 when nothing was ever published, or the file was emptied."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def reading(self) -> Iterator[GraphSession | None]:
        """A session on what is published now; None when nothing is."""
        if not self.size_bytes:
            yield None
            return
        with self._translated(), self._readers.session(self.path) as session:
            yield session

    @contextmanager
    def replacing(self, room_bytes: int = MINIMUM_ROOM_BYTES) -> Iterator[GraphSession]:
        """A session on a private copy, published when the block ends without an error.

        ``room_bytes`` is what the copy may grow by; it must be free beforehand.
        """
        with self._translated(), self._locked():
            self._clear()
            self._require_room(self.size_bytes + max(room_bytes, MINIMUM_ROOM_BYTES))
            if self.size_bytes:
                _clone(self.path, self._next)
            try:
                with self._private() as session:
                    yield session
                self._publish()
            finally:
                self._clear()

    @contextmanager
    def _private(self) -> Iterator[GraphSession]:
        with writing(self._next, self._limits) as session:
            try:
                yield session
                session.rows("CHECKPOINT")
            except BaseException:
                self._make_room()
                raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as file:
            deadline = time.monotonic() + self._limits.lock_timeout_seconds
            while not _try_lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise StoreUnavailableError(
                        f"Another process has been writing {self.path} for {self._limits.lock_timeout_seconds:g} s.",
                        remedy="Run again when it has finished; `medkg jobs list --status running` shows what it does.",
                        path=str(self.path),
                    )
                time.sleep(_POLL_SECONDS)
            yield

    def _require_room(self, size_bytes: int) -> None:
        """The engine ends the whole process when a write fails while it closes, so that a full disk must be seen before."""
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        free = shutil.disk_usage(self._next.parent).free
        if free < size_bytes or resource.RLIM_INFINITY != limit < size_bytes:
            room = free if limit == resource.RLIM_INFINITY else min(free, limit)
            raise self._full(f"it may need {size_bytes // MEBIBYTE} MiB, and there are {room // MEBIBYTE} MiB")

    def _make_room(self) -> None:
        """Lets the engine close a copy that nobody wants, even when the disk was full: its last writes must not fail."""
        for remains in self._next.parent.glob(f"{self._next.name}*"):
            os.truncate(remains, 0)

    def _clear(self) -> None:
        for remains in self._next.parent.glob(f"{_NEXT}*"):
            remains.unlink()

    def _publish(self) -> None:
        _sync(self._next)
        self._next.replace(self.path)
        self._readers.forget(self.path)
        _sync(self.path.parent)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The engine reports everything as RuntimeError; its own words tell a full disk and a broken file apart."""
        try:
            yield
        except MedicalKGError:
            raise
        except OSError as error:
            raise self._os_error(error) from error
        except RuntimeError as error:
            translated = self._engine_error(error)
            if translated is error:
                raise
            raise translated from error

    def _os_error(self, error: OSError) -> MedicalKGError:
        if error.errno in _NO_SPACE:
            return self._full(str(error))
        return StoreUnavailableError(
            f"The graph {self.path} cannot be used: {error.strerror or error}.",
            remedy="Check that the data folder exists and belongs to this user.",
            path=str(self.path),
        )

    def _engine_error(self, error: RuntimeError) -> Exception:
        words = str(error)
        if "Cannot write to file" in words or any(os.strerror(code) in words for code in _NO_SPACE):
            return self._full(words.splitlines()[0])
        if words.startswith("Buffer manager exception"):
            return StoreOutOfMemoryError(
                f"{self.path} needs more memory than the graph engine may use.",
                remedy="Ask for less; a document that is too large must be split before it is ingested.",
                path=str(self.path),
            )
        if any(sign in words for sign in _CORRUPTION):
            return StoreCorruptError(
                f"The graph {self.path} cannot be read: {words.splitlines()[0]}",
                remedy=f"Move {self.path} away and ingest again: what is not in the graph is written anew.",
                path=str(self.path),
            )
        return error

    def _full(self, reason: str) -> StorageFullError:
        return StorageFullError(
            f"No room to write {self._next}: {reason}. The graph is as it was.",
            remedy="Free disk space (twice the graph's size is needed) and run again.",
            path=str(self.path),
        )


def _clone(source: Path, target: Path) -> None:
    """A copy that shares its blocks with the source where the file system can (XFS, Btrfs), a plain one elsewhere."""
    with source.open("rb") as original, target.open("wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise
        else:
            return
    shutil.copyfile(source, target)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
