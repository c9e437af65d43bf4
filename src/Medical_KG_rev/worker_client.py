"""The parent's side of the worker: starts it, passes its events on, ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from Medical_KG_rev import errors
from Medical_KG_rev.errors import MedicalKGError, PartUnavailableError
from Medical_KG_rev.settings import Settings

LOG_TAIL_LINES = 15
GRACE_SECONDS = 20


def run_in_worker(settings: Settings, command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Events of the command, the last one its ``result``.

    Closing the iterator, or an interrupt of this process, interrupts the worker: it keeps what was committed.

    Raises:
        MedicalKGError: as the worker raised it.
        PartUnavailableError: the worker ended without a word.
    """
    log = settings.data_dir / "logs" / "worker.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as messages:
        worker = subprocess.Popen(
            [sys.executable, "-m", "Medical_KG_rev.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            start_new_session=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    finished = False
    try:
        yield from _events(worker, {**command, "settings": _plain(settings)}, log)
        finished = True
    finally:
        _stop(worker, interrupt=not finished)


def _events(worker: subprocess.Popen[str], command: dict[str, Any], log: Path) -> Iterator[dict[str, Any]]:
    if worker.stdin is None or worker.stdout is None:
        raise PartUnavailableError("The worker process has no pipes.")
    worker.stdin.write(json.dumps(command) + "\n")
    worker.stdin.flush()
    for line in worker.stdout:
        event = json.loads(line)
        if event["event"] == "error":
            raise _rebuilt(event)
        yield event
        if event["event"] == "result":
            return
    worker.wait()
    if worker.returncode == -signal.SIGINT or worker.returncode == 130:
        raise KeyboardInterrupt
    raise PartUnavailableError(
        f"The worker process ended with code {worker.returncode}: {_tail(log)}",
        remedy=f"Its messages are in {log}. Run the same command again: it goes on where this one stopped.",
    )


def _rebuilt(event: dict[str, Any]) -> MedicalKGError:
    kind = getattr(errors, event["type"], PartUnavailableError)
    return kind(event["message"], remedy=event["remedy"])


def _stop(worker: subprocess.Popen[str], *, interrupt: bool) -> None:
    """Waits for the end of the worker. Interrupts are repeated: one that arrives while Dagster writes an event is lost."""
    for _ in range(GRACE_SECONDS):
        if interrupt and worker.poll() is None:
            worker.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            worker.wait(1)
            break
    else:
        worker.kill()
        worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            pipe.close()


def _plain(settings: Settings) -> dict[str, Any]:
    """Settings as JSON; the key travels through the pipe only."""
    plain = settings.model_dump(mode="json")
    plain["embedding"]["api_key"] = settings.embedding.api_key.get_secret_value()
    return plain


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return " | ".join(line.strip() for line in lines if line.strip()) or "no message"
