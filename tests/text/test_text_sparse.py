"""SPLADE-tiny in numpy against its definition, the expander in Haystack, and the embed stage that makes both kinds of vectors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from haystack import Document as HaystackDocument
from haystack import Pipeline
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from Medical_KG_rev.errors import ModelNotInstalledError
from Medical_KG_rev.models import Document, SparseMatrix, SparseVector, StageContext
from Medical_KG_rev.settings import Settings, SparseSettings
from Medical_KG_rev.text import (
    ExpansionSample,
    HaystackChunker,
    HaystackEmbedder,
    HaystackSparseExpander,
    ModelStore,
    SparseBackend,
    open_sparse_backend,
)
from Medical_KG_rev.text.sparse import matrix_of, prune
from Medical_KG_rev.text.splade import SpladeBackend, _gelu, _groups

pytestmark = pytest.mark.component

PASSAGES = [
    "Acetylsalicylic acid prophylaxis lowered the incidence of myocardial infarction in the trial.",
    "Lumbar disc herniation was treated by microdiscectomy, and pain of the leg got better.",
    "The gut microbiome of infants differs by mode of delivery.",
]
SPECIAL = np.array([0, 100, 101, 102, 103], np.int32)


@pytest.fixture(scope="module")
def backend(model_store: ModelStore) -> Iterator[SpladeBackend]:
    opened = SpladeBackend(model_store, SparseSettings(threads=2))
    yield opened
    opened.close()


def definition(store: ModelStore, ids: list[int]) -> NDArray[np.float64]:
    """SPLADE of one text straight from its formula, in 64-bit floats, all logits at once."""
    from safetensors.numpy import load_file

    w = {name: array.astype(np.float64) for name, array in load_file(store.path("splade-tiny", "model")).items()}
    erf = np.vectorize(math.erf)

    def dense(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-12) * w[f"{name}.gamma"] + w[f"{name}.beta"]

    def gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x * (1 + erf(x / math.sqrt(2))) / 2

    words = w["bert.embeddings.word_embeddings.weight"]
    x = words[ids] + w["bert.embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["bert.embeddings.token_type_embeddings.weight"][0], "bert.embeddings.LayerNorm")
    for layer in ("bert.encoder.layer.0.", "bert.encoder.layer.1."):
        query, key, value = (dense(x, f"{layer}attention.self.{part}") for part in ("query", "key", "value"))
        heads = []
        for head in (slice(0, 64), slice(64, 128)):
            scores = np.exp(query[:, head] @ key[:, head].T / 8)
            heads.append(scores / scores.sum(-1, keepdims=True) @ value[:, head])
        x = norm(dense(np.hstack(heads), f"{layer}attention.output.dense") + x, f"{layer}attention.output.LayerNorm")
        wide = gelu(dense(x, f"{layer}intermediate.dense"))
        x = norm(dense(wide, f"{layer}output.dense") + x, f"{layer}output.LayerNorm")
    x = norm(gelu(dense(x, "cls.predictions.transform.dense")), "cls.predictions.transform.LayerNorm")
    logits = x @ words.T + w["cls.predictions.bias"]
    weights: NDArray[np.float64] = np.log1p(np.maximum(logits, 0).max(axis=0))
    weights[SPECIAL] = 0
    return weights


def test_weights_are_those_of_the_definition(backend: SpladeBackend, model_store: ModelStore) -> None:
    texts = [PASSAGES[0], "dose", " ".join(PASSAGES * 3)]
    matrix = backend.encode(texts)
    for number, text in enumerate(texts):
        expected = definition(model_store, backend._tokenizer.encode(text).ids)
        found = np.zeros_like(expected)
        row = matrix.row(number)
        found[row.terms] = row.weights
        kept = np.sort(expected)[::-1][:400]
        np.testing.assert_allclose(found, np.where(expected >= kept[-1], expected, 0), atol=2e-3)
        assert set(np.flatnonzero(found)) >= set(np.flatnonzero(expected > max(kept[-1], 1e-3)))


def test_a_query_has_the_terms_that_the_model_is_known_for(backend: SpladeBackend) -> None:
    words = {number: word for word, number in backend._tokenizer.get_vocab().items()}
    query = backend.encode_query("EGFR mutation resistance to osimertinib")
    weights = {words[term]: float(weight) for term, weight in zip(query.terms.tolist(), query.weights, strict=True)}
    for word, weight in {"resistance": 1.98, "mutation": 1.88, "##gf": 1.60, "e": 1.05, "##ime": 1.04, "cancer": 0.75}.items():
        assert weights[word] == pytest.approx(weight, abs=0.006)
    assert (np.diff(query.terms) > 0).all()
    assert not {"[CLS]", "[SEP]"} & set(weights)


def test_rows_do_not_depend_on_their_neighbours(backend: SpladeBackend) -> None:
    texts = [f"{PASSAGES[number % 3]} {'and so on ' * number}" for number in range(40)]
    matrix = backend.encode(texts)
    assert len(matrix) == 40
    for number in (0, 17, 39):
        alone = dense_row(backend.encode([texts[number]]), 0)
        np.testing.assert_allclose(dense_row(matrix, number), alone, atol=2e-3)


def dense_row(matrix: SparseMatrix, index: int) -> NDArray[np.float64]:
    row = matrix.row(index)
    values = np.zeros(30_522)
    values[row.terms] = row.weights
    return values


def test_passages_are_found_by_their_terms(backend: SpladeBackend) -> None:
    passages = backend.encode(PASSAGES)
    for number, query in enumerate(["myocardial infarction", "pain of the spine and its discs", "bacteria of the gut"]):
        vector = backend.encode_query(query)
        scores = [float((dense_row(passages, row)[vector.terms] * vector.weights).sum()) for row in range(3)]
        assert int(np.argmax(scores)) == number


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b", "中文", "\x00", "🧬" * 3000])
def test_any_text_has_a_row(backend: SpladeBackend, text: str) -> None:
    matrix = backend.encode([text, "metformin"])
    assert len(matrix) == 2
    assert len(matrix.row(1).terms) > 0
    assert backend.encode_query(text).weights.dtype == np.float32


def test_a_long_text_is_cut_at_512_tokens_and_counted(backend: SpladeBackend) -> None:
    before = backend.truncated
    matrix = backend.encode(["heart " * 510, "heart " * 511, "heart " * 510 + "kidney " * 500])
    assert backend.truncated - before == 2
    np.testing.assert_array_equal(dense_row(matrix, 0), dense_row(matrix, 2))
    assert backend.max_tokens == 510
    assert len(backend.encode_query("heart " * 5000).terms) > 0


def test_few_terms_are_kept_where_few_are_asked_for(backend: SpladeBackend, model_store: ModelStore) -> None:
    small = SpladeBackend(model_store, SparseSettings(top_terms=5, query_terms=3, threads=1))
    try:
        row, whole = small.encode(PASSAGES[:1]).row(0), backend.encode(PASSAGES[:1]).row(0)
        assert len(row.terms) == 5
        assert sorted(row.weights.tolist()) == sorted(whole.weights.tolist())[-5:]
        assert len(small.encode_query(PASSAGES[0]).terms) == 3
        assert small.fingerprint != backend.fingerprint
        assert small.fingerprint.endswith("top5")
    finally:
        small.close()


def test_the_model_that_is_not_installed_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalledError) as caught:
        open_sparse_backend(Settings(), ModelStore(tmp_path))
    assert "medkg models fetch splade-tiny" in caught.value.remedy


def test_the_vocabulary_is_that_of_the_dense_model(model_store: ModelStore) -> None:
    own, other = (
        json.loads(model_store.path(model, "tokenizer").read_text(encoding="utf-8")) for model in ("splade-tiny", "bge-small")
    )
    assert own["model"]["vocab"] == other["model"]["vocab"]


@given(st.dictionaries(st.integers(0, 60), st.floats(0, 8, width=32), max_size=40), st.integers(1, 12))
def test_pruning_keeps_the_heaviest(weights: dict[int, float], limit: int) -> None:
    terms = np.array(list(weights), np.int32)
    special = np.array([3, 4], np.int32)
    kept = prune(terms, np.array(list(weights.values()), np.float32), limit, special)
    rounded = {term: float(np.float16(weight)) for term, weight in weights.items()}
    words = {term: weight for term, weight in rounded.items() if weight > 0 and term not in (3, 4)}
    expected = sorted(sorted(words, key=lambda term: (-words[term], term))[:limit])
    assert kept.terms.tolist() == expected
    assert kept.weights.tolist() == [words[term] for term in expected]


@given(st.lists(st.integers(0, 512), max_size=40))
def test_groups_hold_each_text_once_and_few_tokens(lengths: list[int]) -> None:
    groups = _groups(lengths)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in group) <= 512 for group in groups)


def test_gelu_is_within_seven_digits_of_its_definition() -> None:
    values = np.linspace(-9, 9, 2001, dtype=np.float32)
    expected = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in values.astype(np.float64)]
    np.testing.assert_allclose(_gelu(values), expected, atol=1e-6)


class WordBackend:
    """A model whose terms are the lengths of words."""

    name = "words"
    fingerprint = "words-1"
    max_tokens = 510
    truncated = 0

    def encode(self, texts: list[str]) -> SparseMatrix:
        self.truncated += sum(len(text) > 1000 for text in texts)
        return matrix_of((self.encode_query(text) for text in texts), self.name, self.fingerprint)

    def encode_query(self, text: str) -> SparseVector:
        terms = sorted({len(word) for word in text.split()})
        return SparseVector(np.array(terms, np.int32), np.full(len(terms), 0.5, np.float32))

    def close(self) -> None:
        """There is nothing to free."""


def test_the_expander_gives_documents_their_sparse_embedding_and_tells_what_it_did() -> None:
    seen: list[ExpansionSample] = []
    times = iter([1.0, 3.5])
    backend: SparseBackend = WordBackend()  # type: ignore[assignment]
    expander = HaystackSparseExpander(backend, record=seen.append, clock=lambda: next(times))
    texts = ["one three seventeen", None, "x" * 1001]
    documents = [HaystackDocument(id=f"{number}", content=text) for number, text in enumerate(texts)]
    pipeline = Pipeline()
    pipeline.add_component("expander", expander)

    answered = pipeline.run({"expander": {"documents": documents}})["expander"]["documents"]

    embeddings = [document.sparse_embedding for document in answered]
    assert [(embedding.indices, embedding.values) for embedding in embeddings] == [
        ([3, 5, 9], [0.5, 0.5, 0.5]),
        ([], []),
        ([1001], [0.5]),
    ]
    assert [document.id for document in answered] == [document.id for document in documents]
    assert documents[0].sparse_embedding is None
    assert seen == [ExpansionSample("words", 3, 4, 1, 2.5)]
    assert (expander.model, expander.gpu_sample) == (("words", "words-1"), None)


def test_the_embed_stage_makes_dense_and_sparse_vectors_in_one_batch(
    make_chunker: Callable[..., HaystackChunker], trial: Document, context: StageContext, digest_backend: object
) -> None:
    chunks = make_chunker(max_tokens=32, target_tokens=18, min_tokens=1).execute(context, trial)
    backend = WordBackend()
    alone = HaystackEmbedder(digest_backend)  # type: ignore[arg-type]
    both = HaystackEmbedder(digest_backend, expander=HaystackSparseExpander(backend))  # type: ignore[arg-type]

    batch = both.execute(StageContext("lab"), chunks)

    assert batch.sparse is not None
    assert len(batch.sparse) == len(batch.dense) == len(chunks) == 12
    for number in (0, 11):
        assert batch.sparse.row(number).terms.tolist() == backend.encode_query(chunks[number].text).terms.tolist()
    assert (batch.fingerprint, batch.sparse.fingerprint) == ("digest-1", "words-1")
    assert both.fingerprint == "digest-1+words-1"
    assert alone.fingerprint == "digest-1"
    assert alone.execute(StageContext("lab"), chunks).sparse is None
