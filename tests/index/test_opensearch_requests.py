"""What is sent to OpenSearch and what its answers mean, with its transport replaced: no server is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opensearchpy import NotFoundError, Transport, TransportError

from Medical_KG_rev.errors import (
    ConfigurationError,
    IndexMismatchError,
    InvalidDocumentError,
    RetriesExhaustedError,
    StorageFullError,
    StoreUnavailableError,
)
from Medical_KG_rev.failures import event_reason
from Medical_KG_rev.index import HaystackIndexWriter
from Medical_KG_rev.index.filters import EVERYTHING, Filter
from Medical_KG_rev.index.naming import tenant_digest
from Medical_KG_rev.index.opensearch import OpenSearchStore
from Medical_KG_rev.index.opensearch_client import OpenSearchConnection
from Medical_KG_rev.index.opensearch_schema import FIRST, Layout
from Medical_KG_rev.index.ports import LexicalStore, Row
from Medical_KG_rev.index.stores import EmbeddedStores
from Medical_KG_rev.orchestration.resilience import ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.testing.sparse import sparse_vector

pytestmark = pytest.mark.component

NAME = "lexicon-1"
ROWS = (Row(1, "aspirin", ("source=local",), 20200101), Row(2, "stroke", (), 0, sparse_vector({5: 1.0})))
SHARDS = {"failed": 0}
Request = tuple[str, str, dict[str, Any], Any]


class Server:
    """Answers as a server with an index of the right form does; ``answers`` replaces what it says to a path."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.requests: list[Request] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}

    def perform_request(self, method: str, url: str, headers: Any = None, params: Any = None, body: Any = None) -> Any:
        self.requests.append((method, url, dict(params or {}), body))
        path = url.rpartition("/")[2].partition("?")[0]
        if path in self.answers:
            return self.answers[path](body)
        alias = self.layout.alias(NAME)
        match path:
            case "_bulk":
                return {"items": [{kind: {"status": 200, "_id": item["_id"]}} for kind, item in actions_of(body)]}
            case "_search":
                return {"_shards": SHARDS, "hits": {"hits": []}, "aggregations": {"lexicons": {"buckets": []}}}
            case "_count":
                return {"_shards": SHARDS, "count": 10}
            case "_refresh" | "_delete_by_query":
                return {"_shards": SHARDS}
            case _ if method == "GET":
                creation = self.layout.creation(alias)
                return {alias + FIRST: creation | {"aliases": {alias: {}}}}
        return {"acknowledged": True}

    def sent(self, path: str) -> list[Request]:
        return [request for request in self.requests if request[1].endswith(path)]


def actions_of(body: str) -> list[tuple[str, dict[str, Any]]]:
    """Kind and head of every action of a bulk request."""
    lines = [json.loads(line) for line in body.splitlines()]
    return [next(iter(line.items())) for line in lines if line.keys() <= {"index", "delete"}]


@pytest.fixture(params=[False, True], ids=["own", "shared"])
def layout(request: pytest.FixtureRequest) -> Layout:
    return Layout("Tenant A", is_shared=request.param)


@pytest.fixture
def server(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(layout)
    monkeypatch.setattr(Transport, "perform_request", made.perform_request)
    return made


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def store(server: Server, layout: Layout, waits: list[float]) -> OpenSearchStore:
    policy = ResiliencePolicyLoader(Settings().orchestration_dir()).load("search-store")
    caller = ResilientCaller(policy, name="search-store", sleep=waits.append)
    return OpenSearchStore(OpenSearchConnection("http://127.0.0.1:9200", caller=caller), layout)


FILTERS = st.builds(
    Filter,
    st.lists(
        st.lists(st.sampled_from(["source=local", "mesh=x", "tenant=other"]), min_size=1, max_size=3).map(tuple), max_size=3
    ).map(tuple),
    st.none() | st.integers(19000101, 20991231),
    st.none() | st.integers(19000101, 20991231),
)
TOKENS = st.lists(st.text(min_size=1, max_size=5) | st.just("tenant"), max_size=5)
USES = st.lists(
    st.one_of(
        st.tuples(st.just("search"), TOKENS, FILTERS),
        st.tuples(st.just("sparse"), st.dictionaries(st.integers(0, 30_000), st.floats(0.01, 100), max_size=5), FILTERS),
        st.tuples(st.sampled_from(["vids", "names", "drop", "add", "remove", "remove_generation"]), st.none(), st.none()),
    ),
    max_size=8,
)


@pytest.mark.parametrize("is_shared", [False, True])
@given(uses=USES, tenant_id=st.text(min_size=1, max_size=10))
def test_no_request_for_documents_leaves_without_its_tenant(
    is_shared: bool, uses: Sequence[tuple[str, Any, Any]], tenant_id: str
) -> None:
    layout = Layout(tenant_id, is_shared=is_shared)
    server = Server(layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "perform_request", server.perform_request)
        store = OpenSearchStore(OpenSearchConnection("http://127.0.0.1:9200"), layout)
        for use, wanted, narrowed in uses:
            match use:
                case "search":
                    store.reader(NAME).search(wanted, 10, narrowed)
                case "sparse":
                    store.sparse_reader(NAME).search(sparse_vector(wanted), 10, narrowed)
                case "vids" | "drop":
                    getattr(store, use)(NAME)
                case "names":
                    store.names()
                case _:
                    writer = store.writer(NAME)
                    given_to = {"add": (1, ROWS), "remove": ([1, 2],), "remove_generation": (1,)}
                    getattr(writer, use)(*given_to[use])
                    writer.commit()
    for _, url, params, body in server.requests:
        if url.endswith(("/_search", "/_count", "/_delete_by_query")):
            narrowing = body.get("post_filter", body["query"])
            assert not is_shared or narrowing is body["query"], "beside others' rows it narrows before it scores"
            assert {"term": {"tenant": tenant_id}} in narrowing["bool"]["filter"], url
            assert "should" not in body["query"]["bool"], "what is optional beside a filter would score, not narrow"
            assert params["routing"] == tenant_id, url
        if url.endswith("/_bulk"):
            for _, head in actions_of(body):
                assert head["routing"] == tenant_id
                assert head["_id"].startswith(tenant_digest(tenant_id))
            assert all(json.loads(line).get("tenant", tenant_id) == tenant_id for line in body.splitlines())


def test_only_refused_rows_are_sent_again(store: OpenSearchStore, server: Server, waits: list[float]) -> None:
    statuses = iter([[429, 201], [503], [201]])

    def bulk(body: str) -> Any:
        heads = actions_of(body)
        return {
            "items": [
                {kind: {"status": status, "_id": head["_id"]}} for (kind, head), status in zip(heads, next(statuses), strict=True)
            ]
        }

    server.answers["_bulk"] = bulk
    store.writer(NAME).add(1, ROWS)
    sent = [[head["_id"][-1] for _, head in actions_of(body)] for *_, body in server.sent("_bulk")]
    assert sent == [["1", "2"], ["1"], ["1"]]
    assert len(waits) == 2


@pytest.mark.parametrize("status", [503, 429])
def test_rows_that_are_refused_to_the_end_are_an_error(store: OpenSearchStore, server: Server, status: int) -> None:
    server.answers["_bulk"] = lambda body: {
        "items": [{kind: {"status": status, "_id": head["_id"]}} for kind, head in actions_of(body)]
    }
    with pytest.raises(RetriesExhaustedError) as caught:
        store.writer(NAME).add(1, ROWS)
    assert len(server.sent("_bulk")) == 3
    assert event_reason(caught.value) == "opensearch_unavailable"


@pytest.mark.parametrize(
    ("use", "kind", "times"),
    [
        (lambda store: store.writer(NAME), RetriesExhaustedError, 3),
        (lambda store: store.drop(NAME), RetriesExhaustedError, 3),
        (lambda store: store.names(), RetriesExhaustedError, 3),
        (lambda store: store.reader(NAME).search(["aspirin"], 10), StoreUnavailableError, 1),
        (lambda store: store.sparse_reader(NAME).search(sparse_vector({1: 1.0}), 10), StoreUnavailableError, 1),
    ],
)
def test_what_a_writer_asks_is_repeated_and_what_a_search_asks_is_not(
    store: OpenSearchStore,
    server: Server,
    layout: Layout,
    use: Callable[[OpenSearchStore], Any],
    kind: type[Exception],
    times: int,
) -> None:
    def refuse(_body: Any) -> Any:
        raise TransportError(503, "unavailable", {})

    server.answers |= dict.fromkeys([layout.alias(NAME), layout.aliases], refuse)
    with pytest.raises(kind):
        use(store)
    assert len(server.requests) == times


class Stores(EmbeddedStores):
    """Catalogue and segments in a folder, lexicons in OpenSearch."""

    def __init__(self, root: Path, store: OpenSearchStore) -> None:
        super().__init__(root)
        self._store = store

    def lexical(self, tenant_id: str, sparse: str = "") -> LexicalStore:
        return self._store


def test_r8_a_server_that_answers_503_leaves_nothing_visible(
    store: OpenSearchStore, server: Server, corpus: Any, tmp_path: Path
) -> None:
    def refuse(_body: Any) -> Any:
        raise TransportError(503, "unavailable", {"error": {"type": "x", "reason": "no node"}})

    server.answers["_bulk"] = refuse
    stores = Stores(tmp_path, store)
    writer = HaystackIndexWriter(stores)
    with pytest.raises(RetriesExhaustedError) as caught:
        corpus.write(writer, {"local:a": ["aspirin prevents stroke"]}, tenant_id="Tenant A")
    assert event_reason(caught.value) == "opensearch_unavailable"
    assert len(server.sent("_bulk")) == 3
    assert writer.live_versions("Tenant A", ["local:a"]) == {}
    with stores.reading("Tenant A") as catalogue:
        assert catalogue is not None
        assert (catalogue.head()[1], catalogue.counts(), catalogue.prepared()) == (0, (0, 0), {})
    assert [path.name for path in stores.paths("Tenant A").segments.glob("*")] == []
    stores.close()


@pytest.mark.parametrize(
    ("item", "kind", "message"),
    [
        (
            {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "bad", "caused_by": {"reason": "no number"}}},
            InvalidDocumentError,
            "no number",
        ),
        (
            {"status": 403, "error": {"type": "cluster_block_exception", "reason": "disk usage exceeded flood-stage watermark"}},
            StorageFullError,
            "no room",
        ),
        (
            {"status": 404, "_index": "medkg-x", "error": {"type": "index_not_found_exception"}},
            IndexMismatchError,
            "no index medkg-x",
        ),
    ],
)
def test_what_a_refused_row_means(
    store: OpenSearchStore, server: Server, item: dict[str, Any], kind: type[Exception], message: str
) -> None:
    server.answers["_bulk"] = lambda _body: {"items": [{"index": {"_id": "1", **item}}]}
    with pytest.raises(kind, match=message):
        store.writer(NAME).add(1, ROWS[:1])
    assert len(server.sent("_bulk")) == 1


def test_deleting_what_is_not_there_is_no_failure(store: OpenSearchStore, server: Server) -> None:
    server.answers["_bulk"] = lambda _body: {"items": [{"delete": {"_id": "1", "status": 404, "result": "not_found"}}]}
    store.writer(NAME).remove([1])
    assert len(server.sent("_bulk")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"timed_out": True, "_shards": SHARDS},
        {"timed_out": False, "_shards": {"failed": 1, "failures": [{"reason": {"type": "x", "reason": "node left"}}]}},
    ],
)
def test_an_incomplete_answer_is_an_error_and_asked_for_once(
    store: OpenSearchStore, server: Server, answer: dict[str, Any]
) -> None:
    server.answers["_search"] = lambda _body: answer | {"hits": {"hits": []}}
    with pytest.raises(StoreUnavailableError, match=r"not complete: (time ran out|x: node left)") as caught:
        store.reader(NAME).search(["aspirin"], 10)
    assert event_reason(caught.value) == "opensearch_unavailable"
    assert len(server.sent("_search")) == 1


def test_a_commit_makes_sure_that_every_row_is_held(store: OpenSearchStore, server: Server) -> None:
    server.answers["_count"] = lambda _body: {"_shards": SHARDS, "count": 1}
    writer = store.writer(NAME)
    writer.add(7, ROWS)
    with pytest.raises(StoreUnavailableError, match="holds 1 of the 2 rows that generation 7"):
        writer.commit()
    assert [url.rpartition("/")[2] for _, url, _, _ in server.requests[-3:]] == ["_bulk", "_refresh", "_count"]


def test_requests_stay_below_their_size(store: OpenSearchStore, server: Server) -> None:
    rows = [Row(vid, "x" * 100_000, (), 0) for vid in range(120)]
    store.writer(NAME).add(1, rows)
    sizes = [len(body) for *_, body in server.sent("_bulk")]
    assert max(sizes) <= 5_000_000
    assert sum(len(actions_of(body)) for *_, body in server.sent("_bulk")) == 120


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (TransportError(401, "Unauthorized", "no"), ConfigurationError, "refuses the login"),
        (TransportError(403, "Forbidden", {}), ConfigurationError, "refuses the login"),
        (TransportError(502, "bad gateway", "<html>"), StoreUnavailableError, "does not answer"),
        (NotFoundError(404, "index_not_found_exception", {"error": {"reason": "no such index"}}), IndexMismatchError, "no index"),
        (TransportError(400, "illegal_argument_exception", {"error": {"reason": "odd"}}), IndexMismatchError, "does not take"),
    ],
)
def test_what_a_refused_request_means(
    store: OpenSearchStore, server: Server, error: Exception, kind: type[Exception], message: str
) -> None:
    def refuse(_body: Any) -> Any:
        raise error

    reader = store.reader(NAME)
    server.answers["_search"] = refuse
    with pytest.raises(kind, match=message):
        reader.search(["aspirin"], 10)


def test_long_queries_are_cut_and_heavy_ones_scaled(store: OpenSearchStore, server: Server) -> None:
    store.reader(NAME).search([f"w{number}" for number in range(3_000)], 10, EVERYTHING)
    weights = {term: 1 + term / 1_000 for term in range(2_000)} | {2_000: 640.0}
    store.sparse_reader(NAME).search(sparse_vector(weights), 10)
    lexical, sparse = (body["query"]["bool"]["must"][0]["bool"]["should"] for *_, body in server.sent("_search"))
    boosts = [clause["rank_feature"]["boost"] for clause in sparse]
    assert (len(lexical), len(sparse), max(boosts)) == (512, 128, 64.0)
    assert min(boosts) > 0


def test_names_are_readable_distinct_and_allowed() -> None:
    names = {Layout(tenant).alias(NAME) for tenant in ("A.B", "a-b", "ä" * 90, "", "x" * 300, "../*,<\\|?")}
    assert len(names) == 6
    assert all(name == name.lower() and len(name) < 150 and not set(name) & set(':"*+/\\|?#>< ,') for name in names)
    assert Layout("A.B").alias(NAME).startswith("medkg-v1-a-b-")
    assert (
        Layout("A", is_shared=True).alias("x")
        == Layout("B", is_shared=True).alias("y")
        != Layout("A", is_shared=True, sparse="m").alias("x")
    )
