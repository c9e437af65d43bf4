"""A document through a warm worker: from its submission until a search finds it, with static vectors.

The worker is the shipped command, on SQLite and on PostgreSQL with Kafka; documents come one at a time, at moments that have
nothing to do with the worker's own rhythm. What is measured begins with the request in this process and ends with a hit.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from measuring import (
    MEDKG,
    MODELS_DIR,
    Submitter,
    heading,
    open_parts,
    records,
    scifact,
    servers,
    services_settings,
    table,
    targets,
    workspace,
    write_records,
)

from Medical_KG_rev.parts import PlatformParts

DOCUMENTS = 20
WARM_UP = 3
LIMIT_SECONDS = 60.0
LOOK_SECONDS = 0.02
BOUND_SECONDS = 2.0


@contextmanager
def worker(data_dir: Path, settings: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """`medkg worker` with one process, until the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MK_")} | {
        "MK_MODELS_DIR": str(MODELS_DIR),
        "MK_EMBEDDING__MODEL": "static",
        **{f"MK_{section}__{name}".upper(): value for section, values in settings.items() for name, value in values.items()},
    }
    arguments = [MEDKG, "worker", "--data-dir", str(data_dir), "--quiet"]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def one_document(parts: PlatformParts, submitter: Submitter, path: Path) -> tuple[float, float]:
    """Seconds from the request until the job is completed, and until a search finds the document."""
    document = records(path)[0]
    started = time.perf_counter()
    (job_id,) = submitter.submit(path)
    while not (job := parts.ledger.job(job_id)).terminal:
        if time.perf_counter() - started > LIMIT_SECONDS:
            raise RuntimeError(f"job {job_id} is {job.status} after {LIMIT_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)
    completed = time.perf_counter() - started
    with closing(parts.retriever()) as retriever:
        found = retriever.search_documents("default", document["title"], k=5, legs=("bm25",))
    if job.doc_id not in {hit.doc_id for hit in found.hits}:
        raise RuntimeError(f"job {job_id} is {job.status}, and a search for its title does not find {job.doc_id}")
    return completed, time.perf_counter() - started


def measure(folder: Path, rows: Sequence[dict[str, Any]], settings: dict[str, Any]) -> list[tuple[float, float]]:
    """What each document took; those of the warm-up are left out."""
    pause = random.Random(0)
    data_dir = folder / "data"
    paths = [write_records(folder / f"{number}.jsonl", [row]) for number, row in enumerate(rows)]
    with closing(open_parts(data_dir, **settings)) as parts, worker(data_dir, settings):
        submitter = Submitter(parts)
        taken = []
        for path in paths:
            taken.append(one_document(parts, submitter, path))
            time.sleep(pause.random())
    return taken[WARM_UP:]


def main() -> None:
    rows = records(scifact())[: WARM_UP + DOCUMENTS]
    heading(f"A document through a warm worker, {DOCUMENTS} documents one after the other, static vectors")
    found = {}
    with workspace() as folder, servers(folder, ("postgres", "kafka")) as running:
        for name, settings in (("SQLite, local log", {}), ("PostgreSQL, Kafka", services_settings(running))):
            if settings is not None:
                (folder / name).mkdir()
                found[name] = measure(folder / name, rows, settings)
    lines = {name: [_spread([pair[index] for pair in taken]) for index in (0, 1)] for name, taken in found.items()}
    table(
        ("seconds", "completed: p50", "p95", "found by a search: p50", "p95"),
        [(name, *(f"{value:.2f}" for spread in spreads for value in spread)) for name, spreads in lines.items()],
    )
    targets(
        [(f"{name}: submitted to searchable, p95", spreads[1][1], "<=", BOUND_SECONDS, " s") for name, spreads in lines.items()]
    )


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(values), statistics.quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    main()
