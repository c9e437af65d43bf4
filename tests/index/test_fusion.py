"""Fusion against the formulas and their invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.index.fusion import METHODS, Fusion

pytestmark = pytest.mark.unit

LEGS = ["bm25", "sparse", "dense"]
SCORES = st.floats(-50, 50, allow_nan=False).map(lambda score: round(score, 3))
LISTS = st.lists(st.tuples(st.integers(0, 30), SCORES), unique_by=lambda hit: hit[0], max_size=15).map(
    lambda hits: sorted(hits, key=lambda hit: (-hit[1], hit[0]))
)
FOUND = st.dictionaries(st.sampled_from(LEGS), LISTS, max_size=3)
WEIGHTS = st.dictionaries(st.sampled_from(LEGS), st.floats(0.01, 10), max_size=3)


def ranked(*items):
    """A leg's list of these items, with falling scores."""
    return [(item, float(-place)) for place, item in enumerate(items)]


def test_reciprocal_ranks_by_hand():
    rrf = Fusion("rrf")
    assert rrf({"bm25": ranked("a")}) == [("a", 1 / 61)]
    fused = rrf({"bm25": ranked("a", "b"), "dense": ranked("c", "a")})
    assert fused == [("a", 1 / 61 + 1 / 62), ("c", 1 / 61), ("b", 1 / 62)]
    assert rrf({leg: ranked("a") for leg in LEGS})[0][1] == pytest.approx(0.049180, abs=1e-6)
    assert Fusion("rrf", {"bm25": 9.0}, rrf_k=1)({"bm25": ranked("a")}) == [("a", 1 / 2)]


def test_weighted_reciprocal_ranks_by_hand():
    fused = Fusion("wrrf", {"bm25": 0.5, "dense": 2.0})({"bm25": ranked("a", "b"), "sparse": ranked("b"), "dense": ranked("c")})
    assert fused == [("c", 2 / 61), ("b", pytest.approx(0.5 / 62 + 1 / 61)), ("a", 0.5 / 61)]


def test_scaled_scores_by_hand():
    found = {"bm25": [("a", 12.0), ("b", 8.0), ("c", 4.0)], "dense": [("b", 0.9), ("d", 0.5)]}
    assert Fusion("minmax")(found) == [("b", 0.75), ("a", 0.5), ("d", 0.0), ("c", 0.0)]
    assert Fusion("minmax", {"bm25": 3.0})(found) == [("a", 0.75), ("b", 0.625), ("d", 0.0), ("c", 0.0)]
    assert Fusion("minmax")({"bm25": [("a", 7.0), ("b", 7.0)], "dense": []}) == [("a", 0.5), ("b", 0.5)]
    assert Fusion("minmax", {"bm25": 0.0})({"bm25": [("a", 7.0)]}) == [("a", 0.0)]


def test_ties_go_to_the_better_place_then_to_the_first_leg():
    assert [item for item, _ in Fusion()({"bm25": ranked("b"), "dense": ranked("a")})] == ["b", "a"]
    assert [item for item, _ in Fusion()({"dense": ranked("a"), "bm25": ranked("b")})] == ["a", "b"]
    assert [item for item, _ in Fusion("minmax")({"bm25": [(2, 1.0), (1, 1.0)], "dense": [(3, 4.0)]})] == [2, 3, 1]


@pytest.mark.parametrize("method", METHODS)
def test_an_item_counts_once_a_list_and_at_its_first_place(method):
    repeated = [("a", 3.0), ("a", 2.0), ("b", 1.0)]
    assert Fusion(method)({"bm25": repeated}) == Fusion(method)({"bm25": [("a", 3.0), ("b", 1.0)]})


@pytest.mark.parametrize(
    "wrong", [{"method": "borda"}, {"rrf_k": 0}, {"weights": {"bm25": -1.0}}, {"weights": {"bm25": float("nan")}}]
)
def test_what_cannot_fuse_is_refused(wrong):
    with pytest.raises(UsageError):
        Fusion(**wrong)


@given(st.sampled_from(METHODS), FOUND, WEIGHTS, st.integers(1, 200))
def test_scores_are_sums_over_the_legs_in_order_and_always_the_same(method, found, weights, k):
    fusion = Fusion(method, weights, k)
    fused = fusion(found)
    assert {item for item, _ in fused} == {item for hits in found.values() for item, _ in hits}
    assert len({item for item, _ in fused}) == len(fused)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
    assert fused == fusion(found)
    added = fusion.contributions({leg: [score for _, score in hits] for leg, hits in found.items()})
    for item, score in fused:
        parts = [added[leg][[vid for vid, _ in hits].index(item)] for leg, hits in found.items() if item in dict(hits)]
        assert score == pytest.approx(sum(parts))
    if method == "rrf":
        places = {leg: {item: rank for rank, (item, _) in enumerate(hits, 1)} for leg, hits in found.items()}
        for item, score in fused:
            assert score == pytest.approx(sum(1 / (k + at[item]) for at in places.values() if item in at))
    else:
        assert all(part >= 0 for parts in added.values() for part in parts)


@given(FOUND, WEIGHTS, st.floats(0.5, 8))
def test_a_leg_that_scales_its_scores_changes_nothing_in_minmax(found, weights, factor):
    scaled = {leg: [(item, score * factor + 3) for item, score in hits] for leg, hits in found.items()}
    mine, theirs = dict(Fusion("minmax", weights)(found)), dict(Fusion("minmax", weights)(scaled))
    assert mine == pytest.approx(theirs, abs=1e-6)


@given(st.sampled_from(METHODS), LISTS)
def test_one_list_keeps_its_order(method, hits):
    assert [item for item, _ in Fusion(method)({"bm25": hits})] == [item for item, _ in hits]
