"""The OpenSearch store on a real server: the kit of lexical stores, and what only a shared server can do wrong."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from real_servers import RunningServer

from Medical_KG_rev.errors import ConfigurationError, IndexMismatchError, InvalidDocumentError, StoreUnavailableError
from Medical_KG_rev.failures import event_reason
from Medical_KG_rev.index import opensearch_rows
from Medical_KG_rev.index.opensearch import OpenSearchSparseReader, OpenSearchStore
from Medical_KG_rev.index.opensearch_client import OpenSearchConnection
from Medical_KG_rev.index.opensearch_schema import Layout
from Medical_KG_rev.index.ports import Row
from Medical_KG_rev.models import SparseVector
from Medical_KG_rev.testing.lexical import ROWS, check_lexical_store, write
from Medical_KG_rev.testing.sparse import check_sparse_reader, sparse_vector

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
    for other in (make(sparse="another-model/1"),):
        for use in (other.reader, other.writer, other.sparse_reader, other.vids):
            with pytest.raises(IndexMismatchError, match=r"_meta\.sparse.*medkg index repair"):
                use(NAME)
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
        store.reader(NAME)
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


def test_removed_rows_are_seen_until_others_come(make: MakeStore) -> None:
    """A reader of the generation before finds all of it, as long as only what it lost is removed."""
    store = make()
    write(store, ROWS)
    reader = store.reader(NAME)
    writer = store.writer(NAME)
    writer.remove([1, 2])
    writer.commit()
    assert {vid for vid, _ in reader.search(["stroke"], 10)} == {1, 2, 4}
    write(store, [Row(7, "stroke", (), 0)], generation=2)
    assert {vid for vid, _ in reader.search(["stroke"], 10)} == {4, 7}


def test_more_hits_than_one_answer_holds(make: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opensearch_rows, "_PAGE", 100)
    store = make()
    write(store, [Row(vid, "common" + " other" * (vid % 3), (), 0) for vid in range(350)])
    found = store.reader(NAME).search(["common"], 330)
    assert len(found) == len({vid for vid, _ in found}) == 330
    assert found == sorted(found, key=lambda hit: (-hit[1], hit[0]))
    assert store.vids(NAME).tolist() == list(range(350))


def test_a_wrong_address_and_a_silent_server_are_told_apart() -> None:
    silent = OpenSearchStore(OpenSearchConnection("http://127.0.0.1:9"), Layout("default"))
    with pytest.raises(StoreUnavailableError) as caught:
        silent.names()
    assert event_reason(caught.value) == "opensearch_unavailable"
    with pytest.raises(ConfigurationError, match="not the address"):
        OpenSearchStore(OpenSearchConnection("http://127.0.0.1:none"), Layout("default")).names()
