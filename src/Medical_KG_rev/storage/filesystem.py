"""Objects as files."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from Medical_KG_rev.errors import StorageFullError, StoreUnavailableError, UsageError

_KEY = re.compile(r"[\w.:=@-]+(/[\w.:=@-]+)*")


class FilesystemObjectStore:
    """Whole objects under a root folder; each appears complete or not at all, and survives a power cut once written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, content: bytes) -> None:
        target = self._path(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
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
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StorageFullError(
                    f"No room for {len(content)} bytes at {target}.",
                    remedy="Free space and run the same command again; what was committed is kept.",
                    path=str(target),
                ) from error
            raise StoreUnavailableError(f"Cannot write {target}: {error.strerror}.", path=str(target)) from error

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or ``length`` of them from ``offset``.

        Raises:
            KeyError: there is no such object.
        """
        try:
            with self._path(key).open("rb") as file:
                file.seek(offset)
                return file.read() if length is None else file.read(length)
        except FileNotFoundError:
            raise KeyError(key) from None

    def delete(self, key: str) -> bool:
        """Whether there was one."""
        try:
            self._path(key).unlink()
        except FileNotFoundError:
            return False
        return True

    def keys(self, prefix: str = "") -> Iterator[str]:
        for path in sorted(self._root.rglob("*")):
            if path.is_file() and not path.name.endswith(".tmp"):
                key = path.relative_to(self._root).as_posix()
                if key.startswith(prefix):
                    yield key

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key) or any(part in (".", "..") for part in key.split("/")):
            raise UsageError(f"{key!r} is not an object key.", remedy="Use letters, digits and . : = @ - between slashes.")
        return self._root / key


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
