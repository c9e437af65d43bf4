"""From the outbox to the sink: at least once, and in order for each job."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_exponential

from Medical_KG_rev.errors import TransientError
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.events.sink import EventSink

logger = logging.getLogger(__name__)

_LONGEST_SLEEP_SECONDS = 0.5
"""How long a relay that is told to stop may go on sleeping."""


class OutboxRow(Protocol):
    """Events that were written together; rows are published in the order of ``sequence``."""

    @property
    def sequence(self) -> int: ...

    @property
    def events(self) -> Sequence[Event]: ...


class OutboxReader(Protocol):
    """The reading side of the outbox."""

    def read(self, limit_rows: int) -> Sequence[OutboxRow]:
        """The oldest rows, in order."""
        ...

    def remove(self, sequences: Sequence[int]) -> None:
        """Takes away rows whose events have been published."""
        ...


@dataclass(frozen=True, slots=True)
class RelayReport:
    """What a pass did. ``lag_seconds``: from when the oldest event happened until it was published; 0 where none was.

    ``active`` is False where another relay had the ledger.
    """

    events: int = 0
    seconds: float = 0.0
    lag_seconds: float = 0.0
    active: bool = True


class OutboxRelay:
    """Publishes what stands in the outbox, then takes it away. Killed in between, it publishes again.

    Args:
        outbox: where events wait.
        sink: where they go.
        clock: seconds since the epoch.
        sleep: waits for so many seconds, between passes and after failures.
        exclusive: gives True while this relay may work and no other does; never waits.
        rows_per_pass: how many rows are published at a time.
        poll_seconds: the wait after a pass that found nothing.
        backoff_seconds: the wait after a first failure; doubled with each further one up to ``max_backoff_seconds``.
        on_report: told of every pass, for metrics.
        on_failure: told of every failure and the wait after it.
    """

    def __init__(
        self,
        outbox: OutboxReader,
        sink: EventSink,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        exclusive: Callable[[], AbstractContextManager[bool]],
        rows_per_pass: int = 20,
        poll_seconds: float = 0.2,
        backoff_seconds: float = 0.2,
        max_backoff_seconds: float = 15.0,
        on_report: Callable[[RelayReport], None] | None = None,
        on_failure: Callable[[BaseException, float], None] | None = None,
    ) -> None:
        self._outbox = outbox
        self._sink = sink
        self._clock = clock
        self._sleep = sleep
        self._exclusive = exclusive
        self._rows_per_pass = rows_per_pass
        self._poll_seconds = poll_seconds
        self._wait = wait_exponential(multiplier=backoff_seconds, max=max_backoff_seconds)
        self._on_report = on_report
        self._on_failure = on_failure

    def pass_once(self) -> RelayReport:
        """Publishes the oldest rows and takes them away.

        Raises:
            EventSinkUnavailableError: the rows are kept.
            LedgerUnavailableError: the outbox cannot be read, or what was published cannot be taken away.
        """
        with self._exclusive() as held:
            report = self._relay() if held else RelayReport(active=False)
        if self._on_report is not None:
            self._on_report(report)
        return report

    def drain(self) -> RelayReport:
        """Passes until nothing waits, or another relay is at it. The sum of them, and the greatest lag.

        Raises:
            EventSinkUnavailableError: as :meth:`pass_once`, at the first failure.
        """
        total = RelayReport()
        while (report := self.pass_once()).events:
            total = RelayReport(
                total.events + report.events,
                total.seconds + report.seconds,
                max(total.lag_seconds, report.lag_seconds),
            )
        return RelayReport(total.events, total.seconds, total.lag_seconds, report.active)

    def run(self, stop: threading.Event) -> None:
        """Relays until told to stop, which it heeds within half a second outside a publish. Waits out transient failures.

        Raises:
            MedicalKGError: a failure that waiting does not mend.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=self._wait,
            stop=stop_when_event_set(stop),
            sleep=partial(self._pause, stop),
            before_sleep=self._tell_failure,
            retry_error_callback=lambda _state: RelayReport(),
        )
        while not stop.is_set():
            if not retrying(self.pass_once).events:
                self._pause(stop, self._poll_seconds)

    def _relay(self) -> RelayReport:
        started = self._clock()
        rows = self._outbox.read(self._rows_per_pass)
        events = [event for row in rows for event in row.events]
        if not rows:
            return RelayReport()
        self._sink.publish(events)
        published = self._clock()
        self._outbox.remove([row.sequence for row in rows])
        oldest = min((event.time for event in events), default=published)
        return RelayReport(len(events), published - started, max(0.0, published - oldest))

    def _pause(self, stop: threading.Event, seconds: float) -> None:
        while seconds > 0 and not stop.is_set():
            self._sleep(min(seconds, _LONGEST_SLEEP_SECONDS))
            seconds -= _LONGEST_SLEEP_SECONDS

    def _tell_failure(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if error is None:
            return
        logger.warning("Events wait in the outbox, next try in %.1f s: %s", state.upcoming_sleep, error)
        if self._on_failure is not None:
            self._on_failure(error, state.upcoming_sleep)
