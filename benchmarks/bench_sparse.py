"""Learned sparse vectors: impact segments of 100,000 rows, SPLADE-tiny against the bare model, ingest against both bare models.

The bare models are fed by hand: bge-small as in ``bench_embedding.py``, SPLADE-tiny in few lines of numpy, a text at a time with
the whole vocabulary at once and numpy's own threads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bench_embedding import BareModel
from measuring import (
    MODELS_DIR,
    StageClock,
    heading,
    ingest,
    need_model,
    open_parts,
    records,
    scifact,
    table,
    targets,
    workspace,
    write_records,
)
from numpy.typing import NDArray

from Medical_KG_rev.index.impacts import Allowed, ImpactSegment, impact_bytes
from Medical_KG_rev.models import SparseMatrix, SparseVector
from Medical_KG_rev.settings import SparseSettings
from Medical_KG_rev.text import ModelStore
from Medical_KG_rev.text.splade import SpladeBackend

VOCABULARY = 28_000
NONZERO = 150
QUERY_TERMS = 28


class BareSplade:
    """SPLADE as its formula says, in numpy."""

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        store = ModelStore(folder)
        self._w = load_file(store.path("splade-tiny", "model"))
        self._tokenizer = Tokenizer.from_file(str(store.path("splade-tiny", "tokenizer")))
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> float:
        """Seconds for the weights of all texts."""
        started = time.perf_counter()
        for row in self._tokenizer.encode_batch(list(texts)):
            weights = self._weights(row.ids)
            weights[np.argsort(-weights)[:400]].astype(np.float16)
        return time.perf_counter() - started

    def _weights(self, ids: Sequence[int]) -> NDArray[np.float32]:
        w, words = self._w, self._w["bert.embeddings.word_embeddings.weight"]
        x = words[ids] + w["bert.embeddings.position_embeddings.weight"][: len(ids)]
        x = self._norm(x + w["bert.embeddings.token_type_embeddings.weight"][0], "bert.embeddings.LayerNorm")
        for layer in ("bert.encoder.layer.0.", "bert.encoder.layer.1."):
            query, key, value = (self._dense(x, f"{layer}attention.self.{part}") for part in ("query", "key", "value"))
            heads = []
            for head in (slice(0, 64), slice(64, 128)):
                scores = query[:, head] @ key[:, head].T / np.float32(8)
                scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
                heads.append(scores / scores.sum(axis=-1, keepdims=True) @ value[:, head])
            x = self._norm(
                self._dense(np.hstack(heads), f"{layer}attention.output.dense") + x, f"{layer}attention.output.LayerNorm"
            )
            wide = self._gelu(self._dense(x, f"{layer}intermediate.dense"))
            x = self._norm(self._dense(wide, f"{layer}output.dense") + x, f"{layer}output.LayerNorm")
        x = self._norm(self._gelu(self._dense(x, "cls.predictions.transform.dense")), "cls.predictions.transform.LayerNorm")
        logits = (x @ words.T).max(axis=0) + w["cls.predictions.bias"]
        weights: NDArray[np.float32] = np.log1p(np.maximum(logits, 0))
        return weights

    def _dense(self, x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        made: NDArray[np.float32] = x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"]
        return made

    def _norm(self, x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(1e-12))
        made: NDArray[np.float32] = centred / spread * self._w[f"{name}.gamma"] + self._w[f"{name}.beta"]
        return made

    @staticmethod
    def _gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
        z = np.abs(x) * np.float32(0.5**0.5)
        t = 1 / (1 + np.float32(0.3275911) * z)
        tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
        made: NDArray[np.float32] = np.maximum(x, 0) - np.abs(x) * tail * np.exp(-z * z) / 2
        return made


# --- impact segments -------------------------------------------------------------------------------------------------


def term_rows(rows: int, terms: int, random: np.random.Generator) -> SparseMatrix:
    """Rows of distinct terms whose frequencies fall as Zipf's law has it, with skewed weights."""
    chances = np.cumsum(1 / np.arange(5, VOCABULARY + 5))
    vectors = []
    for start in range(0, rows, 1000):
        drawn = np.searchsorted(chances, random.random((min(1000, rows - start), terms * 4)) * chances[-1]).astype(np.int32)
        vectors += [np.sort(random.permutation(np.unique(row))[:terms]) for row in drawn]
    return SparseMatrix(
        np.cumsum([0, *map(len, vectors)], dtype=np.int64),
        np.concatenate(vectors),
        (random.exponential(0.4, sum(map(len, vectors))) + 0.01).astype(np.float16),
        "made up",
        "made-up",
    )


def measure_search(rows: int, queries: int) -> None:
    random = np.random.default_rng(0)
    heading(f"Impact segment, {rows:,} rows of about {NONZERO} terms, queries of {QUERY_TERMS} terms, 100 hits")
    matrix = term_rows(rows, NONZERO, random)
    asked = term_rows(queries, QUERY_TERMS, random)
    with workspace() as folder:
        path = folder / "segment.impacts"
        started = time.perf_counter()
        content = impact_bytes(np.arange(rows), matrix)
        written = time.perf_counter() - started
        path.write_bytes(content)
        started = time.perf_counter()
        segment = ImpactSegment(path)
        opened = time.perf_counter() - started
        few = np.sort(random.choice(rows, rows // 50, replace=False))
        mask = np.zeros(rows, np.bool_)
        mask[few] = True
        lines = []
        for name, allowed in (("all rows", None), ("2 % of the rows, as numbers", few), ("2 % of the rows, as a mask", mask)):
            p50, p95 = _times(segment, [asked.row(number) for number in range(queries)], allowed)
            lines.append((name, f"{p50:.2f}", f"{p95:.2f}"))
            if allowed is None:
                whole = p50, p95
        table(("search", "p50 ms", "p95 ms"), lines)
        table(
            ("segment", "value"),
            [
                ("bytes a row", f"{segment.size_bytes / rows:,.0f}"),
                ("postings a row", f"{segment.postings / rows:.1f}"),
                ("postings that a query reads", f"{_touched(matrix, asked):,.0f}"),
                ("inverting and writing, s", f"{written:.2f}"),
                ("opening, ms", f"{opened * 1000:.2f}"),
            ],
        )
    targets([("search, p50", whole[0], "<=", 10, " ms"), ("search, p95", whole[1], "<=", 20, " ms")])


def _touched(matrix: SparseMatrix, asked: SparseMatrix) -> float:
    """The mean number of entries that share a term with a query."""
    rows_with = np.bincount(matrix.terms, minlength=VOCABULARY)
    return float(rows_with[asked.terms].sum() / len(asked))


def _times(segment: ImpactSegment, queries: Sequence[SparseVector], allowed: Allowed) -> tuple[float, float]:
    segment.search(queries[0], 100, allowed)
    taken = []
    for query in queries:
        started = time.perf_counter()
        segment.search(query, 100, allowed)
        taken.append((time.perf_counter() - started) * 1000)
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 95))


# --- the model -------------------------------------------------------------------------------------------------------


def measure_model(abstracts: int, rounds: int) -> None:
    rows = records(scifact())[:abstracts]
    need_model("splade-tiny")
    need_model("bge-small")
    heading(f"SPLADE-tiny beside bge-small, {len(rows)} abstracts")
    bare_dense, bare_sparse, both, stage, alone = [], [], [], [], []
    texts: list[str] = []
    terms = 0.0
    with workspace() as folder:
        path = write_records(folder / "abstracts.jsonl", rows)
        dense_model, sparse_model = BareModel(MODELS_DIR), BareSplade(MODELS_DIR)
        for number in range(rounds):
            parts = open_parts(folder / str(number), "bge-small", sparse=SparseSettings(model="splade-tiny"))
            parts.pipeline("auto")
            clock = StageClock(parts.runner)
            vars(parts)["runner"] = clock
            both.append(ingest(parts, path))
            stage.append(clock.seconds["embed"])
            texts = [chunk.text for row in rows for chunk in parts.index_writer.chunks("default", f"local:{row['_id']}")]
            parts.close()
            backend = SpladeBackend(ModelStore(MODELS_DIR), SparseSettings())
            started = time.perf_counter()
            terms = len(backend.encode(texts).terms) / len(texts)
            alone.append(time.perf_counter() - started)
            backend.close()
            bare_dense.append(dense_model.encode(texts))
            bare_sparse.append(sparse_model.encode(texts))
    measured = (
        ("bare bge-small", min(bare_dense)),
        ("bare SPLADE-tiny", min(bare_sparse)),
        ("SPLADE-tiny", min(alone)),
        ("embed stage, both models", min(stage)),
        ("whole ingest", min(both)),
    )
    table(
        ("best of the rounds", "seconds", "chunks/s"),
        [(name, f"{seconds:.2f}", f"{len(texts) / seconds:.1f}") for name, seconds in measured],
    )
    print(f"{len(texts)} chunks, {terms:.0f} terms a chunk.\n")
    bare = min(bare_dense) + min(bare_sparse)
    targets(
        [
            ("SPLADE-tiny, share of the bare model's rate", min(bare_sparse) / min(alone) * 100, ">=", 90, " %"),
            ("embed stage, share of both bare models in sequence", bare / min(stage) * 100, ">=", 85, " %"),
            ("whole ingest, share of both bare models in sequence", bare / min(both) * 100, ">=", 85, " %"),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--abstracts", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    measure_search(options.rows, options.queries)
    measure_model(options.abstracts, options.rounds)


if __name__ == "__main__":
    main()
