"""Requests and results of a retrieval service: the fields that there must be, and what they mean."""

from __future__ import annotations

import json

import msgspec
import pytest

from Medical_KG_rev.errors import RemoteUnavailableError, UsageError
from Medical_KG_rev.index import Retriever
from Medical_KG_rev.index.requests import RetrievalResult, RetrievedDocument, RetrieveRequest

pytestmark = pytest.mark.component

REQUEST = {"tenant_id", "query", "top_k", "filters", "profile", "metadata", "explain"} | {
    "rerank",
    "rerank_top_k",
    "rerank_overflow",
}
RESULT = ["query", "documents", "total", "rerank_metrics", "pipeline_version", "partial", "degraded", "errors", "stage_timings"]
DOCUMENT = ["id", "title", "score", "summary", "source", "metadata", "explain"]

DOCUMENTS = {
    "local:1": ["metformin lowers glucose", "lactic acidosis under metformin"],
    "openalex:W2": ["insulin glargine and glucose", "metformin and insulin"],
    "clinicaltrials:NCT3": ["surgery for lumbar disc herniation"],
}


class ByLength:
    name = "by-length"

    def scores(self, query, texts):
        return [-float(len(text)) for text in texts]


class Broken:
    name = "broken"

    def scores(self, query, texts):
        raise RemoteUnavailableError("The reranker is away.")


@pytest.fixture
def filled(writer, corpus):
    corpus.write(writer, DOCUMENTS)


def request(query="metformin", **options):
    return RetrieveRequest(tenant_id="default", query=query, **options)


def test_every_field_is_there():
    assert set(RetrieveRequest.__struct_fields__) >= REQUEST
    assert set(RESULT) <= set(RetrievalResult.__struct_fields__)
    assert list(RetrievedDocument.__struct_fields__) == DOCUMENT


def test_defaults_are_those_of_the_contract():
    defaults = request()
    assert (defaults.top_k, defaults.rerank, defaults.rerank_top_k, defaults.explain) == (5, True, 10, False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"top_k": 0}, "top_k is 0. Give 1 to 50"),
        ({"top_k": 51}, "top_k is 51"),
        ({"rerank_top_k": 0}, "rerank_top_k is 0"),
        ({"skip": -1}, "skip is -1"),
        ({"profile": "semantic"}, "Valid: hybrid, lexical, sparse, dense"),
        ({"filters": {"journal": "Lancet"}}, "'journal' is not a field"),
        ({"filters": {"since": ["2020", "2021"]}}, "one date each"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_comes_in(wrong, message):
    with pytest.raises(UsageError, match=message):
        request(**wrong)


def test_a_request_comes_out_of_json_and_its_answer_goes_into_it(filled, retriever):
    text = b"""{"tenant_id": "default", "query": "metformin", "profile": "lexical", "filters": {"source": "local"},
        "metadata": {"trace": 7}}"""
    answer = retriever.retrieve(msgspec.json.decode(text, type=RetrieveRequest)).to_dict()
    assert [document["id"] for document in json.loads(json.dumps(answer))["documents"]] == ["local:1"]
    assert answer["metadata"] == {"trace": 7}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"tenant_id": "default", "query": "q", "$top": 3}', type=RetrieveRequest)


def test_documents_come_by_their_best_passage(filled, retriever):
    answer = retriever.retrieve(request("lactic acidosis under metformin", profile="lexical"))
    first = answer.documents[0]
    assert [document.id for document in answer.documents] == ["local:1", "openalex:W2"]
    assert (first.title, first.source, first.summary) == ("Title of local:1", "local", "lactic acidosis under metformin")
    assert (first.metadata["chunk_id"], first.metadata["ranks"], first.explain) == ("local:1:chunk:1", {"bm25": 1}, None)
    assert (answer.total, answer.partial, answer.degraded, answer.errors) == (2, False, False, ())
    assert answer.rerank_metrics == {"applied": False}
    assert {"bm25", "fusion", "hits", "total"} <= answer.stage_timings.keys()


def test_pages_profiles_filters_and_explanations(filled, retriever):
    whole = retriever.retrieve(request(top_k=3)).documents
    assert retriever.retrieve(request(top_k=1, skip=1)).documents == whole[1:2]
    assert retriever.retrieve(request(profile="dense")).stage_timings.keys() >= {"dense"}
    only = retriever.retrieve(request(filters={"source": ["openalex"]}, profile="lexical", explain=True)).documents
    assert [document.id for document in only] == ["openalex:W2"]
    assert only[0].explain["method"] == "rrf"


def test_a_lost_leg_makes_an_answer_partial(filled, root):
    def away(_query):
        raise RemoteUnavailableError("The endpoint is away.")

    answer = Retriever(root, away).retrieve(request())
    assert (answer.partial, answer.degraded) == (True, True)
    assert answer.errors == ({"part": "dense", "code": "remote_unavailable", "message": "The endpoint is away."},)
    assert answer.documents


def test_a_lost_reranker_degrades_an_answer(filled, root, corpus):
    answer = Retriever(root, corpus.vector_of, reranker=Broken()).retrieve(request())
    assert (answer.partial, answer.degraded, answer.errors[0]["part"]) == (False, True, "reranker")
    assert answer.rerank_metrics["applied"] is False


def test_a_reranker_orders_as_many_as_the_request_says(filled, root, corpus):
    retriever = Retriever(root, corpus.vector_of, reranker=ByLength())
    plain = retriever.retrieve(request(rerank=False))
    assert plain.rerank_metrics == {"applied": False}
    answer = retriever.retrieve(request(rerank_top_k=2))
    assert [len(document.summary) for document in answer.documents] == sorted(len(d.summary) for d in plain.documents[:2])
    metrics = answer.rerank_metrics
    assert (metrics["applied"], metrics["model"], metrics["candidates"]) == (True, "by-length", 2)
    assert len(retriever.retrieve(request(rerank_top_k=2, rerank_overflow=True)).documents) == len(plain.documents) == 3
    assert answer.pipeline_version == plain.pipeline_version != Retriever(root).version
