"""The relay: events a second from the outbox to Kafka and to the local log, and how far it lags while events are written.

The outbox is the ledger's, on SQLite and on PostgreSQL; rows hold what a stage of 500 documents writes. A Kafka and a
PostgreSQL of its own are started on loopback and ended; where they cannot be had, their rows are left out.
"""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from measuring import heading, servers, table, targets, workspace

from Medical_KG_rev.orchestration.events import CloudEventFactory, Event, EventSubject
from Medical_KG_rev.orchestration.events.envelope import to_kafka_message
from Medical_KG_rev.orchestration.events.places import EventPlace, KafkaTopic, LogFolder
from Medical_KG_rev.orchestration.events.relay import OutboxRelay, RelayReport
from Medical_KG_rev.orchestration.events.sink import open_event_sink
from Medical_KG_rev.orchestration.ledger import Ledger

DOCUMENTS = 500
BACKLOG_ROWS = 200
ROUNDS = 3
STEADY_SECONDS = 10
STEADY_EVENTS_PER_SECOND = 5000


@dataclass(frozen=True)
class Rates:
    """One outbox and one sink."""

    name: str
    events_per_second: float
    lag_median: float
    lag_max: float


def stage_events(row: int, now: float) -> list[Event]:
    """What the end of one stage writes for a batch."""
    factory = CloudEventFactory(lambda: now)
    subjects = (
        EventSubject(
            "default",
            f"0190c5a0-0000-7000-8000-{number:012x}",
            f"local:document-{number}",
            "batch-0001",
            "submission-0001",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        for number in range(DOCUMENTS)
    )
    return [factory.stage_completed(subject, "chunk", attempt=row, duration_ms=3.25, output_count=12) for subject in subjects]


def drain(ledger: Ledger, relay: OutboxRelay) -> float:
    """Events a second out of a backlog, the best of some rounds."""
    rates = []
    for _ in range(ROUNDS):
        for row in range(BACKLOG_ROWS):
            ledger.outbox.write(stage_events(row, time.time()))
        started = time.perf_counter()
        report = relay.drain()
        rates.append(report.events / (time.perf_counter() - started))
    return max(rates)


def steady(ledger: Ledger, relay: OutboxRelay, reports: list[RelayReport]) -> tuple[float, float]:
    """Median and greatest lag of passes, in seconds, while events are written at a steady rate beside the relay."""
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    reports.clear()
    thread.start()
    started = time.perf_counter()
    for row in range(STEADY_SECONDS * STEADY_EVENTS_PER_SECOND // DOCUMENTS):
        ledger.outbox.write(stage_events(row, time.time()))
        time.sleep(max(0.0, started + (row + 1) * DOCUMENTS / STEADY_EVENTS_PER_SECOND - time.perf_counter()))
    while ledger.outbox.depth().rows:
        time.sleep(0.05)
    stop.set()
    thread.join()
    lags = [report.lag_seconds for report in reports if report.events]
    return statistics.median(lags), max(lags)


def measure(name: str, location: str | Path, place: EventPlace) -> Rates:
    """An outbox on a database and a sink, measured."""
    reports: list[RelayReport] = []
    with closing(open_event_sink(place)) as sink:
        ledger = Ledger.open(location, time.time, CloudEventFactory(time.time))
        try:
            relay = OutboxRelay(
                ledger.outbox,
                sink,
                clock=time.time,
                sleep=time.sleep,
                exclusive=lambda: ledger.database.exclusive("relay"),
                on_report=reports.append,
            )
            rate = drain(ledger, relay)
            return Rates(name, rate, *steady(ledger, relay, reports))
        finally:
            ledger.close()


def per_event() -> tuple[float, float]:
    """Microseconds to make an event, and to turn one into a Kafka message with the library."""
    started = time.perf_counter()
    events = [event for row in range(20) for event in stage_events(row, 0.0)]
    made = time.perf_counter()
    for event in events:
        to_kafka_message(event)
    return (made - started) / len(events) * 1e6, (time.perf_counter() - made) / len(events) * 1e6


def main() -> None:
    heading(f"Relay, {DOCUMENTS} events a row, a backlog of {BACKLOG_ROWS * DOCUMENTS:,} events")
    made, turned = per_event()
    with workspace() as folder, servers(folder, ("kafka", "postgres")) as running:
        found = [measure("SQLite to the local log", folder / "log.db", LogFolder(folder / "events"))]
        if "kafka" in running:
            address = running["kafka"].addresses["broker"]
            found.append(measure("SQLite to Kafka", folder / "kafka.db", KafkaTopic(address, name="from.sqlite")))
            if "postgres" in running:
                url = running["postgres"].environment["MK_DATABASE__URL"]
                found.append(measure("PostgreSQL to Kafka", url, KafkaTopic(address, name="from.postgres")))
    table(
        ("", "events/s", f"lag at {STEADY_EVENTS_PER_SECOND:,}/s: median", "greatest"),
        [(row.name, f"{row.events_per_second:,.0f}", f"{row.lag_median:.2f} s", f"{row.lag_max:.2f} s") for row in found],
    )
    targets(
        [
            ("an event is made in", made, "<=", 15, " µs"),
            ("an event becomes a Kafka message in", turned, "<=", 200, " µs"),
            *((row.name, row.events_per_second, ">=", 5000, " events/s") for row in found if "Kafka" in row.name),
        ]
    )


if __name__ == "__main__":
    main()
