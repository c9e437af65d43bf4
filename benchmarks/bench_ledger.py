"""The ledger with a million jobs: how long its questions, a lease, a heartbeat and `medkg jobs list` take.

On SQLite, and on a PostgreSQL of its own where one can be started.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import MEDKG, command, heading, servers, table, targets, workspace
from sqlalchemy import text

from Medical_KG_rev.orchestration.ledger import Ledger

TENANTS = 4
WORKERS = 4
ROUNDS = 100
COUNT_ROUNDS = 5
COMMAND_ROUNDS = 7
LEASE_SECONDS = 3600.0
BOUND_MS = 20.0
COMMAND_BOUND_SECONDS = 0.6
START = 1_800_000_000.0

BATCH_COLUMNS = (
    "batch_id, submission_id, tenant_id, pipeline_name, pipeline_version, status, worker, documents, lease_epoch,"
    " lease_expires_at, created_at, updated_at"
)
JOB_COLUMNS = (
    "job_id, tenant_id, submission_id, batch_id, position, source, source_id, doc_id, pipeline_name, pipeline_version, status,"
    " current_stage, pdf_downloaded, pdf_ir_ready, retry_count_per_stage, idempotency_key, key_is_callers, unchanged, chunks,"
    " entities, claims, created_at, updated_at"
)


def states(number: int, batches: int) -> tuple[str, str, str | None]:
    """The state of a batch, of its jobs, and who holds it: 70 % done, 5 % at work, a quarter waits."""
    if number < batches * 70 // 100:
        return "completed", "completed", None
    if number < batches * 75 // 100:
        return "running", "running", f"w{number % WORKERS}"
    return "queued", "queued", None


def batch_rows(batches: int, documents: int) -> Iterator[tuple[Any, ...]]:
    for number in range(batches):
        status, _, worker = states(number, batches)
        at, expires = START + number, START * 2 if worker else None
        tenant, held = f"t{number % TENANTS}", int(status != "queued")
        yield f"b{number:06}", f"s{number // 40:05}", tenant, "auto", "1", status, worker, documents, held, expires, at, at


def job_rows(batches: int, documents: int) -> Iterator[tuple[Any, ...]]:
    """One job in fifty of the done ones failed; one in a thousand is of another source and pipeline."""
    for number in range(batches):
        _, status, _ = states(number, batches)
        at, tenant, submission = START + number, f"t{number % TENANTS}", f"s{number // 40:05}"
        for position in range(documents):
            index = number * documents + position
            rare = index % 1000 == 7
            of_job = "failed" if status == "completed" and index % 50 == 3 else status
            job, made = f"0190c5a0-0000-7000-8000-{index:012x}", 12 if of_job == "completed" else 0
            key = hashlib.sha256(job.encode()).hexdigest()
            source, pipeline = ("clinicaltrials", "pdf-two-phase") if rare else ("local", "auto")
            stage = None if status == "queued" else "index"
            yield (
                *(job, tenant, submission, f"b{number:06}", index, source, f"document-{index}", f"local:document-{index}"),
                *(pipeline, "1", of_job, stage, False, False, "{}", key, False, False, made, made, 0, at, at),
            )


def fill(ledger: Ledger, batches: int, documents: int) -> None:
    """Raw rows, without a transaction of the ledger's."""
    put = copy_rows if ledger.database.is_postgres else insert_rows
    put(ledger, "batches", BATCH_COLUMNS, batch_rows(batches, documents))
    put(ledger, "jobs", JOB_COLUMNS, job_rows(batches, documents))
    tidy = text("VACUUM ANALYZE" if ledger.database.is_postgres else "ANALYZE")  # as PostgreSQL does by itself after a while
    with ledger.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(tidy)


def insert_rows(ledger: Ledger, name: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * len(columns.split(",")))
    with closing(sqlite3.connect(str(ledger.engine.url.database))) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executemany(f"INSERT INTO {name} ({columns}) VALUES ({marks})", rows)
        connection.commit()


def copy_rows(ledger: Ledger, name: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with closing(ledger.engine.raw_connection()) as connection, connection.cursor() as cursor:
        more = True
        while more:
            buffer = io.StringIO()
            part = [row for row, _ in zip(rows, range(50_000), strict=False)]
            more = len(part) == 50_000
            csv.writer(buffer).writerows(part)
            buffer.seek(0)
            cursor.copy_expert(f"COPY {name} ({columns}) FROM STDIN WITH (FORMAT csv)", buffer)
        connection.commit()


@dataclass(frozen=True)
class Taken:
    """Milliseconds of a call: median and 95th percentile by the clock, and the processor's time of this process.

    On a busy machine the clock counts the others as well; the processor's time then tells more on SQLite, which runs inside.
    """

    p50: float
    p95: float
    cpu_p95: float


def timed(action: Callable[[int], object], rounds: int = ROUNDS) -> Taken:
    """The first call only warms up."""
    action(0)
    wall, cpu = [], []
    for number in range(1, rounds + 1):
        started, worked = time.perf_counter(), time.process_time()
        action(number)
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
    return Taken(statistics.median(wall), _p95(wall), _p95(cpu))


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def questions(ledger: Ledger, batches: int, documents: int) -> dict[str, Callable[[int], object]]:
    """What is measured: the ways in which people, gates and workers ask, with another tenant or row each time."""
    total = batches * documents

    def of(number: int) -> str:
        return f"t{number % TENANTS}"

    def page(number: int) -> object:
        return ledger.list_jobs(of(number), after=f"0190c5a0-0000-7000-8000-{total // 2 + number * 997:012x}")

    def asked(**fields: Any) -> Callable[[int], object]:
        return lambda number: ledger.query(of(number), fields)

    return {
        "list: newest 100": lambda number: ledger.list_jobs(of(number)),
        "list: 100 from the middle": page,
        "list: status failed": lambda number: ledger.list_jobs(of(number), status="failed"),
        "list: status dead, none": lambda number: ledger.list_jobs(of(number), status="dead"),
        "list: a rare source": lambda number: ledger.list_jobs(of(number), source="clinicaltrials"),
        "list: a source that is none": lambda number: ledger.list_jobs(of(number), source="none"),
        "list: a rare pipeline": lambda number: ledger.list_jobs(of(number), pipeline="pdf-two-phase"),
        "list: failed of a rare source": lambda number: ledger.list_jobs(of(number), source="clinicaltrials", status="failed"),
        "query: running, in a stage": asked(status="running", current_stage="index"),
        "query: of a batch": lambda number: ledger.query(of(number), {"batch_id": f"b{number:06}"}),
        "query: of a document": lambda number: ledger.query("t0", {"doc_id": f"local:document-{number}"}),
        "one job": lambda number: ledger.job(f"0190c5a0-0000-7000-8000-{number * 997:012x}"),
        "waiting, up to 10,000": lambda number: ledger.queue.waiting(of(number), 10_000),
        "lease": lambda number: ledger.queue.lease(f"w{number % WORKERS}", LEASE_SECONDS),
        "extend": lambda number: ledger.queue.extend(f"w{number % WORKERS}", LEASE_SECONDS),
    }


def measure(ledger: Ledger, batches: int, documents: int) -> dict[str, Taken]:
    """What is asked → what it took."""
    found = {name: timed(action) for name, action in questions(ledger, batches, documents).items()}
    lease = ledger.queue.lease("w0", LEASE_SECONDS)
    if lease is not None:
        found[f"jobs_of: {documents} jobs"] = timed(lambda _number: ledger.queue.jobs_of(lease))
    return found


def slow_counts(ledger: Ledger) -> dict[str, Taken]:
    """What reads every row that it counts, and so has no target."""
    return {
        "waiting, up to 1,000,000": timed(lambda number: ledger.queue.waiting(f"t{number % TENANTS}", 1_000_000), COUNT_ROUNDS),
        "count_jobs": timed(lambda _number: ledger.count_jobs(), COUNT_ROUNDS),
    }


def listing(data_dir: Path, url: str) -> list[float]:
    """Seconds of `medkg jobs list` as a whole command; the first one warms up."""
    settings = {"MK_DATABASE__URL": url} if url else {}
    arguments = [MEDKG, "jobs", "list", "--tenant", "t1"]
    return [command(arguments, data_dir=data_dir, settings=settings).seconds for _ in range(COMMAND_ROUNDS + 1)][1:]


def report(place: str, data_dir: Path, url: str, batches: int, documents: int) -> None:
    heading(f"Ledger, {batches * documents:,} jobs on {place}")
    data_dir.mkdir()
    with closing(Ledger.open(url or data_dir / "ledger.db", time.time)) as ledger:
        started = time.perf_counter()
        fill(ledger, batches, documents)
        print(f"Filled in {time.perf_counter() - started:.0f} s.\n")
        found = measure(ledger, batches, documents)
        counts = slow_counts(ledger)
    seconds = listing(data_dir, url)
    rows = {**found, **counts}.items()
    cells = [(name, *(f"{value:.2f} ms" for value in (taken.p50, taken.p95, taken.cpu_p95))) for name, taken in rows]
    table(("", "p50", "p95", "p95 of CPU time"), cells)
    print(f"`medkg jobs list`: least {min(seconds):.2f} s, median {statistics.median(seconds):.2f} s.\n")
    targets(
        [
            *((f"{name}, p95", taken.p95, "<=", BOUND_MS, " ms") for name, taken in found.items()),
            ("`medkg jobs list`, median", statistics.median(seconds), "<=", COMMAND_BOUND_SECONDS, " s"),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--documents", type=int, default=500, help="jobs of a batch")
    options = parser.parse_args()
    with workspace() as folder, servers(folder, ("postgres",)) as running:
        report("SQLite", folder / "sqlite", "", options.batches, options.documents)
        if "postgres" in running:
            url = running["postgres"].environment["MK_DATABASE__URL"]
            report("PostgreSQL", folder / "services", url, options.batches, options.documents)


if __name__ == "__main__":
    main()
