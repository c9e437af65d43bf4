"""Any sequence of writes, deletions and compactions against a dictionary; and no tenant ever sees another's."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Medical_KG_rev.index import HaystackIndexWriter, Retriever

pytestmark = pytest.mark.component

TENANTS = st.sampled_from(["default", "De-fault"])
DOC_IDS = st.sampled_from([f"local:{n}" for n in range(6)])
WORDS = st.sampled_from(["aspirin", "ibuprofen", "warfarin", "heparin"])
CHUNKS = st.lists(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("write"), TENANTS, st.dictionaries(DOC_IDS, CHUNKS, min_size=1, max_size=4)),
    st.tuples(st.just("delete"), TENANTS, DOC_IDS),
    st.tuples(st.just("compact"), TENANTS, st.none()),
)


class Oracle:
    """The index as a dictionary: tenant → document → (version, chunk texts)."""

    def __init__(self, corpus, root):
        self.corpus = corpus
        self.writer = HaystackIndexWriter(root)
        self.retriever = Retriever(root, corpus.vector_of)
        self.held = {"default": {}, "De-fault": {}}

    def take(self, number, step):
        kind, tenant, argument = step
        held = self.held[tenant]
        if kind == "write":
            receipt = self.corpus.write(self.writer, argument, f"v{number % 3}", tenant)
            for doc_id, chunks in argument.items():
                same = held.get(doc_id) == (f"v{number % 3}", chunks)
                assert receipt.per_document[doc_id].status == ("unchanged" if same else "written")
                held[doc_id] = (f"v{number % 3}", chunks)
        elif kind == "delete":
            assert self.writer.delete(tenant, argument) == len(held.pop(argument, ("", []))[1])
        else:
            self.writer.compact(tenant)

    def check(self):
        for tenant, held in self.held.items():
            chunks = {f"{doc}:chunk:{n}": text for doc, (_, texts) in held.items() for n, text in enumerate(texts)}
            assert self.writer.live_versions(tenant, [f"local:{n}" for n in range(6)]) == {
                doc: version for doc, (version, _) in held.items()
            }
            assert self.found(tenant, "aspirin", "dense") == chunks
            assert self.found(tenant, "aspirin", "bm25") == {i: text for i, text in chunks.items() if "aspirin" in text}

    def found(self, tenant, query, leg):
        return {hit.chunk_id: hit.text for hit in self.retriever.search(tenant, query, k=100, legs=[leg]).hits}


@settings(max_examples=40)
@given(steps=st.lists(STEPS, min_size=1, max_size=12))
def test_the_index_is_a_dictionary_that_can_be_searched(corpus, steps):
    with tempfile.TemporaryDirectory() as folder:
        oracle = Oracle(corpus, Path(folder))
        for number, step in enumerate(steps):
            oracle.take(number, step)
            oracle.check()
        oracle.retriever.close()


def test_tenants_with_the_same_ids_share_nothing(writer, corpus, found):
    corpus.write(writer, {"local:1": ["aspirin for one"]}, tenant_id="one")
    corpus.write(writer, {"local:1": ["aspirin for two"]}, tenant_id="two")
    assert found("aspirin", "one") == {"local:1:chunk:0": "aspirin for one"}
    assert found("aspirin", "two") == {"local:1:chunk:0": "aspirin for two"}
    assert writer.delete("one", "local:1") == 1
    assert found("aspirin", "one") == {}
    assert found("aspirin", "two") == {"local:1:chunk:0": "aspirin for two"}
