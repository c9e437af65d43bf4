"""The acceptance scenarios of search by their ids: three legs side by side, and tenants apart. Others are in ``tests/text``."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from Medical_KG_rev.index import HaystackIndexWriter, Retriever
from Medical_KG_rev.index.filters import make_filter
from Medical_KG_rev.index.legs import LEGS

pytestmark = pytest.mark.component


def searching(root, corpus, **options):
    """A retriever for all three legs."""
    return Retriever(root, corpus.vector_of, expand_query=lambda query: corpus.sparse_of([query], "q").row(0), **options)


@pytest.fixture
def trials(writer, corpus):
    documents = {f"clinicaltrials:NCT{n:08}": [f"metformin trial {n} group {n % 7}", f"glucose at week {n}"] for n in range(150)}
    corpus.write(writer, documents)
    return documents


def test_r9_three_legs_give_a_hundred_each_and_ten_hits_by_their_reciprocal_ranks(trials, root, corpus):
    meeting = threading.Barrier(2, timeout=30)

    def encode(query):
        meeting.wait()
        return corpus.vector_of(query)

    def expand(query):
        meeting.wait()
        return corpus.sparse_of([query], "q").row(0)

    result = Retriever(root, encode, expand_query=expand).search("default", "metformin trial group 3", k=10)
    assert list(result.legs) == ["bm25", "sparse", "dense"]
    assert [leg.hits for leg in result.legs.values()] == [100, 100, 100]
    assert [hit.rank for hit in result.hits] == list(range(1, 11))
    for hit in result.hits:
        assert hit.score == pytest.approx(sum(1 / (60 + rank) for rank in hit.ranks.values()))
        text = trials[hit.doc_id][int(hit.chunk_id.rsplit(":", 1)[1])]
        assert (hit.text, hit.end - hit.start, hit.source) == (text, len(text), "clinicaltrials")
        assert hit.title == f"Title of {hit.doc_id}"


def test_r9_the_legs_are_those_that_the_index_has(trials, root, corpus):
    assert list(searching(root, corpus).search("default", "metformin").legs) == list(LEGS)
    assert list(Retriever(root, corpus.vector_of).search("default", "metformin").legs) == ["bm25", "dense"]
    assert list(Retriever(root).search("default", "metformin").legs) == ["bm25"]


def test_every_leg_is_narrowed_before_it_ranks(writer, root, corpus):
    common = {f"local:{n}": [f"metformin metformin {n}"] for n in range(300)}
    corpus.write(writer, common | {"openalex:W1": ["metformin among many other words of no use"]})
    retriever = searching(root, corpus, depth=5)
    for leg in LEGS:
        found = retriever.search("default", "metformin", legs=[leg], wanted=make_filter({"source": ["openalex"]}))
        assert [hit.doc_id for hit in found.hits] == ["openalex:W1"], leg
        assert not retriever.search("default", "metformin", legs=[leg], wanted=make_filter({}, since="1900")).hits


WORDS = st.sampled_from(["metformin", "glucose", "insulin", "trial", "IL-6", "acidosis"])
TEXTS = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)
DOCUMENTS = st.dictionaries(
    st.sampled_from([f"local:{n}" for n in range(6)]), st.lists(TEXTS, min_size=1, max_size=3), min_size=1
)
TENANTS = ("a", "A", "a-b")


def own(documents, tenant):
    """What a tenant stores: the same ids and words as others, and a word of its own."""
    return {doc_id: [f"{text} of {tenant}" for text in texts] for doc_id, texts in documents.items()}


@examples(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries(dict.fromkeys(TENANTS, DOCUMENTS)), TEXTS, st.sampled_from([*LEGS, None]))
def test_r10_a_tenant_finds_its_own_and_ranks_as_if_it_were_alone(corpus, stored, query, leg):
    legs = [leg] if leg else None
    with TemporaryDirectory() as folder:
        shared = Path(folder) / "shared"
        for tenant, documents in stored.items():
            corpus.write(HaystackIndexWriter(shared), own(documents, tenant), tenant_id=tenant)
        retriever = searching(shared, corpus)
        for tenant, documents in stored.items():
            alone = Path(folder) / f"alone-{TENANTS.index(tenant)}"
            corpus.write(HaystackIndexWriter(alone), own(documents, tenant), tenant_id=tenant)
            hits = retriever.search(tenant, query, k=100, legs=legs).hits
            apart = searching(alone, corpus)
            assert hits == apart.search(tenant, query, k=100, legs=legs).hits
            apart.close()
            texts = own(documents, tenant)
            assert all(hit.text in texts[hit.doc_id] for hit in hits)
            writer = HaystackIndexWriter(shared)
            for other in stored.values():
                for doc_id in other:
                    assert [chunk.text for chunk in writer.chunks(tenant, doc_id)] == texts.get(doc_id, [])
                    assert {chunk.tenant_id for chunk in writer.chunks(tenant, doc_id)} <= {tenant}
        assert retriever.search("nobody", query, legs=legs).hits == ()
        retriever.close()


@pytest.fixture(scope="module")
def asked(tmp_path_factory, corpus):
    root = tmp_path_factory.mktemp("asked") / "index"
    corpus.write(HaystackIndexWriter(root), {"local:1": ["metformin lowers glucose"], "local:2": ["IL-6 и глюкоза 血糖"]})
    retriever = searching(root, corpus)
    yield retriever
    retriever.close()


@examples(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=()), max_size=80) | st.sampled_from(["\x00", "a", "the of", '"(*~^', "IL-6 血糖"])
)
def test_any_text_is_a_query_with_a_clear_answer(asked, query):
    result = asked.search("default", query, k=10_000, highlight=True, explain=True)
    assert json.loads(json.dumps(result.to_dict(), ensure_ascii=False).encode()) is not None
    assert list(result.legs) == list(LEGS)
    assert not result.partial
    assert all(hit.text[start:end] for hit in result.hits for start, end in hit.highlights)
    assert bool(result.hits) == any(leg.hits for leg in result.legs.values())
