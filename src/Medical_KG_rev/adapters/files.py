"""Finds the files below given paths: sorted, each folder once, and every obstacle told instead of raised."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from Medical_KG_rev.errors import PayloadError, PayloadUnreadableError, UnsupportedFormatError

FileKey = tuple[int, tuple[str, ...]]
"""Where a file stands in the listing: number of its root, then its path below it. Keys sort as the listing goes."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file, or an obstacle with its ``error``."""

    key: FileKey
    path: str
    size_bytes: int = 0
    modified: float = 0.0
    error: PayloadError | None = None


def unreadable(path: str, error: OSError) -> PayloadUnreadableError:
    """What an OSError on a path means to the user."""
    if error.errno == errno.ELOOP:
        return PayloadUnreadableError(f"{path} is a symbolic link that leads to itself.", path=path)
    if error.errno in (errno.EACCES, errno.EPERM):
        return PayloadUnreadableError(f"{path} cannot be read: permission denied.", remedy="Check its permissions.", path=path)
    return PayloadUnreadableError(f"{path} cannot be read: {error.strerror or error}.", path=path)


def find_files(roots: Sequence[str]) -> Iterator[FoundFile]:
    """Files of ``roots`` (absolute paths) and of the folders below them, hidden ones left out.

    Symbolic links are followed. A folder met a second time is skipped; one that holds itself is an error record.
    """
    walk = _Walk()
    for number, root in enumerate(roots):
        yield from walk.visit((number, ()), root, ())


class _Walk:
    """One listing: it remembers which folders it has been in."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def visit(self, key: FileKey, path: str, parents: tuple[tuple[int, int], ...]) -> Iterator[FoundFile]:
        try:
            path.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            yield FoundFile(
                key,
                shown,
                error=PayloadUnreadableError(f"{shown} has a name that is not UTF-8.", remedy="Rename it.", path=shown),
            )
            return
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path per file costs more than the call
        except OSError as error:
            yield FoundFile(key, path, error=unreadable(path, error))
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self._folder(key, path, parents, (status.st_dev, status.st_ino))
        elif stat.S_ISREG(status.st_mode):
            yield FoundFile(key, path, status.st_size, status.st_mtime)
        else:
            yield FoundFile(key, path, error=UnsupportedFormatError(f"{path} is not a regular file.", path=path))

    def _folder(
        self, key: FileKey, path: str, parents: tuple[tuple[int, int], ...], identity: tuple[int, int]
    ) -> Iterator[FoundFile]:
        if identity in parents:
            error = PayloadUnreadableError(
                f"{path} is a symbolic link to a folder that holds it.", remedy="Remove it.", path=path
            )
            yield FoundFile(key, path, error=error)
            return
        if identity in self._seen:
            return
        self._seen.add(identity)
        try:
            names = sorted(name for name in os.listdir(path) if not name.startswith("."))  # noqa: PTH208 - names only
        except OSError as error:
            yield FoundFile(key, path, error=unreadable(path, error))
            return
        for name in names:
            yield from self.visit((key[0], (*key[1], name)), os.path.join(path, name), (*parents, identity))  # noqa: PTH118


def absolute(path: str) -> str:
    """An absolute path without ``..``; symbolic links stay as they are."""
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - Path.absolute keeps `..`
