"""Files that appear whole or not at all: written beside their places, moved there together at the end."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from Medical_KG_rev.errors import StorageFullError, UsageError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WrittenFile(msgspec.Struct, frozen=True):
    """A file as it was put in place."""

    path: str
    size_bytes: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values only."""
        return dict(msgspec.to_builtins(self))


@contextmanager
def outputs(places: Sequence[Path]) -> Iterator[Sequence[BinaryIO]]:
    """Files to write, one for each place; when the block ends without an error they replace what was there.

    Folders that are missing are made.

    Raises:
        UsageError: a place cannot be written.
        StorageFullError: no room; what was at the places is as it was.
    """
    partial: list[Path] = []
    try:
        with ExitStack() as stack:
            files = []
            for place in places:
                if place.is_dir():
                    raise UsageError(f"{place} is a folder.", remedy="Give the name of a file.", path=str(place))
                place.parent.mkdir(parents=True, exist_ok=True)
                partial.append(place.with_name(f".{place.name}.{secrets.token_hex(4)}.partial"))
                files.append(stack.enter_context(partial[-1].open("xb")))
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for made, place in zip(partial, places, strict=True):
            made.replace(place)
    except OSError as error:
        raise _translated(error, places) from error
    finally:
        for made in partial:
            made.unlink(missing_ok=True)


def described(places: Sequence[Path]) -> tuple[WrittenFile, ...]:
    """Size and sha256 of files."""
    return tuple(WrittenFile(str(place), place.stat().st_size, _sha256(place)) for place in places)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _translated(error: OSError, places: Sequence[Path]) -> UsageError | StorageFullError:
    where = ", ".join(map(str, places))
    if error.errno in _NO_SPACE:
        return StorageFullError(f"No room to write {where}. What was there before is as it was.", remedy="Free disk space.")
    return UsageError(f"{where} cannot be written: {error.strerror or error}.", remedy="Choose another place.")


class Tally:
    """What went into an export, and what a format has no place for, by kind."""

    def __init__(self) -> None:
        self.written: dict[str, int] = {}
        self.left_out: dict[str, int] = {}

    def wrote(self, kind: str, count: int = 1) -> None:
        """Counts what is in the export."""
        self.written[kind] = self.written.get(kind, 0) + count

    def left(self, kind: str, count: int = 1) -> None:
        """Counts what is not."""
        self.left_out[kind] = self.left_out.get(kind, 0) + count


def ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """By name."""
    return dict(sorted(counts.items()))
