"""The warm child process that runs batches: ``python -m Medical_KG_rev.worker``.

It reads one command as a line of JSON from standard input and answers with lines of JSON on standard output; the last one
has the event ``result`` or ``error``. Standard input stays open as long as the parent lives: when it ends, so does the child,
whatever it is doing, and what it held is found by the next process.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

import msgspec

from Medical_KG_rev.errors import MedicalKGError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.orchestration.session import IngestSession
from Medical_KG_rev.orchestration.submission import IdFactory, SubmissionParts
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.settings import Settings

INTERRUPTED = 130
OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""A batch holds some hundred thousand objects without cycles for as long as it runs; at Python's 700, looking through them for
garbage takes some eight percent of the time."""


def execute(parts: PlatformParts, command: dict[str, Any], tell: Any) -> dict[str, Any]:
    """Runs one command (``ingest`` or ``retry``) in this process and gives its result."""
    parts.progress = lambda stage, done, total, failed: tell(
        {"event": "stage", "stage": stage, "done": done, "total": total, "failed": failed}
    )
    parts.on_retry = lambda attempt, wait, error: tell(
        {"event": "retry", "attempt": attempt, "wait_seconds": round(wait, 1), "message": str(error)}
    )
    session = IngestSession(
        SubmissionParts(
            parts.ledger,
            parts.store,
            time.time,
            IdFactory(time.time),
            parts.registration.token,
            parts.data_dir / "submit.lock",
        ),
        parts.settings.batch.size,
        parts.run_batch,
        tell,
    )
    if command["command"] == "retry":
        return session.retry([parts.ledger.job(job_id) for job_id in command["job_ids"]])
    request = msgspec.convert(command["request"], AdapterRequest)
    return session.ingest(
        request,
        parts.pipeline(command["pipeline"]),
        parts.adapters.get(request.source),
        idempotency_key=command["idempotency_key"],
        wait=command["wait"],
    )


def main() -> int:
    """Serves one command; the exit code is the command's."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not get between the lines of the protocol
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("Medical_KG_rev").setLevel(logging.INFO)
    command = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)

    def tell(event: dict[str, Any]) -> None:
        out.write(json.dumps(event) + "\n")
        out.flush()

    parts = PlatformParts(Settings(**command["settings"]))
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    try:
        tell({"event": "result", "result": execute(parts, command, tell)})
    except MedicalKGError as error:
        tell({"event": "error", **error_event(error)})
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        parts.close()
    return 0


def error_event(error: MedicalKGError) -> dict[str, Any]:
    """An error as the parent needs it to raise it again."""
    return {
        "type": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
        "exit_code": error.exit_code,
    }


def _end_with_parent() -> None:
    while sys.stdin.readline():
        pass
    os._exit(INTERRUPTED)


def _interrupt(_signal: int, _frame: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
