"""The same index with its catalogue in PostgreSQL and its segments in an object store."""

from __future__ import annotations

import threading

import pytest

from Medical_KG_rev.errors import IndexWriterFencedError, StoreUnavailableError
from Medical_KG_rev.index import HaystackIndexWriter
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.changes import Change
from Medical_KG_rev.index.lexical import TantivyStore
from Medical_KG_rev.index.service_stores import ServiceStores
from Medical_KG_rev.index.snapshot import TenantReader
from Medical_KG_rev.index.tenant import open_for_writing
from Medical_KG_rev.storage import FilesystemObjectStore
from Medical_KG_rev.testing import check_stage

pytestmark = pytest.mark.service

DOCUMENTS = {"local:1": ["metformin lowers glucose", "metformin and lactate"], "local:2": ["insulin glargine"]}


class LocalLexicons(ServiceStores):
    """Lexicons in a folder: what is tried here is the rest."""

    lexicon_on_server = False

    def sparse_reader(self, tenant_id, sparse, lexicon):
        return None


@pytest.fixture
def open_stores(postgres_database, tmp_path):
    opened = []

    def make(cache="cache"):
        stores = LocalLexicons(
            postgres_database,
            lambda tenant, _: TantivyStore(tmp_path / "lexicons" / tenant),
            FilesystemObjectStore(tmp_path / "bucket"),
            tmp_path / cache,
        )
        opened.append(stores)
        return stores

    yield make
    for stores in opened:
        stores.close()


@pytest.fixture
def stores(open_stores):
    return open_stores()


@pytest.fixture
def writer(stores):
    return HaystackIndexWriter(stores)


def texts(stores, corpus, tenant_id="default"):
    reader = TenantReader(stores, tenant_id)
    with reader.snapshot() as snapshot:
        if snapshot is None:
            return []
        hits = snapshot.search_vectors(corpus.vector_of("x"), 100)
        sparse = snapshot.search_sparse(corpus.sparse_of(["metformin"], "test-sparse").row(0), 100)
        assert {vid for vid, _ in sparse} == {vid for vid, _ in snapshot.search_lexical(["metformin"], 100)}
        return sorted(chunk.text for chunk in snapshot.chunks([vid for vid, _ in hits]).values())


def test_documents_are_written_replaced_and_deleted(stores, open_stores, writer, corpus):
    assert texts(stores, corpus) == []
    assert writer.live_versions("default", ["local:1"]) == {}
    assert corpus.write(writer, DOCUMENTS).generation == 1
    assert corpus.write(writer, DOCUMENTS).generation == 0
    assert texts(open_stores("another machine"), corpus) == sorted(text for chunks in DOCUMENTS.values() for text in chunks)
    corpus.write(writer, {"local:1": ["sitagliptin and metformin"]}, "v2")
    assert texts(stores, corpus) == ["insulin glargine", "sitagliptin and metformin"]
    assert writer.live_versions("default", ["local:1", "local:2", "local:3"]) == {"local:1": "v2", "local:2": "v1"}
    assert [chunk.text for chunk in writer.chunks("default", "local:2")] == ["insulin glargine"]
    assert writer.delete("default", "local:1") == 1
    assert writer.delete("default", "local:1") == 0
    writer.compact("default")
    assert texts(stores, corpus) == ["insulin glargine"]
    assert len(stores.files("default").names()) == 3


def test_tenants_share_nothing(stores, writer, corpus):
    corpus.write(writer, {"local:1": ["metformin of one"]}, tenant_id="A.B")
    corpus.write(writer, {"local:1": ["metformin of two"]}, tenant_id="a-b")
    assert texts(stores, corpus, "A.B") == ["metformin of one"]
    assert texts(stores, corpus, "a-b") == ["metformin of two"]


def test_it_passes_the_conformance_kit(writer):
    check_stage("index", writer)


def test_writers_take_turns(open_stores, stores, corpus):
    def write(name):
        own = HaystackIndexWriter(open_stores(name))
        for number in range(4):
            corpus.write(own, {f"local:{name}": [f"{name} {number} metformin"]}, f"v{number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts(stores, corpus) == ["x 3 metformin", "y 3 metformin", "z 3 metformin"]


def test_a_lock_is_waited_for_but_not_for_ever(stores, open_stores, corpus):
    corpus.write(HaystackIndexWriter(stores), DOCUMENTS)
    with stores.lock("default", 1.0), pytest.raises(StoreUnavailableError, match="Another process"):
        corpus.write(HaystackIndexWriter(open_stores("other"), lock_timeout_seconds=0.1), DOCUMENTS, "v2")
    assert corpus.write(HaystackIndexWriter(stores), DOCUMENTS, "v2").chunks == 3


def test_a_writer_whose_connection_broke_is_fenced(stores, open_stores, corpus):
    """Its lock is gone with the connection: another one writes, and the late one cannot commit."""
    corpus.write(HaystackIndexWriter(stores), DOCUMENTS)
    other = HaystackIndexWriter(open_stores("other"))

    def lose_the_lock(step):
        if step == "commit.before":
            with stores._engine.connect() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                )
            corpus.write(other, {"local:2": ["insulin degludec"]}, "v2")

    with (
        pytest.raises(IndexWriterFencedError),
        open_for_writing(stores, "default", Analyser(), timeout_seconds=5, step=lose_the_lock) as index,
    ):
        index.apply(Change(removed=("local:1",)))
    assert texts(stores, corpus) == ["insulin degludec", "metformin and lactate", "metformin lowers glucose"]


def test_a_database_that_is_away_has_its_name(tmp_path):
    stores = ServiceStores("postgresql+psycopg2://medkg:secret@127.0.0.1:1/medkg", None, None, tmp_path)
    with pytest.raises(StoreUnavailableError, match="catalogue") as caught, stores.reading("default"):
        pass
    assert "secret" not in str(caught.value)
