"""Whether an index on servers finds what the embedded one finds: the same vectors in both, the same queries asked of both.

``python benchmarks/retrieval/parity.py --library DIR`` copies the embedded index of a data folder, vectors and all, to
PostgreSQL and OpenSearch started for the time, and compares the ten best passages of each leg and of the shipped fusion. Where
they differ it tells how near to each other, by the embedded scores, the passages are that changed places.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from beir import Collection
from bench_opensearch import served_stores
from evaluate import shipped
from legs import TENANT
from measuring import TEST_DATA, heading, ingest_command, need_model, open_parts, skip, table, targets, workspace

from Medical_KG_rev.index import HaystackIndexWriter, Retriever
from Medical_KG_rev.index.legs import LEGS
from Medical_KG_rev.index.snapshot import TenantReader, open_segment
from Medical_KG_rev.index.spaces import Space
from Medical_KG_rev.index.stores import IndexStores
from Medical_KG_rev.models import Chunk, EmbeddingBatch, SparseMatrix, StageContext
from Medical_KG_rev.parts import PlatformParts

TOP = 10
DEEP = 100
"""So deep a passage that changed places is looked for in the other list."""
DOCUMENTS_A_CALL = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=TEST_DATA / "beir" / "scifact", help="default: SciFact")
    parser.add_argument("--split", default="train", help="which queries (default: train)")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--model", default="bge-small", help="dense model (default: bge-small)")
    parser.add_argument("--library", type=Path, help="data folder; one that has the corpus is used as it is")
    options = parser.parse_args()
    if not options.folder.is_dir():
        skip(f"{options.folder} is not there; name a BEIR folder, or point MK_TEST_DATA at the folder of real data")
    need_model(options.model)
    collection = Collection.read(options.folder, options.split)
    heading("The same index embedded and on servers")
    with ExitStack() as stack:
        temporary = stack.enter_context(workspace())
        library = options.library or temporary / "library"
        if not library.exists():
            ingest_command(collection.corpus, data_dir=library, model=options.model)
        parts = open_parts(library, options.model)
        stack.callback(parts.close)
        served = stack.enter_context(served_stores(temporary))
        copy(parts.index_stores, served)
        compare(parts, served, [text for _, text in collection.queries[: options.queries]])


def copy(embedded: IndexStores, served: IndexStores) -> None:
    """Writes the chunks of an embedded index, with the very vectors that it holds, to other stores."""
    writer, files = HaystackIndexWriter(served), embedded.files(TENANT)
    with embedded.reading(TENANT) as catalogue:
        if catalogue is None:
            raise SystemExit("The library has no index.")
        spaces = {space.kind: space for space in catalogue.spaces() if space.state == "active"}
        segments = {
            kind: [open_segment(files, each).read() for each in catalogue.segments() if each.space == spaces[kind].name]
            for kind in ("dense", "sparse")
        }
        places = {
            kind: {int(vid): row for row, vid in enumerate(np.concatenate([vids for vids, _ in read]))}
            for kind, read in segments.items()
        }
        dense = np.concatenate([matrix for _, matrix in segments["dense"]])
        sparse = SparseMatrix.concatenate([matrix for _, matrix in segments["sparse"]])
        for batch in by_document(catalogue.every_chunk()):
            found = np.array([[places[kind][vid] for kind in ("dense", "sparse")] for vid, _ in batch])
            chunks = tuple(chunk for _, chunk in batch)
            versions = catalogue.versions(dict.fromkeys(chunk.doc_id for chunk in chunks))
            writer.execute(
                StageContext(tenant_id=TENANT, documents=tuple(versions), versions=versions),
                EmbeddingBatch(chunks, dense[found[:, 0]], *named(spaces["dense"]), sparse.rows(found[:, 1])),
            )


def named(space: Space) -> tuple[str, str]:
    return space.model, space.fingerprint


def by_document(chunks: Iterator[tuple[int, Chunk]]) -> Iterator[list[tuple[int, Chunk]]]:
    """The chunks of some hundred documents at a time, no document in two of them."""
    documents: dict[str, list[tuple[int, Chunk]]] = {}
    for vid, chunk in chunks:
        documents.setdefault(chunk.doc_id, []).append((vid, chunk))
    every = iter(documents.values())
    while some := list(islice(every, DOCUMENTS_A_CALL)):
        yield [pair for document in some for pair in document]


def compare(parts: PlatformParts, served: IndexStores, queries: Sequence[str]) -> None:
    encode, expand = cache(parts.backend.encode_query), None
    if parts.sparse_backend is not None:
        expand = cache(parts.sparse_backend.encode_query)
    fusion = shipped(parts)
    own, other = (
        Retriever(opened(stores), encode, expand_query=expand, fusion=fusion) for stores in (parts.index_stores, served)
    )
    lines, means = [], {}
    for name, legs in (*((leg, (leg,)) for leg in LEGS), ("fused", LEGS)):
        overlaps, gaps = [], []
        for query in queries:
            left, right = (scores(retriever, query, legs) for retriever in (own, other))
            first, second = (list(found)[:TOP] for found in (left, right))
            overlaps.append(len({*first} & {*second}) / max(len(first), len(second), 1))
            gone, came = [vid for vid in first if vid not in second], [vid for vid in second if vid not in first]
            floor = min(left.values(), default=0.0)
            gaps += [(left[a] - left.get(b, floor)) / left[a] for a, b in zip(gone, came, strict=False)]
        means[name] = float(np.mean(overlaps))
        same = sum(overlap == 1 for overlap in overlaps)
        gap = f"{100 * max(gaps):.2f} %" if gaps else ""
        lines.append((name, f"{means[name]:.4f}", f"{min(overlaps):.1f}", same, len(gaps), gap))
    own.close()
    other.close()
    columns = ("ten best passages", "mean overlap", "least", "the same set", "passages that changed", "farthest apart by score")
    print(f"{len(queries)} queries.\n")
    table(columns, lines)
    targets([(f"mean overlap, {name}", mean, ">=", 0.95, "") for name, mean in means.items()])


def opened(stores: IndexStores) -> Callable[[str], TenantReader]:
    return lambda tenant_id: TenantReader(stores, tenant_id)


def scores(retriever: Retriever, query: str, legs: Sequence[str]) -> dict[str, float]:
    """The best passages with their scores: a leg's own one, or that of the fusion; best first."""
    result = retriever.search(TENANT, query, k=DEEP, legs=legs, explain=True)
    if result.partial:
        raise RuntimeError(f"{query!r}: {result.legs}")
    if len(legs) > 1:
        return {hit.chunk_id: hit.score for hit in result.hits}
    return {hit.chunk_id: float((hit.explanation or {})["legs"][legs[0]]["score"]) for hit in result.hits}


if __name__ == "__main__":
    main()
