"""The local models: vectors with meaning, tokens that add up, nothing cut silently."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from Medical_KG_rev.errors import InvalidDocumentError, ModelNotInstalledError
from Medical_KG_rev.models import Document, StageContext
from Medical_KG_rev.settings import ChunkingSettings, EmbeddingSettings
from Medical_KG_rev.text import EmbeddingBackend, HaystackChunker, HaystackEmbedder, ModelStore, open_backend

pytestmark = pytest.mark.component

PASSAGES = [
    "Acetylsalicylic acid prophylaxis lowered the incidence of myocardial infarction in the trial.",
    "Lumbar disc herniation was treated by microdiscectomy, and pain of the leg got better.",
    "The gut microbiome of infants differs by mode of delivery.",
]
QUERIES = ["does aspirin prevent heart attacks", "surgery of the spine for back pain", "bacteria in the intestine of babies"]


@pytest.fixture(scope="module", params=["bge-small", "minilm", "static"])
def backend(request: pytest.FixtureRequest, model_store: ModelStore) -> Iterator[EmbeddingBackend]:
    opened = open_backend(EmbeddingSettings(model=request.param), model_store)
    yield opened
    opened.close()


def test_vectors_are_unit_rows_in_the_order_given(backend: EmbeddingBackend) -> None:
    texts = [*PASSAGES, "short", "a much longer text " * 20, PASSAGES[0]]
    vectors = backend.encode(texts)
    assert vectors.shape == (6, backend.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for row, text in enumerate(texts):  # an int8 model rounds a little differently beside other texts
        assert float(vectors[row] @ backend.encode([text])[0]) > 0.98


def test_queries_find_their_passages(backend: EmbeddingBackend) -> None:
    passages = backend.encode(PASSAGES)
    found = [int(np.argmax(passages @ backend.encode_query(query))) for query in QUERIES]
    assert found == [0, 1, 2]


def test_nothing_to_embed_gives_no_rows(backend: EmbeddingBackend) -> None:
    assert backend.encode([]).shape == (0, backend.dimension)


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b", "中文", "\x00"])
def test_any_text_has_a_finite_unit_vector(backend: EmbeddingBackend, text: str) -> None:
    (vector,) = backend.encode([text])
    assert np.isfinite(vector).all()
    np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)


def test_tokens_add_up_over_words(backend: EmbeddingBackend) -> None:
    text = "TNF-α (3.5 ng/ml) rose;  immunoglobulins' κ-chains fell\nby 20% in naïve CD4+ T-cells [12]. 中文 E. coli"
    assert sum(backend.count_tokens(text.split())) == backend.count_tokens([text])[0] > 30


def test_chunks_are_counted_as_the_model_counts_them(backend: EmbeddingBackend, trial: Document) -> None:
    chunker = HaystackChunker(
        ChunkingSettings(max_tokens=60, target_tokens=40, min_tokens=4),
        backend.count_tokens,
        backend.max_tokens,
        backend.fingerprint,
    )
    chunks = chunker.execute(StageContext("lab"), trial)
    assert [chunk.n_tokens for chunk in chunks] == backend.count_tokens([chunk.text for chunk in chunks])
    batch = HaystackEmbedder(backend).execute(StageContext("lab"), chunks)
    assert batch.dense.shape == (len(chunks), backend.dimension)
    assert batch.model == backend.name


@pytest.mark.parametrize(("model", "limit"), [("bge-small", 510), ("minilm", 254)])
def test_a_text_that_is_too_long_is_an_error_and_a_long_query_is_cut(model_store: ModelStore, model: str, limit: int) -> None:
    backend = open_backend(EmbeddingSettings.model_validate({"model": model}), model_store)
    assert backend.max_tokens == limit
    assert backend.encode(["word " * limit]).shape == (1, 384)
    with pytest.raises(InvalidDocumentError, match=f"{limit + 3} tokens is too long"):
        backend.encode(["fine", "word " * (limit + 1)])
    assert backend.encode_query("word " * 1000).shape == (384,)


def test_batches_do_not_change_vectors(model_store: ModelStore) -> None:
    texts = [f"{passage} {'and so on ' * number}" for number, passage in enumerate(PASSAGES * 3)]
    one = open_backend(EmbeddingSettings(batch_size=1), model_store).encode(texts)
    many = open_backend(EmbeddingSettings(batch_size=8, threads=1), model_store).encode(texts)
    assert float((one * many).sum(axis=1).min()) > 0.98


def test_fingerprints_differ(model_store: ModelStore) -> None:
    names = ("bge-small", "minilm", "static")
    prints = {open_backend(EmbeddingSettings.model_validate({"model": name}), model_store).fingerprint for name in names}
    assert len(prints) == 3


@pytest.mark.parametrize("model", ["bge-small", "minilm", "static"])
def test_a_model_that_is_not_installed_names_the_command(tmp_path: Path, model: str) -> None:
    with pytest.raises(ModelNotInstalledError, match=f"medkg models fetch {model}"):
        open_backend(EmbeddingSettings.model_validate({"model": model}), ModelStore(tmp_path))
