"""Events in local files, for a machine without servers."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from Medical_KG_rev.errors import EventSinkUnavailableError
from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.events.log_files import end_of_whole_lines, log_file, log_numbers
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.events.places import LogFolder

LOCK_FILE = "events.lock"
_LOCK_POLL_SECONDS = 0.02


class LogSink:
    """Appends CloudEvents in JSON format, a line each, to the last of the log's files.

    A file lock lets one process write at a time. A line that a killed process left unfinished is cut off by the next writer:
    its publish never returned, so its events come again. Finished lines are never taken back.
    """

    def __init__(
        self, place: LogFolder, *, sleep: Callable[[float], object] = time.sleep, lock_timeout_seconds: float = 10.0
    ) -> None:
        self._place = place
        self._sleep = sleep
        self._lock_polls = round(lock_timeout_seconds / _LOCK_POLL_SECONDS)

    def publish(self, events: Sequence[Event]) -> None:
        """Returns when all lines are on disk.

        Raises:
            EventSinkUnavailableError: no space, no permission, or another process holds the lock for too long.
        """
        if not events:
            return
        lines = b"".join(to_json(event) + b"\n" for event in events)
        try:
            self._place.directory.mkdir(parents=True, exist_ok=True)
            with self._lock():
                self._append(lines)
        except OSError as error:
            raise self._unavailable(str(error)) from error

    def close(self) -> None:
        """Nothing is held between calls."""

    def _append(self, lines: bytes) -> None:
        descriptor = self._open_for(len(lines))
        try:
            written = 0
            while written < len(lines):
                written += os.write(descriptor, memoryview(lines)[written:])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _open_for(self, size_bytes: int) -> int:
        """The file to append to, its unfinished end cut off, or a new one where the lines would make it too large."""
        directory = self._place.directory
        number = max(log_numbers(directory), default=0)
        if number:
            descriptor = os.open(log_file(directory, number), os.O_RDWR | os.O_APPEND)
            end = end_of_whole_lines(descriptor)
            os.ftruncate(descriptor, end)
            if not end or end + size_bytes <= self._place.max_file_bytes:
                return descriptor
            os.close(descriptor)
        descriptor = os.open(log_file(directory, number + 1), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        self._remove_oldest()
        _sync_directory(directory)
        return descriptor

    def _remove_oldest(self) -> None:
        for number in log_numbers(self._place.directory)[: -self._place.max_files]:
            log_file(self._place.directory, number).unlink(missing_ok=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._place.directory / LOCK_FILE).open("ab") as lock:
            for _ in range(self._lock_polls):
                if _try_lock(lock.fileno()):
                    yield
                    return
                self._sleep(_LOCK_POLL_SECONDS)
            raise self._unavailable("another process has held its lock for too long")

    def _unavailable(self, why: str) -> EventSinkUnavailableError:
        directory = self._place.directory
        return EventSinkUnavailableError(
            f"The event log in {directory} takes no events: {why}.",
            remedy="The events wait in the ledger and are written when it does.",
            sink=str(directory),
        )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
