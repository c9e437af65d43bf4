"""Ingest with static vectors, end to end and durable: rate, again unchanged, growth, memory, and what each layer costs."""

from __future__ import annotations

import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

from measuring import (
    StageClock,
    heading,
    ingest,
    ingest_command,
    long_documents,
    open_parts,
    records,
    scifact,
    table,
    targets,
    workspace,
    write_records,
)

ABSTRACTS = 5000
ARTICLES = 2000
ROUNDS = 2


def main() -> None:
    rows = records(scifact())[:ABSTRACTS]
    heading("Ingest, static vectors")
    with workspace() as folder:
        abstracts = write_records(folder / "abstracts.jsonl", rows)
        articles = write_records(folder / "articles.jsonl", long := list(long_documents(rows, ARTICLES)))
        first, again, peak = whole_commands(folder, "abstracts", abstracts)
        first_long, again_long, _ = whole_commands(folder, "articles", articles)
        seconds, batches = layers(folder, abstracts)
    table(
        ("whole command", "documents", "first, s", "documents/s", "again, s", "again, ms/document"),
        [
            (
                "abstracts",
                len(rows),
                f"{first:.2f}",
                f"{len(rows) / first:.0f}",
                f"{again:.2f}",
                f"{again / len(rows) * 1e3:.2f}",
            ),
            (
                "1,200 words",
                len(long),
                f"{first_long:.2f}",
                f"{len(long) / first_long:.0f}",
                f"{again_long:.2f}",
                f"{again_long / len(long) * 1e3:.2f}",
            ),
        ],
    )
    table(("layer, in one process", "ms/document"), [(name, f"{value / len(rows) * 1e3:.3f}") for name, value in seconds.items()])
    early, late = statistics.median(batches[1:4]), statistics.median(batches[-3:])
    targets(
        [
            ("abstracts a second", len(rows) / first, ">=", 250, ""),
            ("documents of 1,200 words a second", len(long) / first_long, ">=", 120, ""),
            ("again, times faster", first / again, ">=", 4, "x"),
            ("again, per document", again / len(rows) * 1e3, "<=", 1, " ms"),
            ("a batch of 500 at 5,000 documents against one at 500", late / early, "<=", 1.2, "x"),
            ("peak memory of both processes", peak / 1024, "<=", 1.2, " GiB"),
        ]
    )


def whole_commands(folder: Path, name: str, path: Path) -> tuple[float, float, float]:
    """Seconds of the first ingest and of one that finds nothing new, each the best of some, and the peak memory in MiB."""
    first, again, peak = [], [], 0.0
    for number in range(ROUNDS):
        data_dir = folder / f"{name}-{number}"
        run = ingest_command(path, data_dir=data_dir)
        first.append(run.seconds)
        again.append(ingest_command(path, data_dir=data_dir).seconds)
        peak = max(peak, run.peak_mib)
    return min(first), min(again), peak


def layers(folder: Path, path: Path) -> tuple[dict[str, float], list[float]]:
    """Seconds of each stage and of what is around them, and the seconds of each full batch."""
    parts = open_parts(folder / "layers")
    parts.pipeline("auto")
    clock = StageClock(parts.runner)
    vars(parts)["runner"] = clock
    events: list[dict[str, Any]] = []
    parts.dagster  # noqa: B018 - opened before the clock runs: once a process
    total = ingest(parts, path, events)
    parts.close()
    starts = [event["time"] for event in events if event["event"] == "batch"]
    between = [end - start for start, end in pairwise(starts)]
    stages = dict(clock.seconds)
    return {**stages, "listing, Dagster, result": total - sum(stages.values()), "in all": total}, between


if __name__ == "__main__":
    main()
