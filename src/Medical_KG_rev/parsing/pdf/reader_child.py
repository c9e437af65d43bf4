"""The process in which PDFs are read: ``python -m Medical_KG_rev.parsing.pdf.reader_child``, started by a reader's process.

It answers requests on its standard input until that ends. Nothing heavy is imported here: it starts in a fraction of a second.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import sys
import threading
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from Medical_KG_rev.errors import MedicalKGError
from Medical_KG_rev.parsing.pdf.inspection import inspect_pdf, memory_error
from Medical_KG_rev.parsing.pdf.limits import MEBIBYTE, PdfLimits
from Medical_KG_rev.parsing.pdf.messages import (
    Answer,
    Done,
    Failed,
    Progress,
    Read,
    Ready,
    Start,
    engine_failed,
    receive,
    send,
)
from Medical_KG_rev.parsing.pdf.port import PdfEngine

PROGRESS_SECONDS = 0.1
SPARE_ADDRESSES = 512 * MEBIBYTE
"""Address space beyond the memory that a file may take: libraries reserve more than they use."""


def main() -> None:
    """Builds the engine of the first request and reads the files of the others."""
    faulthandler.enable()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    start = receive(sys.stdin.buffer)
    if not isinstance(start, Start):
        return
    sys.path[:] = start.path
    try:
        engine = _build(start)
        send(answers, Ready(engine.version, engine.fingerprint))
    except MedicalKGError as error:
        send(answers, Failed.of(error))
        return
    _restrict(start.limits)
    requests: SimpleQueue[Read | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    with suppress(BrokenPipeError):
        while (request := requests.get()) is not None:
            send(answers, _answer(engine, start.limits, request, answers))
    engine.close()


def _build(start: Start) -> PdfEngine:
    module, _, name = start.factory.partition(":")
    engine: PdfEngine = getattr(import_module(module), name)(**start.options)
    return engine


def _listen(requests: SimpleQueue[Read | None]) -> None:
    """Passes requests on. At the end of the pipe this process ends too, even in the midst of a file: nobody waits for it."""
    while isinstance(request := receive(sys.stdin.buffer), Read):
        requests.put(request)
    requests.put(None)
    time.sleep(1)
    os._exit(1)


def _restrict(limits: PdfLimits) -> None:
    """No core files, first to go when the machine's memory runs out, address space bounded (where the system can)."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", "ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        allowed = pages * resource.getpagesize() + limits.max_memory_bytes + SPARE_ADDRESSES
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def _answer(engine: PdfEngine, limits: PdfLimits, request: Read, answers: BinaryIO) -> Answer:
    """The layout, or the error: whatever a file does to an engine is told, and the next file is read."""
    path = Path(request.path)
    last = 0.0

    def tell(pages: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS or pages == total:
            last = now
            send(answers, Progress(pages, total))

    try:
        facts = inspect_pdf(path, limits, request.passwords)
        return Done(engine.read(path, password=facts.password, progress=tell))
    except MedicalKGError as error:
        return Failed.of(error)
    except MemoryError:
        return Failed.of(memory_error(path, limits))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the border at which a defect becomes the recorded failure of one file
        traceback.print_exc()
        return Failed.of(engine_failed(path.name, engine.name, error))


if __name__ == "__main__":
    main()
