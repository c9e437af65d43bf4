"""Batches, contexts and indexes for the tests of this room. The vectors depend on nothing but the text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from Medical_KG_rev.index import HaystackIndexWriter, Retriever
from Medical_KG_rev.models import Chunk, EmbeddingBatch, IndexReceipt, StageContext

DIMENSION = 16


def vector_of(text: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


class Corpus:
    """Makes what the writer takes, from documents given as id → chunk texts."""

    vector_of = staticmethod(vector_of)

    @staticmethod
    def chunk(doc_id: str, number: int, text: str, tenant_id: str = "default") -> Chunk:
        return Chunk(
            chunk_id=f"{doc_id}:chunk:{number}",
            doc_id=doc_id,
            tenant_id=tenant_id,
            source=doc_id.partition(":")[0],
            title=f"Title of {doc_id}",
            text=text,
            start=100 * number,
            end=100 * number + len(text),
            section="Results",
        )

    def batch(
        self, documents: Mapping[str, Sequence[str]], tenant_id: str = "default", model: str = "test", dimension: int = DIMENSION
    ) -> EmbeddingBatch:
        chunks = tuple(self.chunk(doc, n, text, tenant_id) for doc, texts in documents.items() for n, text in enumerate(texts))
        dense = np.zeros((len(chunks), dimension), dtype=np.float32)
        for row, chunk in enumerate(chunks):
            dense[row, :DIMENSION] = vector_of(chunk.text)[:dimension]
        return EmbeddingBatch(chunks, dense, model, f"{model}/1")

    @staticmethod
    def context(documents: Mapping[str, Sequence[str]], version: str = "v1", tenant_id: str = "default") -> StageContext:
        return StageContext(tenant_id, documents=tuple(documents), versions=dict.fromkeys(documents, version))

    def write(
        self, writer: HaystackIndexWriter, documents: Mapping[str, Sequence[str]], version: str = "v1", tenant_id: str = "default"
    ) -> IndexReceipt:
        return writer.execute(self.context(documents, version, tenant_id), self.batch(documents, tenant_id))


@pytest.fixture
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def writer(root: Path) -> HaystackIndexWriter:
    return HaystackIndexWriter(root)


@pytest.fixture
def retriever(root: Path) -> Iterator[Retriever]:
    opened = Retriever(root, vector_of)
    yield opened
    opened.close()


@pytest.fixture
def found(retriever: Retriever) -> Callable[..., dict[str, str]]:
    """The chunks, id → text, that a query finds."""

    def search(query: str, tenant_id: str = "default", k: int = 10_000, **options: object) -> dict[str, str]:
        return {hit.chunk_id: hit.text for hit in retriever.search(tenant_id, query, k=k, **options).hits}  # type: ignore[arg-type]

    return search
