"""The shipped default on SciFact's training queries: better than each of its legs, and none of them worse than it was.

The vectors of 5,183 abstracts take some minutes, so this runs where `MK_RETRIEVAL_QUALITY` is set, as `make test-all` does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from Medical_KG_rev.index.evaluation import evaluate, read_judgements
from Medical_KG_rev.platform import Platform

IS_ASKED_FOR = bool(os.environ.get("MK_RETRIEVAL_QUALITY"))

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(not IS_ASKED_FOR, reason="takes some minutes; `make test-all` sets MK_RETRIEVAL_QUALITY"),
]

Measures = Mapping[str, float]

FLOORS = {"bm25": 0.69, "sparse": 0.655, "dense": 0.736}
"""nDCG@10: 0.01 below what each leg had when the weights were chosen (docs/reference/retrieval-quality.md)."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, models_dir: Path, test_data: Path) -> Iterator[dict[str, Measures]]:
    folder = test_data / "beir" / "scifact"
    qrels = read_judgements(folder / "qrels" / "train.tsv")
    rows = [json.loads(line) for line in (folder / "queries_train.jsonl").read_text("utf-8").splitlines()]
    with Platform.open(data_dir=tmp_path_factory.mktemp("scifact"), models_dir=models_dir) as platform:
        *_, last = platform.ingest("local", paths=[folder / "corpus.jsonl"])
        assert last["result"]["completed"] == 5183
        yield {
            name: evaluate(
                {
                    row["_id"]: [hit.doc_id for hit in platform.search_documents(row["text"], k=100, legs=legs).hits]
                    for row in rows
                    if row["_id"] in qrels
                },
                qrels,
            ).measures
            for name, legs in {"default": None, **{leg: (leg,) for leg in FLOORS}}.items()
        }


def test_the_default_is_better_than_each_of_its_legs(measured: dict[str, Measures]) -> None:
    legs = [measured[leg] for leg in FLOORS]
    assert measured["default"]["ndcg@10"] >= max(leg["ndcg@10"] for leg in legs) + 0.015
    assert measured["default"]["recall@100"] > max(leg["recall@100"] for leg in legs)


def test_the_default_stays_as_good_as_it_was(measured: dict[str, Measures]) -> None:
    assert measured["default"]["ndcg@10"] >= 0.765
    assert measured["default"]["recall@100"] >= 0.964


@pytest.mark.parametrize("leg", FLOORS)
def test_no_leg_falls_behind_its_reference(measured: dict[str, Measures], leg: str) -> None:
    assert measured[leg]["ndcg@10"] >= FLOORS[leg]
