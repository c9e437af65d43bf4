"""Quality on SciFact's training queries with static vectors, and BM25 against an independent one over the same chunks and tokens.

`retrieval/evaluate.py` measures the shipped default and every way of fusing, which takes some minutes.
"""

from __future__ import annotations

from collections import Counter, defaultdict

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
    corpus, qrels = scifact(), read_judgements(scifact("qrels/train.tsv"))
    queries = [(row["_id"], row["text"]) for row in records(scifact("queries_train.jsonl")) if row["_id"] in qrels]
    need_model("static")
    heading(f"Retrieval, SciFact, {len(queries)} training queries")
    with workspace() as folder:
        ingest_command(corpus, data_dir=folder / "static")
        parts = open_parts(folder / "static")
        measured = {name: evaluate(run, qrels).measures for name, run in runs(parts, queries).items()}
        plain = PlainBM25([chunk for row in records(corpus) for chunk in _chunks(parts, row["_id"])])
        found = {query_id: plain.search(text, DEPTH) for query_id, text in queries}
        measured["independent BM25"] = evaluate(found, qrels).measures
        parts.close()
    names = ("ndcg@10", "recall@10", "ndcg@100", "recall@100", "mrr")
    table(("", *names), [(what, *(f"{values[name]:.4f}" for name in names)) for what, values in measured.items()])
    distance = abs(measured["bm25"]["ndcg@10"] - measured["independent BM25"]["ndcg@10"])
    targets([("nDCG@10, distance from the independent BM25", distance, "<=", 0.01, "")])


def runs(parts: PlatformParts, queries: list[tuple[str, str]]) -> dict[str, Run]:
    """The documents that each leg, and both together, find."""
    retriever = parts.retriever()
    found: dict[str, Run] = {
        name: {
            query_id: [hit.doc_id for hit in retriever.search_documents("default", text, k=DEPTH, legs=legs).hits]
            for query_id, text in queries
        }
        for name, legs in LEGS.items()
    }
    retriever.close()
    return found


def _chunks(parts: PlatformParts, record_id: str) -> list[Chunk]:
    return parts.index_writer.chunks("default", f"local:{record_id}")


if __name__ == "__main__":
    main()
