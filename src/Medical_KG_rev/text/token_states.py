"""What an encoder makes of each token of a text: the mean of the states of the word pieces that lie in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.text.models import ModelStore
from Medical_KG_rev.text.onnx import RECIPES

__all__ = ["TokenStates"]

_WINDOW_PIECES = 384
"""Whole sentences are read together up to so many pieces."""


class TokenStates:
    """The last layer of an ONNX encoder on the CPU. Windows are run one by one: the states of one never depend on another."""

    def __init__(self, name: str, store: ModelStore, *, threads: int = 0) -> None:
        """``threads``: 0 means one per core."""
        import onnxruntime
        from tokenizers import Tokenizer

        self.dimension = RECIPES[name].dimension
        self.fingerprint = f"{name}-{store.fingerprint(name)}-states"
        self._tokenizer = Tokenizer.from_file(str(store.path(name, "tokenizer")))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._most = RECIPES[name].positions - 2
        self._first, self._last = self._tokenizer.encode("").ids
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(store.path(name, "model")), options, providers=["CPUExecutionProvider"])

    def of(
        self, text: str, starts: Sequence[int], ends: Sequence[int], sentences: Sequence[tuple[int, int]]
    ) -> NDArray[np.float32]:
        """Tokens x dimension; token *i* is ``text[starts[i]:ends[i]]``, sentences are ranges of tokens. Zeros where unread."""
        pieces = self._tokenizer.encode_batch(
            [text[starts[first] : ends[last - 1]] for first, last in sentences], add_special_tokens=False
        )
        found = np.zeros((len(starts), self.dimension), np.float32)
        for group in _windows([len(sentence.ids) for sentence in pieces]):
            ids = [piece for number in group for piece in pieces[number].ids][: self._most]
            states = self._run(ids)
            for number in group:
                (first, last), read = sentences[number], pieces[number]
                offsets = np.array(read.offsets, np.int64).reshape(-1, 2)[: len(states), 0] + starts[first]
                token = np.searchsorted(np.asarray(ends[first:last]), offsets, side="right")
                token = np.minimum(token, last - first - 1)
                counts = np.bincount(token, minlength=last - first)
                np.add.at(found[first:last], token, states[: len(offsets)])
                found[first:last] /= np.maximum(counts, 1)[:, None]
                states = states[len(offsets) :]
        return found

    def _run(self, ids: Sequence[int]) -> NDArray[np.float32]:
        tokens = np.array([[self._first, *ids, self._last]], np.int64)
        inputs = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        (states,) = self._session.run(["last_hidden_state"], inputs)
        read: NDArray[np.float32] = states[0, 1:-1]
        return read


def _windows(lengths: Sequence[int]) -> Iterator[range]:
    first, total = 0, 0
    for number, length in enumerate(lengths):
        if number > first and total + length > _WINDOW_PIECES:
            yield range(first, number)
            first, total = number, 0
        total += length
    if lengths:
        yield range(first, len(lengths))
