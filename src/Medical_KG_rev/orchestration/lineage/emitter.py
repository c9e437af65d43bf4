"""Tells a lineage server of every batch and stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from Medical_KG_rev.orchestration.lineage.events import LineageEvents
from Medical_KG_rev.orchestration.lineage.runs import BatchRun, BatchStatus, StageRun
from Medical_KG_rev.orchestration.lineage.sender import BackgroundSender

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

    from Medical_KG_rev.orchestration.lineage.transports import Transport

CLOSE_SECONDS = 10.0


class OpenLineageEmitter:
    """A :class:`~Medical_KG_rev.orchestration.lineage.Lineage` that sends OpenLineage run events.

    Events are made and sent on a thread of its own, in order: no call waits, and no fault of lineage reaches a job. What cannot
    be sent is lost, with a warning.

    Args:
        transport: takes the events.
        clock: seconds since the epoch, for start and end of batches.
        capacity: calls that may wait.
        close_seconds: how long :meth:`close` goes on sending.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.time,
        capacity: int = 1000,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._close_seconds = close_seconds
        self._events = LineageEvents()
        self._sender = BackgroundSender(capacity)

    def batch_started(self, batch: BatchRun) -> None:
        """Sends the start of the batch's run."""
        now = self._clock()
        self._sender.put(lambda: self._send(self._events.batch_started(batch, now)))

    def stage_finished(self, batch: BatchRun, stage: StageRun) -> None:
        """Sends start and end of the stage's run."""
        self._sender.put(lambda: self._send(self._events.stage_finished(batch, stage)))

    def batch_finished(self, batch: BatchRun, status: BatchStatus) -> None:
        """Sends the end of the batch's run."""
        now = self._clock()
        self._sender.put(lambda: self._send(self._events.batch_finished(batch, status, now)))

    def close(self) -> None:
        """Sends what waits, for at most ``close_seconds``."""
        if self._sender.close(self._close_seconds):
            self._transport.close(self._close_seconds)

    def _send(self, events: Iterable[RunEvent]) -> None:
        for event in events:
            self._transport.emit(event)
