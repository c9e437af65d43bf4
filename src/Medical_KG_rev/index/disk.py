"""Files that must be there after a power cut, and what their failures mean."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from Medical_KG_rev.errors import StorageFullError, StoreUnavailableError


def write_durably(path: Path, content: bytes, temporary: Path, step: Callable[[str], None] = lambda _: None) -> None:
    """Makes the file: written and synced under the name of ``temporary``, renamed, its folder synced.

    ``step`` is told ``unsynced``, ``unnamed`` and ``named``: how far the write has come. Raises what :func:`writing` does.
    """
    with writing(path):
        make_folder(path.parent)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            step("unsynced")
            os.fsync(file.fileno())
        step("unnamed")
        temporary.replace(path)
        step("named")
        sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Makes the folder and those above it, each durable in its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Gives the errors of writing ``path`` their place in the tree.

    Raises:
        StorageFullError: no space, no quota, or the file size limit is reached.
        StoreUnavailableError: anything else, such as missing permission.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise full(f"No room for {path}.", path) from error
        raise StoreUnavailableError(
            f"Cannot write {path}: {error.strerror}.", remedy="Check the folder's permissions.", path=str(path)
        ) from error


def full(message: str, path: Path) -> StorageFullError:
    """The error of a full disk, with what to do about it."""
    return StorageFullError(
        message, remedy="Free space and run the same command again; what was committed is kept.", path=str(path)
    )
