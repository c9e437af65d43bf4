"""Batches, contexts and indexes for the tests of this room. The vectors depend on nothing but the text."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from Medical_KG_rev.index import HaystackIndexWriter, Retriever
from Medical_KG_rev.index.stores import EmbeddedStores
from Medical_KG_rev.models import Chunk, EmbeddingBatch, IndexReceipt, SparseMatrix, StageContext

DIMENSION = 16


def vector_of(text: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def sparse_of(texts: Sequence[str], model: str) -> SparseMatrix:
    """One term a word, weighted by how often it occurs."""
    rows = [sorted(Counter(zlib.crc32(word.encode()) % 30_000 for word in text.split()).items()) for text in texts]
    return SparseMatrix(
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array([term for row in rows for term, _ in row], dtype=np.int32),
        np.array([weight for row in rows for _, weight in row], dtype=np.float16),
        model,
        f"{model}/1",
    )


class Corpus:
    """Makes what the writer takes, from documents given as id → chunk texts."""

    vector_of = staticmethod(vector_of)
    sparse_of = staticmethod(sparse_of)

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
        return self.embed(chunks, model, dimension)

    @staticmethod
    def embed(chunks: Sequence[Chunk], model: str = "test", dimension: int = DIMENSION) -> EmbeddingBatch:
        """What an embed stage makes of chunks."""
        dense = np.zeros((len(chunks), dimension), dtype=np.float32)
        for row, chunk in enumerate(chunks):
            dense[row, :DIMENSION] = vector_of(chunk.text)[:dimension]
        sparse = sparse_of([chunk.text for chunk in chunks], f"{model}-sparse")
        return EmbeddingBatch(tuple(chunks), dense, model, f"{model}/1", sparse)

    @staticmethod
    def context(documents: Mapping[str, Sequence[str]], version: str = "v1", tenant_id: str = "default") -> StageContext:
        return StageContext(tenant_id, documents=tuple(documents), versions=dict.fromkeys(documents, version))

    def write(
        self, writer: HaystackIndexWriter, documents: Mapping[str, Sequence[str]], version: str = "v1", tenant_id: str = "default"
    ) -> IndexReceipt:
        return writer.execute(self.context(documents, version, tenant_id), self.batch(documents, tenant_id))


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def stores(root: Path) -> Iterator[EmbeddedStores]:
    opened = EmbeddedStores(root)
    yield opened
    opened.close()


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


class WritingProcess:
    """Another process that writes as it is ordered; see writing_process.py."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("writing_process.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, root: object, **orders: object) -> None:
        assert self._process.stdin is not None
        results = str(self._folder / "results.json")
        self._process.stdin.write(json.dumps({"root": root, "results": results, **orders}, default=str) + "\n")
        self._process.stdin.flush()

    def answer(self) -> tuple[int, list[dict[str, object]]]:
        """Waits for the exit status (negative: the signal) and the results of the last order."""
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], answer["results"]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def writing_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WritingProcess, WritingProcess]]:
    """Two of them, for the whole module."""
    processes = tuple(WritingProcess(tmp_path_factory.mktemp("results")) for _ in range(2))
    yield processes  # type: ignore[misc]
    for process in processes:
        process.close()
