"""What a snapshot finds: each leg on its own, under filters, without dead rows."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from Medical_KG_rev.errors import IndexWriterFencedError
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.changes import Change
from Medical_KG_rev.index.filters import make_filter
from Medical_KG_rev.index.snapshot import TenantReader
from Medical_KG_rev.index.tenant import open_for_writing
from Medical_KG_rev.models import EmbeddingBatch, SparseVector

pytestmark = pytest.mark.component

PHASES = {f"clinicaltrials:NCT{n}": [f"metformin arm {n}", f"placebo arm {n}"] for n in range(30)}


@pytest.fixture
def reader(stores):
    return TenantReader(stores, "default")


def write(writer, corpus, documents, phase, year):
    """As the corpus writes, with facets that its documents state."""
    batch = corpus.batch(documents)
    facets = {"phase": (phase,), "date": (f"{year}-01-01",)}
    chunks = tuple(msgspec.structs.replace(chunk, facets=facets) for chunk in batch.chunks)
    writer.execute(corpus.context(documents), EmbeddingBatch(chunks, batch.dense, batch.model, batch.fingerprint, batch.sparse))


def query(corpus, text):
    matrix = corpus.sparse_of([text], "test-sparse")
    return matrix.row(0)


def found(reader, corpus, wanted, depth=100):
    with reader.snapshot() as snapshot:
        legs = {
            "bm25": snapshot.search_lexical(["metformin"], depth, wanted),
            "sparse": snapshot.search_sparse(query(corpus, "metformin"), depth, wanted),
            "dense": snapshot.search_vectors(corpus.vector_of("metformin arm 3"), depth, wanted),
        }
        return {leg: snapshot.chunks([vid for vid, _ in hits]) for leg, hits in legs.items()}


def test_every_leg_is_filtered_before_it_ranks(writer, corpus, reader):
    half = dict(list(PHASES.items())[:28])
    write(writer, corpus, half, "phase2", 2019)
    write(writer, corpus, {doc: texts for doc, texts in PHASES.items() if doc not in half}, "phase3", 2021)
    for wanted in (make_filter({"phase": ["phase3"]}), make_filter({}, since="2020")):
        legs = found(reader, corpus, wanted, depth=4)
        assert {leg: len(chunks) for leg, chunks in legs.items()} == {"bm25": 2, "sparse": 2, "dense": 4}
        assert {chunk.doc_id for chunks in legs.values() for chunk in chunks.values()} == PHASES.keys() - half.keys()
    assert not any(found(reader, corpus, make_filter({"phase": ["phase4"]})).values())
    assert len(found(reader, corpus, make_filter({"doc_id": ["clinicaltrials:NCT7"]}))["dense"]) == 2


def test_dead_rows_never_shorten_a_leg(writer, corpus, reader):
    corpus.write(writer, PHASES)
    corpus.write(writer, {doc: [f"metformin again {doc}"] for doc in list(PHASES)[:5]}, "v2")
    with reader.snapshot() as snapshot:
        assert len(snapshot.search_sparse(query(corpus, "metformin"), 30)) == 30
        assert len(snapshot.search_vectors(corpus.vector_of("x"), 55)) == 55
        assert len(snapshot.search_lexical(["metformin"], 30)) == 30
        assert {kind: space.model for kind, space in snapshot.spaces.items()} == {"dense": "test", "sparse": "test-sparse"}


def test_sparse_scores_are_dot_products(writer, corpus, reader):
    corpus.write(writer, {"local:1": ["aspirin aspirin stroke"], "local:2": ["stroke"]})
    vector = query(corpus, "aspirin stroke")
    with reader.snapshot() as snapshot:
        scores = [score for _, score in snapshot.search_sparse(vector, 10)]
    assert scores == [3.0, 1.0]


def test_an_index_may_have_no_sparse_vectors(writer, corpus, reader):
    documents = {"local:1": ["aspirin"]}
    batch = corpus.batch(documents)
    writer.execute(corpus.context(documents), EmbeddingBatch(batch.chunks, batch.dense, batch.model, batch.fingerprint))
    with reader.snapshot() as snapshot:
        assert snapshot.spaces.keys() == {"dense"}
        assert snapshot.search_sparse(SparseVector(np.array([1], np.int32), np.ones(1, np.float32)), 10) == []


def test_a_writer_that_was_overtaken_cannot_commit(writer, corpus, stores, reader):
    corpus.write(writer, {"local:1": ["aspirin"]})
    steps = []

    def overtaken(step):
        steps.append(step)
        if step == "commit.before":
            with stores.writing("default") as other:
                other.take_over()

    with (
        open_for_writing(stores, "default", Analyser(), timeout_seconds=1, step=overtaken) as index,
        pytest.raises(IndexWriterFencedError, match="nothing of this batch is visible"),
    ):
        index.apply(Change(removed=("local:1",)))
    assert steps[-1] == "withdraw.stores"
    with reader.snapshot() as snapshot:
        assert snapshot.generation == 1
    assert writer.delete("default", "local:1") == 1
    with reader.snapshot() as snapshot:
        assert snapshot.search_lexical(["aspirin"], 10) == []


def test_an_overtaken_writer_cannot_even_begin(corpus, writer, stores):
    corpus.write(writer, {"local:1": ["aspirin"]})
    with open_for_writing(stores, "default", Analyser(), timeout_seconds=1) as index:
        with stores.writing("default") as other:
            other.take_over()
        with pytest.raises(IndexWriterFencedError):
            index.apply(Change(removed=("local:1",)))
        with pytest.raises(IndexWriterFencedError):
            index.catalogue.settle([1])
