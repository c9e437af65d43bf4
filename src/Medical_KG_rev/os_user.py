"""Who gives a command, for the audit trail."""

from __future__ import annotations

import getpass


def os_user() -> str:
    """The operating system's name of the user; ``unknown`` where it has none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
