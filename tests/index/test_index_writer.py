"""What the writer makes findable, replaces, refuses and forgets."""

from __future__ import annotations

import errno
import sqlite3
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from Medical_KG_rev.errors import (
    IndexMismatchError,
    InvalidDocumentError,
    StageContractError,
    StoreUnavailableError,
)
from Medical_KG_rev.index.filters import make_filter
from Medical_KG_rev.index.locking import exclusive
from Medical_KG_rev.index.spaces import generation_of
from Medical_KG_rev.index.stores import EmbeddedStores, Paths, tenant_folder
from Medical_KG_rev.index.writer import HaystackIndexWriter
from Medical_KG_rev.models import EmbeddingBatch, StageContext
from Medical_KG_rev.orchestration.stages.contracts import IndexStage
from Medical_KG_rev.testing import check_stage

pytestmark = pytest.mark.component

METFORMIN = {"local:1": ["metformin lowers glucose", "metformin and lactate"], "local:2": ["insulin glargine"]}


def generations(root):
    """Of the segment files that there are, with the kind of each."""
    return sorted((generation_of(path.name), path.suffix[1:]) for path in paths(root).segments.iterdir())


def paths(root, tenant_id="default"):
    return Paths(tenant_folder(root, tenant_id))


def test_it_satisfies_the_stage_contract(writer):
    assert isinstance(writer, IndexStage)
    assert writer.fingerprint


def test_written_chunks_are_found_and_accounted_for(writer, corpus, found):
    receipt = corpus.write(writer, METFORMIN)
    assert receipt.generation == 1
    assert {doc: (outcome.status, outcome.count) for doc, outcome in receipt.per_document.items()} == {
        "local:1": ("written", 2),
        "local:2": ("written", 1),
    }
    assert receipt.chunks == 3
    assert found("metformin", legs=["bm25"]).keys() == {"local:1:chunk:0", "local:1:chunk:1"}
    assert found("metformin", legs=["dense"]).keys() == {"local:1:chunk:0", "local:1:chunk:1", "local:2:chunk:0"}


def test_the_same_batch_again_changes_nothing(writer, corpus, root, found):
    first = corpus.write(writer, METFORMIN)
    again = corpus.write(writer, METFORMIN)
    assert first.generation == 1
    assert again.generation == 0
    assert {outcome.status for outcome in again.per_document.values()} == {"unchanged"}
    assert again.chunks == 3
    assert len(found("metformin insulin")) == 3
    assert generations(root) == [(1, "facets"), (1, "faiss"), (1, "impacts")]


def test_only_what_changed_is_written(writer, corpus):
    corpus.write(writer, METFORMIN)
    receipt = corpus.write(writer, METFORMIN | {"local:2": ["insulin degludec"]})
    assert receipt.per_document["local:1"].status == "unchanged"
    assert receipt.per_document["local:2"].status == "written"


def test_other_content_under_the_same_version_is_still_written(writer, corpus, found):
    corpus.write(writer, {"local:1": ["aspirin"]}, version="same")
    corpus.write(writer, {"local:1": ["ibuprofen"]}, version="same")
    assert found("aspirin", legs=["bm25"]) == {}
    assert found("ibuprofen", legs=["bm25"]) == {"local:1:chunk:0": "ibuprofen"}


def test_other_facets_of_the_same_text_are_still_written(writer, corpus, retriever):
    documents = {"local:1": ["aspirin"]}
    corpus.write(writer, documents)
    dated = [msgspec.structs.replace(chunk, facets={"date": ("2024-05-01",)}) for chunk in corpus.batch(documents).chunks]
    receipt = writer.execute(corpus.context(documents), corpus.embed(dated))
    assert receipt.per_document["local:1"].status == "written"
    wanted = make_filter({}, since="2024")
    assert [hit.doc_id for hit in retriever.search("default", "aspirin", legs=["bm25"], wanted=wanted).hits] == ["local:1"]


def test_a_document_is_replaced_as_a_whole(writer, corpus, found):
    corpus.write(writer, METFORMIN)
    corpus.write(writer, {"local:1": ["sitagliptin"]}, version="v2")
    assert found("metformin", legs=["bm25"]) == {}
    assert set(found("metformin").values()) == {"sitagliptin", "insulin glargine"}


def test_content_may_go_from_a_to_b_and_back(writer, corpus, found):
    for version, text in (("a", "aspirin"), ("b", "ibuprofen"), ("a", "aspirin")):
        receipt = corpus.write(writer, {"local:1": [text]}, version=version)
        assert receipt.per_document["local:1"].status == "written"
        assert found(text) == {"local:1:chunk:0": text}
        assert writer.live_versions("default", ["local:1"]) == {"local:1": version}


def test_a_document_without_chunks_ends_with_none_and_has_its_version(writer, corpus, found):
    corpus.write(writer, METFORMIN)
    receipt = corpus.write(writer, {"local:1": []}, version="v2")
    assert receipt.per_document["local:1"].count == 0
    assert set(found("metformin insulin").values()) == {"insulin glargine"}
    assert writer.live_versions("default", ["local:1"]) == {"local:1": "v2"}


def test_a_single_document_call_needs_no_list(writer, corpus):
    documents = {"local:1": ["aspirin"]}
    ctx = StageContext("default", doc_id="local:1", versions={"local:1": "v1"})
    assert writer.execute(ctx, corpus.batch(documents)).chunks == 1


def test_live_versions_know_only_what_can_be_found(writer, corpus):
    assert writer.live_versions("default", ["local:1"]) == {}
    corpus.write(writer, METFORMIN)
    assert writer.live_versions("default", ["local:1", "local:9"]) == {"local:1": "v1"}
    assert writer.live_versions("other", ["local:1"]) == {}
    writer.delete("default", "local:1")
    assert writer.live_versions("default", ["local:1", "local:2"]) == {"local:2": "v1"}


def test_chunks_come_back_as_they_were_written(writer, corpus):
    assert writer.chunks("default", "local:1") == []
    corpus.write(writer, METFORMIN)
    assert writer.chunks("default", "local:1") == list(corpus.batch({"local:1": METFORMIN["local:1"]}).chunks)
    assert writer.chunks("default", "local:9") == []


def test_delete_and_write_again(writer, corpus, found):
    corpus.write(writer, METFORMIN)
    assert writer.delete("default", "local:1") == 2
    assert writer.delete("default", "local:1") == 0
    assert writer.delete("nobody", "local:1") == 0
    assert set(found("metformin insulin").values()) == {"insulin glargine"}
    assert corpus.write(writer, METFORMIN).per_document["local:1"].status == "written"
    assert len(found("metformin insulin")) == 3


def test_deleting_leaves_no_text_and_no_vector_behind(writer, corpus, root, found):
    secret = "zanzibarine chlorohydrate"
    corpus.write(writer, METFORMIN | {"local:3": [secret]})
    vector = corpus.vector_of(secret).astype(np.float16).tobytes()
    assert any(vector in path.read_bytes() for path in paths(root).segments.iterdir())
    writer.delete("default", "local:3")
    files = [path for path in paths(root).folder.rglob("*") if path.is_file()]
    assert not any(vector in path.read_bytes() for path in files)
    assert not any(secret.encode() in path.read_bytes() for path in files)
    writer.compact("default")
    files = [path for path in paths(root).folder.rglob("*") if path.is_file()]
    assert not any(b"zanzibarin" in path.read_bytes() for path in files)
    assert len(found("metformin insulin")) == 3


def test_compaction_keeps_every_answer(writer, corpus, root, retriever):
    for number in range(12):
        corpus.write(writer, {f"local:{number}": [f"trial {number} of metformin", "placebo"]})
    for number in range(0, 12, 3):
        corpus.write(writer, {f"local:{number}": [f"rewritten trial {number}"]}, version="v2")
    before = [(hit.chunk_id, hit.ranks["dense"]) for hit in retriever.search("default", "trial", legs=["dense"]).hits]
    writer.compact("default")
    after = [(hit.chunk_id, hit.ranks["dense"]) for hit in retriever.search("default", "trial", legs=["dense"]).hits]
    assert after == before
    with EmbeddedStores(root).reading("default") as catalogue:
        newest = catalogue.head()[1]
    assert generations(root) == [(newest, "facets"), (newest, "faiss"), (newest, "impacts")]


def test_segments_are_folded_and_files_match_the_catalogue(writer, corpus, root, found):
    for number in range(40):
        corpus.write(writer, {f"local:{number}": [f"abstract {number}"]})
    with EmbeddedStores(root).reading("default") as catalogue:
        named = sorted(segment.file for segment in catalogue.segments())
    assert sorted(path.name for path in paths(root).segments.iterdir()) == named
    assert len(named) == 5 * 3, "of 40 segments of one row each eight have become one"
    assert len(found("abstract", legs=["dense"])) == 40


def test_a_batch_is_visible_before_segments_are_folded(root, corpus, found):
    seen = []

    def look(step):
        if step == "fold.intent.before":
            seen.append(len(found("abstract")))

    writer = HaystackIndexWriter(root, step=look)
    receipts = [corpus.write(writer, {f"local:{number}": [f"abstract {number}"]}) for number in range(9)]
    assert seen == [8]
    assert [receipt.generation for receipt in receipts] == [1, 2, 3, 4, 5, 6, 7, 8, 10], "the fold has a generation of its own"


def test_a_fold_that_finds_no_room_is_put_off(root, corpus, found, writer):
    def fail(step):
        if step == "fold.facets.unsynced":
            raise OSError(errno.ENOSPC, "no room")

    full = HaystackIndexWriter(root, step=fail)
    for number in range(9):
        assert corpus.write(full, {f"local:{number}": [f"abstract {number}"]}).chunks == 1
    assert len(list(paths(root).segments.iterdir())) == 9 * 3, "nothing of a fold is left behind"
    corpus.write(writer, {"local:9": ["abstract 9"]})
    assert len(list(paths(root).segments.iterdir())) == 3
    assert len(found("abstract")) == 10


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"tenant_id": "other"}, StageContractError, "belongs to tenant 'default'"),
        ({"documents": ("local:2",), "versions": {"local:2": "v1"}}, StageContractError, "does not list"),
        ({"versions": {}}, StageContractError, "no version for document local:1"),
    ],
)
def test_a_call_that_contradicts_itself_is_refused(writer, corpus, change, error, says):
    documents = {"local:1": ["aspirin"]}
    fields = {"tenant_id": "default", "documents": ("local:1",), "versions": {"local:1": "v1"}} | change
    with pytest.raises(error, match=says):
        writer.execute(StageContext(**fields), corpus.batch(documents))
    assert writer.live_versions("default", ["local:1"]) == {}


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0])
def test_vectors_that_no_search_could_use_are_refused(writer, corpus, value):
    documents = {"local:1": ["aspirin"]}
    batch = corpus.batch(documents)
    batch.dense[0, 0] = value
    with pytest.raises(InvalidDocumentError, match="local:1:chunk:0"):
        writer.execute(corpus.context(documents), batch)


def test_a_chunk_id_may_occur_once(writer, corpus):
    chunk = corpus.chunk("local:1", 0, "aspirin")
    batch = EmbeddingBatch((chunk, msgspec.structs.replace(chunk, text="ibuprof")), np.eye(2, 16, dtype=np.float32), "m", "m/1")
    with pytest.raises(InvalidDocumentError, match="twice"):
        writer.execute(corpus.context({"local:1": []}), batch)


def test_another_model_is_refused_with_a_remedy(writer, corpus, found):
    corpus.write(writer, METFORMIN)
    other = {"local:3": ["aspirin"]}
    with pytest.raises(IndexMismatchError, match="Use the model 'test' again") as caught:
        writer.execute(corpus.context(other), corpus.batch(other, model="better"))
    assert (caught.value.expected, caught.value.found) == ("test", "better")
    assert len(found("metformin insulin aspirin")) == 3


def test_an_emptied_index_takes_another_model(writer, corpus):
    corpus.write(writer, {"local:1": ["aspirin"]})
    writer.delete("default", "local:1")
    documents = {"local:1": ["aspirin"]}
    assert writer.execute(corpus.context(documents), corpus.batch(documents, model="better", dimension=32)).chunks == 1


def test_a_missing_lexicon_is_rebuilt_by_the_next_write(writer, corpus, root, found):
    corpus.write(writer, METFORMIN)
    for path in sorted(paths(root).lexicons.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    corpus.write(writer, {"local:3": ["metformin again"]})
    assert len(found("metformin", legs=["bm25"])) == 3


def test_a_damaged_segment_is_named(writer, corpus, root):
    corpus.write(writer, METFORMIN)
    path = paths(root).segments / "1-dense-1.faiss"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IndexMismatchError, match="sha256") as caught:
        writer.compact("default")
    assert "medkg index repair" in caught.value.remedy


def test_an_index_of_another_schema_is_refused(writer, corpus, root):
    corpus.write(writer, METFORMIN)
    with sqlite3.connect(paths(root).catalogue) as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    database.close()
    with pytest.raises(IndexMismatchError, match="schema 99"):
        corpus.write(writer, METFORMIN)


def test_a_writer_waits_for_the_lock_but_not_for_ever(root, corpus):
    writer = HaystackIndexWriter(root, lock_timeout_seconds=0.05)
    corpus.write(writer, METFORMIN)
    with exclusive(paths(root).lock, 1.0):
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="Another process"):
            corpus.write(writer, METFORMIN, version="v2")
        assert time.monotonic() - started >= 0.05
        assert writer.live_versions("default", ["local:1"]) == {"local:1": "v1"}
    assert corpus.write(writer, METFORMIN, version="v2").chunks == 3


def test_a_place_that_cannot_be_written_is_named(tmp_path, corpus):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailableError, match="Cannot write"):
        corpus.write(HaystackIndexWriter(tmp_path / "file" / "index"), METFORMIN)


def test_it_passes_the_conformance_kit(writer):
    check_stage("index", writer)


def test_tenant_folders_are_readable_and_never_shared(tmp_path: Path):
    names = {tenant_folder(tmp_path, tenant).name for tenant in ("A.B", "a-b", "A-b", "", "../x", "ü", "x" * 300)}
    assert len(names) == 7
    assert all("/" not in name and ".." not in name and len(name) < 60 for name in names)
