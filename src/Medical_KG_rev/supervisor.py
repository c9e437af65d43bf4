"""Keeps worker processes at work: starts them, starts them again when they end badly, and lets them end when told to."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Protocol, Self

from Medical_KG_rev.errors import MedicalKGError, is_transient
from Medical_KG_rev.observability.catalogue import CATALOGUE, JOB_ACTIVE
from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.worker_client import WorkerEndedError

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
FAULTS_IN_A_ROW = 5
"""So many children may end badly, one after the other and without a batch, before a supervisor that is to end gives up."""
GAUGE_SECONDS = 5.0
INTERRUPT_SECONDS = 20
"""How long interrupted children have before they are killed."""

LABELS = {metric.name: tuple(label.name for label in metric.labels) for metric in CATALOGUE}

Tell = Callable[[dict[str, Any]], None]


class Child(Protocol):
    """A process that runs batches."""

    @property
    def pid(self) -> int: ...

    def events(self) -> Iterator[dict[str, Any]]:
        """What it tells, until its ``result`` or ``replace``; raises MedicalKGError or KeyboardInterrupt where there is none."""
        ...

    def drain(self) -> None:
        """Asks it to end after the stage at hand."""
        ...

    def interrupt(self) -> None:
        """Asks it to end at once."""
        ...

    def kill(self) -> None:
        """Ends it."""
        ...

    def stop(self, *, interrupt: bool) -> None:
        """Waits for its end."""
        ...


StartChild = Callable[[], Child]


@dataclass(slots=True)
class _Slot:
    """The place of one process, whichever process fills it."""

    number: int
    child: Child | None = None
    faults: int = 0
    batches: int = 0
    restarts: int = 0


class Supervisor:
    """Runs ``processes`` children until they are told to end, have nothing left to do, or cannot do anything.

    Args:
        start: starts a child.
        processes: how many run beside each other.
        tell: hears their events with ``process`` and ``pid``, and the supervisor's own: ``started``, ``ended``, ``fault``,
            ``draining``. Called from several threads, never by two at once.
        metrics: takes what the children measure.
        once: children end by themselves; then a child that keeps failing is given up.
        counted: the event of which the result counts how many there were.
    """

    def __init__(
        self,
        start: StartChild,
        processes: int,
        tell: Tell,
        metrics: Metrics,
        *,
        once: bool = False,
        counted: str = "batch",
        pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self._start = start
        self._tell = tell
        self._metrics = metrics
        self._once = once
        self._counted = counted
        self._pause_seconds = pause_seconds
        self._slots = [_Slot(number) for number in range(1, processes + 1)]
        self._lock = threading.Lock()
        self._draining = threading.Event()
        self._announced = False
        self._hard = threading.Event()
        self._ended: SimpleQueue[Exception | None] = SimpleQueue()

    def run(self) -> dict[str, int]:
        """The number of ``batches`` (or of what is counted instead) and ``restarts``.

        Raises:
            MedicalKGError: a child cannot work as it is configured; the others were let end.
            KeyboardInterrupt: the children were ended by :meth:`interrupt`.
        """
        threads = [threading.Thread(target=self._keep, args=(slot,), daemon=True) for slot in self._slots]
        for thread in threads:
            thread.start()
        errors = self._await_all()
        if errors:
            raise errors[0]
        if self._hard.is_set():
            raise KeyboardInterrupt
        return {
            "batches": sum(slot.batches for slot in self._slots),
            "restarts": sum(slot.restarts for slot in self._slots),
        }

    def drain(self) -> None:
        """Lets every child end after its stage. May be called from a signal handler."""
        self._draining.set()
        for child in self._children():
            child.drain()

    def interrupt(self) -> None:
        """Ends the children at once. May be called from a signal handler."""
        self._hard.set()
        self._draining.set()

    @property
    def draining(self) -> bool:
        """Whether the children are about to end."""
        return self._draining.is_set()

    def _await_all(self) -> list[Exception]:
        errors: list[Exception] = []
        left, seconds_hard = len(self._slots), 0
        while left:
            try:
                error = self._ended.get(timeout=1.0)
            except Empty:
                self._announce()
                seconds_hard += self._press(seconds_hard)
                continue
            self._announce()
            left -= 1
            if error is not None:
                errors.append(error)
                self.drain()
        return errors

    def _announce(self) -> None:
        """Tells of the end once; not from :meth:`drain`, which a signal may call in the middle of another line."""
        if self._draining.is_set() and not self._announced:
            self._announced = True
            self._say({"event": "draining"})

    def _press(self, seconds: int) -> bool:
        """One more second of an end at once; an interrupt that is lost is repeated."""
        if not self._hard.is_set():
            return False
        for child in self._children():
            (child.kill if seconds >= INTERRUPT_SECONDS else child.interrupt)()
        return True

    def _children(self) -> list[Child]:
        return [child for slot in self._slots if (child := slot.child) is not None]

    def _keep(self, slot: _Slot) -> None:
        """One thread a slot: a child after the other."""
        try:
            while not self._draining.is_set() and not self._life(slot):
                slot.restarts += not self._draining.is_set()
        except Exception as error:  # noqa: BLE001 - the border of the thread: it is raised by run()
            self._ended.put(error)
        else:
            self._ended.put(None)

    def _life(self, slot: _Slot) -> bool:
        """Runs one child to its end; whether no other is to follow. Raises what no other child would mend."""
        child = slot.child = self._start()
        active: Counter[tuple[str, ...]] = Counter()
        if self._draining.is_set():
            child.drain()
        self._report(slot, child, {"event": "started"})
        try:
            return self._hear(slot, child, active)
        except KeyboardInterrupt:
            self._fault(slot, child, "interrupted", f"The worker process {child.pid} was interrupted.")
        except MedicalKGError as error:
            if self._is_hopeless(error, slot):
                raise
            self._fault(slot, child, error.code, error.message)
        finally:
            child.stop(interrupt=self._hard.is_set())
            slot.child = None
            # What a child was at work on when it ended is active no more.
            self._metrics.add_changes([[JOB_ACTIVE.name, list(labels), -count] for labels, count in active.items()])
        return False

    def _hear(self, slot: _Slot, child: Child, active: Counter[tuple[str, ...]]) -> bool:
        for event in child.events():
            match event["event"]:
                case "alive":
                    self._measure(event.get("metrics", []), active)
                    continue
                case self._counted:
                    slot.batches += 1
                    slot.faults = 0
                case "result":
                    self._report(slot, child, {"event": "ended", **event["result"]})
                    return True
                case "replace":
                    self._report(
                        slot, child, {"event": "fault", "code": "call_hangs", "message": "A call hangs; another goes on."}
                    )
                    return False
            self._report(slot, child, event)
        return True

    def _measure(self, changes: list[list[Any]], active: Counter[tuple[str, ...]]) -> None:
        for name, labels, value in changes:
            given = dict(zip(LABELS[name], labels, strict=True))  # a child has bounded them already
            self._metrics.know(
                pipelines=[given["pipeline"]] if "pipeline" in given else [],
                stages=[given["stage"]] if "stage" in given else [],
            )
            if name == JOB_ACTIVE.name:
                active[tuple(labels)] += value
        self._metrics.add_changes(changes)

    def _is_hopeless(self, error: MedicalKGError, slot: _Slot) -> bool:
        """Whether another child would end in the same way."""
        if isinstance(error, WorkerEndedError):
            return self._once and slot.faults >= FAULTS_IN_A_ROW and not self._draining.is_set()
        return error.exit_code in (2, 3) and not is_transient(error)

    def _fault(self, slot: _Slot, child: Child, code: str, message: str) -> None:
        """Tells of a bad end, and waits before the next start: longer each time."""
        if self._draining.is_set():
            return
        pause = min(self._pause_seconds * 2**slot.faults, LONGEST_PAUSE_SECONDS)
        slot.faults += 1
        self._report(slot, child, {"event": "fault", "code": code, "message": message, "again_in_seconds": pause})
        self._draining.wait(pause)

    def _report(self, slot: _Slot, child: Child, event: dict[str, Any]) -> None:
        self._say({**event, "process": slot.number, "pid": child.pid})

    def _say(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._tell(event)


class QueueGauges:
    """Sets the gauges that only the ledger knows, every few seconds, as long as its block lasts.

    ``others`` are measured with them; like :meth:`measure` they may raise a named error, which is logged.
    """

    def __init__(
        self,
        ledger: Ledger,
        metrics: Metrics,
        clock: Callable[[], float],
        *,
        others: Sequence[Callable[[], None]] = (),
        seconds: float = GAUGE_SECONDS,
    ) -> None:
        self._measures = (self.measure, *others)
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gauges", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(self._seconds)

    def measure(self) -> None:
        """Reads the ledger once. Raises LedgerUnavailableError."""
        self._metrics.queue(self._ledger.count_jobs())
        self._metrics.leases(*self._ledger.queue.leases())
        self._metrics.gates(self._ledger.job_gates.counts())
        pdfs = self._ledger.pdfs.depth()
        self._metrics.pdf_queue(pdfs.queued, pdfs.leased, 0.0 if pdfs.oldest_at is None else self._clock() - pdfs.oldest_at)
        self._metrics.dead_letters(self._ledger.dead_letters.count().get("open", 0))
        waiting = self._ledger.outbox.depth()
        self._metrics.outbox(waiting.rows, 0.0 if waiting.oldest_at is None else self._clock() - waiting.oldest_at)

    def _run(self) -> None:
        while True:
            for measure in self._measures:
                try:
                    measure()
                except MedicalKGError as error:
                    logger.warning("A part could not be measured: %s", error)
            if self._stop.wait(self._seconds):
                return
