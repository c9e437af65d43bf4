"""A graph store by name: writes in claims a second as it grows, one commit, neighbours of a hub, paths, passages, deletion.

``bench_graph.py ladybug`` (default) or ``neo4j`` (a server of one's own). `--edges` is the size of the graph that neighbours are
asked of, a twentieth of them at one entity: 1,000,000 for the figures, which takes some ten minutes to write.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from graph_sample import HUB, Documents, abstracts, star
from measuring import heading, servers, table, targets, workspace

from Medical_KG_rev.graph import GraphStore, LadybugGraphStore

ROUNDS = 40
TENANT = "bench"
BOUNDS = {"ladybug": 2000.0, "neo4j": 300.0}
REWRITTEN = {"ladybug": 700.0, "neo4j": 100.0}


@contextmanager
def opened(name: str, folder: Path) -> Iterator[GraphStore | None]:
    """The store of that name; None where its server cannot be started."""
    if name == "ladybug":
        yield LadybugGraphStore(folder / "graph")
        return
    from Medical_KG_rev.graph.neo4j import Neo4jConnection, Neo4jGraphStore
    from Medical_KG_rev.settings_neo4j import Neo4jSettings

    with servers(folder, ["neo4j"]) as running:
        if "neo4j" not in running:
            yield None
            return
        with closing(Neo4jConnection(Neo4jSettings(url=running["neo4j"].environment["MK_NEO4J__URL"]))) as connection:
            yield Neo4jGraphStore(connection)


def put(store: GraphStore, documents: Documents, tenant: str = TENANT) -> float:
    """Seconds of one write."""
    doc_ids, entities, claims = documents
    started = time.perf_counter()
    store.write(tenant, doc_ids, dict.fromkeys(doc_ids, "1"), entities, claims, activity="bench")
    return time.perf_counter() - started


def timed(ask: Callable[[], Any], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Median, 95th percentile and slowest, in milliseconds, of a question asked anew each time."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        ask()
        seconds.append(1000 * (time.perf_counter() - started))
    return statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1], max(seconds)


def writes(store: GraphStore, slices: int, size: int) -> list[float]:
    """Claims a second of each slice of abstracts with 24 mentions and 8 claims each."""
    rates = []
    for number in range(slices):
        documents = abstracts(size, first=number * size)
        rates.append(len(documents[2]) / put(store, documents))
    return rates


def rewrites(store: GraphStore) -> float:
    """Claims a second of 125 abstracts (1,000 claims) that replace what the graph holds of them."""
    documents = abstracts(125)
    return statistics.median(len(documents[2]) / put(store, documents) for _ in range(5))


def small_writes(store: GraphStore) -> tuple[float, float]:
    """Seconds of a commit of one abstract into the graph that is there, and of its deletion."""
    seconds = [put(store, abstracts(1, first=10_000_000 + n)) for n in range(5)]
    started = time.perf_counter()
    store.delete(TENANT, "europepmc:10000000")
    return statistics.median(seconds), time.perf_counter() - started


def questions(store: GraphStore) -> dict[str, tuple[float, float, float]]:
    """What is asked of the hub of :func:`star`, and of passages of abstracts."""
    ranges = [(f"europepmc:{n}", 0, 600) for n in range(10)]
    return {
        "neighbours, 1 hop": timed(lambda: store.neighbours("star", HUB)),
        "neighbours, 2 hops": timed(lambda: store.neighbours("star", HUB, hops=2)),
        "path from the hub": timed(lambda: store.path("star", HUB, "MESH:D000077")),
        "show the hub": timed(lambda: store.show("star", HUB)),
        "entities of ten passages": timed(lambda: store.passages_entities(TENANT, ranges)),
        "documents that name an entity": timed(lambda: store.documents_naming(TENANT, ["MESH:D000500"])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", nargs="?", default="ladybug", choices=sorted(BOUNDS))
    parser.add_argument("--slices", type=int, default=6, help="slices of abstracts")
    parser.add_argument("--size", type=int, default=500, help="abstracts a slice")
    parser.add_argument("--edges", type=int, default=20_000, help="assertions of the graph with a hub")
    options = parser.parse_args()
    heading(
        f"The graph in {options.store}: {options.slices} slices of {options.size} abstracts, {options.edges:,} edges around a hub"
    )
    with workspace() as folder, opened(options.store, folder) as store:
        if store is None:
            return
        rates = writes(store, options.slices, options.size)
        table(("slice", "claims a second"), [(f"{number}", f"{rate:,.0f}") for number, rate in enumerate(rates)])
        again = rewrites(store)
        one, gone = small_writes(store)
        for documents in star(options.edges, options.edges // 20):
            put(store, documents, "star")
        answers = questions(store)
        stats = store.stats(TENANT)
    table(("ms", "median", "p95", "slowest"), [(name, *(f"{value:.1f}" for value in found)) for name, found in answers.items()])
    print(f"{stats.mentions:,} mentions, {stats.claims:,} claims, {stats.size_bytes / 2**20:,.0f} MiB\n")
    targets(
        [
            ("writes, slowest slice", min(rates), ">=", BOUNDS[options.store], " claims/s"),
            ("written again, 1,000 claims at once", again, ">=", REWRITTEN[options.store], " claims/s"),
            ("commit of one abstract", one, "<=", 2.0, " s"),
            ("deletion of one abstract", gone, "<=", 2.0, " s"),
            ("neighbours of the hub, 1 hop, p95", answers["neighbours, 1 hop"][1], "<=", 50.0, " ms"),
            ("neighbours of the hub, 2 hops, p95", answers["neighbours, 2 hops"][1], "<=", 300.0, " ms"),
        ]
    )


if __name__ == "__main__":
    main()
