"""Results of trials in prose: which way an outcome went, and claims with the sentence that says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import ModelCorruptError
from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.spans import Candidate, FoundClaim, FoundMention
from Medical_KG_rev.extraction.trial_prose import WEIGHTS, Article, Direction, Judge, TrialProse
from Medical_KG_rev.models import EntityType

pytestmark = pytest.mark.unit

PROSE = TrialProse()

ARTICLE = """Tiotropium in chronic obstructive pulmonary disease: a randomised trial
METHODS:
Forty patients were randomised to tiotropium or placebo.
The primary outcome was peak FEV1. Use of rescue medication was recorded.
RESULTS:
Peak FEV1 was significantly higher with tiotropium than with placebo (p < 0.001).
The use of rescue medication was significantly lower in the tiotropium group than in the placebo group (p = 0.02).
There was no significant difference in mortality between tiotropium and placebo (p = 0.65).
"""


def claims(text: str, *names: str) -> list[FoundClaim]:
    mentions = [
        FoundMention(
            match.start(),
            match.end(),
            EntityType.DISEASE if name in ("stroke", "mortality") else EntityType.CHEMICAL,
            1.0,
            "test",
            (Candidate(f"X:{name.lower()}", name, 1.0, "test"),),
        )
        for name in names
        for match in re.finditer(name, text, re.IGNORECASE)
    ]
    return PROSE.find(analyse(text), sorted(mentions, key=lambda mention: mention.start))


@pytest.mark.parametrize(
    ("outcome", "direction"),
    [
        ("peak FEV1", Direction.INCREASED),
        ("use of rescue medication", Direction.DECREASED),
        ("mortality", Direction.SAME),
    ],
)
def test_the_judge_reads_the_sentence_that_reports_the_outcome(outcome: str, direction: Direction) -> None:
    judgement = Judge().judge(Article(analyse(ARTICLE)), "tiotropium", "placebo", outcome)
    assert judgement is not None
    assert judgement.direction is direction
    start, end = judgement.evidence[0]
    assert "p " in ARTICLE[start:end]
    assert outcome.rpartition(" ")[2] in ARTICLE[start:end]
    assert 1 / 3 < judgement.probability <= 1


def test_the_direction_turns_with_the_arms() -> None:
    sentence = "Recurrence was significantly higher in the placebo group than in the Equitend group (p = 0.02)."
    assert Judge().judge_sentence(sentence, "Equitend", "placebo", "recurrence")[0] is Direction.DECREASED


def test_of_an_outcome_that_no_sentence_names_nothing_is_said() -> None:
    assert Judge().judge(Article(analyse(ARTICLE)), "tiotropium", "placebo", "xanthoma") is None
    assert Judge().judge(Article(analyse("")), "tiotropium", "placebo", "FEV1") is None


def test_claims_tell_outcome_comparator_direction_and_p_value() -> None:
    found = claims(ARTICLE, "tiotropium", "mortality")
    assert [(claim.subject, claim.predicate, claim.object, claim.value, claim.negated) for claim in found] == [
        ("X:tiotropium", p.AFFECTS, None, "Peak FEV1", False),
        ("X:tiotropium", p.AFFECTS, None, "use of rescue medication", False),
        ("X:tiotropium", p.AFFECTS, "X:mortality", None, True),
    ]
    assert found[0].qualifiers == {
        "outcome": "Peak FEV1",
        "comparator": "placebo",
        "direction": "significantly increased",
        "p_value": 0.001,
        "p_comparator": "<",
    }
    assert [ARTICLE[start:end][:10] for claim in found for start, end in claim.evidence] == [
        "Peak FEV1 ",
        "The use of",
        "There was ",
    ]
    assert {claim.method for claim in found} == {"trial-prose"}


def test_the_control_arm_may_come_first() -> None:
    text = "The incidence of stroke was higher in the placebo group than in the aspirin group (p = 0.003)."
    (claim,) = claims(text, "aspirin", "stroke")
    assert (claim.subject, claim.object) == ("X:aspirin", "X:stroke")
    assert claim.qualifiers["direction"] == "significantly decreased"
    assert claim.qualifiers["comparator"] == "the placebo group"


@pytest.mark.parametrize(
    "text",
    [
        "We tested whether stroke was less frequent with aspirin than with placebo (p < 0.05).",
        "The groups were similar with respect to age, weight, use of aspirin, and sex (p > 0.5).",
        "Aspirin was given to 40 patients and placebo to 41 (p = 0.5).",
        "Mean age was significantly higher in women than in men (p < 0.001) whatever aspirin did.",
        "",
    ],
)
def test_what_reports_no_comparison_of_a_known_thing_gives_no_claim(text: str) -> None:
    assert claims(text, "aspirin", "stroke") == []


@given(
    st.text(max_size=200), st.sampled_from(["p = 0.01", "significantly lower than", "did not differ between", "\u202e", "p=.,·"])
)
def test_evidence_is_a_sentence_of_whatever_text(text: str, added: str) -> None:
    whole = f"{text} aspirin {added} placebo {text}. Stroke was {added} lower with aspirin than placebo ({added})."
    analysed = analyse(whole)
    places = {(analysed.starts[first], analysed.ends[last - 1]) for first, last in analysed.sentences}
    for claim in claims(whole, "aspirin", "stroke"):
        assert set(claim.evidence) <= places
        assert 0 < claim.score <= 1


def test_a_long_sentence_is_no_prose() -> None:
    text = "Stroke was lower with aspirin than " + "placebo and " * 20_000 + "placebo (p = 0.01)."
    assert claims(text, "aspirin") == []


@pytest.mark.component
def test_weights_with_a_flipped_bit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS.name
    path.write_bytes(WEIGHTS.read_bytes().replace(b"1", b"2", 1))
    digest = WEIGHTS.with_name(WEIGHTS.name + ".sha256")
    path.with_name(digest.name).write_bytes(digest.read_bytes())
    with pytest.raises(ModelCorruptError, match="sha256"):
        Judge(path)
    with pytest.raises(ModelCorruptError, match="cannot be used"):
        Judge(tmp_path / "absent.json")
