"""Every way an index can be broken is found by verification and mended by repair, from what the catalogue has."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index.maintenance import IndexMaintenance
from Medical_KG_rev.index.snapshot import TenantReader
from Medical_KG_rev.index.stores import Paths, tenant_folder

pytestmark = pytest.mark.component

DOCUMENTS = {f"local:{n}": [f"metformin arm {n}", f"placebo arm {n}"] for n in range(6)}


@pytest.fixture
def paths(root):
    return Paths(tenant_folder(root, "default"))


@pytest.fixture
def calls():
    return []


@pytest.fixture
def maintenance(stores, corpus, calls):
    def make_vectors(chunks):
        calls.append(len(chunks))
        return corpus.embed(chunks)

    return IndexMaintenance(stores, make_vectors)


@pytest.fixture
def filled(writer, corpus):
    for doc_id, texts in DOCUMENTS.items():
        corpus.write(writer, {doc_id: texts})
    corpus.write(writer, {"local:0": ["metformin rewritten"]}, "v2")


def answers(stores, corpus):
    with TenantReader(stores, "default").snapshot() as snapshot:
        legs = (
            snapshot.search_lexical(["metformin"], 50),
            snapshot.search_sparse(corpus.sparse_of(["metformin"], "test-sparse").row(0), 50),
            snapshot.search_vectors(corpus.vector_of("metformin arm 3"), 50),
        )
        return [[(vid, round(score, 4)) for vid, score in leg] for leg in legs]


def problems(verification):
    return {(finding.store, finding.problem.partition(" of ")[0].partition(" in ")[0]) for finding in verification}


def test_a_whole_index_has_no_findings(filled, maintenance, calls):
    verification = maintenance.verify("default")
    assert (verification.documents, verification.chunks, verification.findings) == (6, 11, ())
    assert maintenance.repair("default").found == ()
    assert maintenance.verify("nobody").findings == ()
    assert calls == []


@pytest.mark.parametrize("kind", ["faiss", "impacts", "facets"])
@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
def test_a_broken_segment_is_made_anew(filled, maintenance, stores, corpus, paths, kind, how):
    """I6: refused where it is read as a whole, and rebuilt."""
    expected = answers(stores, corpus)
    path = max(paths.segments.glob(f"*.{kind}"))
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.unlink()
    if how != "remove":
        path.write_bytes(content if how == "flip" else content[:-20])
    assert ("segments", "files that cannot be read") in problems(maintenance.verify("default").findings)
    report = maintenance.repair("default")
    assert report.remaining == ()
    assert report.rebuilt_rows > 0
    assert maintenance.verify("default").findings == ()
    assert answers(stores, corpus) == expected


def test_a_lost_lexicon_is_made_anew(filled, maintenance, stores, corpus, paths):
    expected = answers(stores, corpus)
    shutil.rmtree(paths.lexicons)
    assert ("lexicon", "missing lexicons") in problems(maintenance.verify("default").findings)
    report = maintenance.repair("default")
    assert (report.renewed_lexicon, report.remaining) == (True, ())
    found = answers(stores, corpus)
    assert [{vid for vid, _ in leg} for leg in found] == [{vid for vid, _ in leg} for leg in expected]


def test_rows_that_the_lexicon_lost_or_kept_are_found(filled, maintenance, stores):
    with stores.reading("default") as catalogue:
        name, vid = catalogue.meta()["lexicon"], catalogue.live_vids()[0]
    lexical = stores.lexical("default")
    writer = lexical.writer(name)
    writer.remove([vid])
    writer.commit()
    writer.close()
    assert ("lexicon", "chunks without a row") in problems(maintenance.verify("default").findings)
    assert maintenance.repair("default").remaining == ()
    assert maintenance.verify("default").findings == ()


def test_what_belongs_to_nobody_is_removed(filled, maintenance, paths, stores):
    (paths.segments / "99-dense-1.faiss").write_bytes(b"of a writer that was fenced")
    (paths.lexicons / "lexicon-99").mkdir()
    assert problems(maintenance.verify("default").findings) == {
        ("segments", "files that belong to no batch"),
        ("lexicon", "lexicons that belong to no batch"),
    }
    report = maintenance.repair("default")
    assert (report.removed_files, report.remaining) == (2, ())
    assert not (paths.segments / "99-dense-1.faiss").exists()


def test_what_a_dead_writer_left_is_told_and_cleared_away(filled, maintenance, stores):
    with stores.lock("default", 1), stores.writing("default") as catalogue:
        catalogue.take_over()
        catalogue.prepare(3)
    assert problems(maintenance.verify("default").findings) == {("catalogue", "batches")}
    assert maintenance.repair("default").remaining == ()


def test_counts_that_are_wrong_are_counted_again(filled, maintenance, stores, corpus, paths):
    expected = answers(stores, corpus)
    database = sqlite3.connect(paths.catalogue)
    database.execute("UPDATE segment SET dead = dead + 1 WHERE space LIKE 'dense%'")
    database.commit()
    database.close()
    assert ("segments", "superseded rows") in problems(maintenance.verify("default").findings)
    assert maintenance.repair("default").remaining == ()
    found = answers(stores, corpus)
    assert [{vid for vid, _ in leg} for leg in found] == [{vid for vid, _ in leg} for leg in expected]


def test_vectors_of_another_model_are_not_mixed_in(filled, stores, corpus, paths):
    next(paths.segments.glob("*.faiss")).unlink()
    with pytest.raises(IndexMismatchError, match="come from test"):
        IndexMaintenance(stores, lambda chunks: corpus.embed(chunks, "better")).repair("default")
