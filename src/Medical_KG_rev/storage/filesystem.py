"""Objects as files."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from Medical_KG_rev.errors import StorageFullError, StoreUnavailableError, UsageError

MAX_KEY_BYTES = 1024
MAX_NAME_BYTES = 200
"""Of one part of a key; file systems allow 255, and a temporary file's name is longer."""

_KEY = re.compile(r"[\w.:=@-]+(/[\w.:=@-]+)*")
_TEMPORARY = "~"
"""Stands in temporary files' names and in no key."""


class FilesystemObjectStore:
    """Whole objects under a root folder; each appears complete or not at all, and survives a power cut once written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, content: bytes) -> None:
        """Stores the object, complete and durable, replacing one of the same key.

        Raises:
            UsageError: not a key, or one that is a folder of others.
            StorageFullError: no room; an older object of that key is untouched.
            StoreUnavailableError: the folder cannot be written.
        """
        target = self._path(key)
        try:
            _make_folder(target.parent)
            temporary = target.with_name(f"{target.name}{_TEMPORARY}{secrets.token_hex(4)}")
            try:
                with temporary.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync_folder(target.parent)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise UsageError(f"{key!r} cannot be both an object and a folder of others.", path=str(target)) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StorageFullError(
                    f"No room for {len(content)} bytes at {target}.",
                    remedy="Free space and run the same command again; what was committed is kept.",
                    path=str(target),
                ) from error
            raise StoreUnavailableError(f"Cannot write {target}: {error.strerror}.", path=str(target)) from error

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or ``length`` of them from ``offset``; fewer where it ends before.

        Raises:
            KeyError: there is no such object.
            UsageError: not a key, or a negative range.
            StoreUnavailableError: the file cannot be read.
        """
        if offset < 0 or (length is not None and length < 0):
            raise UsageError(f"A range of {key!r} cannot be negative: offset {offset}, length {length}.")
        target = self._path(key)
        try:
            with target.open("rb") as file:
                file.seek(offset)
                return file.read() if length is None else file.read(length)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise KeyError(key) from None
        except OSError as error:
            raise StoreUnavailableError(f"Cannot read {target}: {error.strerror}.", path=str(target)) from error

    def delete(self, key: str) -> bool:
        """Whether there was one."""
        target = self._path(key)
        if target.is_dir():
            return False
        try:
            target.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StoreUnavailableError(f"Cannot delete {target}: {error.strerror}.", path=str(target)) from error
        return True

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that start with ``prefix``, sorted; only the folder that the prefix names is searched."""
        folder = prefix.rpartition("/")[0]
        if folder and not _is_key(folder):
            return
        found = (path.relative_to(self._root).as_posix() for path in (self._root / folder).rglob("*") if path.is_file())
        yield from sorted(key for key in found if key.startswith(prefix) and _is_key(key))

    def _path(self, key: str) -> Path:
        if not _is_key(key):
            raise UsageError(
                f"{key[:80]!r} is not an object key.",
                remedy=f"Use letters, digits and . : = @ - between slashes, at most {MAX_NAME_BYTES} bytes a part.",
            )
        return self._root / key


def _is_key(key: str) -> bool:
    if _KEY.fullmatch(key) is None or len(key.encode()) > MAX_KEY_BYTES:
        return False
    return all(part not in (".", "..") and len(part.encode()) <= MAX_NAME_BYTES for part in key.split("/"))


def _make_folder(folder: Path) -> None:
    """Makes the folder and those above it, each durable in its parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
