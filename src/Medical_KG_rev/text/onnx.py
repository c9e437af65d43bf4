"""Transformer encoders as ONNX files, run on the CPU by onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import InvalidDocumentError
from Medical_KG_rev.text.models import ModelStore

if TYPE_CHECKING:
    from Medical_KG_rev.text.backends import Vectors

__all__ = ["RECIPES", "OnnxBackend", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is to be used, from its card. ``positions`` counts its special tokens [CLS] and [SEP] too."""

    name: str
    dimension: int
    positions: int
    pooling: Literal["cls", "mean"]
    query_prefix: str = ""


RECIPES = {
    "bge-small": Recipe("bge-small", 384, 512, "cls", "Represent this sentence for searching relevant passages: "),
    "minilm": Recipe("minilm", 384, 256, "mean"),
}

_SPECIAL_TOKENS = 2


class OnnxBackend:
    """Runs texts sorted by length, in small batches padded to their longest, so that little is computed for padding."""

    def __init__(self, recipe: Recipe, store: ModelStore, *, batch_size: int = 8, threads: int = 0) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self.name = recipe.name
        self.dimension = recipe.dimension
        self.max_tokens = recipe.positions - _SPECIAL_TOKENS
        self.fingerprint = f"{recipe.name}-{store.fingerprint(recipe.name)}-{recipe.pooling}"
        self._recipe = recipe
        self._batch_size = batch_size
        self._tokenizer = Tokenizer.from_file(str(store.path(recipe.name, "tokenizer")))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(store.path(recipe.name, "model")), options, providers=["CPUExecutionProvider"]
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See :class:`EmbeddingBackend`. Raises InvalidDocumentError for a text above ``max_tokens``."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        for text, row in zip(texts, ids, strict=True):
            if len(row) > self._recipe.positions:
                raise InvalidDocumentError(
                    f"A text of {len(row)} tokens is too long for {self.name}, which reads {self._recipe.positions}: "
                    f"{text[:60]!r}…",
                    remedy="Lower MK_CHUNKING__MAX_TOKENS.",
                )
        return self._embed(ids)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        ids = self._tokenizer.encode(self._recipe.query_prefix + text).ids
        if len(ids) > self._recipe.positions:
            ids = [*ids[: self._recipe.positions - 1], ids[-1]]
        vector: NDArray[np.float32] = self._embed([ids])[0]
        return vector

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(encoding) for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def close(self) -> None:
        self._session = None

    def _embed(self, ids: Sequence[Sequence[int]]) -> Vectors:
        vectors = np.empty((len(ids), self.dimension), np.float32)
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        for start in range(0, len(order), self._batch_size):
            members = order[start : start + self._batch_size]
            vectors[members] = self._run([ids[index] for index in members])
        return vectors

    def _run(self, ids: Sequence[Sequence[int]]) -> Vectors:
        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), np.int64)
        mask = np.zeros_like(tokens)
        for row, values in enumerate(ids):
            tokens[row, : len(values)] = values
            mask[row, : len(values)] = 1
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (states,) = self._session.run(["last_hidden_state"], inputs)
        if self._recipe.pooling == "cls":
            pooled = states[:, 0]
        else:
            weights = mask[:, :, None].astype(np.float32)
            pooled = (states * weights).sum(axis=1) / weights.sum(axis=1)
        unit: Vectors = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return unit
