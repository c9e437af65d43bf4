"""The OpenSearch store on a real server: the kit of lexical stores, and what only a shared server can do wrong."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_servers import RunningServer

from Medical_KG_rev.errors import ConfigurationError, IndexMismatchError, InvalidDocumentError, StoreUnavailableError
from Medical_KG_rev.failures import event_reason
from Medical_KG_rev.index import Analyser, HaystackIndexWriter, Retriever, opensearch_rows
from Medical_KG_rev.index.filters import Filter
from Medical_KG_rev.index.lexical import TantivyStore
from Medical_KG_rev.index.opensearch import OpenSearchSparseReader, OpenSearchStore
from Medical_KG_rev.index.opensearch_client import OpenSearchConnection
from Medical_KG_rev.index.opensearch_schema import Layout
from Medical_KG_rev.index.ports import LexicalStore, Row
from Medical_KG_rev.index.snapshot import TenantReader
from Medical_KG_rev.index.stores import EmbeddedStores
from Medical_KG_rev.models import SparseVector
from Medical_KG_rev.services import Server
from Medical_KG_rev.testing.lexical import ROWS, check_lexical_store, write
from Medical_KG_rev.testing.sparse import check_sparse_reader, dot_products, sparse_vector

pytestmark = pytest.mark.service

NAME = "lexicon-1"
MakeStore = Callable[..., OpenSearchStore]


@pytest.fixture(scope="module")
def connection(opensearch_server: RunningServer) -> Iterator[OpenSearchConnection]:
    opened = OpenSearchConnection(opensearch_server.environment["MK_OPENSEARCH__URL"])
    yield opened
    opened.close()


@pytest.fixture
def prefix(connection: OpenSearchConnection) -> Iterator[str]:
    """The beginning of the names of the test's own indexes."""
    name = f"test-{secrets.token_hex(6)}"
    yield name
    connection.ask(lambda client: client.indices.delete(index=f"{name}-*"))


@pytest.fixture
def make(connection: OpenSearchConnection, prefix: str) -> MakeStore:
    def store(tenant_id: str = "default", **options: Any) -> OpenSearchStore:
        return OpenSearchStore(connection, Layout(tenant_id, **({"prefix": prefix} | options)))

    return store


@pytest.mark.parametrize("is_shared", [False, True])
def test_conformance(make: MakeStore, is_shared: bool) -> None:
    tenants = (f"tenant-{number}" for number in itertools.count())
    check_lexical_store(lambda: make(next(tenants), is_shared=is_shared), is_shared=is_shared)


@pytest.mark.parametrize("is_shared", [False, True])
def test_conformance_of_the_sparse_leg(make: MakeStore, is_shared: bool) -> None:
    def open_reader(rows: Sequence[Row]) -> OpenSearchSparseReader:
        store = make(is_shared=is_shared)
        write(store, rows)
        return store.sparse_reader(NAME)

    write(make("another", is_shared=is_shared), [Row(3, "x", (), 20210101, sparse_vector({3: 9.0, 7: 9.0}))])
    check_sparse_reader(open_reader)


def test_an_index_of_another_form_is_refused(connection: OpenSearchConnection, make: MakeStore, prefix: str) -> None:
    write(make(), ROWS)
    other = make(sparse="another-model/1")
    for use in (
        lambda: other.reader(NAME).search(["stroke"], 10),
        lambda: other.sparse_reader(NAME).search(sparse_vector({1: 1.0}), 10),
        lambda: other.vids(NAME),
        lambda: other.writer(NAME),
    ):
        with pytest.raises(IndexMismatchError, match=r"_meta\.sparse.*medkg index repair"):
            use()
    by_hand = Layout("by-hand", prefix=prefix).alias(NAME)
    connection.ask(
        lambda client: client.indices.create(index=by_hand, body={"mappings": {"properties": {"vid": {"type": "text"}}}})
    )
    with pytest.raises(IndexMismatchError, match=f"The OpenSearch index {by_hand} has dynamic None"):
        make("by-hand").writer(NAME)
    make("by-hand").drop(NAME)
    write(make("by-hand"), ROWS)
    assert make("by-hand").vids(NAME).tolist() == [1, 2, 3, 4, 5, 6]


def test_a_missing_index_is_an_error_and_never_made_by_a_request(connection: OpenSearchConnection, make: MakeStore) -> None:
    store = make()
    with pytest.raises(IndexMismatchError, match=r"has no index .*`medkg index repair`"):
        store.reader(NAME).search(["stroke"], 10)
    writer, _ = store.writer(NAME), store.drop(NAME)
    with pytest.raises(IndexMismatchError, match="has no index"):
        writer.add(1, ROWS)
    assert store.names() == []


def test_one_poisoned_row_is_named(make: MakeStore) -> None:
    writer = make().writer(NAME)
    poison = Row(7, "tokens", (), 0, SparseVector(np.array([1], dtype=np.int32), np.array([-1.0], dtype=np.float32)))
    with pytest.raises(InvalidDocumentError, match=r"refuses the row [0-9a-f]{12}\.lexicon-1\.7 \(400\)") as caught:
        writer.add(3, [*ROWS, poison])
    assert caught.value.row.endswith(".7")
    writer.remove_generation(3)
    assert make().vids(NAME).tolist() == []


def test_more_hits_than_one_answer_holds(make: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opensearch_rows, "_PAGE", 100)
    store = make()
    write(store, [Row(vid, "common" + " other" * (vid % 3), (), 0) for vid in range(350)])
    found = store.reader(NAME).search(["common"], 330)
    assert len(found) == len({vid for vid, _ in found}) == 330
    assert found == sorted(found, key=lambda hit: (-hit[1], hit[0]))
    assert store.vids(NAME).tolist() == list(range(350))


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["a", "A"]),
        st.sampled_from(["add", "remove", "remove_generation", "drop"]),
        st.integers(1, 3),
        st.lists(st.sampled_from(["aspirin", "stroke", "tenant"]), min_size=1, max_size=3),
    ),
    max_size=5,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_tenants_of_one_shared_index_never_see_each_other(make: MakeStore, operations: Any) -> None:
    """Two tenants with the same vids, generations and lexicon names; every read path against a model of each."""
    stores = {tenant: make(tenant, is_shared=True) for tenant in ("a", "A")}
    held: dict[str, dict[int, tuple[int, set[str]]]] = {tenant: {} for tenant in stores}
    for store in stores.values():
        store.writer(NAME)
        store.drop(NAME)
    for tenant, operation, number, words in operations:
        store, rows = stores[tenant], held[tenant]
        writer = store.writer(NAME)
        match operation:
            case "add":
                sparse = sparse_vector({number: 1.0})
                writer.add(number, [Row(number, " ".join(words), (f"source={tenant}",), 20200101, sparse)])
                rows[number] = (number, set(words))
            case "remove":
                writer.remove([number])
                rows.pop(number, None)
            case "remove_generation":
                writer.remove_generation(number)
                rows.pop(number, None)
            case _:
                store.drop(NAME)
                rows.clear()
        writer.commit()
    for tenant, store in stores.items():
        rows = held[tenant]
        assert store.vids(NAME).tolist() == sorted(rows)
        assert store.names() == ([NAME] if rows else [])
        for word in ("aspirin", "stroke", "tenant"):
            found = {vid for vid, _ in store.reader(NAME).search([word], 10)}
            assert found == {vid for vid, (_, words) in rows.items() if word in words}
        other = Filter((("source=a" if tenant == "A" else "source=A",),))
        assert store.reader(NAME).search(["aspirin", "stroke", "tenant"], 10, other) == []
        query = sparse_vector({1: 1.0, 2: 1.0, 3: 1.0})
        assert {vid for vid, _ in store.sparse_reader(NAME).search(query, 10)} == set(rows)


def test_the_legs_find_what_the_embedded_ones_find(make: MakeStore, test_data: Path, tmp_path: Path) -> None:
    """Mean overlap of the ten best with tantivy's, and of exact dot products, over passages of SciFact."""
    analyser = Analyser()
    lines = (test_data / "beir" / "scifact" / "corpus.jsonl").read_text().splitlines()[:400]
    rng = np.random.default_rng(5)
    rows = []
    for vid, record in enumerate(map(json.loads, lines)):
        terms = rng.choice(2_000, 40, replace=False)
        weights = {
            int(term): float(np.float16(weight)) for term, weight in zip(terms, rng.gamma(1.0, 0.5, 40) + 0.01, strict=True)
        }
        rows.append(Row(vid, analyser.joined(f"{record['title']} {record['text']}"), (), 0, sparse_vector(weights)))
    embedded, server = TantivyStore(tmp_path), make()
    for store in (embedded, server):
        write(store, rows)
    queries = [json.loads(line)["title"] for line in lines[:100]]
    overlaps = {"bm25": [], "sparse": []}
    one, other = embedded.reader(NAME), server.reader(NAME)
    for query in queries:
        best = {vid for vid, _ in one.search(analyser.tokens(query), 10)}
        overlaps["bm25"].append(len(best & {vid for vid, _ in other.search(analyser.tokens(query), 10)}) / len(best))
    reader = server.sparse_reader(NAME)
    for _ in range(50):
        query = sparse_vector(
            {
                int(term): float(weight)
                for term, weight in zip(rng.choice(2_000, 20, replace=False), rng.gamma(1.0, 0.7, 20), strict=True)
            }
        )
        best = {vid for vid, _ in dot_products(rows, query)[:10]}
        overlaps["sparse"].append(len(best & {vid for vid, _ in reader.search(query, 10)}) / len(best))
    means = {leg: float(np.mean(found)) for leg, found in overlaps.items()}
    assert min(means.values()) >= 0.95, means


class Stores(EmbeddedStores):
    """Catalogue and segments in a folder, lexicons on the server."""

    def __init__(self, root: Path, make: MakeStore) -> None:
        super().__init__(root)
        self._make = make

    def lexical(self, tenant_id: str, sparse: str = "") -> LexicalStore:
        return self._make(tenant_id)


@pytest.mark.parametrize("is_shared", [False, True])
def test_r7_an_index_with_its_lexicon_on_the_server(make: MakeStore, corpus: Any, tmp_path: Path, is_shared: bool) -> None:
    """R7: 32 chunks are 32 documents there and 32 vectors here; a change replaces them, a deletion leaves none."""
    stores = Stores(tmp_path, lambda tenant_id: make(tenant_id, is_shared=is_shared))
    writer = HaystackIndexWriter(stores)
    retriever = Retriever(lambda tenant_id: TenantReader(stores, tenant_id), corpus.vector_of)
    documents = {f"local:{number}": [f"aspirin passage{number}x{part}" for part in range(4)] for number in range(8)}
    receipt = corpus.write(writer, documents)
    corpus.write(writer, {"local:0": ["aspirin of another tenant"]}, tenant_id="another")
    assert receipt.chunks == 32
    assert len(make(is_shared=is_shared).vids(make(is_shared=is_shared).names()[0])) == 32

    def found(query: str, leg: str) -> set[str]:
        return {hit.text for hit in retriever.search("default", query, k=100, legs=[leg]).hits}

    everything = {text for texts in documents.values() for text in texts}
    assert found("aspirin", "bm25") == found("aspirin", "dense") == everything
    corpus.write(writer, {"local:0": ["aspirin anew"]}, version="v2")
    assert found("aspirin", "bm25") == (everything - set(documents["local:0"])) | {"aspirin anew"}
    for doc_id in documents:
        writer.delete("default", doc_id)
    assert found("aspirin", "bm25") == set()
    assert [len(make(is_shared=is_shared).vids(name)) for name in make(is_shared=is_shared).names()] in ([], [0])
    assert len(retriever.search("another", "aspirin", legs=["bm25"]).hits) == 1
    retriever.close()


def test_a_server_that_is_down_fails_its_leg_alone(make: MakeStore, corpus: Any, tmp_path: Path) -> None:
    stores = Stores(tmp_path, make)
    corpus.write(HaystackIndexWriter(stores), {"local:a": ["aspirin prevents stroke"]})
    silent = Stores(tmp_path, lambda tenant_id: OpenSearchStore(OpenSearchConnection("http://127.0.0.1:9"), Layout(tenant_id)))
    retriever = Retriever(lambda tenant_id: TenantReader(silent, tenant_id), corpus.vector_of)
    result = retriever.search("default", "aspirin prevents stroke", legs=["bm25", "dense"])
    assert [hit.doc_id for hit in result.hits] == ["local:a"]
    assert result.partial
    assert "does not answer" in str(result.legs["bm25"].error)
    retriever.close()


def test_what_was_acknowledged_outlives_a_kill(own_server: Callable[[str], Server]) -> None:
    server = own_server("opensearch")
    connection = OpenSearchConnection(server.environment["MK_OPENSEARCH__URL"], timeout_seconds=10)
    store = OpenSearchStore(connection, Layout("default"))
    write(store, ROWS)
    store.writer(NAME).add(2, [Row(7, "stroke staged", (), 0)])
    server.kill()
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        store.reader(NAME).search(["stroke"], 10)
    own_server("opensearch")
    assert store.vids(NAME).tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert {vid for vid, _ in store.reader(NAME).search(["stroke"], 10)} == {1, 2, 4, 7}
    connection.close()


def test_a_wrong_address_and_a_silent_server_are_told_apart() -> None:
    silent = OpenSearchStore(OpenSearchConnection("http://127.0.0.1:9"), Layout("default"))
    with pytest.raises(StoreUnavailableError) as caught:
        silent.names()
    assert event_reason(caught.value) == "opensearch_unavailable"
    with pytest.raises(ConfigurationError, match="not the address"):
        OpenSearchStore(OpenSearchConnection("http://127.0.0.1:none"), Layout("default")).names()
