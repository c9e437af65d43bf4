"""Reading and following the local event log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from Medical_KG_rev.orchestration.events.log_files import log_file, log_numbers, whole_lines
from Medical_KG_rev.orchestration.events.places import LogFolder

_POLL_SECONDS = 0.2


def read_log(place: LogFolder, *, follow: bool, sleep: Callable[[float], object]) -> Iterator[bytes]:
    """CloudEvents in JSON format, oldest first; with ``follow`` without end.

    Goes from file to file as the log is rotated. A file that is removed while it is read is read to its end; one that is
    removed before its turn is lost to this reader. A line that is still being written waits until it is whole.
    """
    number = 0
    while True:
        number, before = next((found for found in log_numbers(place.directory) if found > number), 0), number
        if number:
            yield from _read_file(place, number, follow, sleep)
        elif follow:
            number = before
            sleep(_POLL_SECONDS)
        else:
            return


def _read_file(place: LogFolder, number: int, follow: bool, sleep: Callable[[float], object]) -> Iterator[bytes]:
    try:
        descriptor = os.open(log_file(place.directory, number), os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        position, final = 0, False
        while True:
            lines = whole_lines(descriptor, position)
            position += len(lines)
            yield from lines.splitlines()
            if lines:
                continue
            if final or not follow:
                return
            # A file is complete once there is a newer one: read what came before that, then leave it.
            final = max(log_numbers(place.directory), default=number) > number
            if not final:
                sleep(_POLL_SECONDS)
    finally:
        os.close(descriptor)
