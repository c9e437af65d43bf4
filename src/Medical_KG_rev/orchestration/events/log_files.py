"""The files of an event log: ``events-00000001.jsonl``, ``events-00000002.jsonl``, …; only the last one grows."""

from __future__ import annotations

import os
import re
from pathlib import Path

_NAME = re.compile(r"events-(\d{8,})\.jsonl")
_CHUNK_BYTES = 1 << 20


def log_file(directory: Path, number: int) -> Path:
    """The file of a number."""
    return directory / f"events-{number:08d}.jsonl"


def log_numbers(directory: Path) -> list[int]:
    """The numbers of the files there are, oldest first."""
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def whole_lines(descriptor: int, position: int) -> bytes:
    """Some whole lines from a position on; empty when no line has been finished since."""
    size = _CHUNK_BYTES
    while True:
        data = os.pread(descriptor, size, position)
        end = data.rfind(b"\n") + 1
        if end or len(data) < size:
            return data[:end]
        size *= 2


def end_of_whole_lines(descriptor: int) -> int:
    """Where the last finished line of a file ends."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _CHUNK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
