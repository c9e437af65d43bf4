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
    seen: set[_Identity] = set()
    waiting = [_Place((number, ()), root, frozenset()) for number, root in reversed(list(enumerate(roots)))]
    while waiting:
        place = waiting.pop()
        try:
            status = _status(place.path)
            if stat.S_ISREG(status.st_mode):
                yield FoundFile(place.key, place.path, status.st_size, status.st_mtime)
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in place.parents:
                raise PayloadUnreadableError(
                    f"{place.path} is a symbolic link to a folder that holds it.", remedy="Remove it.", path=place.path
                )
            if identity not in seen:
                seen.add(identity)
                waiting += place.below(identity)
        except OSError as error:
            yield FoundFile(place.key, place.path, error=unreadable(place.path, error))
        except PayloadError as error:
            yield FoundFile(place.key, legible(place.path), error=error)


_Identity = tuple[int, int]
"""Device and inode: one folder, whatever its name."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A path that waits to be looked at, with the folders that it was reached through."""

    key: FileKey
    path: str
    parents: frozenset[_Identity]

    def below(self, identity: _Identity) -> list[_Place]:
        """What lies in this folder, last first."""
        names = sorted((legible(name), name) for name in os.listdir(self.path) if not name.startswith("."))  # noqa: PTH208 - names only
        number, parts = self.key
        parents = self.parents | {identity}
        return [
            _Place((number, (*parts, shown)), os.path.join(self.path, name), parents)  # noqa: PTH118 - speed
            for shown, name in reversed(names)
        ]


def _status(path: str) -> os.stat_result:
    """Of a regular file or a folder with a name that can be told to others."""
    if legible(path) is not path:
        raise PayloadUnreadableError(f"{legible(path)} has a name that is not UTF-8.", remedy="Rename it.", path=legible(path))
    status = os.stat(path)  # noqa: PTH116 - a Path per file costs more than the call
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise UnsupportedFormatError(f"{path} is not a regular file.", path=path)
    return status


def legible(name: str) -> str:
    """The name itself, or one with escapes in place of bytes that are not UTF-8."""
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name


def absolute(path: str) -> str:
    """An absolute path without ``..``; symbolic links stay as they are."""
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - Path.absolute keeps `..`
