"""Static token vectors (WordLlama), averaged: no network to run, so thousands of texts a second on one core."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.text.models import ModelStore

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from Medical_KG_rev.text.backends import Vectors

__all__ = ["StaticBackend"]

_CACHED_WORDS = 200_000


class StaticBackend:
    """The mean of a text's token vectors, scaled to unit length.

    Whitespace of any kind separates words, and a word's tokens do not depend on its neighbours, so they are computed once and
    remembered. A text without any token has the mean of the whole vocabulary as its vector.
    """

    name = "static"
    dimension = 256
    max_tokens = 1_000_000
    """An average has no limit of its own; this one only keeps a single text from filling the memory."""

    def __init__(self, store: ModelStore) -> None:
        from safetensors.numpy import load_file

        self.fingerprint = f"static-{store.fingerprint('static')}-mean"
        (table,) = load_file(store.path("static", "vectors")).values()
        self._table: Vectors = np.asarray(table, np.float32)
        self._blank: Vectors = self._table.mean(axis=0)
        self._tokenizer = _word_tokenizer(str(store.path("static", "tokenizer")))
        self._ids: dict[str, list[int]] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See :class:`EmbeddingBackend`."""
        split = [text.split() for text in texts]
        known = self._tokens_of(word for words in split for word in words)
        vectors = np.empty((len(split), self.dimension), np.float32)
        for row, words in enumerate(split):
            ids: list[int] = []
            for word in words:
                ids += known[word]
            vectors[row] = self._table[ids].sum(axis=0) if ids else self._blank
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(norms > 0, norms, 1)
        return vectors

    def encode_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.encode([text])[0]
        return vector

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        split = [text.split() for text in texts]
        known = self._tokens_of(word for words in split for word in words)
        return [sum(len(known[word]) for word in words) for words in split]

    def close(self) -> None:
        self._ids.clear()

    def _tokens_of(self, words: Iterable[str]) -> dict[str, list[int]]:
        """Token ids by word, for at least these words."""
        wanted = set(words)
        missing = list(wanted.difference(self._ids))
        if missing:
            if len(self._ids) + len(missing) > _CACHED_WORDS:
                self._ids = {}
                missing = list(wanted)
            encodings = self._tokenizer.encode_batch_fast(missing, add_special_tokens=False)
            self._ids.update(zip(missing, (encoding.ids for encoding in encodings), strict=True))
        return self._ids


def _word_tokenizer(path: str) -> Tokenizer:
    """The model's tokenizer, told to cut at whitespace first: the same tokens as before, each word for itself."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers

    tokenizer = Tokenizer.from_file(path)
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False),
        ]
    )
    return tokenizer
