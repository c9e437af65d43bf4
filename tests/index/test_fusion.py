"""Reciprocal rank fusion against the formula and its invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.index.fusion import reciprocal_rank_fusion

pytestmark = pytest.mark.unit

RANKINGS = st.dictionaries(
    st.sampled_from(["bm25", "dense", "sparse"]), st.lists(st.integers(0, 30), unique=True, max_size=15), max_size=3
)


def test_scores_by_hand():
    fused = reciprocal_rank_fusion({"bm25": ["a", "b"], "dense": ["c", "a"]})
    assert fused == [("a", 1 / 61 + 1 / 62), ("c", 1 / 61), ("b", 1 / 62)]
    assert reciprocal_rank_fusion({"x": ["a"], "y": ["a"], "z": ["a"]})[0][1] == pytest.approx(0.049180, abs=1e-6)


def test_ties_go_to_the_better_place_then_to_the_first_leg():
    assert [item for item, _ in reciprocal_rank_fusion({"bm25": ["b"], "dense": ["a"]})] == ["b", "a"]
    assert [item for item, _ in reciprocal_rank_fusion({"dense": ["a"], "bm25": ["b"]})] == ["a", "b"]


def test_an_item_counts_once_per_ranking():
    assert reciprocal_rank_fusion({"bm25": ["a", "a", "b"]}) == [("a", 1 / 61), ("b", 1 / 62)]


@given(RANKINGS, st.integers(1, 200))
def test_fusion_is_the_sum_over_rankings_in_order(rankings, k):
    fused = reciprocal_rank_fusion(rankings, k)
    assert {item for item, _ in fused} == {item for ranking in rankings.values() for item in ranking}
    assert len({item for item, _ in fused}) == len(fused)
    for item, score in fused:
        assert score == pytest.approx(sum(1 / (k + r.index(item) + 1) for r in rankings.values() if item in r))
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
    assert fused == reciprocal_rank_fusion(rankings, k)


@given(st.lists(st.integers(), unique=True, max_size=20))
def test_one_ranking_keeps_its_order(ranking):
    assert [item for item, _ in reciprocal_rank_fusion({"bm25": ranking})] == ranking
