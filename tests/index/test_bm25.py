"""The lexical leg against an independent BM25 (k1 1.2, b 0.75) over the same tokens."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from Medical_KG_rev.index import Analyser, evaluate, read_judgements

pytestmark = pytest.mark.component

K1, B = 1.2, 0.75


class PlainBM25:
    """BM25 with Lucene's idf, by the formula, over token lists."""

    def __init__(self, documents):
        self.names = list(documents)
        self.rows = {name: row for row, name in enumerate(self.names)}
        lengths = np.array([len(documents[name]) for name in self.names])
        self.norms = K1 * (1 - B + B * lengths / lengths.mean())
        self.postings = {}
        for row, name in enumerate(self.names):
            for token, count in Counter(documents[name]).items():
                self.postings.setdefault(token, []).append((row, count))

    def scores(self, query):
        total = np.zeros(len(self.names))
        for token in query:
            posting = self.postings.get(token, [])
            idf = np.log(1 + (len(self.names) - len(posting) + 0.5) / (len(posting) + 0.5))
            for row, count in posting:
                total[row] += idf * count * (K1 + 1) / (count + self.norms[row])
        return total

    def ranking(self, query, k):
        scores = self.scores(query)
        order = np.lexsort((np.arange(len(scores)), -scores))[:k]
        return [self.names[row] for row in order if scores[row] > 0]


def random_documents(count, longest, seed):
    rng = np.random.default_rng(seed)
    vocabulary = np.array([f"w{n}x" for n in range(400)])
    weights = 1 / np.arange(1, 401)
    lengths = rng.integers(3, longest, count)
    return {f"local:{n}": rng.choice(vocabulary, size, p=weights / weights.sum()).tolist() for n, size in enumerate(lengths)}


def write(writer, corpus, documents):
    names = list(documents)
    for start in range(0, len(names), 100):
        corpus.write(writer, {name: [" ".join(documents[name])] for name in names[start : start + 100]})


def test_scores_are_those_of_the_formula(writer, corpus, retriever):
    documents = random_documents(500, longest=40, seed=1)  # lengths up to 40 are kept exactly by tantivy
    write(writer, corpus, documents)
    plain = PlainBM25(documents)
    rng = np.random.default_rng(2)
    for _ in range(40):
        query = [f"w{n}x" for n in rng.integers(0, 400, rng.integers(1, 6))]
        hits = retriever.search("default", " ".join(query), k=50, legs=["bm25"], explain=True).hits
        scores = plain.scores(query)
        for hit in hits:
            assert hit.explanation["legs"]["bm25"]["score"] == pytest.approx(scores[plain.rows[hit.doc_id]], rel=1e-5)
        assert [scores[plain.rows[hit.doc_id]] for hit in hits] == pytest.approx(np.sort(scores)[::-1][: len(hits)], rel=1e-5)
        assert len(hits) == min(50, int((scores > 0).sum()))


def test_long_documents_rank_almost_alike(writer, corpus, retriever):
    documents = random_documents(600, longest=400, seed=3)  # tantivy keeps long lengths in one byte
    write(writer, corpus, documents)
    plain = PlainBM25(documents)
    rng = np.random.default_rng(4)
    overlaps = []
    for _ in range(40):
        query = [f"w{n}x" for n in rng.integers(5, 400, 4)]
        found = {hit.doc_id for hit in retriever.search("default", " ".join(query), k=10, legs=["bm25"]).hits}
        overlaps.append(len(found & set(plain.ranking(query, 10))) / 10)
    assert np.mean(overlaps) >= 0.9


def test_scifact_quality_is_that_of_the_independent_bm25(writer, corpus, retriever, test_data):
    folder = test_data / "beir" / "scifact"
    analyser = Analyser()
    texts = {}
    for line in (folder / "corpus.jsonl").read_text().splitlines():
        record = json.loads(line)
        texts[f"local:{record['_id']}"] = f"{record['title']}\n\n{record['text']}"
    names = list(texts)
    for start in range(0, len(names), 1000):
        corpus.write(writer, {name: [texts[name]] for name in names[start : start + 1000]})
    judgements = read_judgements(folder / "qrels" / "train.tsv")
    queries = {q["_id"]: q["text"] for q in map(json.loads, (folder / "queries_train.jsonl").read_text().splitlines())}
    queries = {query_id: text for query_id, text in list(queries.items())[:300] if query_id in judgements}
    judged = {query_id: judgements[query_id] for query_id in queries}
    plain = PlainBM25({name: analyser.tokens(text) for name, text in texts.items()})
    ours = {
        query_id: [hit.doc_id for hit in retriever.search_documents("default", text, legs=["bm25"]).hits]
        for query_id, text in queries.items()
    }
    theirs = {query_id: plain.ranking(analyser.tokens(text), 100) for query_id, text in queries.items()}
    mine, other = evaluate(ours, judged).measures, evaluate(theirs, judged).measures
    assert mine["ndcg@10"] == pytest.approx(other["ndcg@10"], abs=0.01)
    assert mine["ndcg@10"] > 0.65
    assert mine["recall@100"] > 0.9
