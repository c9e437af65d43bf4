"""Objects as files."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from Medical_KG_rev.errors import StorageFullError, StoreUnavailableError
from Medical_KG_rev.storage.keys import is_key, key_clash, require_key, require_range
from Medical_KG_rev.storage.port import StoredObject

_TEMPORARY = "~"
"""Stands in temporary files' names and in no key."""
_UNFINISHED = re.compile(r".+~[0-9a-f]{8}")


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
        self.upload(key, io.BytesIO(content))

    def upload(self, key: str, source: BinaryIO) -> None:
        """As :meth:`put`, with content that is read piece by piece."""
        target = self._path(key)
        try:
            _make_folder(target.parent)
            _write_durably(target, source)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise key_clash(key) from error
        except OSError as error:
            raise _write_error(target, error) from error

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or ``length`` of them from ``offset``; fewer where it ends before.

        Raises:
            KeyError: there is no such object.
            UsageError: not a key, or a negative range.
            StoreUnavailableError: the file cannot be read.
        """
        require_range(key, offset, length)
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
        found = (path.relative_to(self._root).as_posix() for path in self._files(prefix))
        yield from sorted(key for key in found if key.startswith(prefix) and is_key(key))

    def entries(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects whose keys start with ``prefix``, sorted by key."""
        for key in self.keys(prefix):
            found = _stored(self._root / key, key)
            if found is not None:
                yield found

    def unfinished(self) -> Iterator[StoredObject]:
        """Temporary files: of writers that were killed, and of those that are writing."""
        for path in self._files(""):
            if _UNFINISHED.fullmatch(path.name):
                found = _stored(path, path.relative_to(self._root).as_posix())
                if found is not None:
                    yield found

    def discard(self, remains: StoredObject) -> None:
        """Removes a temporary file."""
        path = self._root / remains.key
        if _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)

    def _files(self, prefix: str) -> Iterator[Path]:
        folder = prefix.rpartition("/")[0]
        if folder and not is_key(folder):
            return iter(())
        return (path for path in (self._root / folder).rglob("*") if path.is_file())

    def _path(self, key: str) -> Path:
        require_key(key)
        return self._root / key


def _stored(path: Path, key: str) -> StoredObject | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return StoredObject(key, status.st_size, status.st_mtime)


def _write_durably(target: Path, source: BinaryIO) -> None:
    temporary = target.with_name(f"{target.name}{_TEMPORARY}{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            shutil.copyfileobj(source, file, 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _write_error(target: Path, error: OSError) -> StorageFullError | StoreUnavailableError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFullError(
            f"No room to write {target}.",
            remedy="Free space and run the same command again; what was committed is kept.",
            path=str(target),
        )
    return StoreUnavailableError(f"Cannot write {target}: {error.strerror}.", path=str(target))


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
