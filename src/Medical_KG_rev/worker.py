"""The warm child process that runs batches: ``python -m Medical_KG_rev.worker``.

It reads one command as a line of JSON from standard input and answers with lines of JSON on standard output; the last one
has the event ``result``, ``replace`` or ``error``. Standard input stays open as long as the parent lives: when it ends, so does
the child, whatever it is doing, and what it held is found by the next process.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import msgspec

from Medical_KG_rev.background import Background, await_pdf
from Medical_KG_rev.errors import MedicalKGError, WorkerStoppedError, is_transient
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.observability.logs import configure_logging
from Medical_KG_rev.orchestration.ledger import JobStatus, Ledger
from Medical_KG_rev.orchestration.ledger.admission import LEASING
from Medical_KG_rev.orchestration.ledger.pdf_queue import PARSE, PdfDepth
from Medical_KG_rev.orchestration.ledger.recovery import STOPPED
from Medical_KG_rev.orchestration.session import IngestSession, ReplaceProcess
from Medical_KG_rev.orchestration.submission import IdFactory, SubmissionParts
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.settings import Settings

INTERRUPTED = 130
OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""A batch holds some hundred thousand objects without cycles for as long as it runs; at Python's 700, looking through them for
garbage takes some eight percent of the time."""
FAULT_PAUSE_SECONDS = 5.0
LOOK_SECONDS = 0.1
"""How often an idle worker looks whether a batch is queued, which costs it a reading of an index."""

IDLE = PdfDepth(queued=0, leased=0, oldest_at=None)
RESIDENT = ("work", "read")
"""Commands of processes that stay."""

Tell = Callable[[dict[str, Any]], None]


def execute(parts: PlatformParts, command: dict[str, Any], tell: Tell, stop: threading.Event | None = None) -> dict[str, Any]:
    """Runs one command (``ingest``, ``resume``, ``retry``, ``work`` or ``read``) in this process and gives its result.

    Raises:
        ReplaceProcess: a call hangs in this process; another is to go on.
    """
    parts.progress = lambda stage, done, total, failed: tell(
        {"event": "stage", "stage": stage, "done": done, "total": total, "failed": failed}
    )
    parts.on_retry = lambda attempt, wait, error: tell(
        {"event": "retry", "attempt": attempt, "wait_seconds": round(wait, 1), "message": str(error)}
    )
    kind, stop = command["command"], stop or threading.Event()
    with Background(parts, tell, resident=kind in RESIDENT, reads_pdfs=kind != "read" and _reads_beside(parts)) as background:
        if kind == "read":
            return _read(parts, stop, tell, once=command.get("once", False))
        session = open_session(parts, background.watched(tell), patient=kind != "work")
        match kind:
            case "work":
                return _work(parts, session, stop, tell, once=command.get("once", False))
            case "retry":
                jobs = [parts.ledger.job(job_id) for job_id in command["job_ids"]]
                return session.retry(jobs, actor=command.get("actor", ""), from_stage=command.get("from_stage"))
            case "resume":
                return session.resume(command["submission_id"], command["foreign"], command["started"])
            case _:
                return _ingest(parts, session, command)


def open_session(parts: PlatformParts, tell: Tell, *, patient: bool = True) -> IngestSession:
    """The session of this process. ``patient``: it waits out a server that is away, as a resident worker does by itself."""
    return IngestSession(
        SubmissionParts(
            parts.ledger,
            parts.store,
            time.time,
            IdFactory(time.time),
            parts.registration.token,
            parts.settings.queue.max_waiting,
        ),
        parts.settings.batch.size,
        parts.run_batch,
        tell,
        lease_seconds=parts.settings.queue.lease_seconds,
        unfit=lambda: parts.runner.unfit,
        tick_gates=parts.gates.tick,
        is_before_gate=lambda job, stage: (
            stage == PARSE or any(each.name == stage for each in parts.pipeline(job.pipeline_name, job.pipeline_version).stages)
        ),
        patient=patient,
    )


def collect_rarely() -> None:
    """Garbage is looked for less often than Python would, and not among what is there by now: for a process that runs batches."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 20)


def _ingest(parts: PlatformParts, session: IngestSession, command: dict[str, Any]) -> dict[str, Any]:
    request = msgspec.convert(command["request"], AdapterRequest)
    parts.topologies.pin(command["pipeline"])
    if for_pdfs := command.get("pdf_pipeline"):
        parts.topologies.pin(for_pdfs)
    return session.ingest(
        request,
        parts.pipeline(command["pipeline"]),
        parts.adapters.get(request.source),
        pdf_pipeline=parts.pipeline(for_pdfs) if for_pdfs else None,
        idempotency_key=command["idempotency_key"],
        wait=command["wait"],
        priority=command.get("priority", 1),
    )


def _work(
    parts: PlatformParts, session: IngestSession, stop: threading.Event, tell: Tell, *, once: bool = False
) -> dict[str, Any]:
    """Runs batches until told to stop, or, with ``once``, until none waits.

    A fault of the surroundings is waited out; one of the configuration ends the worker.
    """
    parts.policies.names()  # no stage runs without them: say so now, not with the first batch
    batches, faulted = 0, False
    while not stop.is_set():
        if parts.runner.unfit:
            raise ReplaceProcess({"command": "work", "once": once})
        try:
            if faulted:  # a batch that could not be given back while the ledger was away is given back now
                parts.ledger.recovery.release_worker(parts.registration.token, STOPPED)
            reading = once and _reads_beside(parts) and parts.ledger.pdfs.depth() != IDLE  # what it makes ready is seen after it
            worked, faulted = session.work(), False
            batches += worked
            if not worked:
                if once and not reading and _is_idle(parts.ledger):
                    break
                _await_batch(parts, stop)
        except WorkerStoppedError:
            break
        except MedicalKGError as error:
            if not is_transient(error):
                raise
            tell({"event": "fault", "code": error.code, "message": str(error)})
            faulted = True
            stop.wait(FAULT_PAUSE_SECONDS)
    return {"batches": batches}


def _read(parts: PlatformParts, stop: threading.Event, tell: Tell, *, once: bool = False) -> dict[str, Any]:
    """Reads PDFs until told to stop, or, with ``once``, until none waits."""
    ledger, messages = parts.ledger, None if once else parts.pdf_messages()
    with ExitStack() as stack:
        if messages is not None:
            stack.callback(messages.close)
        return {"files": parts.pdf_reader(tell).run(stop, lambda stopped: await_pdf(ledger, stopped, messages), until_idle=once)}


def _reads_beside(parts: PlatformParts) -> bool:
    """Whether processes that run batches read PDFs too: on one machine, where nobody else would."""
    return parts.settings.profile == "embedded"


def _await_batch(parts: PlatformParts, stop: threading.Event) -> None:
    """Waits for as long as a worker pauses between two looks for all that may be done, or until a batch is queued."""
    pause = parts.settings.queue.poll_seconds
    until = time.monotonic() + pause
    while not stop.wait(min(LOOK_SECONDS, pause)) and time.monotonic() < until:
        if parts.ledger.queue.has_batch():
            return


def _is_idle(ledger: Ledger) -> bool:
    """Whether nothing is left to take: no job waits, or no worker may take one."""
    jobs = ledger.count_jobs()
    return LEASING in ledger.gates.closed() or not any(jobs.get(status) for status in (JobStatus.QUEUED, JobStatus.STUCK))


def main() -> int:
    """Serves one command; the exit code is the command's."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not get between the lines of the protocol
    command = json.loads(sys.stdin.readline())
    settings = Settings(**command["settings"])
    configure_logging(sys.stderr, json=settings.log.json_lines, level=settings.log.level, secrets=settings.secrets())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lines = threading.Lock()

    def tell(event: dict[str, Any]) -> None:
        with lines:
            out.write(json.dumps(event) + "\n")
            out.flush()

    parts = PlatformParts(settings)
    stop = threading.Event()
    if command["command"] in RESIDENT:
        answer_interrupts(parts, signal.SIGINT)
        signal.signal(signal.SIGTERM, _drain(parts, stop))
    else:
        answer_interrupts(parts, signal.SIGINT, signal.SIGTERM)
    collect_rarely()
    try:
        tell({"event": "result", "result": execute(parts, command, tell, stop)})
    except ReplaceProcess as request:
        tell({"event": "replace", "command": request.command})
    except (KeyboardInterrupt, WorkerStoppedError):
        return INTERRUPTED
    except MedicalKGError as error:
        tell({"event": "error", **error_event(error)})
        return error.exit_code
    finally:
        with suppress(KeyboardInterrupt):  # one that comes now comes too late; its handler has silenced both
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
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


def _drain(parts: PlatformParts, stop: threading.Event) -> Callable[[int, Any], None]:
    """The current stage ends, its batch goes back to the queue, and no other is taken."""

    def drain(_signal: int, _frame: Any) -> None:
        stop.set()
        _stop_runner(parts)

    return drain


def answer_interrupts(parts: PlatformParts, *numbers: signal.Signals) -> None:
    """The first of these signals ends what runs at once, or, where Python cannot raise (a finaliser), with its stage."""

    def interrupt(_signal: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _stop_runner(parts)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, interrupt)


def _stop_runner(parts: PlatformParts) -> None:
    if "runner" in parts.__dict__:
        parts.runner.stop()


if __name__ == "__main__":
    # A hung call must not keep the process: its thread is a daemon, but libraries may wait for it when Python ends.
    code = main()
    sys.stderr.flush()
    os._exit(code)
