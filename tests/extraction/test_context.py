"""How texts speak of what they name."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.context import ContextFinder
from Medical_KG_rev.extraction.spans import Context, FoundMention
from Medical_KG_rev.models import Certainty, EntityType

pytestmark = pytest.mark.unit

STATED = Context()
NEGATED = Context(negated=True)
UNCERTAIN = Context(certainty=Certainty.UNCERTAIN)
HYPOTHETICAL = Context(certainty=Certainty.HYPOTHETICAL)
FAMILY = Context(family=True)
PAST = Context(historical=True)


def contexts(text: str) -> list[Context]:
    """Contexts of the mentions that stand in brackets."""
    plain, mentions = "", []
    for index, part in enumerate(text.replace("]", "[").split("[")):
        if index % 2:
            mentions.append(FoundMention(len(plain), len(plain) + len(part), EntityType.DISEASE, 1.0, "test"))
        plain += part
    return [mention.context for mention in ContextFinder().annotate(analyse(plain), mentions)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She denies [nausea], [headache] or [fever], but has [cough].", [NEGATED, NEGATED, NEGATED, STATED]),
        ("There was no evidence of [hepatitis] in rats with [obesity].", [NEGATED, STATED]),
        ("[Nausea] was not observed.", [NEGATED]),
        ("He doesn't have [asthma].", [NEGATED]),
        ("Not only [rash] but also [fever] occurred.", [STATED, STATED]),
        ("There was no change in [anemia].", [STATED]),
        ("[Meningitis] could not be ruled out.", [UNCERTAIN]),
        ("[Meningitis] was ruled out.", [NEGATED]),
        ("Causes of [hepatitis] were ruled out.", [STATED]),
        ("Presence or absence of [seizures] was noted.", [STATED]),
        ("No participant treated with [aspirin] developed [stroke].", [STATED, NEGATED]),
        ("[NO] synthase inhibition caused [hypertension].", [STATED, STATED]),
        ("Aspirin may cause [bleeding].", [UNCERTAIN]),
        ("We examined whether [zinc] shortens [colds].", [HYPOTHETICAL, HYPOTHETICAL]),
        ("Should [hypotension] occur, [saline] is given.", [HYPOTHETICAL, STATED]),
        ("His mother had [gout]; the patient has [asthma].", [FAMILY, STATED]),
        ("No family history of [glaucoma].", [Context(negated=True, family=True)]),
        ("No history of [stroke].", [Context(negated=True, historical=True)]),
        ("History of [stroke], now with [aphasia].", [PAST, STATED]),
        ("[Appendicitis] is unlikely.", [Context(negated=True, certainty=Certainty.UNCERTAIN)]),
    ],
)
def test_a_mention_is_read_in_its_context(text, expected):
    assert contexts(text) == expected


def test_what_is_feared_or_prevented_is_expected():
    (stroke,) = contexts("Smoking raised the risk of [stroke].")
    (asked,) = contexts("Whether smoking raises the risk of [stroke] is asked.")
    assert (stroke.certainty, stroke.expected) == (Certainty.HYPOTHETICAL, True)
    assert (asked.certainty, asked.expected) == (Certainty.HYPOTHETICAL, False)


def test_a_trigger_inside_a_mention_acts_on_nothing():
    assert contexts("[Family history of cancer] and [no-reflow phenomenon] with [fever].") == [STATED] * 3


def test_a_sentence_says_nothing_of_the_next():
    assert contexts("He has no fever. [Cough] persists.") == [STATED]


def test_mentions_outside_what_was_read_stay_as_they_are():
    text = "No fever. No cough."
    mention = FoundMention(13, 18, EntityType.DISEASE, 1.0, "test")
    assert ContextFinder().annotate(analyse(text, [(0, 9)]), [mention]) == [mention]


SET = Path(__file__).parents[2] / "benchmarks/extraction/context_300.jsonl"


@pytest.mark.parametrize(
    ("attribute", "value"), [("negated", True), ("certainty", "uncertain"), ("certainty", "hypothetical"), ("family", True)]
)
def test_the_labelled_set_is_read_well(attribute, value):
    right = wrong = missed = 0
    for row in map(json.loads, SET.read_text().splitlines()):
        mention = FoundMention(row["start"], row["end"], EntityType.DISEASE, 1.0, "label")
        (found,) = ContextFinder().annotate(analyse(row["text"]), [mention])
        is_so, says_so = row[attribute] == value, getattr(found.context, attribute) == value
        right += is_so and says_so
        wrong += says_so and not is_so
        missed += is_so and not says_so
    assert 2 * right / (2 * right + wrong + missed) >= 0.9


WORDS = ["no", "not", "without", "denies", "if", "may", "mother", "history of", "ruled out", "?", ",", "and", "but", "fever", "x"]


@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join), st.data())
def test_annotating_changes_contexts_alone(text, data):
    cuts = sorted(set(data.draw(st.lists(st.integers(0, len(text)), max_size=8))))
    mentions = [FoundMention(s, e, EntityType.GENE, 0.5, "test") for s, e in zip(cuts[::2], cuts[1::2], strict=False)]
    annotated = ContextFinder().annotate(analyse(text), mentions)
    assert [(m.start, m.end, m.type, m.score) for m in annotated] == [(m.start, m.end, m.type, m.score) for m in mentions]


@pytest.mark.parametrize("text", ["no ", "not only ", "if, and ", "was not seen ", "x " * 10, "( " * 5])
def test_hostile_texts_take_linear_time(text):
    def seconds(times):
        analysed = analyse(text * times)
        mentions = [
            FoundMention(s, e, EntityType.GENE, 1.0, "test")
            for s, e in zip(analysed.starts[::7], analysed.ends[::7], strict=True)
        ]
        started = time.process_time()
        ContextFinder().annotate(analysed, mentions)
        return time.process_time() - started

    assert seconds(2_400) < 20 * seconds(300) + 0.5
