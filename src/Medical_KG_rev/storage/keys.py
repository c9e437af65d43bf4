"""Which names objects may have. Every store takes the same ones."""

from __future__ import annotations

import re

from Medical_KG_rev.errors import UsageError

MAX_KEY_BYTES = 1024
MAX_NAME_BYTES = 200
"""Of one part of a key; file systems allow 255, and a temporary file's name is longer."""

_KEY = re.compile(r"[\w.:=@-]+(/[\w.:=@-]+)*")


def is_key(key: str) -> bool:
    """Whether an object may be called so."""
    if _KEY.fullmatch(key) is None or len(key.encode()) > MAX_KEY_BYTES:
        return False
    return all(part not in (".", "..") and len(part.encode()) <= MAX_NAME_BYTES for part in key.split("/"))


def require_key(key: str) -> None:
    """Raises UsageError where ``key`` is none."""
    if not is_key(key):
        raise UsageError(
            f"{key[:80]!r} is not an object key.",
            remedy=f"Use letters, digits and . : = @ - between slashes, at most {MAX_NAME_BYTES} bytes a part.",
        )


def require_range(key: str, offset: int, length: int | None) -> None:
    """Raises UsageError where a range begins or ends before the object does."""
    if offset < 0 or (length is not None and length < 0):
        raise UsageError(f"A range of {key!r} cannot be negative: offset {offset}, length {length}.")


def key_clash(key: str) -> UsageError:
    """The error of a name that is taken by a folder, or lies below an object."""
    return UsageError(f"{key!r} cannot be both an object and a folder of others.", key=key)
