"""Readers and writers of one tenant at the same time, in different processes."""

from __future__ import annotations

import threading
import time

import pytest

from Medical_KG_rev.index import HaystackIndexWriter, Retriever

pytestmark = pytest.mark.component

ROUNDS = 20
DOCUMENTS = 12
"""Enough superseded rows in all rounds for the lexicon to be rebuilt meanwhile."""


def rounds(name):
    """Batches that rewrite the same documents again and again."""
    return [
        {"documents": {f"local:{name}{n}": [f"common {name} round{i}"] for n in range(DOCUMENTS)}, "version": f"v{i}"}
        for i in range(ROUNDS)
    ]


def rounds_seen(hits, name):
    return [hit.text.rpartition("round")[2] for hit in hits if f" {name} " in hit.text]


def test_a_reader_sees_whole_generations_while_two_processes_write(root, corpus, writing_processes):
    for process, name in zip(writing_processes, "ab", strict=True):
        process.order(root, batches=rounds(name))
    opened = Retriever(root, corpus.vector_of)
    answers = []
    waiter = threading.Thread(target=lambda: answers.extend(process.answer() for process in writing_processes))
    waiter.start()
    seen, longest = {"a": [], "b": []}, 0.0
    while waiter.is_alive():
        for leg in ("bm25", "dense"):
            started = time.monotonic()
            hits = opened.search("default", "common", k=1000, legs=[leg]).hits
            longest = max(longest, time.monotonic() - started)
            for name, values in seen.items():
                own = rounds_seen(hits, name)
                assert len(own) in (0, DOCUMENTS)
                assert len(set(own)) <= 1
                values.extend(own[:1])
    waiter.join()
    for status, results in answers:
        assert status == 0
        assert all("error" not in result for result in results)
    generations = [result["generation"] for _, results in answers for result in results]
    assert sorted(generations) == list(range(1, 2 * ROUNDS + 1))
    for values in seen.values():
        assert [int(value) for value in values] == sorted(int(value) for value in values)
        assert len(set(values)) > 3
    assert longest < 2.0
    assert sorted(rounds_seen(opened.search("default", "common", k=1000).hits, "a")) == [str(ROUNDS - 1)] * DOCUMENTS
    opened.close()


def test_writers_in_threads_take_turns(root, corpus):
    receipts = []

    def write(name):
        own = HaystackIndexWriter(root)
        receipts.extend(corpus.write(own, {f"local:{name}": [f"{name} {n}"]}, f"v{n}") for n in range(5))

    threads = [threading.Thread(target=write, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipt.generation for receipt in receipts) == list(range(1, 16))
    assert HaystackIndexWriter(root).live_versions("default", ["local:x", "local:y", "local:z"]).keys() == {
        "local:x",
        "local:y",
        "local:z",
    }
