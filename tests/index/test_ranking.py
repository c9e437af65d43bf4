"""One order, whatever page of it is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.index.fusion import METHODS, Fusion
from Medical_KG_rev.index.ranking import DEEPEST, Explainer, in_layers, layers, ranks

pytestmark = pytest.mark.unit

LISTS = st.lists(st.tuples(st.integers(0, 60), st.integers(-20, 20).map(float)), unique_by=lambda hit: hit[0], max_size=50).map(
    lambda hits: sorted(hits, key=lambda hit: (-hit[1], hit[0]))
)
FOUND = st.fixed_dictionaries({"bm25": LISTS, "sparse": LISTS, "dense": LISTS})
FUSIONS = st.builds(Fusion, st.sampled_from(METHODS), st.just({"dense": 2.0}))


def test_layers_grow_until_they_are_deep_enough():
    assert layers(100, 10) == [100]
    assert layers(100, 100) == [100]
    assert layers(100, 101) == [100, 400]
    assert layers(100, 10_000) == [100, 400, 1600, 6400, DEEPEST]
    assert layers(DEEPEST, 20_000) == [DEEPEST]


@given(FOUND, FUSIONS)
def test_deeper_lists_add_to_the_order_and_change_nothing_in_it(found, fusion):
    shallow = in_layers(found, fusion, [4])
    deep = in_layers(found, fusion, [4, 16])
    deepest = in_layers(found, fusion, [4, 16, 64])
    assert deep[: len(shallow)] == shallow
    assert deepest[: len(deep)] == deep
    assert [place.score for place in deepest] == sorted((place.score for place in deepest), reverse=True)
    assert {place.vid for place in deepest} == {vid for scored in found.values() for vid, _ in scored}


@given(FOUND, FUSIONS)
def test_the_first_layer_is_the_fusion_itself(found, fusion):
    cut = {leg: scored[:8] for leg, scored in found.items()}
    assert [(place.vid, place.score) for place in in_layers(found, fusion, [8])] == fusion(cut)


@given(FOUND, FUSIONS)
def test_explanations_add_up_to_the_score_or_to_what_it_was_lowered_from(found, fusion):
    places = {depth: ranks(found, depth) for depth in (4, 16)}
    explain = Explainer(fusion, found)
    for place in in_layers(found, fusion, [4, 16]):
        legs = explain(place, places[place.depth][place.vid])["legs"]
        total = sum(leg["contribution"] for leg in legs.values())
        assert total == pytest.approx(place.score) if place.depth == 4 else total >= place.score - 1e-12
