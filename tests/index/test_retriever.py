"""What a search answers, and what it refuses."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import FIRST_COMPLETED, wait

import numpy as np
import pytest

from Medical_KG_rev.errors import IndexMismatchError, RemoteUnavailableError, StoreUnavailableError, UsageError
from Medical_KG_rev.index import HaystackRetriever, Retriever
from Medical_KG_rev.index.filters import make_filter
from Medical_KG_rev.index.stores import tenant_folder

pytestmark = pytest.mark.component

DOCUMENTS = {
    "local:1": ["metformin lowers glucose", "lactic acidosis under metformin"],
    "openalex:W2": ["insulin glargine and glucose"],
    "clinicaltrials:NCT3": ["surgery for lumbar disc herniation"],
}


@pytest.fixture
def filled(writer, corpus):
    corpus.write(writer, DOCUMENTS)


def test_a_hit_says_where_it_comes_from(filled, retriever):
    result = retriever.search("default", "lactic acidosis")
    assert json.loads(json.dumps(result.to_dict()["hits"][0])) == {
        "rank": 1,
        "score": pytest.approx(1 / 61 + 1 / (60 + result.hits[0].ranks["dense"])),
        "doc_id": "local:1",
        "chunk_id": "local:1:chunk:1",
        "title": "Title of local:1",
        "text": "lactic acidosis under metformin",
        "source": "local",
        "section": "Results",
        "page": None,
        "bbox": None,
        "start": 100,
        "end": 131,
        "ranks": {"bm25": 1, "dense": result.hits[0].ranks["dense"]},
    }


def test_the_result_has_the_agreed_shape(filled, retriever):
    result = retriever.search("default", "glucose").to_dict()
    assert list(result) == ["query", "took_ms", "legs", "hits", "partial", "generation"]
    assert {name: leg["hits"] for name, leg in result["legs"].items()} == {"bm25": 2, "dense": 4}
    assert all(leg["took_ms"] >= 0 for leg in result["legs"].values())
    assert result["partial"] is False
    assert [hit["rank"] for hit in result["hits"]] == [1, 2, 3, 4]


def test_a_passage_is_its_own_best_dense_hit(filled, retriever):
    for texts in DOCUMENTS.values():
        for text in texts:
            assert retriever.search("default", text, legs=["dense"], k=1).hits[0].text == text


def test_explanations_add_up(filled, retriever):
    for hit in retriever.search("default", "glucose", explain=True).hits:
        legs = hit.to_dict()["explanation"]["legs"]
        assert sum(leg["contribution"] for leg in legs.values()) == pytest.approx(hit.score)
        assert legs.keys() == hit.ranks.keys()


@pytest.mark.parametrize("query", ["", "   ", "???", "\x00", "the of", "\u2028", '()[]{}:*^~"\\'])
def test_a_query_without_words_finds_nothing(filled, retriever, query):
    result = retriever.search("default", query)
    assert result.hits == ()
    assert result.legs.keys() == {"bm25", "dense"}


@pytest.mark.parametrize(
    "query", ['glucose AND (insulin OR "', "title:glucose^2 -insulin", "glucose " * 30_000, "\ud800 glucose"]
)
def test_queries_are_words_never_syntax(filled, retriever, query):
    assert {hit.doc_id for hit in retriever.search("default", query, legs=["bm25"]).hits} == {"local:1", "openalex:W2"}


def test_an_unknown_leg_lists_the_valid_ones(filled, retriever):
    with pytest.raises(UsageError, match=r"'splade' is not a search leg\. Valid legs: bm25, sparse, dense"):
        retriever.search("default", "glucose", legs=["bm25", "splade"])


@pytest.mark.parametrize("options", [{"legs": []}, {"k": 0}, {"offset": -1}, {"k": 10_001}, {"k": 10, "offset": 9_991}])
def test_searches_for_nothing_are_refused(retriever, options):
    with pytest.raises(UsageError):
        retriever.search("default", "glucose", **options)


def test_the_dense_leg_needs_an_encoder(filled, root):
    with pytest.raises(UsageError, match=r"needs a query encoder\. Use --legs bm25\."):
        Retriever(root).search("default", "glucose", legs=["dense"])
    assert Retriever(root).search("default", "glucose").legs.keys() == {"bm25"}


def test_a_tenant_without_an_index_finds_nothing_and_gets_none(retriever, root):
    assert retriever.search("nobody", "glucose").hits == ()
    assert not root.exists()


def test_another_models_query_is_refused(filled, root, corpus):
    with pytest.raises(IndexMismatchError, match="fingerprint"):
        Retriever(root, corpus.vector_of, model_fingerprint="other/1").search("default", "glucose")
    with pytest.raises(IndexMismatchError, match="3 dimensions"):
        Retriever(root, lambda _: np.ones(3, dtype=np.float32)).search("default", "glucose")
    assert Retriever(root, corpus.vector_of, model_fingerprint="test/1").search("default", "glucose").hits


def test_documents_come_by_their_best_passage_however_deep(writer, corpus, root):
    many = {"local:0": [f"metformin passage {number}" for number in range(300)]}
    corpus.write(writer, many | {f"local:{n}": [f"metformin document {n} " + "word " * 30] for n in range(1, 8)})
    shallow = Retriever(root, corpus.vector_of, depth=20)
    result = shallow.search_documents("default", "metformin", k=8, legs=["bm25"])
    assert [hit.rank for hit in result.hits] == list(range(1, 9))
    assert {hit.doc_id for hit in result.hits} == {f"local:{n}" for n in range(8)}
    assert len(shallow.search_documents("default", "metformin", k=100).hits) == 8


def test_a_query_is_encoded_once_however_deep_the_legs_go(writer, corpus, root):
    corpus.write(writer, {"local:0": [f"metformin {number}" for number in range(100)], "local:1": ["metformin"]})
    calls = []

    def encode(query):
        calls.append(query)
        return corpus.vector_of(query)

    assert len(Retriever(root, encode, depth=5).search_documents("default", "metformin", k=50).hits) == 2
    assert calls == ["metformin"]


def test_a_long_lived_retriever_notices_new_generations_and_new_indexes(filled, writer, corpus, retriever, root):
    assert retriever.search("default", "herniation", legs=["bm25"]).hits
    corpus.write(writer, {"local:9": ["herniation again"]})
    assert len(retriever.search("default", "herniation", legs=["bm25"]).hits) == 2
    shutil.rmtree(tenant_folder(root, "default"))
    assert retriever.search("default", "herniation").hits == ()
    corpus.write(writer, {"local:9": ["herniation anew"]})
    assert [hit.text for hit in retriever.search("default", "herniation", legs=["bm25"]).hits] == ["herniation anew"]


def test_a_lost_part_is_an_error_never_an_empty_answer(filled, root, corpus):
    folder = tenant_folder(root, "default")
    shutil.rmtree(folder / "segments")
    with pytest.raises(IndexMismatchError, match=r"1\.faiss"):
        Retriever(root, corpus.vector_of).search("default", "glucose")
    shutil.rmtree(folder / "lexicons")
    with pytest.raises(StoreUnavailableError, match="lexicon-1"):
        Retriever(root, corpus.vector_of).search("default", "glucose")


@pytest.fixture
def many(writer, corpus):
    corpus.write(
        writer, {f"local:{n}": [f"metformin trial {n} {part} " + "word " * (n % 7) for part in "abc"] for n in range(40)}
    )


def test_pages_fit_together_and_every_hit_is_the_same_on_any(many, root, corpus):
    retriever = Retriever(root, corpus.vector_of, depth=10)
    whole = retriever.search("default", "metformin trial 7", k=120, explain=True)
    assert [hit.rank for hit in whole.hits] == list(range(1, 121))
    assert [hit.score for hit in whole.hits] == sorted((hit.score for hit in whole.hits), reverse=True)
    for size in (1, 7, 50):
        pages = [
            retriever.search("default", "metformin trial 7", k=size, offset=offset, explain=True, generation=whole.generation)
            for offset in range(0, 120, size)
        ]
        assert tuple(hit for page in pages for hit in page.hits) == whole.hits
    assert retriever.search("default", "metformin trial 7", k=5, offset=5_000).hits == ()


def test_documents_page_by_page(many, root, corpus):
    retriever = Retriever(root, corpus.vector_of, depth=10)
    whole = retriever.search("default", "metformin", k=40, collapse=True).hits
    assert len({hit.doc_id for hit in whole}) == len(whole) == 40
    assert retriever.search("default", "metformin", k=9, offset=12, collapse=True).hits == whole[12:21]


def test_a_page_of_another_generation_is_refused(many, writer, corpus, retriever):
    first = retriever.search("default", "metformin")
    corpus.write(writer, {"local:new": ["metformin"]})
    with pytest.raises(UsageError, match=f"not {first.generation}. Begin again at the first page"):
        retriever.search("default", "metformin", offset=10, generation=first.generation)


def test_ten_thousand_hits_may_be_asked_for(many, retriever):
    assert len(retriever.search("default", "metformin", k=10_000).hits) == 120


def test_only_what_is_wanted_is_found(filled, retriever):
    wanted = make_filter({"source": ["openalex", "clinicaltrials"]})
    assert {hit.doc_id for hit in retriever.search("default", "glucose", legs=["bm25"], wanted=wanted).hits} == {"openalex:W2"}
    nothing = retriever.search("default", "glucose", legs=["bm25"], wanted=make_filter({}, since="2020"))
    assert (nothing.hits, nothing.partial, nothing.legs["bm25"].error) == ((), False, None)


def test_a_leg_whose_model_is_away_is_named_and_the_rest_answers(filled, root):
    def away(_query):
        raise RemoteUnavailableError("The endpoint is away.", remedy="Start it.")

    result = Retriever(root, away).search("default", "lactic acidosis").to_dict()
    assert result["partial"] is True
    assert result["legs"]["dense"]["error"] == {"code": "remote_unavailable", "message": "The endpoint is away. Start it."}
    assert "error" not in result["legs"]["bm25"]
    assert (result["hits"][0]["chunk_id"], result["hits"][0]["ranks"]) == ("local:1:chunk:1", {"bm25": 1})
    with pytest.raises(RemoteUnavailableError):
        Retriever(root, away).search("default", "lactic acidosis", legs=["dense"])


def test_a_late_leg_holds_nobody_up_and_harms_no_later_search(filled, root, corpus):
    released = threading.Event()

    def slow(query):
        released.wait(30)
        return corpus.vector_of(query)

    retriever = Retriever(root, slow, wait_for=lambda futures, _: wait(futures, 30, FIRST_COMPLETED))
    late = retriever.search("default", "glucose")
    assert (late.partial, late.legs["dense"].hits, late.legs["dense"].error["code"]) == (True, 0, "store_unavailable")
    assert late.hits
    released.set()
    for _ in range(20):
        assert retriever.search("default", "glucose", legs=["bm25"]).hits == late.hits
    retriever.close()


def test_matched_words_are_told_on_request(filled, retriever):
    hit = retriever.search("default", "acidosis lactic", highlight=True, k=1).hits[0]
    assert [hit.text[start:end] for start, end in hit.highlights] == ["lactic", "acidosis"]
    assert "highlights" not in retriever.search("default", "acidosis").hits[0].to_dict()


def test_threads_may_share_a_retriever(filled, retriever):
    answers = []
    expected = retriever.search("default", "glucose insulin").hits

    def ask():
        answers.extend(retriever.search("default", "glucose insulin").hits for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 120
    assert all(hits == expected for hits in answers)


def test_it_is_a_haystack_component(filled, root, corpus):
    from haystack import Pipeline

    pipeline = Pipeline()
    pipeline.add_component("retriever", HaystackRetriever(root, corpus.vector_of))
    documents = pipeline.run({"retriever": {"query": "lactic acidosis", "top_k": 2}})["retriever"]["documents"]
    assert len(documents) == 2
    assert documents[0].id == "local:1:chunk:1"
    assert (documents[0].content, documents[0].meta["start"]) == ("lactic acidosis under metformin", 100)
    narrow = pipeline.run({"retriever": {"query": "glucose", "filters": {"source": "openalex"}, "legs": ["bm25"]}})["retriever"]
    assert [document.meta["doc_id"] for document in narrow["documents"]] == ["openalex:W2"]
    assert narrow["partial"] is False
