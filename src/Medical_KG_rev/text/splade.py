"""SPLADE on the CPU in plain numpy: a small BERT, its masked-language-model head, and the weights made of them.

The weight of a term in a text is ``log(1 + max(0, l))`` with *l* the greatest logit that the head gives the term at any of the
text's tokens (Formal et al., SPLADE v2, 2021). Logits are made for a block of the vocabulary at a time and only their maxima
kept, so that memory does not grow with texts times tokens times vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.models import SparseMatrix, SparseVector
from Medical_KG_rev.settings import SparseSettings
from Medical_KG_rev.text.models import ModelStore
from Medical_KG_rev.text.sparse import matrix_of, prune

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["SpladeBackend", "SpladeModel"]

Floats = NDArray[np.float32]

_MODEL = "splade-tiny"
_GROUP_TOKENS = 512
_BLOCK_TERMS = 512
_SPECIAL_TOKENS = 2

# erfc(x) = t·(a1 + a2·t + … + a5·t⁴)·exp(-x²), t = 1 / (1 + p·x), x ≥ 0; |error| ≤ 1.5e-7 (Abramowitz and Stegun, 7.1.26).
_ERFC_P = np.float32(0.3275911)
_ERFC = tuple(map(np.float32, (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)))
_ROOT_HALF = np.float32(0.5**0.5)


class _Config(msgspec.Struct):
    """What is read of a model's ``config.json``."""

    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float
    max_position_embeddings: int


class SpladeBackend:
    """Runs groups of texts of like length, as many at once as there are threads."""

    name = _MODEL

    def __init__(self, store: ModelStore, settings: SparseSettings) -> None:
        from safetensors.numpy import load_file
        from threadpoolctl import threadpool_limits

        config = msgspec.json.decode(store.path(_MODEL, "config").read_bytes(), type=_Config)
        self._model = SpladeModel(load_file(store.path(_MODEL, "model")), config)
        self._tokenizer, self._special = _tokenizer(str(store.path(_MODEL, "tokenizer")), config.max_position_embeddings)
        self.max_tokens = config.max_position_embeddings - _SPECIAL_TOKENS
        self.truncated = 0
        self.fingerprint = f"{_MODEL}-{store.fingerprint(_MODEL)}-top{settings.top_terms}"
        self._settings = settings
        # Matrices are too small for numpy's BLAS to share one out: its threads would only wait for each other.
        self._limits = threadpool_limits(1, user_api="blas")
        self._pool = ThreadPoolExecutor(settings.threads or len(os.sched_getaffinity(0)), "splade")

    def encode(self, texts: Sequence[str]) -> SparseMatrix:
        """See :class:`SparseBackend`."""
        encodings = self._tokenizer.encode_batch(list(texts))
        self.truncated += sum(bool(encoding.overflowing) for encoding in encodings)
        ids = [encoding.ids for encoding in encodings]
        groups = _groups([len(row) for row in ids])
        found: dict[int, SparseVector] = {}
        expanded = self._pool.map(self._expand, [[ids[index] for index in group] for group in groups])
        for group, vectors in zip(groups, expanded, strict=True):
            found.update(zip(group, vectors, strict=True))
        return matrix_of([found[index] for index in range(len(ids))], self.name, self.fingerprint)

    def encode_query(self, text: str) -> SparseVector:
        (vector,) = self._expand([self._tokenizer.encode(text).ids], self._settings.query_terms)
        return vector

    def close(self) -> None:
        self._pool.shutdown()
        self._limits.restore_original_limits()

    def _expand(self, ids: Sequence[Sequence[int]], limit: int | None = None) -> list[SparseVector]:
        kept = []
        for logits in self._model.peaks(ids):
            terms = np.flatnonzero(logits > 0).astype(np.int32)
            kept.append(prune(terms, np.log1p(logits[terms]), limit or self._settings.top_terms, self._special))
        return kept


class SpladeModel:
    """A ``BertForMaskedLM`` whose head shares the word embeddings."""

    def __init__(self, weights: Mapping[str, Floats], config: _Config) -> None:
        self._weights = weights
        self._config = config
        self._words = weights["bert.embeddings.word_embeddings.weight"]

    def peaks(self, texts: Sequence[Sequence[int]]) -> Floats:
        """The greatest logit of each term in each text, given as token ids: shape (texts, vocabulary)."""
        starts = list(accumulate(map(len, texts), initial=0))
        spans = [slice(start, end) for start, end in pairwise(starts)]
        states = self._states(np.concatenate([np.asarray(ids, np.int64) for ids in texts]), spans)
        peaks = np.empty((len(texts), len(self._words)), np.float32)
        for start in range(0, len(self._words), _BLOCK_TERMS):
            block = slice(start, start + _BLOCK_TERMS)
            logits = states @ self._words[block].T
            for row, span in enumerate(spans):
                logits[span].max(axis=0, out=peaks[row, block])
        peaks += self._weights["cls.predictions.bias"]
        return peaks

    def _states(self, ids: NDArray[np.int64], spans: Sequence[slice]) -> Floats:
        """What the head compares with the words, for the tokens of all texts one after another; no padding is computed."""
        embeddings = "bert.embeddings."
        positions = np.concatenate([np.arange(span.stop - span.start) for span in spans])
        x = self._words[ids] + self._weights[f"{embeddings}position_embeddings.weight"][positions]
        x += self._weights[f"{embeddings}token_type_embeddings.weight"][0]
        x = self._norm(x, f"{embeddings}LayerNorm")
        for number in range(self._config.num_hidden_layers):
            x = self._layer(x, spans, f"bert.encoder.layer.{number}.")
        head = "cls.predictions.transform."
        return self._norm(_gelu(self._dense(x, f"{head}dense")), f"{head}LayerNorm")

    def _layer(self, x: Floats, spans: Sequence[slice], name: str) -> Floats:
        attention = f"{name}attention."
        query, key, value = (self._dense(x, f"{attention}self.{part}") for part in ("query", "key", "value"))
        context = np.empty_like(x)
        for span in spans:
            context[span] = self._attend(query[span], key[span], value[span])
        x = self._norm(self._dense(context, f"{attention}output.dense") + x, f"{attention}output.LayerNorm")
        wide = _gelu(self._dense(x, f"{name}intermediate.dense"))
        return self._norm(self._dense(wide, f"{name}output.dense") + x, f"{name}output.LayerNorm")

    def _attend(self, query: Floats, key: Floats, value: Floats) -> Floats:
        """Scaled dot-product attention of one text, all heads; shapes (tokens, hidden)."""
        heads, size = self._config.num_attention_heads, query.shape[1] // self._config.num_attention_heads
        query, key, value = (part.reshape(-1, heads, size).swapaxes(0, 1) for part in (query, key, value))
        scores: Floats = query @ key.swapaxes(1, 2)
        scores *= np.float32(size**-0.5)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        context: Floats = (scores @ value).swapaxes(0, 1).reshape(-1, heads * size)
        return context

    def _dense(self, x: Floats, name: str) -> Floats:
        out: Floats = x @ self._weights[f"{name}.weight"].T
        out += self._weights[f"{name}.bias"]
        return out

    def _norm(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + np.float32(self._config.layer_norm_eps))
        x *= self._weights[f"{name}.gamma"]
        x += self._weights[f"{name}.beta"]
        return x


def _gelu(x: Floats) -> Floats:
    """``x·Φ(x)``, which is ``max(x, 0) - |x|·erfc(|x|/√2)/2``."""
    size = np.abs(x)
    z = size * _ROOT_HALF
    t = 1 / (1 + _ERFC_P * z)
    tail = t * _ERFC[4]
    for factor in _ERFC[3::-1]:
        tail += factor
        tail *= t
    np.square(z, out=z)
    np.negative(z, out=z)
    tail *= np.exp(z, out=z)
    tail *= size
    tail *= np.float32(0.5)
    out: Floats = np.maximum(x, 0)
    out -= tail
    return out


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Indexes by rising length, cut into groups of at most :data:`_GROUP_TOKENS` tokens, or of one text."""
    groups: list[list[int]] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or tokens + lengths[index] > _GROUP_TOKENS:
            groups.append([])
            tokens = 0
        groups[-1].append(index)
        tokens += lengths[index]
    return groups


def _tokenizer(path: str, positions: int) -> tuple[Tokenizer, NDArray[np.int32]]:
    """The tokenizer, told to cut at ``positions``, and the ids of its special tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_padding()
    tokenizer.enable_truncation(positions)
    special = [number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special]
    return tokenizer, np.array(sorted(special), np.int32)
