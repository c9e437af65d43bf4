"""The index alone: writing, searching and size with 100,000 chunks of abstracts and made-up vectors, dense and learned sparse.

Each chunk is made of the halves of two abstracts of SciFact, so that the lexicon has real words and sentences. No model runs:
the vectors of chunks and queries are drawn at random, the same in every run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from bench_sparse import QUERY_TERMS, VOCABULARY, term_rows
from measuring import heading, records, scifact, table, targets, workspace
from numpy.typing import NDArray

from Medical_KG_rev.index import Filter, HaystackIndexWriter, Retriever, make_filter
from Medical_KG_rev.index.filters import EVERYTHING
from Medical_KG_rev.index.snapshot import TenantReader
from Medical_KG_rev.models import Chunk, EmbeddingBatch, SparseMatrix, SparseVector, StageContext

CALL = 1000
PER_DOCUMENT = 5
DIMENSION = 384
NONZERO = 200
SHARE = 50
"""Every fiftieth document has the heading that the narrow filter asks for."""
LEGS = ("bm25", "sparse", "dense")
RARE = "D000050"
CLIENTS = 8
UPSERTS = 5
DEEP = 100
KIND = "made-up"


# --- what is written -------------------------------------------------------------------------------------------------


class Corpus:
    """Batches of 1,000 chunks, documents of five. A revision has other texts and vectors under the same names."""

    def __init__(self, abstracts: Sequence[dict[str, Any]]) -> None:
        self._abstracts = abstracts

    def batch(self, number: int, revision: int = 0) -> tuple[StageContext, EmbeddingBatch]:
        """Batch ``number`` and the call that it is written by."""
        random, numbers = Random(f"{number} {revision}"), np.random.default_rng((number, revision))
        first = number * (CALL // PER_DOCUMENT)
        chunks = tuple(
            chunk for document in range(first, first + CALL // PER_DOCUMENT) for chunk in self._document(document, random)
        )
        dense = numbers.standard_normal((CALL, DIMENSION), np.float32)
        dense /= np.linalg.norm(dense, axis=1, keepdims=True)
        batch = EmbeddingBatch(chunks, dense, KIND, KIND, term_rows(CALL, NONZERO, numbers))
        versions = {chunk.doc_id: str(revision) for chunk in chunks}
        return StageContext(tenant_id="default", documents=tuple(versions), versions=versions), batch

    def _document(self, number: int, random: Random) -> Iterator[Chunk]:
        doc_id = f"pubmed:{30_000_000 + number}"
        facets = {
            "mesh": (RARE if number % SHARE == 0 else f"D{random.randrange(100_000, 130_000)}", "D006801"),
            "date": (f"{random.randrange(1990, 2025)}-{random.randrange(1, 13):02}",),
            "language": ("en",),
        }
        title, start = random.choice(self._abstracts)["title"], 0
        for index in range(PER_DOCUMENT):
            one, other = (random.choice(self._abstracts)["text"] for _ in range(2))
            text = f"{one[: len(one) // 2]} {other[len(other) // 2 :]}"
            yield Chunk(
                chunk_id=f"{doc_id}:chunk:{index}",
                doc_id=doc_id,
                tenant_id="default",
                source="pubmed",
                title=title,
                text=text,
                start=start,
                end=start + len(text),
                section="Abstract",
                section_path=("Abstract",),
                block_ids=(f"{doc_id}:block:{index}",),
                n_tokens=len(text) // 5,
                coherence=random.random(),
                coherence_method="static",
                boundary_depth=random.random(),
                chunker="semantic/1",
                facets=facets,
            )
            start += len(text) + 2


@dataclass
class Kept:
    """The rows of the narrow filter, for a search by brute force."""

    chunk_ids: list[str]
    dense: NDArray[np.float32]
    sparse: SparseMatrix


def write(writer: HaystackIndexWriter, corpus: Corpus, chunks: int) -> tuple[list[float], list[float], Kept]:
    """Writes all chunks; the seconds and the processor seconds of each call, and what the narrow filter lets through."""
    seconds, processor, kept = [], [], []
    for number in range(chunks // CALL):
        ctx, batch = corpus.batch(number)
        started, used = time.perf_counter(), time.process_time()
        writer.execute(ctx, batch)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
        rows = [row for row, chunk in enumerate(batch.chunks) if RARE in chunk.facets["mesh"]]
        kept.append(([batch.chunks[row].chunk_id for row in rows], batch.dense[rows], _sparse(batch).rows(rows)))
    chunk_ids, dense, sparse = zip(*kept, strict=True)
    everything = Kept([name for names in chunk_ids for name in names], np.concatenate(dense), SparseMatrix.concatenate(sparse))
    return seconds, processor, everything


def _sparse(batch: EmbeddingBatch) -> SparseMatrix:
    assert batch.sparse is not None
    return batch.sparse


# --- how it is searched ----------------------------------------------------------------------------------------------


class Queries:
    """Claims of SciFact, each with vectors drawn at random: what the models would take time for."""

    def __init__(self, texts: Sequence[str]) -> None:
        random = np.random.default_rng(1)
        dense = random.standard_normal((len(texts), DIMENSION), np.float32)
        dense /= np.linalg.norm(dense, axis=1, keepdims=True)
        sparse = term_rows(len(texts), QUERY_TERMS, random)
        self.texts = list(texts)
        self.dense: dict[str, NDArray[np.float32]] = dict(zip(texts, dense, strict=True))
        self.sparse: dict[str, SparseVector] = {text: sparse.row(row) for row, text in enumerate(texts)}

    def retriever(self, source: Path | Callable[[str], TenantReader]) -> Retriever:
        return Retriever(source, self.dense.__getitem__, expand_query=self.sparse.__getitem__)


def latencies(
    retriever: Retriever, queries: Queries, legs: Sequence[str] = LEGS, wanted: Filter = EVERYTHING, rounds: int = 2
) -> NDArray[np.float64]:
    """Milliseconds of each query, the better of some rounds: other work on the machine adds to one of them only."""
    times = np.array([[_milliseconds(retriever, text, legs, wanted) for text in queries.texts] for _ in range(rounds)])
    best: NDArray[np.float64] = times.min(axis=0)
    return best


def crowd(retriever: Retriever, queries: Queries) -> tuple[NDArray[np.float64], float]:
    """Milliseconds of each query with eight clients at once, each always waiting for an answer; processor time of a query."""
    used = time.process_time()
    with ThreadPoolExecutor(CLIENTS) as pool:
        times = np.array(list(pool.map(lambda text: _milliseconds(retriever, text), queries.texts)))
    return times, (time.process_time() - used) * 1e3 / len(times)


def _milliseconds(retriever: Retriever, text: str, legs: Sequence[str] = LEGS, wanted: Filter = EVERYTHING) -> float:
    started = time.perf_counter()
    result = retriever.search("default", text, k=10, legs=legs, wanted=wanted)
    took = (time.perf_counter() - started) * 1e3
    if result.partial or len(result.hits) != 10:
        raise RuntimeError(f"{text!r} found {len(result.hits)} passages; legs: {result.legs}")
    return took


def recall(retriever: Retriever, queries: Queries, kept: Kept, wanted: Filter) -> dict[str, float]:
    """Share of the true best hundred under the filter that each leg finds; one of equal score is as good."""
    row_of = np.repeat(np.arange(len(kept.chunk_ids)), np.diff(kept.sparse.indptr))

    def sparse_scores(query: SparseVector) -> NDArray[np.float32]:
        weights = np.zeros(VOCABULARY)
        weights[query.terms] = query.weights
        sums = np.bincount(row_of, weights[kept.sparse.terms] * kept.sparse.weights, len(kept.chunk_ids))
        return sums.astype(np.float32)

    rounded = kept.dense.astype(np.float16).astype(np.float32)
    scores: dict[str, Callable[[str], NDArray[np.float32]]] = {
        "dense": lambda text: rounded @ queries.dense[text],
        "sparse": lambda text: sparse_scores(queries.sparse[text]),
    }
    shares = {}
    for leg, score in scores.items():
        good = wanted_hits = 0
        for text in queries.texts[:100]:
            true = dict(zip(kept.chunk_ids, score(text).tolist(), strict=True))
            worst = sorted(true.values(), reverse=True)[min(DEEP, len(true)) - 1]
            hits = retriever.search("default", text, k=DEEP, legs=[leg], wanted=wanted).hits
            good += sum(true.get(hit.chunk_id, -1.0) >= worst - 1e-5 for hit in hits)
            wanted_hits += min(DEEP, sum(value > 0 or leg == "dense" for value in true.values()))
        shares[leg] = good / wanted_hits
    return shares


class Commits:
    """Is told each step of a writer, and does something when a batch has been committed."""

    def __init__(self) -> None:
        self.act: Callable[[], None] = lambda: None

    def step(self, name: str) -> None:
        if name == "commit.after":
            self.act()


def upserts(
    writer: HaystackIndexWriter, commits: Commits, corpus: Corpus, retriever: Retriever, batches: int
) -> list[tuple[float, float]]:
    """Seconds from calls that replace 1,000 chunks each until a search sees that, and until they return."""
    taken = []
    for revision in range(1, UPSERTS + 1):
        ctx, batch = corpus.batch(revision % batches, revision)
        before = retriever.search("default", "trial", k=1, legs=["bm25"]).generation
        seen: list[float] = []

        def look(text: str = batch.chunks[0].text[:200], before: int | None = before, seen: list[float] = seen) -> None:
            if retriever.search("default", text, k=1, legs=["bm25"]).generation == before:
                raise RuntimeError("a committed batch was not seen")
            seen.append(time.perf_counter())

        commits.act = look
        started = time.perf_counter()
        writer.execute(ctx, batch)
        taken.append((seen[0] - started, time.perf_counter() - started))
    commits.act = lambda: None
    return taken


def reader_memory(folder: Path, texts: Sequence[str]) -> dict[str, float]:
    """MiB resident in a process of its own that has answered all queries: all, and without what is mapped from files."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_read, (folder, list(texts)))


def _read(folder: Path, texts: list[str]) -> dict[str, float]:
    queries = Queries(texts)
    retriever = queries.retriever(folder)
    for text in texts:
        _milliseconds(retriever, text)
    crowd(retriever, queries)
    retriever.close()
    lines = (line.split() for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    kib = {line[0].rstrip(":"): int(line[1]) for line in lines if line[0] in ("VmRSS:", "RssAnon:")}
    return {"resident": kib["VmRSS"] / 1024, "of its own": kib["RssAnon"] / 1024}


def sizes(folder: Path, chunks: int) -> dict[str, float]:
    """Bytes a chunk by part."""
    of = {".faiss": "dense", ".impacts": "sparse", ".facets": "facets"}
    parts = dict.fromkeys(("catalogue", "lexicon", *of.values()), 0.0)
    for path in folder.rglob("*"):
        if path.is_file():
            name = "lexicon" if "lexicons" in path.parts else of.get(path.suffix, "catalogue")
            parts[name] += path.stat().st_size / chunks
    return parts


# --- the whole -------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000, help="a multiple of 1,000")
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    corpus = Corpus(records(scifact()))
    queries = Queries([row["text"] for row in records(scifact("queries_train.jsonl"))[: options.queries]])
    narrow = make_filter({"mesh": [RARE]})
    heading(f"Index of {options.chunks:,} chunks, {DIMENSION} dimensions, {NONZERO} terms")
    with workspace() as folder:
        commits = Commits()
        writer = HaystackIndexWriter(folder, step=commits.step)
        seconds, processor, kept = write(writer, corpus, options.chunks)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = sizes(folder, options.chunks)
        rate = options.chunks / sum(seconds)
        table(
            ("writing, calls of 1,000 chunks", "seconds a call", "chunks/s"),
            [
                ("all", f"{np.mean(seconds):.3f}", f"{rate:,.0f}"),
                ("all, processor time", f"{np.mean(processor):.3f}", f"{CALL / np.mean(processor):,.0f}"),
                ("median", f"{np.median(seconds):.3f}", f"{CALL / np.median(seconds):,.0f}"),
                ("slowest", f"{max(seconds):.3f}", f"{CALL / max(seconds):,.0f}"),
            ],
        )
        table(
            ("bytes a chunk", "value"), [(name, f"{value:,.0f}") for name, value in [*size.items(), ("all", sum(size.values()))]]
        )
        memory = reader_memory(folder, queries.texts)
        retriever = queries.retriever(folder)
        latencies(retriever, queries, rounds=1)
        alone = {leg: latencies(retriever, queries, [leg]) for leg in LEGS}
        crowd(retriever, queries)  # every client opens a connection of its own
        crowded, processor_time = crowd(retriever, queries)
        times = {
            **alone,
            "all three": latencies(retriever, queries),
            "all three, 2 % of the chunks": latencies(retriever, queries, wanted=narrow),
            f"all three, {CLIENTS} clients": crowded,
        }
        table(
            ("query: legs, fusion, 10 passages", "p50, ms", "p95, ms"),
            [(name, *(f"{np.percentile(each, share):.2f}" for share in (50, 95))) for name, each in times.items()],
        )
        print(f"{processor_time:.1f} ms of processor time a query with {CLIENTS} clients.\n")
        found = recall(retriever, queries, kept, narrow)
        replaced = upserts(writer, commits, corpus, retriever, options.chunks // CALL)
        retriever.close()
    whole, part, many = (times[name] for name in ("all three", "all three, 2 % of the chunks", f"all three, {CLIENTS} clients"))
    table(
        ("memory", "MiB"),
        [
            *((f"reader, {name}", f"{value:.0f}") for name, value in memory.items()),
            ("writer and its corpus, peak", f"{peak:.0f}"),
        ],
    )
    table(
        ("upsert of 1,000 chunks", "seen after, s", "call, s"),
        [(n + 1, f"{a:.2f}", f"{b:.2f}") for n, (a, b) in enumerate(replaced)],
    )
    targets(
        [
            ("writer, chunks a second", rate, ">=", 3000, ""),
            ("size of a chunk", sum(size.values()), "<=", 3000, " B"),
            ("query, p50", float(np.percentile(whole, 50)), "<=", 15, " ms"),
            ("query, p95", float(np.percentile(whole, 95)), "<=", 40, " ms"),
            (f"{CLIENTS} clients, p95", float(np.percentile(many, 95)), "<=", 200, " ms"),
            ("p50 under the filter, share of the whole", float(np.percentile(part, 50) / np.percentile(whole, 50)), "<=", 1, ""),
            *((f"recall under the filter, {leg}", value, ">=", 1, "") for leg, value in found.items()),
            ("upsert of 1,000 chunks until seen, slowest", max(seen for seen, _ in replaced), "<=", 1, " s"),
            ("memory of a reader", memory["resident"] * 1.048576, "<=", 400, " MB"),
        ]
    )
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"Load at the end: {load}.")


if __name__ == "__main__":
    main()
