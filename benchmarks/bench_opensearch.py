"""Search of many chunks with OpenSearch and PostgreSQL on this machine: three legs, fusion and 10 passages, no encoder.

The chunks, vectors and queries of ``bench_index.py``. BM25 and the sparse leg are asked of OpenSearch; dense
segments lie in a folder.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from bench_index import CLIENTS, LEGS, SHARE, Corpus, Queries, crowd, latencies, write
from measuring import heading, records, scifact, servers, skip, table, targets, workspace

from Medical_KG_rev.index import HaystackIndexWriter, make_filter
from Medical_KG_rev.index.opensearch import OpenSearchStore
from Medical_KG_rev.index.opensearch_client import OpenSearchConnection
from Medical_KG_rev.index.opensearch_schema import Layout
from Medical_KG_rev.index.service_stores import ServiceStores
from Medical_KG_rev.index.snapshot import TenantReader
from Medical_KG_rev.storage import FilesystemObjectStore

NEEDED = ("postgres", "opensearch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=20_000, help="a multiple of 1,000; the bounds are for 100,000")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="of servers and index, kept; one that is filled is used as it is")
    options = parser.parse_args()
    queries = Queries([row["text"] for row in records(scifact("queries_train.jsonl"))[: options.queries]])
    corpus = Corpus(records(scifact()))
    narrow = make_filter({"mesh": ["D000050"]})
    heading(f"Search with OpenSearch, {options.chunks:,} chunks")
    with workspace() as temporary, served_stores(options.folder or temporary) as stores:
        with stores.reading("default") as catalogue:
            is_filled = catalogue is not None
        if not is_filled:
            started = time.perf_counter()
            _, processor, _ = write(HaystackIndexWriter(stores), corpus, options.chunks)
            seconds = time.perf_counter() - started
            print(f"Written in {seconds:.0f} s, {sum(processor):.0f} s of them in this process's cores.\n", flush=True)
        retriever = queries.retriever(lambda tenant_id: TenantReader(stores, tenant_id))
        for _ in range(2):  # the server compiles what is asked often
            latencies(retriever, queries, rounds=1)
        times = {leg: latencies(retriever, queries, [leg]) for leg in LEGS}
        times["all three"] = latencies(retriever, queries)
        times[f"all three, {100 // SHARE} % of the chunks"] = latencies(retriever, queries, wanted=narrow)
        crowd(retriever, queries)
        times[f"all three, {CLIENTS} clients"], _ = crowd(retriever, queries)
        retriever.close()
    table(
        ("query: legs, fusion, 10 passages", "p50, ms", "p95, ms"),
        [(name, *(f"{np.percentile(each, share):.2f}" for share in (50, 95))) for name, each in times.items()],
    )
    whole = times["all three"]
    targets(
        [
            ("query, p50", float(np.percentile(whole, 50)), "<=", 25, " ms"),
            ("query, p95", float(np.percentile(whole, 95)), "<=", 80, " ms"),
            (f"{CLIENTS} clients, p95", float(np.percentile(times[f"all three, {CLIENTS} clients"], 95)), "<=", 200, " ms"),
        ]
    )


@contextmanager
def served_stores(folder: Path) -> Iterator[ServiceStores]:
    """Stores on servers of their own, which end with the block; their data stays in the folder."""
    with servers(folder / "servers", NEEDED) as running:
        if len(running) < len(NEEDED):
            skip(f"it needs {' and '.join(NEEDED)}")
        connection = OpenSearchConnection(running["opensearch"].environment["MK_OPENSEARCH__URL"])
        stores = ServiceStores(
            running["postgres"].environment["MK_DATABASE__URL"],
            lambda tenant_id, sparse: OpenSearchStore(connection, Layout(tenant_id, sparse=sparse)),
            FilesystemObjectStore(folder / "objects"),
            folder / "cache",
            pool_size=CLIENTS,
        )
        try:
            yield stores
        finally:
            stores.close()
            connection.close()


if __name__ == "__main__":
    main()
