"""Where segment files lie: a folder, or an object store with a local copy to map into memory."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index.disk import sync_folder, write_durably

_TEMPORARY = ".tmp"
_UNUSED_SECONDS = 7 * 86_400.0
"""Copies that no reader has opened for so long leave the cache."""

Step = Callable[[str], None]


class FolderFiles:
    """Files of one folder; they appear under their names complete and synced, or not at all.

    ``step`` is told how far a write has come, as ``<kind>.unsynced``, ``<kind>.unnamed`` and ``<kind>.named`` with the file's
    suffix for the kind; tests stop the process there.
    """

    def __init__(self, folder: Path, step: Step = lambda _: None) -> None:
        self._folder = folder
        self._step = step

    def write(self, name: str, content: bytes) -> str:
        path = self._folder / name
        temporary = path.with_name(name + _TEMPORARY)
        write_durably(path, content, temporary, lambda reached: self._step(f"{_kind(name)}.{reached}"))
        return hashlib.sha256(content).hexdigest()

    def open(self, name: str, sha256: str) -> Path:  # noqa: ARG002  (what lies here was written here: only reading all of it is a check)
        path = self._folder / name
        if not path.is_file():
            raise damaged(str(path), "it is missing")
        return path

    def read(self, name: str, sha256: str) -> bytes:
        path = self._folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise damaged(str(path), error.strerror or str(error)) from error
        return _verified(content, sha256, str(path))

    def drop(self, *names: str) -> None:
        for name in names:
            (self._folder / name).unlink(missing_ok=True)
            (self._folder / (name + _TEMPORARY)).unlink(missing_ok=True)
        if names and self._folder.is_dir():
            sync_folder(self._folder)

    def names(self) -> list[str]:
        """Files, and what was left of making them, under the names that :meth:`drop` takes."""
        return sorted({path.name.removesuffix(_TEMPORARY) for path in self._folder.glob("*")})


class Objects(Protocol):
    """What is asked of an object store; every store of ``Medical_KG_rev.storage`` does it."""

    def put(self, key: str, content: bytes) -> None: ...

    def read(self, key: str) -> bytes:
        """Raises KeyError where there is none."""
        ...

    def delete(self, key: str) -> bool: ...

    def keys(self, prefix: str = "") -> Iterator[str]: ...


class ObjectFiles:
    """Files as objects below ``prefix``, with copies in a local folder.

    A copy carries the digest in its name: one of an older index by the same name is never taken for it. Names carry the
    generation, which only one writer ever has, so that no two writers put one object.

    Args:
        prefix: of the keys, with its slash.
        cache: the folder of the copies, of one tenant alone. It may be removed at any time.
        step: is told ``<kind>.unstored`` and ``<kind>.stored``.
    """

    def __init__(self, objects: Objects, prefix: str, cache: Path, step: Step = lambda _: None) -> None:
        self._objects = objects
        self._prefix = prefix
        self._cache = cache
        self._step = step

    def write(self, name: str, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self._step(f"{_kind(name)}.unstored")
        self._objects.put(self._prefix + name, content)
        self._step(f"{_kind(name)}.stored")
        self._keep(name, sha256, content)
        return sha256

    def open(self, name: str, sha256: str) -> Path:
        copy = self._copy(name, sha256)
        try:
            os.utime(copy)
        except FileNotFoundError:
            self._keep(name, sha256, self.read(name, sha256))
            self._clear_unused()
        return copy

    def read(self, name: str, sha256: str) -> bytes:
        try:
            content = self._objects.read(self._prefix + name)
        except KeyError:
            raise damaged(self._prefix + name, "it is not in the object store") from None
        return _verified(content, sha256, self._prefix + name)

    def drop(self, *names: str) -> None:
        for name in names:
            self._objects.delete(self._prefix + name)
            for copy in self._cache.glob(f"*-{name}"):
                copy.unlink(missing_ok=True)

    def names(self) -> list[str]:
        return sorted(key.removeprefix(self._prefix) for key in self._objects.keys(self._prefix))

    def _copy(self, name: str, sha256: str) -> Path:
        return self._cache / f"{sha256[:16]}-{name}"

    def _keep(self, name: str, sha256: str, content: bytes) -> None:
        copy = self._copy(name, sha256)
        write_durably(copy, content, copy.with_name(f"{copy.name}.{os.getpid()}-{time.monotonic_ns()}{_TEMPORARY}"))

    def _clear_unused(self) -> None:
        """A reader that has one mapped goes on reading it."""
        before = time.time() - _UNUSED_SECONDS
        for path in self._cache.glob("*"):
            try:
                if path.stat().st_mtime < before:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process was faster


def damaged(place: str, reason: str) -> IndexMismatchError:
    """The error of a segment that is not what was written."""
    return IndexMismatchError(f"The segment {place} is damaged: {reason}.", remedy="Run `medkg index repair`.", found=place)


def _verified(content: bytes, sha256: str, place: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise damaged(place, "its sha256 is not the one in the catalogue")
    return content


def _kind(name: str) -> str:
    return name.rpartition(".")[2]
