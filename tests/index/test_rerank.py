"""The reranker: both servers' words, what their failures mean, and the order it leaves behind."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import (
    RateLimitedError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    RequestRejectedError,
    UnexpectedContentError,
    UsageError,
)
from Medical_KG_rev.index import Retriever
from Medical_KG_rev.index.ranking import Placed
from Medical_KG_rev.index.rerank import reordered
from Medical_KG_rev.index.rerank_endpoint import HttpReranker
from Medical_KG_rev.settings import RerankSettings

pytestmark = pytest.mark.component

URL = "http://reranker.test/v1/rerank"
TEXTS = ["one", "two", "three"]


def reranker(server="tei", **settings):
    return HttpReranker(
        RerankSettings(
            server=server, base_url="http://reranker.test/v1/", api_model="cross-encoder", api_key="secret", **settings
        )
    )


def tei(request):
    texts = json.loads(request.content)["texts"]
    scores = [{"index": index, "score": len(text) / 10} for index, text in enumerate(texts)]
    return httpx.Response(200, json=sorted(scores, key=lambda row: -row["score"]))


def test_text_embeddings_inference_is_asked_in_its_words(respx_mock):
    route = respx_mock.post(URL).mock(side_effect=tei)
    assert reranker(request_size=2).scores("query", TEXTS) == [0.3, 0.3, 0.5]
    assert [json.loads(call.request.content) for call in route.calls] == [
        {"query": "query", "texts": ["one", "two"], "truncate": True, "raw_scores": False},
        {"query": "query", "texts": ["three"], "truncate": True, "raw_scores": False},
    ]
    assert route.calls[0].request.headers["Authorization"] == "Bearer secret"


def test_vllm_is_asked_in_its_words(respx_mock):
    answer = {
        "id": "rerank-1",
        "model": "cross-encoder",
        "usage": {"total_tokens": 9},
        "results": [
            {"index": i, "document": {"text": TEXTS[i]}, "relevance_score": s} for i, s in ((2, 0.9), (0, 0.5), (1, 0.1))
        ],
    }
    route = respx_mock.post(URL).respond(json=answer)
    assert reranker("vllm").scores("query", TEXTS) == [0.5, 0.1, 0.9]
    assert json.loads(route.calls[0].request.content) == {
        "model": "cross-encoder",
        "query": "query",
        "documents": TEXTS,
        "truncate_prompt_tokens": -1,
    }


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ({"status_code": 429}, RateLimitedError),
        ({"status_code": 503, "text": "overloaded"}, RemoteUnavailableError),
        ({"status_code": 422, "json": {"error": "no reranker", "error_type": "validation"}}, RequestRejectedError),
        ({"text": "<html>"}, UnexpectedContentError),
        ({"json": {"results": []}}, UnexpectedContentError),
        ({"json": []}, UnexpectedContentError),
        ({"json": [{"index": 0, "score": 1}, {"index": 1, "score": 1}, {"index": 3, "score": 1}]}, UnexpectedContentError),
        ({"text": '[{"index":0,"score":1e999},{"index":1,"score":1},{"index":2,"score":1}]'}, UnexpectedContentError),
    ],
)
def test_a_wrong_answer_is_an_error_that_names_the_reranker(respx_mock, response, error):
    respx_mock.post(URL).respond(**response)
    with pytest.raises(error, match=r"http://reranker\.test/v1/rerank"):
        reranker().scores("query", TEXTS)


@pytest.mark.parametrize(
    ("fault", "error"), [(httpx.ReadTimeout, RemoteTimeoutError), (httpx.ConnectError, RemoteUnavailableError)]
)
def test_a_silent_or_absent_server_is_an_error(respx_mock, fault, error):
    respx_mock.post(URL).mock(side_effect=fault)
    with pytest.raises(error):
        reranker().scores("query", TEXTS)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.integers(0, 5))
def test_a_new_order_keeps_every_hit_and_its_scores_never_rise(scores, more):
    placed = [Placed(vid, 1 / (vid + 1), 100) for vid in range(len(scores) + more)]
    order = reordered(placed, scores)
    assert sorted(place.vid for place in order) == list(range(len(placed)))
    assert [place.score for place in order] == sorted((place.score for place in order), reverse=True)
    assert [place.vid for place in order[len(scores) :]] == list(range(len(scores), len(placed)))
    assert [place.from_rank for place in order[: len(scores)]] == [place.vid + 1 for place in order[: len(scores)]]


class Backwards:
    """Likes the last hit best."""

    name = "backwards"

    def scores(self, query, texts):
        assert query == "glucose"
        return [float(place) for place in range(len(texts))]


class Broken:
    name = "broken"

    def scores(self, query, texts):
        raise RemoteUnavailableError("The reranker is away.")


@pytest.fixture
def filled(writer, corpus):
    corpus.write(writer, {f"local:{n}": ["glucose " + "and more " * n] for n in range(6)})


def test_a_search_takes_the_new_order_of_its_first_hits(filled, root, corpus):
    plain = Retriever(root, corpus.vector_of).search("default", "glucose")
    retriever = Retriever(root, corpus.vector_of, reranker=Backwards(), candidates=3)
    result = retriever.search("default", "glucose", explain=True)
    ids = [hit.doc_id for hit in plain.hits]
    assert [hit.doc_id for hit in result.hits] == [*reversed(ids[:3]), *ids[3:]]
    assert [hit.score for hit in result.hits[:3]] == [2.0, 1.0, 0.0]
    assert result.hits[0].explanation["rerank"] == {"score": 2.0, "from_rank": 3}
    assert "rerank" not in result.hits[3].explanation
    assert result.to_dict()["reranker"] == {"model": "backwards", "took_ms": result.reranker.took_ms, "hits": 3}
    assert retriever.search("default", "glucose", k=2, offset=1).hits == tuple(
        Retriever(root, corpus.vector_of, reranker=Backwards(), candidates=3).search("default", "glucose").hits[1:3]
    )
    assert retriever.search("default", "glucose", rerank=0).hits == plain.hits


def test_a_reranker_that_fails_is_named_and_the_order_stays(filled, root, corpus):
    plain = Retriever(root, corpus.vector_of).search("default", "glucose")
    result = Retriever(root, corpus.vector_of, reranker=Broken()).search("default", "glucose")
    assert result.hits == plain.hits
    assert result.partial is True
    assert result.to_dict()["reranker"]["error"] == {"code": "remote_unavailable", "message": "The reranker is away."}


def test_no_reranker_is_the_default_and_asking_for_one_is_refused(filled, retriever):
    assert "reranker" not in retriever.search("default", "glucose").to_dict()
    with pytest.raises(UsageError, match="MK_RERANK__SERVER"):
        retriever.search("default", "glucose", rerank=5)
    assert RerankSettings().server == "none"
