"""Quality on SciFact's training queries, and BM25 against an independent one over the same chunks and tokens.

``--full`` adds bge-small; over the whole corpus its vectors take some minutes, unless ``--library`` names a data folder that
holds them already.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from measuring import heading, ingest_command, need_model, open_parts, records, scifact, table, targets, workspace

from Medical_KG_rev.index import Analyser
from Medical_KG_rev.index.evaluation import Run, evaluate, read_judgements
from Medical_KG_rev.models import Chunk
from Medical_KG_rev.parts import PlatformParts

K1, B = 1.2, 0.75
DEPTH = 100
LEGS = {"bm25": ("bm25",), "dense": ("dense",), "hybrid": ("bm25", "dense")}


class PlainBM25:
    """BM25 over chunks, with exact lengths and Lucene's idf, ln(1 + (N - n + 0.5) / (n + 0.5)); a document is its best chunk."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self._analyser = Analyser()
        self._doc_ids = [chunk.doc_id for chunk in chunks]
        counts = [Counter(self._analyser.tokens(chunk.text)) for chunk in chunks]
        lengths = np.array([count.total() for count in counts], np.float64)
        rows: dict[str, list[int]] = defaultdict(list)
        frequencies: dict[str, list[int]] = defaultdict(list)
        for row, count in enumerate(counts):
            for token, frequency in count.items():
                rows[token].append(row)
                frequencies[token].append(frequency)
        norm = K1 * (1 - B + B * lengths / lengths.mean())
        self._postings = {}
        for token, where in rows.items():
            index, frequency = np.array(where), np.array(frequencies[token], np.float64)
            idf = np.log1p((len(chunks) - len(where) + 0.5) / (len(where) + 0.5))
            self._postings[token] = index, idf * frequency * (K1 + 1) / (frequency + norm[index])

    def search(self, query: str, k: int) -> list[str]:
        scores = np.zeros(len(self._doc_ids))
        for token, times in Counter(self._analyser.tokens(query)).items():
            if token in self._postings:
                index, weights = self._postings[token]
                scores[index] += times * weights
        found: dict[str, None] = {}
        for row in np.argsort(-scores, kind="stable"):
            if scores[row] <= 0 or len(found) >= k:
                break
            found.setdefault(self._doc_ids[row])
        return list(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="bge-small too")
    parser.add_argument("--library", type=Path, help="data folder in which the corpus was ingested with bge-small")
    options = parser.parse_args()
    corpus, qrels = scifact(), read_judgements(scifact("qrels/train.tsv"))
    queries = [(row["_id"], row["text"]) for row in records(scifact("queries_train.jsonl")) if row["_id"] in qrels]
    heading(f"Retrieval, SciFact, {len(queries)} training queries")
    measured: dict[str, dict[str, float]] = {}
    with workspace() as folder:
        for model in ("static", "bge-small") if options.full else ("static",):
            need_model(model)
            library = options.library if model == "bge-small" and options.library else folder / model
            if not library.exists():
                ingest_command(corpus, data_dir=library, model=model)
            parts = open_parts(library, model)
            for name, run in runs(parts, queries).items():
                measured[f"{model}, {name}"] = dict(evaluate(run, qrels).measures)
            if model == "static":
                plain = PlainBM25([chunk for row in records(corpus) for chunk in _chunks(parts, row["_id"])])
                run = {query_id: plain.search(text, DEPTH) for query_id, text in queries}
                measured["independent BM25"] = dict(evaluate(run, qrels).measures)
            parts.close()
    names = ("ndcg@10", "recall@10", "ndcg@100", "recall@100", "mrr")
    table(("", *names), [(what, *(f"{values[name]:.4f}" for name in names)) for what, values in measured.items()])
    targets(conclusions(measured, options.full))


def runs(parts: PlatformParts, queries: list[tuple[str, str]]) -> dict[str, Run]:
    """The documents that each leg, and both together, find."""
    found: dict[str, Run] = {}
    for name, legs in LEGS.items():
        retriever = parts.retriever()
        found[name] = {
            query_id: [hit.doc_id for hit in retriever.search_documents("default", text, k=DEPTH, legs=legs).hits]
            for query_id, text in queries
        }
        retriever.close()
    return found


def conclusions(measured: dict[str, dict[str, float]], full: bool) -> list[tuple[str, float, str, float, str]]:
    ndcg = abs(measured["static, bm25"]["ndcg@10"] - measured["independent BM25"]["ndcg@10"])
    lines = [("nDCG@10, distance from the independent BM25", ndcg, "<=", 0.01, "")]
    if full:
        recall = {name: measured[f"bge-small, {name}"]["recall@100"] for name in LEGS}
        lines.append(("bge-small, recall@100 of hybrid", recall["hybrid"], ">=", max(recall["bm25"], recall["dense"]), ""))
    return lines


def _chunks(parts: PlatformParts, record_id: str) -> list[Chunk]:
    return parts.index_writer.chunks("default", f"local:{record_id}")


if __name__ == "__main__":
    main()
