"""From the outbox to a sink: at least once, in order for each job, one relay at a time, patient with what is away."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import EventSinkUnavailableError, LedgerUnavailableError, StoreCorruptError
from Medical_KG_rev.orchestration.events import Event
from Medical_KG_rev.orchestration.events.relay import OutboxRelay, RelayReport
from Medical_KG_rev.testing.events import stage_events

from .conftest import MemorySink

pytestmark = pytest.mark.component


@dataclass(frozen=True)
class Row:
    sequence: int
    events: Sequence[Event]


class SqliteOutbox:
    """An outbox as the ledger has it: a table of rows of many events, in the order in which they were written."""

    def __init__(self, path: str | Path = ":memory:") -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("CREATE TABLE IF NOT EXISTS outbox (sequence INTEGER PRIMARY KEY AUTOINCREMENT, content BLOB)")
        self.failures: list[Exception] = []

    def append(self, events: Sequence[Event]) -> None:
        self._database.execute("INSERT INTO outbox (content) VALUES (?)", (msgspec.json.encode(events),))

    def read(self, limit_rows: int) -> list[Row]:
        if self.failures:
            raise self.failures.pop()
        rows = self._database.execute("SELECT sequence, content FROM outbox ORDER BY sequence LIMIT ?", (limit_rows,))
        return [Row(sequence, msgspec.json.decode(content, type=list[Event])) for sequence, content in rows]

    def remove(self, sequences: Sequence[int]) -> None:
        self._database.executemany("DELETE FROM outbox WHERE sequence = ?", [(sequence,) for sequence in sequences])

    def rows(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def close(self) -> None:
        self._database.close()


class Clock:
    """Time that passes only in sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class OneAtATime:
    """The ledger's lock, as the relay is given it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[bool]:
        held = self._lock.acquire(blocking=False)
        try:
            yield held
        finally:
            if held:
                self._lock.release()


@pytest.fixture
def outbox() -> Iterator[SqliteOutbox]:
    with closing(SqliteOutbox()) as outbox:
        yield outbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lock() -> OneAtATime:
    return OneAtATime()


@pytest.fixture
def relay(outbox: SqliteOutbox, sink: MemorySink, clock: Clock, lock: OneAtATime) -> OutboxRelay:
    return OutboxRelay(outbox, sink, clock=clock, sleep=clock.sleep, exclusive=lock, rows_per_pass=3)


def fill(outbox: SqliteOutbox, events: Sequence[Event], per_row: int = 4) -> None:
    for start in range(0, len(events), per_row):
        outbox.append(events[start : start + per_row])


def stop_after(clock: Clock, stop: threading.Event, done: Callable[[], bool]) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if done():
            stop.set()
        assert len(clock.slept) < 5000, "the relay does not end"

    return sleep


def test_a_pass_publishes_the_oldest_rows_and_takes_them_away(
    relay: OutboxRelay, outbox: SqliteOutbox, sink: MemorySink, clock: Clock
) -> None:
    events = stage_events(2, 4)
    fill(outbox, events)
    clock.now = 40.0
    report = relay.pass_once()
    assert sink.published == events[:12]
    assert outbox.rows() == 1
    assert report == RelayReport(events=12, seconds=0.0, lag_seconds=40.0)


def test_a_pass_over_nothing_asks_nothing_of_the_sink(relay: OutboxRelay, sink: MemorySink) -> None:
    sink.failures = 1
    assert relay.pass_once() == RelayReport()


def test_drain_publishes_all_and_adds_up(relay: OutboxRelay, outbox: SqliteOutbox, sink: MemorySink) -> None:
    events = stage_events(5, 4)
    fill(outbox, events)
    report = relay.drain()
    assert (report.events, report.active, report.lag_seconds) == (len(events), True, 1000.0)
    assert sink.published == events
    assert outbox.rows() == 0


def test_a_failed_publish_keeps_the_rows(relay: OutboxRelay, outbox: SqliteOutbox, sink: MemorySink) -> None:
    fill(outbox, stage_events(1, 2))
    sink.failures = 1
    with pytest.raises(EventSinkUnavailableError):
        relay.pass_once()
    assert outbox.rows() == 1
    assert relay.pass_once().events == 4


def test_two_relays_take_turns(relay: OutboxRelay, outbox: SqliteOutbox, sink: MemorySink, lock: OneAtATime) -> None:
    fill(outbox, stage_events(1, 2))
    with lock() as held:
        assert held
        assert relay.pass_once() == RelayReport(active=False)
        assert relay.drain() == RelayReport(active=False)
    assert sink.published == []
    assert relay.drain().events == 4


def test_the_lock_is_let_go_after_a_failure(relay: OutboxRelay, outbox: SqliteOutbox, sink: MemorySink, lock: OneAtATime) -> None:
    fill(outbox, stage_events(1, 1))
    sink.failures = 1
    with pytest.raises(EventSinkUnavailableError):
        relay.pass_once()
    with lock() as held:
        assert held


def test_run_waits_out_a_sink_that_is_away_ever_longer(outbox: SqliteOutbox, sink: MemorySink, clock: Clock) -> None:
    events = stage_events(2, 3)
    fill(outbox, events)
    sink.failures = 6
    stop = threading.Event()
    waits: list[float] = []
    relay = OutboxRelay(
        outbox,
        sink,
        clock=clock,
        sleep=stop_after(clock, stop, lambda: outbox.rows() == 0),
        exclusive=OneAtATime(),
        backoff_seconds=0.5,
        max_backoff_seconds=6,
        on_failure=lambda error, wait: waits.append(wait),
    )
    relay.run(stop)
    assert waits == [0.5, 1, 2, 4, 6, 6]
    assert sink.published == events
    assert sum(clock.slept) == pytest.approx(sum(waits) + 0.2), "the last wait is that of a pass which found nothing"


def test_run_waits_out_a_ledger_that_is_away(outbox: SqliteOutbox, sink: MemorySink, clock: Clock) -> None:
    fill(outbox, stage_events(1, 1))
    outbox.failures = [LedgerUnavailableError("The database is away.")] * 3
    stop = threading.Event()
    sleep = stop_after(clock, stop, lambda: outbox.rows() == 0)
    OutboxRelay(outbox, sink, clock=clock, sleep=sleep, exclusive=OneAtATime()).run(stop)
    assert len(sink.published) == 2


def test_run_ends_with_a_failure_that_waiting_does_not_mend(outbox: SqliteOutbox, sink: MemorySink, clock: Clock) -> None:
    outbox.failures = [StoreCorruptError("The ledger is no database.", path="ledger.db")]
    with pytest.raises(StoreCorruptError):
        OutboxRelay(outbox, sink, clock=clock, sleep=clock.sleep, exclusive=OneAtATime()).run(threading.Event())


def test_run_heeds_a_stop_in_the_middle_of_a_long_wait(outbox: SqliteOutbox, sink: MemorySink, clock: Clock) -> None:
    fill(outbox, stage_events(1, 1))
    sink.failures = 1000
    stop = threading.Event()
    sleep = stop_after(clock, stop, lambda: clock.now > 1030)
    OutboxRelay(
        outbox, sink, clock=clock, sleep=sleep, exclusive=OneAtATime(), backoff_seconds=3600, max_backoff_seconds=3600
    ).run(stop)
    assert clock.now < 1031
    assert outbox.rows() == 1


def test_run_tells_of_every_pass(outbox: SqliteOutbox, sink: MemorySink, clock: Clock) -> None:
    fill(outbox, stage_events(1, 4))
    stop = threading.Event()
    reports: list[RelayReport] = []
    OutboxRelay(
        outbox,
        sink,
        clock=clock,
        sleep=stop_after(clock, stop, lambda: True),
        exclusive=OneAtATime(),
        rows_per_pass=1,
        on_report=reports.append,
    ).run(stop)
    assert [report.events for report in reports] == [4, 4, 0]


@given(
    jobs=st.integers(1, 4),
    stages=st.integers(1, 4),
    per_row=st.integers(1, 7),
    rows_per_pass=st.integers(1, 4),
    faults=st.lists(st.tuples(st.sampled_from(["sink", "part", "kill"]), st.integers(0, 9)), max_size=12),
)
def test_nothing_is_lost_and_order_holds_whatever_fails(
    jobs: int, stages: int, per_row: int, rows_per_pass: int, faults: list[tuple[str, int]]
) -> None:
    """A sink that fails before, or after a part; a relay that is killed between publishing and taking away."""
    sink, clock = MemorySink(), Clock()
    events = stage_events(jobs, stages)
    with closing(SqliteOutbox()) as outbox:
        fill(outbox, events, per_row)
        remove = outbox.remove
        for fault, part in faults:
            relay = OutboxRelay(outbox, sink, clock=clock, sleep=clock.sleep, exclusive=OneAtATime(), rows_per_pass=rows_per_pass)
            sink.failures, sink.partial = int(fault != "kill"), part if fault == "part" else 0
            outbox.remove = remove if fault != "kill" else lambda sequences: None  # type: ignore[method-assign]
            try:
                relay.pass_once()
            except EventSinkUnavailableError:
                sink.failures = 0
            outbox.remove = remove  # type: ignore[method-assign]
        OutboxRelay(outbox, sink, clock=clock, sleep=clock.sleep, exclusive=OneAtATime()).drain()
        assert outbox.rows() == 0
    assert list(dict.fromkeys(event.event_id for event in sink.published)) == [event.event_id for event in events]
