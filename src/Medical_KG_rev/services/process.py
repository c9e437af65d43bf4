"""Processes that outlive the command which started them, known by their id and time of creation."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

__all__ = ["Running", "create_time", "end", "find", "is_deserted", "kill", "resident_bytes", "run_once", "spawn"]

Running = psutil.Process
"""A process as psutil knows it."""

_SAME_PROCESS_SECONDS = 2.0
"""The time of creation is counted from the boot time, which moves a little when the clock is set."""

_POLL_SECONDS = 0.02

# The shell goes away at once, so the server is nobody's child: it leaves no zombie in a program that kills and restarts it.
_DETACH = 'cd "$1" && log="$2" && shift 2 && { "$@" >>"$log" 2>&1 </dev/null & echo $!; }'


def spawn(command: Sequence[str], folder: Path, log: Path) -> int:
    """Starts a program in a session of its own, in ``folder``, its output appended to ``log``; returns its process id."""
    started = subprocess.run(  # noqa: S603 - a program of the catalogue
        ["/bin/sh", "-c", _DETACH, "sh", str(folder), str(log), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        start_new_session=True,
    )
    return int(started.stdout)


def run_once(command: Sequence[str], folder: Path, log: Path, timeout_seconds: float = 120.0) -> bool:
    """Runs a program to its end, its output appended to ``log``; whether it succeeded."""
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603 - a program of the catalogue
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=timeout_seconds,
            check=False,
        )
    return done.returncode == 0


def create_time(pid: int) -> float:
    """When the process was created, in seconds since the epoch; 0 when it has ended already."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def find(pid: int | None, created: float) -> psutil.Process | None:
    """The running process with this id, if it is still the one that was created at ``created``."""
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < _SAME_PROCESS_SECONDS
    except psutil.NoSuchProcess:
        return None
    return process if same and _runs(process) else None


def resident_bytes(process: psutil.Process) -> int:
    """Memory of a process and its children; pages that they share are counted for each."""
    total = 0
    for member in _family(process):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def end(process: psutil.Process, signal_number: int, grace_seconds: float) -> None:
    """Asks a process to end, and kills it with its children when it has not done so in time."""
    family = _family(process)
    _signal(process, signal_number)
    if _wait([process], grace_seconds):
        kill(process)
        _kill_all(family)


def kill(process: psutil.Process) -> None:
    """Kills a process and its children, and returns when they are gone."""
    _kill_all(_family(process))


def is_deserted(folder: Path, timeout_seconds: float) -> bool:
    """Waits until no process works in ``folder`` any more; whether that is so."""
    deadline = time.monotonic() + timeout_seconds
    while (working := any(_works_in(process, folder) for process in psutil.process_iter())) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return not working


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return bool(process.cwd() == str(folder))
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended, a zombie, or somebody else's
        return False


def _kill_all(family: list[psutil.Process]) -> None:
    for member in family:
        _signal(member, signal.SIGKILL)
    _wait(family, timeout_seconds=30.0)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def _signal(process: psutil.Process, signal_number: int) -> None:
    try:
        process.send_signal(signal_number)
    except psutil.NoSuchProcess:
        return


def _wait(family: list[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Those that still run after the time."""
    deadline = time.monotonic() + timeout_seconds
    while (alive := [process for process in family if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return alive


def _runs(process: psutil.Process) -> bool:
    """A zombie, of which its parent has not yet taken notice, has ended; but not before its last thread.

    A killed program of many threads is called a zombie while some of them still hold its ports and files.
    """
    try:
        return bool(process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1))
    except psutil.NoSuchProcess:
        return False
