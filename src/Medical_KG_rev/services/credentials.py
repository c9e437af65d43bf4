"""Passwords and keys of local servers."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable

__all__ = ["draw_secrets"]

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 24


def draw_secrets(names: Iterable[str]) -> dict[str, str]:
    """A random word for each name: letters and digits, so that it stands in addresses without escapes."""
    return {name: "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for name in names}
