"""bge-small through the pipeline against the bare model, and how much faster unchanged documents are.

The bare model is an onnxruntime session fed by hand: the same chunks, sorted by length, eight a call, nothing truncated.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
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

BATCH_SIZE = 8


class BareModel:
    """bge-small as its card says: [CLS] pooling, unit length."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        from Medical_KG_rev.text import ModelStore

        store = ModelStore(folder)
        self._tokenizer = Tokenizer.from_file(str(store.path("bge-small", "tokenizer")))
        self._tokenizer.no_truncation()
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        self._session = onnxruntime.InferenceSession(
            str(store.path("bge-small", "model")), options, providers=["CPUExecutionProvider"]
        )

    def encode(self, texts: Sequence[str]) -> float:
        """Seconds for vectors of all texts."""
        started = time.perf_counter()
        lengths = [sum(row.attention_mask) for row in self._tokenizer.encode_batch_fast(list(texts))]  # without padding
        ordered = [texts[index] for index in np.argsort(lengths, kind="stable")]
        for start in range(0, len(ordered), BATCH_SIZE):
            rows = self._tokenizer.encode_batch(ordered[start : start + BATCH_SIZE])
            ids = np.array([row.ids for row in rows], np.int64)
            mask = np.array([row.attention_mask for row in rows], np.int64)
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            first = self._session.run(["last_hidden_state"], inputs)[0][:, 0]
            first /= np.linalg.norm(first, axis=1, keepdims=True)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--abstracts", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    rows = records(scifact())[: options.abstracts]
    need_model("bge-small")
    heading(f"Embedding, bge-small, {len(rows)} abstracts")
    first, again, embed, bare, chunks = [], [], [], [], 0
    with workspace() as folder:
        path = write_records(folder / "abstracts.jsonl", rows)
        model = BareModel(MODELS_DIR)
        for number in range(options.rounds):
            parts = open_parts(folder / str(number), "bge-small")
            parts.pipeline("auto")
            clock = StageClock(parts.runner)
            vars(parts)["runner"] = clock
            first.append(ingest(parts, path))
            again.append(ingest(parts, path))
            embed.append(clock.seconds["embed"])
            texts = [chunk.text for row in rows for chunk in parts.index_writer.chunks("default", f"local:{row['_id']}")]
            parts.close()
            bare.append(model.encode(texts))
            chunks = len(texts)
    table(
        ("best of the rounds", "seconds", "chunks/s", "abstracts/s"),
        [
            (name, f"{seconds:.2f}", f"{chunks / seconds:.1f}", f"{len(rows) / seconds:.1f}")
            for name, seconds in (
                ("bare model", min(bare)),
                ("embed stage", min(embed)),
                ("whole ingest", min(first)),
                ("again, unchanged", min(again)),
            )
        ],
    )
    targets(
        [
            ("embed stage, share of the bare model's rate", min(bare) / min(embed) * 100, ">=", 90, " %"),
            ("whole ingest, share of the bare model's rate", min(bare) / min(first) * 100, ">=", 90, " %"),
            ("again, times faster", min(first) / min(again), ">=", 20, "x"),
        ]
    )


if __name__ == "__main__":
    main()
