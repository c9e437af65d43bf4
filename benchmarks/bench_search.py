"""Queries over 5,000 abstracts without the query encoder, and how long the commands take from a cold start."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from measuring import (
    MEDKG,
    command,
    heading,
    ingest_command,
    need_model,
    open_parts,
    records,
    scifact,
    table,
    targets,
    workspace,
    write_records,
)

from Medical_KG_rev.index import Retriever

ABSTRACTS = 5000
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, help="data folder in which the corpus was ingested with bge-small")
    options = parser.parse_args()
    rows = records(scifact())[:ABSTRACTS]
    queries = [row["text"] for row in records(scifact("queries_train.jsonl"))]
    need_model("bge-small")
    heading("Search")
    with workspace() as folder:
        ingest_command(write_records(folder / "abstracts.jsonl", rows), data_dir=folder / "static")
        latencies = {legs: query_times(folder / "static", queries, legs) for legs in (("bm25",), ("dense",), ("bm25", "dense"))}
        if options.library is None:
            options.library = folder / "bge-small"
            ingest_command(write_records(folder / "few.jsonl", rows[:100]), data_dir=options.library, model="bge-small")
        starts = {
            "medkg search, bge-small": best_start([MEDKG, "search", queries[0], "--json"], options.library),
            "medkg --help": best_start([MEDKG, "--help"], options.library),
            "import Medical_KG_rev": best_start([sys.executable, "-c", "import Medical_KG_rev"], options.library),
            "python, nothing imported": best_start([sys.executable, "-c", ""], options.library),
        }
    table(
        (f"{len(queries)} queries, {len(rows)} documents", "p50, ms", "p95, ms", "max, ms"),
        [
            (" + ".join(legs), *(f"{np.percentile(times, share):.2f}" for share in (50, 95, 100)))
            for legs, times in latencies.items()
        ],
    )
    table(("cold process, best of some", "seconds"), [(name, f"{seconds:.3f}") for name, seconds in starts.items()])
    hybrid = latencies["bm25", "dense"]
    targets(
        [
            ("query, p50", float(np.percentile(hybrid, 50)), "<=", 15, " ms"),
            ("query, p95", float(np.percentile(hybrid, 95)), "<=", 40, " ms"),
            ("medkg search, cold, bge-small", starts["medkg search, bge-small"], "<=", 1.5, " s"),
            ("medkg --help", starts["medkg --help"], "<=", 0.3, " s"),
            ("import Medical_KG_rev", starts["import Medical_KG_rev"], "<=", 0.2, " s"),
        ]
    )


def query_times(data_dir: Path, queries: list[str], legs: tuple[str, ...]) -> np.ndarray:
    """Milliseconds of each query; the vectors are made before the clock runs."""
    parts = open_parts(data_dir)
    vectors = {query: parts.backend.encode_query(query) for query in queries}
    retriever = Retriever(data_dir / "index", vectors.__getitem__, model_fingerprint=parts.backend.fingerprint)
    for query in queries[:20]:
        retriever.search("default", query, legs=legs)
    times = []
    for query in queries:
        started = time.perf_counter()
        retriever.search("default", query, k=10, legs=legs)
        times.append((time.perf_counter() - started) * 1e3)
    retriever.close()
    parts.close()
    return np.array(times)


def best_start(arguments: list[str], library: Path) -> float:
    """Seconds of a whole process, the best of some; its modules are compiled and its files in the system's cache."""
    return min(command(arguments, data_dir=library, model="bge-small").seconds for _ in range(ROUNDS + 1))


if __name__ == "__main__":
    main()
