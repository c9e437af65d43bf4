"""What a backup holds: a file ``manifest.json`` with the moment, the formats, and the size and sha256 of every file.

It is written last, so that a folder without it is no backup.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec

from Medical_KG_rev.errors import BackupError, FormatVersionError
from Medical_KG_rev.orchestration.ledger.database import HEAD
from Medical_KG_rev.storage.formats import require_known

MANIFEST = "manifest.json"
VERSION = 1
COPY_BYTES = 4 * 1024 * 1024

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many bytes of it are done, and how many there are (0: not known)."""


class BackedUpFile(msgspec.Struct, frozen=True):
    """A file of a backup; ``path`` is relative to its folder, with slashes."""

    path: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``ledger`` is ``sqlite`` or ``postgresql``, ``graph`` where graphs were: ``files`` or ``server``.

    ``formats`` as the stamps of the data folder; ``jobs`` counts by status.
    """

    version: int = VERSION
    release: str
    moment: float
    created_at: str
    ledger: str
    graph: str = "files"
    ledger_revision: str
    formats: dict[str, int]
    jobs: dict[str, int]
    files: list[BackedUpFile]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)

    def below(self, folder: str) -> list[BackedUpFile]:
        """The files of one part."""
        return [file for file in self.files if file.path.startswith(f"{folder}/")]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes the folder a backup: everything before is on disk, then this."""
    os.sync()
    partial = folder / f"{MANIFEST}.partial"
    with partial.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup that this release can restore.

    Raises:
        BackupError: the folder holds no backup, or one whose manifest is damaged.
        FormatVersionError: a newer release made it.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        version = msgspec.json.decode(content, type=_Version).version
    except OSError as error:
        raise BackupError(
            f"{folder} holds no finished backup: {path.name} cannot be read ({error.strerror}).",
            remedy="Name the folder that `medkg backup` has written.",
            path=str(folder),
        ) from error
    except msgspec.DecodeError as error:
        raise _damaged(path, str(error)) from error
    if version > VERSION:
        raise _newer(folder, f"backup format {version}", version, VERSION)
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise _damaged(path, str(error)) from error
    _require_readable(folder, manifest)
    return manifest


def copy_verified(folder: Path, file: BackedUpFile, target: Path) -> None:
    """Copies one file of a backup. Raises BackupError where it is missing or not what the manifest says."""
    source = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        copied = copy_digested(source, target)
    except FileNotFoundError as error:
        raise _damaged(source, "it is missing") from error
    if copied != (file.bytes, file.sha256):
        raise _damaged(
            source, f"it has {copied[0]} bytes with sha256 {copied[1][:12]}…, not {file.bytes} with {file.sha256[:12]}…"
        )


def copy_digested(source: Path, target: Path) -> tuple[int, str]:
    """Copies a file; its size and sha256."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(COPY_BYTES):
            digest.update(piece)
            writing.write(piece)
            size += len(piece)
    return size, digest.hexdigest()


def backed_up(folder: Path, path: Path) -> BackedUpFile:
    """A file that lies in the backup's folder already."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(COPY_BYTES):
            digest.update(piece)
            size += len(piece)
    return BackedUpFile(path.relative_to(folder).as_posix(), size, digest.hexdigest())


class _Version(msgspec.Struct):
    version: int


def _require_readable(folder: Path, manifest: Manifest) -> None:
    require_known(manifest.formats, folder)
    if manifest.ledger_revision > HEAD:
        raise _newer(folder, f"ledger schema {manifest.ledger_revision}", manifest.ledger_revision, HEAD)
    for file in manifest.files:
        parts = PurePosixPath(file.path)
        if parts.is_absolute() or ".." in parts.parts:
            raise _damaged(folder / MANIFEST, f"{file.path!r} leads out of the backup")


def _damaged(path: Path, reason: str) -> BackupError:
    return BackupError(
        f"The backup is damaged at {path}: {reason}. Nothing was restored.",
        remedy="Restore another backup; this one is not whole.",
        path=str(path),
    )


def _newer(folder: Path, what: str, found: object, expected: object) -> FormatVersionError:
    return FormatVersionError(
        f"The backup {folder} was made by a newer release: it has {what}, and this one reads up to {expected}.",
        remedy="Run `pip install --upgrade medical-kg-rev`, then `medkg restore` again.",
        path=str(folder),
        found=found,
        expected=expected,
    )
