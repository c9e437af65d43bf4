"""Writers that are killed at each step of the protocol, or run out of disk, leave whole generations and nothing else."""

from __future__ import annotations

import os
import random
import shutil
import sys

import pytest

from Medical_KG_rev.index import HaystackIndexWriter, Retriever
from Medical_KG_rev.index.snapshot import open_segment
from Medical_KG_rev.index.stores import EmbeddedStores

pytestmark = pytest.mark.chaos

SEED = int(os.environ.get("MK_CHAOS_SEED", "7"))

BEFORE_COMMIT = (
    "intent.before",
    "intent.after",
    "lexicon.added",
    *(f"{kind}.{reached}" for kind in ("faiss", "impacts", "facets") for reached in ("unsynced", "unnamed", "named")),
    "lexicon.uncommitted",
    "lexicon.committed",
    "commit.before",
)
AFTER_COMMIT = ("commit.after", "cleanup.lexicon", "cleanup.segments", "cleanup.after")
FOLD = tuple(f"fold.{step}" for step in (*BEFORE_COMMIT, *AFTER_COMMIT) if not step.startswith("lexicon"))
KILLED_IN_FOLD = tuple(
    f"fold.{step}"
    for step in ("intent.after", "faiss.unnamed", "facets.named", "commit.before", "commit.after", "cleanup.segments")
)
IN_RECOVERY = ("withdraw.stores", "cleanup.lexicon", "cleanup.segments", "cleanup.after")

OLD = {f"local:{n}": [f"common first {n}"] for n in (*range(7), 10, 11)}
NEW = {"local:0": ["common second 0", "common second too"], "local:1": [], "local:8": ["common fresh 8"]}


def texts(documents):
    return sorted(text for chunks in documents.values() for text in chunks)


def visible(root, corpus):
    """What each leg finds, by a reader that has never seen the index before."""
    opened = Retriever(root, corpus.vector_of)
    legs = {leg: sorted(h.text for h in opened.search("default", "common", k=1000, legs=[leg]).hits) for leg in ("bm25", "dense")}
    opened.close()
    assert legs["bm25"] == legs["dense"]
    return legs["bm25"]


def assert_stores_agree(root):
    """Catalogue, segments and lexicon hold the same rows; nothing is owed and no file is left over."""
    stores = EmbeddedStores(root)
    lexical, files = stores.lexical("default"), stores.files("default")
    with stores.reading("default") as catalogue:
        live, segments = set(catalogue.live_vids()), catalogue.segments()
        for space in catalogue.spaces():
            own = [segment for segment in segments if segment.space == space.name]
            held = [vid for segment in own for vid in open_segment(files, segment).vids.tolist()]
            assert len(held) == len(set(held))
            assert live <= set(held)
            assert len(set(held) - live) == sum(segment.dead for segment in own)
        name = catalogue.meta()["lexicon"]
        assert (catalogue.prepared(), catalogue.outbox()) == ({}, [])
    assert {vid for vid, _ in lexical.reader(name).search(["common"], 10_000)} == live
    assert lexical.names() == [name]
    assert files.names() == sorted(segment.file for segment in segments)
    stores.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory, corpus):
    """Seven segments, two of them with rows that the next write supersedes: it has clean-up to do, and then a fold."""
    root = tmp_path_factory.mktemp("base") / "index"
    for group in ((0, 10), (1, 11), (2,), (3,), (4,), (5,), (6,)):
        corpus.write(HaystackIndexWriter(root), {f"local:{n}": OLD[f"local:{n}"] for n in group})
    return root


@pytest.fixture
def filled(base, root):
    shutil.copytree(base, root)


@pytest.fixture
def run(root, writing_processes):
    """Has another process write; answers its exit status and results."""

    def order(**orders):
        writing_processes[0].order(root, **orders)
        return writing_processes[0].answer()

    return order


@pytest.mark.parametrize("step", [*BEFORE_COMMIT, *AFTER_COMMIT, *KILLED_IN_FOLD])
def test_killed_at_any_step_and_again_in_recovery(step, filled, root, corpus, writer, run):
    again = random.Random(f"{SEED}:{step}").choice(IN_RECOVERY)
    sys.stdout.write(f"seed {SEED}: killed at {step}, then at {again}\n")
    batch = {"documents": NEW, "version": "v2"}
    before, after = texts(OLD), texts(OLD | NEW)
    is_visible = step not in BEFORE_COMMIT
    expected = after if is_visible else before

    status, _ = run(batches=[batch], kill_at=step)
    assert status == -9
    assert visible(root, corpus) == expected
    assert writer.live_versions("default", ["local:8"]) == ({"local:8": "v2"} if is_visible else {})

    status, _ = run(batches=[batch], kill_at=again)
    assert visible(root, corpus) in (before, after)
    if is_visible:
        assert visible(root, corpus) == after

    receipt = corpus.write(writer, NEW, "v2")
    assert visible(root, corpus) == after
    assert_stores_agree(root)
    if is_visible:
        assert receipt.generation == 0
    assert corpus.write(writer, NEW, "v2").generation == 0
    assert_stores_agree(root)


def test_no_step_of_the_protocol_is_left_out(filled, root, corpus):
    steps = []
    corpus.write(HaystackIndexWriter(root, step=steps.append), NEW, "v2")
    assert tuple(steps) == (*BEFORE_COMMIT, *AFTER_COMMIT, *FOLD)


def test_an_error_at_any_step_is_undone_at_once(filled, root, corpus):
    for step in BEFORE_COMMIT:

        def fail(name, step=step):
            if name == step:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            corpus.write(HaystackIndexWriter(root, step=fail), NEW, "v2")
        assert visible(root, corpus) == texts(OLD)
        assert_stores_agree(root)


BIG = {f"local:{n}": [f"common text {n} {m} " + f"filler{n}x{m} " * 60 for m in range(4)] for n in range(100, 160)}


@pytest.mark.parametrize("file_bytes", [0, 30_000, 40_000, 200_000, 400_000])
def test_a_full_disk_leaves_what_was_committed(file_bytes, filled, root, corpus, writer, run):
    status, results = run(batches=[{"documents": BIG, "version": "v1"}], file_bytes=file_bytes)
    assert status == 0
    if "error" in results[0]:
        assert results[0]["error"] == "storage_full"
        assert visible(root, corpus) == texts(OLD)
    corpus.write(writer, BIG)
    assert visible(root, corpus) == texts(OLD | BIG)
    assert_stores_agree(root)


@pytest.mark.parametrize(
    ("step", "full"),
    [("lexicon.added", "faiss"), ("facets.named", "lexicon"), ("lexicon.uncommitted", "lexicon"), ("commit.before", "catalogue")],
)
@pytest.mark.parametrize("file_bytes", [0, 300])
def test_each_store_may_be_the_one_that_finds_the_disk_full(step, full, file_bytes, filled, root, corpus, writer, run):
    status, results = run(batches=[{"documents": BIG, "version": "v1"}], starve_at=step, file_bytes=file_bytes)
    assert status == 0
    assert results[0]["error"] == "storage_full", results
    assert full in results[0]["message"]
    assert visible(root, corpus) == texts(OLD)
    corpus.write(writer, BIG)
    assert visible(root, corpus) == texts(OLD | BIG)
    assert_stores_agree(root)
