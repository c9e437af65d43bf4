"""The format version of the data folder and of every store in it.

A file ``FORMAT`` (JSON: version, and the release that wrote it) says how a folder is to be read. The first release wrote none, so
a folder without it has version 1, and is stamped when it is next opened. The ledger has its schema's revision instead.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from Medical_KG_rev.errors import FormatVersionError

CURRENT: Mapping[str, int] = {"": 1, "objects": 1, "index": 1, "graph": 1, "events": 1, "dagster": 1}
"""Folder below the data folder ("" is itself) → the version that this release reads and writes."""

STAMP = "FORMAT"
OBJECTS_STAMP = "~FORMAT"
"""In the object store's folder: no key has a tilde, so that the stamp is no object."""


def check_formats(data_dir: Path, created_by: str = "") -> None:
    """Refuses a data folder that a newer release has written, and stamps what is not stamped yet. Takes less than a millisecond.

    Folders that do not exist are left alone; those that cannot be written, such as a library that is only read, stay unstamped.

    Raises:
        FormatVersionError: a folder has a version that this release does not know, or its stamp cannot be read.
    """
    for name, version in CURRENT.items():
        _check(data_dir / name, _stamp_of(data_dir, name), version, created_by)


def format_versions(data_dir: Path) -> dict[str, int]:
    """Folder → the version on its stamp, for those that have one."""
    found = {}
    for name in CURRENT:
        version = _read(_stamp_of(data_dir, name))
        if version is not None:
            found[name or "data"] = version
    return found


def require_known(versions: Mapping[str, Any], origin: Path) -> None:
    """Raises FormatVersionError where ``versions``, as :func:`format_versions` gives them, hold one that is newer."""
    for name, version in versions.items():
        expected = CURRENT.get("" if name == "data" else name)
        if expected is None or not isinstance(version, int) or version > expected:
            raise _refusal(origin, f"format {version} of {name}", version, expected)


def require_version(found: int, expected: int, origin: object) -> None:
    """Raises FormatVersionError where what ``origin`` names is newer than ``expected``."""
    if found > expected:
        raise _refusal(origin, f"format {found}", found, expected)


def version_in(content: bytes, stamp: object) -> int:
    """The version in a stamp; ``stamp`` says where that lies.

    Raises:
        FormatVersionError: it holds none.
    """
    try:
        version = json.loads(content)["version"]
    except (ValueError, KeyError, TypeError):
        version = None
    if not isinstance(version, int) or version < 1:
        raise FormatVersionError(
            f"{stamp} is damaged: it holds no format version.",
            remedy=f'Restore a backup with `medkg restore`, or, if nothing else is damaged, write {{"version": 1}} into {stamp}.',
            path=str(stamp),
            found=content[:80].decode("utf-8", "replace"),
        )
    return version


def _stamp_of(data_dir: Path, name: str) -> Path:
    return data_dir / name / (OBJECTS_STAMP if name == "objects" else STAMP)


def _check(folder: Path, stamp: Path, expected: int, created_by: str) -> None:
    found = _read(stamp)
    if found is not None:
        require_version(found, expected, folder)
    elif folder.is_dir():
        _write(stamp, {"version": expected, "created_by": created_by or _release()})


def _read(stamp: Path) -> int | None:
    try:
        content = stamp.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FormatVersionError(
            f"The format version of {stamp.parent} cannot be read: {error.strerror}.",
            remedy="Check the folder's permissions.",
            path=str(stamp),
        ) from error
    return version_in(content, stamp)


def _write(stamp: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all; processes that stamp at once write the same."""
    temporary = stamp.with_name(f"{OBJECTS_STAMP}{secrets.token_hex(4)}")
    try:
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
        temporary.replace(stamp)
    except OSError:
        temporary.unlink(missing_ok=True)


def _refusal(path: object, what: str, found: object, expected: int | None) -> FormatVersionError:
    return FormatVersionError(
        f"{path} was written by a newer release: it has {what}, and this one reads formats up to {expected}.",
        remedy="Run `pip install --upgrade medical-kg-rev`, or restore a backup of this release with `medkg restore DIR`.",
        path=str(path),
        found=found,
        expected=expected,
    )


def _release() -> str:
    from Medical_KG_rev import __version__

    return __version__
