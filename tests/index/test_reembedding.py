"""Another model without downtime: beside the old one, resumable, switched by one commit, and back."""

from __future__ import annotations

import pytest

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index.maintenance import IndexMaintenance
from Medical_KG_rev.index.reembedding import Reembedding, Target, returning
from Medical_KG_rev.index.snapshot import TenantReader
from Medical_KG_rev.operations.search_index import reembed_index, switch_back
from Medical_KG_rev.parts import PlatformParts

pytestmark = pytest.mark.component

COUNT = 600
TARGETS = [Target("dense", "better", "better/1", 32), Target("sparse", "better-sparse", "better-sparse/1", 0)]


class StopError(Exception):
    pass


@pytest.fixture
def filled(writer, corpus):
    for part in range(3):
        corpus.write(writer, {f"local:{n}": [f"metformin {n}"] for n in range(part * 200, part * 200 + 200)})


@pytest.fixture
def make(stores, corpus):
    def reembedding(made, **options):
        def make_vectors(chunks):
            made.extend(chunk.chunk_id for chunk in chunks)
            return corpus.embed(chunks, "better", 32)

        return Reembedding(stores, make_vectors, chunks_a_step=128, **options)

    return reembedding


def state(stores):
    with TenantReader(stores, "default").snapshot() as snapshot:
        return {kind: (space.model, space.dimension) for kind, space in snapshot.spaces.items()}


OLD = {"dense": ("test", 16), "sparse": ("test-sparse", 0)}
NEW = {"dense": ("better", 32), "sparse": ("better-sparse", 0)}


def test_it_is_resumed_where_it_broke_off_and_switches_at_once(filled, stores, make, writer, corpus):
    made, steps = [], []

    def stop(step):
        steps.append(step)
        if steps.count("commit.before") == 4:
            raise StopError

    with pytest.raises(StopError):
        make(made, step=stop).run("default", TARGETS)
    before = len(made)
    assert before == 2 * 128
    assert state(stores) == OLD
    corpus.write(writer, {"local:1": ["metformin rewritten meanwhile"], "local:new": ["metformin new"]}, "v2")
    progress = []
    report = make(made, progress=lambda done, all_of_them: progress.append((done, all_of_them))).run("default", TARGETS)
    assert state(stores) == NEW
    assert (report.chunks, report.active, report.retired) == (
        COUNT + 1,
        {"dense": "better", "sparse": "better-sparse"},
        {"dense": "test", "sparse": "test-sparse"},
    )
    assert report.made == COUNT + 1 - 128 + 1, "the interrupted step and what was written meanwhile"
    assert progress[-1] == (report.made, report.made)
    assert make(made).run("default", TARGETS).generation == 0
    assert IndexMaintenance(stores, None).verify("default").findings == ()


def test_the_old_model_is_refused_from_then_on_and_the_new_one_goes_on(filled, make, writer, corpus):
    make([]).run("default", TARGETS)
    documents = {"local:1": ["metformin again"]}
    with pytest.raises(IndexMismatchError, match="medkg index reembed"):
        corpus.write(writer, documents, "v2")
    batch = corpus.batch(documents, model="better", dimension=32)
    assert writer.execute(corpus.context(documents, "v2"), batch).chunks == 1


def test_it_can_be_switched_back_and_the_other_one_dropped(filled, stores, make, writer, corpus):
    make([]).run("default", TARGETS)
    documents = {"local:1": ["metformin under the new model"]}
    writer.execute(corpus.context(documents, "v2"), corpus.batch(documents, model="better", dimension=32))
    made = []

    def old_model(chunks):
        made.extend(chunks)
        return corpus.embed(chunks)

    with stores.reading("default") as catalogue:
        targets = returning(catalogue)
    back = Reembedding(stores, old_model)
    assert back.run("default", targets).active == {"dense": "test", "sparse": "test-sparse"}
    assert state(stores) == OLD
    assert [chunk.text for chunk in made] == ["metformin under the new model"]
    assert back.drop_retired("default").retired == {}
    assert IndexMaintenance(stores, None).verify("default").findings == ()
    assert len(stores.files("default").names()) < 20
    with stores.reading("default") as catalogue, pytest.raises(IndexMismatchError, match="keeps no vectors"):
        returning(catalogue)


def test_sparse_vectors_can_be_given_up(filled, stores, make):
    make([]).run("default", [Target("sparse", "none", None, 0)])
    assert state(stores) == {"dense": ("test", 16)}


def test_a_former_model_behind_an_endpoint_is_found_under_its_name(make_settings, embedding_api, corpus):
    """Two models served by one endpoint; the one that the settings do not name is asked for all the same."""
    embedding_api.model, embedding_api.dimension = "served/first", 8
    parts = PlatformParts(
        make_settings(embedding={"model": "http", "api_model": "served/first", "dimension": 8}, sparse={"model": "none"})
    )
    chunks = list(corpus.batch({"local:1": ["metformin"], "local:2": ["insulin"]}).chunks)
    ctx = corpus.context({"local:1": [], "local:2": []})
    parts.index_writer.execute(ctx, parts.components.embedder.execute(ctx, chunks))
    embedding_api.model, embedding_api.dimension = "served/second", 12
    others = PlatformParts(make_settings(embedding={"model": "http", "api_model": "served/second", "dimension": 12}))
    told = []
    report = reembed_index(others, "default", model="http", sparse=None, progress=lambda *counts: told.append(counts))
    assert (report.active, report.retired) == ({"dense": "served/second"}, {"dense": "served/first"})
    embedding_api.model, embedding_api.dimension = "served/first", 8
    report = switch_back(others, "default", progress=lambda *counts: told.append(counts))
    assert (report.active, report.retired) == ({"dense": "served/first"}, {"dense": "served/second"})
    assert (report.made, told[-1]) == (0, (0, 0))
    parts.close()
    others.close()
