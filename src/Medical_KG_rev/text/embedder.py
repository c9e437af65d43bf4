"""The embedder: a Haystack component over a dense model, and the embed stage, which may make sparse vectors too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import msgspec
from haystack import Document as HaystackDocument
from haystack import component

from Medical_KG_rev.endpoints.gpu import GpuProbe, GpuSample
from Medical_KG_rev.models import Chunk, EmbeddingBatch, StageContext
from Medical_KG_rev.text.backends import EmbeddingBackend
from Medical_KG_rev.text.expander import HaystackSparseExpander

__all__ = ["EmbeddingSample", "HaystackEmbedder"]


class EmbeddingSample(msgspec.Struct, frozen=True):
    """One embedding call as metrics see it; ``gpu`` is None where no probe is set."""

    model: str
    texts: int
    tokens: int
    seconds: float
    gpu: GpuSample | None = None


@component
class HaystackEmbedder:
    """Gives chunks their vectors.

    ``fingerprint`` covers all models at work.

    Args:
        backend: the model.
        expander: makes the sparse vectors of the stage; without one there are none. As a component it stands for itself.
        gpu: read after each call, for ``record``.
        record: is told of each call.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        backend: EmbeddingBackend,
        *,
        expander: HaystackSparseExpander | None = None,
        gpu: GpuProbe | None = None,
        record: Callable[[EmbeddingSample], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._backend = backend
        self._expander = expander
        self._gpu = gpu
        self._record = record
        self._clock = clock
        self.fingerprint = backend.fingerprint if expander is None else f"{backend.fingerprint}+{expander.fingerprint}"
        self.gpu_sample: GpuSample | None = None
        """What the probe said after the last call; None without a GPU."""

    @property
    def model(self) -> tuple[str, str]:
        """Name and version of the dense model."""
        return self._backend.name, self._backend.fingerprint

    @property
    def sparse_model(self) -> tuple[str, str] | None:
        """Name and version of the model that makes the stage's sparse vectors; None without one."""
        return self._expander.model if self._expander is not None else None

    @property
    def uses_gpu(self) -> bool:
        """Whether the last call ran on a GPU that the probe could see."""
        return self.gpu_sample is not None

    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:  # noqa: ARG002 - the stage's signature
        """One row a chunk, in the order given."""
        started = self._clock()
        vectors = self._backend.encode([chunk.indexed_text for chunk in chunks])
        self._tell(len(chunks), sum(chunk.n_tokens for chunk in chunks), self._clock() - started)
        sparse = None
        if self._expander is not None:
            sparse = self._expander.expand(chunks)
            self.gpu_sample = self.gpu_sample or self._expander.gpu_sample
        return EmbeddingBatch(tuple(chunks), vectors, self._backend.name, self._backend.fingerprint, sparse)

    @component.output_types(documents=list[HaystackDocument])
    def run(self, documents: list[HaystackDocument]) -> dict[str, list[HaystackDocument]]:
        """The documents with their ``embedding``, in the order given."""
        started = self._clock()
        vectors = self._backend.encode([document.content or "" for document in documents])
        tokens = sum(int(document.meta.get("n_tokens", 0)) for document in documents)
        self._tell(len(documents), tokens, self._clock() - started)
        rows = vectors.tolist()
        return {"documents": [replace(document, embedding=row) for document, row in zip(documents, rows, strict=True)]}

    def _tell(self, texts: int, tokens: int, seconds: float) -> None:
        self.gpu_sample = self._gpu.sample() if self._gpu is not None else None
        if self._record is not None:
            self._record(EmbeddingSample(self._backend.name, texts, tokens, seconds, self.gpu_sample))
