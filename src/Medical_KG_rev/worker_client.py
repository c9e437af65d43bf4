"""The parent's side of the worker: starts it, passes its events on, replaces it when it hangs, ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from Medical_KG_rev import errors
from Medical_KG_rev.errors import MedicalKGError, PartUnavailableError
from Medical_KG_rev.settings import Settings

LOG_TAIL_LINES = 15
GRACE_SECONDS = 20
SILENCE_SECONDS = 180.0
"""A worker tells every few seconds that it lives; one that is silent for so long holds the interpreter in a call that hangs."""
QUIET_EVENTS = frozenset({"alive", "replace", "submitted"})


def run_in_worker(settings: Settings, command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Events of the command, the last one its ``result``.

    A worker in which a call hangs is replaced by another one that goes on. Closing the iterator, or an interrupt of this process,
    interrupts the worker: it keeps what was committed.

    Raises:
        MedicalKGError: as the worker raised it.
        WorkerEndedError: the worker ended without a word.
    """
    next_command: dict[str, Any] | None = command
    while next_command is not None:
        worker = WorkerProcess(settings, next_command)
        next_command = None
        finished = False
        submission_id: str | None = None
        try:
            for event in worker.events():
                submission_id = event.get("submission_id", submission_id)
                if event["event"] == "replace":
                    next_command = event["command"]
                elif event["event"] not in QUIET_EVENTS:
                    yield event
            finished = True
        except WorkerSilentError:
            if submission_id is None:
                raise
            next_command = {"command": "resume", "submission_id": submission_id, "foreign": [], "started": 0.0}
        finally:
            worker.stop(interrupt=not finished)


class WorkerEndedError(PartUnavailableError):
    """A worker ended without a word: it was killed, or crashed."""

    code = "worker_ended"


class WorkerSilentError(WorkerEndedError):
    """A worker hangs as a whole; it has been killed."""

    code = "worker_silent"


class WorkerProcess:
    """One child process with one command."""

    def __init__(self, settings: Settings, command: dict[str, Any], *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._silence_seconds = silence_seconds
        self._log = settings.data_dir / "logs" / "worker.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a", encoding="utf-8") as messages:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "Medical_KG_rev.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                start_new_session=True,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({**command, "settings": settings.plain()}) + "\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        return self._process.pid

    def events(self) -> Iterator[dict[str, Any]]:
        """What the worker tells, until its ``result`` or ``replace``.

        Raises:
            MedicalKGError: as the worker raised it.
            WorkerSilentError: it has not said anything for too long, and was killed.
            WorkerEndedError: it ended without a word.
        """
        while (line := self._next_line()) is not None:
            event = json.loads(line)
            if event["event"] == "error":
                raise _rebuilt(event)
            yield event
            if event["event"] in ("result", "replace"):
                return
        self._process.wait()
        if self._process.returncode in (-signal.SIGINT, 130):
            raise KeyboardInterrupt
        raise WorkerEndedError(
            f"The worker process ended with code {self._process.returncode}: {_tail(self._log)}",
            remedy=f"Its messages are in {self._log}. Run the same command again: it goes on where this one stopped.",
        )

    def drain(self) -> None:
        """Asks the worker to stop after its current stage."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """Asks the worker to stop at once; what was committed is kept."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends the worker. What it held is found by the next one."""
        self._process.kill()

    def stop(self, *, interrupt: bool) -> None:
        """Waits for its end. Interrupts are repeated: one that arrives before the worker listens is lost."""
        for _ in range(GRACE_SECONDS):
            if interrupt and self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
                break
        else:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        with suppress(ValueError):  # closed by stop() while this waited
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _next_line(self) -> str | None:
        try:
            return self._lines.get(timeout=self._silence_seconds)
        except Empty:
            self._process.kill()
            self._process.wait()
            raise WorkerSilentError(
                f"The worker process {self.pid} said nothing for {self._silence_seconds:.0f} s and was ended.",
                remedy="Run the same command again: it goes on where this one stopped.",
            ) from None


def _rebuilt(event: dict[str, Any]) -> MedicalKGError:
    kind = getattr(errors, event["type"], PartUnavailableError)
    return kind(event["message"], remedy=event["remedy"])


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return " | ".join(line.strip() for line in lines if line.strip()) or "no message"
