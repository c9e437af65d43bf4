"""What goes on beside the work of a process: its heartbeat, the relay of events, the watch on configuration, reading PDFs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from Medical_KG_rev.errors import MedicalKGError, is_transient
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.parts import PlatformParts

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.events.pdf_messages import PdfMessages

logger = logging.getLogger(__name__)

ALIVE_SECONDS = 5.0
LOOK_SECONDS = 0.25
"""How often an idle reader looks whether a PDF is queued, which costs it a reading of an index."""
LISTENING_LOOK_SECONDS = 2.0
"""The same for one that hears messages about what is queued: it looks for files whose time has come, and for lost messages."""
IDLE_SECONDS = 5.0
"""So long an idle reader waits at a time; in between it looks for files that lost workers held."""
DRAIN_SECONDS = 10.0
"""How long the end of a command waits for the last events to be published; what is left stays in the outbox."""


class Background:
    """Threads that live as long as the process works. ``tell`` hears ``alive`` every few seconds, from the heartbeat's thread.

    Args:
        resident: also watch the configuration and report metrics: for workers that stay.
        reads_pdfs: also read the PDFs that wait: where the batches have this machine to themselves.

    Attributes:
        failure: why no PDF is read any more; None while they are.
    """

    def __init__(
        self,
        parts: PlatformParts,
        tell: Callable[[dict[str, Any]], None],
        *,
        resident: bool = False,
        reads_pdfs: bool = False,
    ) -> None:
        self._parts = parts
        self._tell = tell
        self._resident = resident
        self._stop = threading.Event()
        self._relay_stop = threading.Event()
        self.failure: MedicalKGError | None = None
        targets = [self._beat, self._relay]
        targets += [self._watch] if resident else []
        targets += [self._read_pdfs] if reads_pdfs else []
        self._threads = [threading.Thread(target=target, name=target.__name__.strip("_"), daemon=True) for target in targets]

    def __enter__(self) -> Self:
        _ = self._parts.registration, self._parts.relay, self._parts.runner  # opened here, not by two threads at once
        if self._resident:
            self._parts.watch.check()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the threads. Events that were written are published if their sink is there."""
        self._stop.set()
        self._relay_stop.set()
        self._parts.stop_reading_pdfs()
        for thread in self._threads:
            thread.join(DRAIN_SECONDS)
        try:
            self._parts.relay.drain()
        except MedicalKGError as failure:
            logger.warning("Events stay in the outbox: %s", failure)

    def watched(self, tell: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
        """``tell`` for the foreground, which stops waiting where nobody reads what it waits for: raises :attr:`failure` there."""

        def hear(event: dict[str, Any]) -> None:
            if event["event"] == "waiting" and self.failure is not None:
                raise self.failure
            tell(event)

        return hear

    def _beat(self) -> None:
        seconds = self._parts.settings.queue.lease_seconds
        worker = self._parts.registration.token
        while True:
            self._tell(self._sign_of_life())
            try:
                self._parts.ledger.queue.extend(worker, seconds)
                self._parts.ledger.pdfs.extend(worker, seconds)
            except MedicalKGError as failure:
                logger.warning("The lease could not be extended: %s", failure)
            if self._stop.wait(min(ALIVE_SECONDS, seconds / 4)):
                return

    def _sign_of_life(self) -> dict[str, Any]:
        if not self._resident:
            return {"event": "alive"}
        return {"event": "alive", "metrics": self._parts.metrics.take_changes()}

    def _relay(self) -> None:
        try:
            self._parts.relay.run(self._relay_stop)
        except MedicalKGError:
            logger.exception("Events are not published any more.")

    def _watch(self) -> None:
        while not self._stop.wait(self._parts.watch.interval_seconds):
            self._parts.watch.check()

    def _read_pdfs(self) -> None:
        """The engine is opened for the first file: most ingests have none."""
        ledger = self._parts.ledger
        try:
            while not self._stop.wait(LOOK_SECONDS):
                if _has_pdf(ledger):
                    self._parts.pdf_reader(self._tell).run(self._stop, lambda stop: await_pdf(ledger, stop))
        except MedicalKGError as failure:
            logger.exception("PDFs are not read any more.")
            self.failure = failure


def await_pdf(ledger: Ledger, stop: threading.Event, messages: PdfMessages | None = None) -> None:
    """Returns when a PDF waits for an engine, ``stop`` is set, or it is time to look for lost workers.

    With ``messages`` it looks for PDFs after each, and now and then.
    """
    until = time.monotonic() + IDLE_SECONDS
    while not stop.is_set() and time.monotonic() < until:
        if messages is None:
            stop.wait(LOOK_SECONDS)
        else:
            messages.wait(stop, LISTENING_LOOK_SECONDS)
        if _has_pdf(ledger):
            return


def _has_pdf(ledger: Ledger) -> bool:
    try:
        return ledger.pdfs.has_task()
    except MedicalKGError as failure:
        if not is_transient(failure):
            raise
        return False  # who works with the ledger in the foreground says that it is away
