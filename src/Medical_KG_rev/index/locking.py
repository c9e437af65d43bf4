"""The lock that lets one writer at a time commit to a tenant's index."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from Medical_KG_rev.errors import StoreUnavailableError
from Medical_KG_rev.index.disk import writing

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05


@contextmanager
def exclusive(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Holds the file lock, waiting for whoever has it. The kernel frees it when its holder dies, so it is never stale.

    Raises:
        StoreUnavailableError: it was not free within ``timeout_seconds``.
    """
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait(descriptor, path, timeout_seconds)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreUnavailableError(
                    f"Another process has been writing to {path.parent} for more than {timeout_seconds:g} s.",
                    remedy="Wait for it to end, or end it, and run the same command again.",
                    path=str(path),
                ) from None
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        else:
            return
