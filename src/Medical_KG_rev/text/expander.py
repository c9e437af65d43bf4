"""The sparse expander: a Haystack component and the sparse half of the embed stage over the same back end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
from haystack import Document as HaystackDocument
from haystack import component
from haystack.dataclasses import SparseEmbedding

from Medical_KG_rev.endpoints.gpu import GpuProbe, GpuSample
from Medical_KG_rev.models import Chunk, SparseMatrix, SparseVector
from Medical_KG_rev.text.sparse import SparseBackend

__all__ = ["ExpansionSample", "HaystackSparseExpander"]


class ExpansionSample(msgspec.Struct, frozen=True):
    """One call as metrics see it: ``terms`` kept of all texts, texts that were ``truncated``; ``gpu`` as of embeddings."""

    model: str
    texts: int
    terms: int
    truncated: int
    seconds: float
    gpu: GpuSample | None = None


@component
class HaystackSparseExpander:
    """Gives texts the weights of the vocabulary terms that they are about, whether they contain them or not.

    Args:
        backend: the model.
        gpu: read after each call, for ``record``.
        record: is told of each call.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        backend: SparseBackend,
        *,
        gpu: GpuProbe | None = None,
        record: Callable[[ExpansionSample], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._backend = backend
        self._gpu = gpu
        self._record = record
        self._clock = clock
        self.fingerprint = backend.fingerprint
        self.gpu_sample: GpuSample | None = None
        """What the probe said after the last call; None without a GPU."""

    @property
    def model(self) -> tuple[str, str]:
        """Name and version of the model."""
        return self._backend.name, self._backend.fingerprint

    def expand(self, chunks: Sequence[Chunk]) -> SparseMatrix:
        """One row a chunk, in the order given."""
        return self._encode([chunk.indexed_text for chunk in chunks])

    def expand_query(self, text: str) -> SparseVector:
        """The terms of a query."""
        return self._backend.encode_query(text)

    @component.output_types(documents=list[HaystackDocument])
    def run(self, documents: list[HaystackDocument]) -> dict[str, list[HaystackDocument]]:
        """The documents with their ``sparse_embedding``, in the order given."""
        matrix = self._encode([document.content or "" for document in documents])
        rows = (matrix.row(index) for index in range(len(matrix)))
        return {
            "documents": [
                replace(document, sparse_embedding=SparseEmbedding(row.terms.tolist(), row.weights.tolist()))
                for document, row in zip(documents, rows, strict=True)
            ]
        }

    def _encode(self, texts: Sequence[str]) -> SparseMatrix:
        started, cut = self._clock(), self._backend.truncated
        matrix = self._backend.encode(texts)
        seconds = self._clock() - started
        self.gpu_sample = self._gpu.sample() if self._gpu is not None else None
        if self._record is not None:
            truncated = self._backend.truncated - cut
            self._record(ExpansionSample(self._backend.name, len(texts), len(matrix.terms), truncated, seconds, self.gpu_sample))
        return matrix
