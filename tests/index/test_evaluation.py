"""Retrieval measures against values worked out by hand."""

from __future__ import annotations

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.index import evaluate, read_judgements, read_run, write_run
from Medical_KG_rev.index.evaluation import ndcg

pytestmark = pytest.mark.unit


def test_ndcg_by_hand():
    # the logarithms of 2, 3, 5 for what was found, and of 2, 3, 4 for the ideal order
    value = ndcg([3, 2, 0, 1], [1, 2, 3], 10)
    assert value == pytest.approx((3 + 2 / 1.5849625007 + 1 / 2.3219280949) / (3 + 2 / 1.5849625007 + 0.5))
    assert value == pytest.approx(0.985442, abs=1e-6)
    assert ndcg([0, 1], [1], 1) == 0.0
    assert ndcg([1], [1, 1], 1) == 1.0


def test_measures_over_queries_by_hand():
    judgements = {"q1": {"a": 1, "b": 2, "c": 0}, "q2": {"d": 1}, "q3": {"e": 1}, "q4": {"f": 0}}
    run = {"q1": ["c", "b", "x", "a"], "q2": ["y", "z", "d"], "unjudged": ["a"]}
    result = evaluate(run, judgements, ks=(2, 10))
    assert (result.queries, result.unanswered) == (3, 1)
    q1_at_2 = (2 / math.log2(3)) / (2 + 1 / math.log2(3))
    q1_at_10 = (2 / math.log2(3) + 1 / math.log2(5)) / (2 + 1 / math.log2(3))
    assert result.measures["ndcg@2"] == pytest.approx(q1_at_2 / 3)
    assert result.measures["ndcg@10"] == pytest.approx((q1_at_10 + 0.5) / 3)
    assert result.measures["recall@2"] == pytest.approx(0.5 / 3)
    assert result.measures["recall@10"] == pytest.approx(2 / 3)
    assert result.measures["mrr"] == pytest.approx((1 / 2 + 1 / 3) / 3)
    assert result.to_dict()["queries"] == 3


def test_ids_match_whole_or_without_their_source_and_once():
    judgements = {"q": {"4983": 1, "local:7": 1}}
    assert evaluate({"q": ["local:4983", "local:7"]}, judgements).measures["recall@10"] == 1.0
    assert evaluate({"q": ["local:4983", "openalex:4983"]}, judgements).measures["recall@10"] == 0.5
    assert evaluate({"q": ["7"]}, judgements).measures["recall@10"] == 0.0


def test_a_run_survives_writing_and_reading(tmp_path):
    file = io.StringIO()
    write_run(file, "1", [("local:a", 0.1 + 0.2), ("local:b", 0.3), ("local:c", 1e-9)])
    write_run(file, "2", [("local:z", 5.0)], tag="bm25")
    assert file.getvalue().splitlines()[3] == "2 Q0 local:z 1 5.0 bm25"
    path = tmp_path / "run.txt"
    path.write_text(file.getvalue())
    assert read_run(path) == {"1": ["local:a", "local:b", "local:c"], "2": ["local:z"]}


def test_runs_are_ordered_by_score_not_by_line(tmp_path):
    path = tmp_path / "run.txt"
    path.write_text("1 Q0 low 1 0.1 t\n1 Q0 high 2 0.9 t\n1 Q0 high 3 0.5 t\n")
    assert read_run(path) == {"1": ["high", "low"]}


def test_both_formats_of_judgements(tmp_path):
    trec, beir = tmp_path / "qrels.txt", tmp_path / "train.tsv"
    trec.write_text("1 0 a 2\n1 0 b 0\n2 0 c 1\n")
    beir.write_text("query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n\n2\tc\t1\n")
    assert read_judgements(trec) == read_judgements(beir) == {"1": {"a": 2, "b": 0}, "2": {"c": 1}}


@pytest.mark.parametrize("line", ["1 Q0 a 1 0.5", "1 Q0 a 1 high t", "1 Q0 a 1 nan t"])
def test_a_bad_line_of_a_run_is_named(tmp_path, line):
    path = tmp_path / "run.txt"
    path.write_text(f"1 Q0 z 1 1.0 t\n{line}\n")
    with pytest.raises(UsageError, match=r"run\.txt, line 2"):
        read_run(path)


@pytest.mark.parametrize("line", ["1 a", "1 0 a relevant", "1 0 a 1 more"])
def test_a_bad_line_of_judgements_is_named(tmp_path, line):
    path = tmp_path / "qrels"
    path.write_text(f"1 0 z 1\n{line}\n")
    with pytest.raises(UsageError, match="qrels, line 2"):
        read_judgements(path)


@pytest.mark.parametrize(
    ("run", "judgements", "ks"),
    [({"q": ["a"]}, {"q": {"a": 0}}, (10,)), ({"q": ["a"]}, {"p": {"a": 1}}, (10,)), ({"q": ["a"]}, {"q": {"a": 1}}, (0,))],
)
def test_what_cannot_be_measured_is_refused(run, judgements, ks):
    with pytest.raises(UsageError):
        evaluate(run, judgements, ks)


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_run(tmp_path / "absent")


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3), min_size=1), st.permutations("abcdefghij"))
def test_measures_lie_between_nothing_and_the_ideal(relevant, order):
    if not any(relevant.values()):
        return
    measures = evaluate({"q": order}, {"q": relevant}, ks=(1, 3, 10)).measures
    assert all(0.0 <= value <= 1.0 for value in measures.values())
    ideal = sorted(order, key=lambda doc: -relevant.get(doc, 0))
    assert evaluate({"q": ideal}, {"q": relevant}, ks=(1, 3, 10)).measures["ndcg@10"] == pytest.approx(1.0)
    assert measures["recall@10"] == 1.0
