"""Words of the query in the text of a hit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.highlights import highlights

pytestmark = pytest.mark.unit

ANALYSER = Analyser()


def marked(query, text):
    return [text[start:end] for start, end in highlights(text, ANALYSER.tokens(query), ANALYSER)]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("metformin acidosis", "Metformin and lactic acidosis.", ["Metformin", "acidosis"]),
        ("lowering", "It LOWERS (lowered) the lower bound.", ["LOWERS", "lowered", "lower"]),
        ("IL6", "IL-6 and IL 6 and IL-2", ["IL-6", "IL 6"]),
        ("IL-6", "il6, not il8", ["il6"]),
        ("tumour", "A tumor; tumours.", ["tumor", "tumours"]),
        ("β-blocker", "Beta-blockers and \u03b2-blockers", ["Beta-blockers", "\u03b2-blockers"]),
        ("the of", "The end of the study", []),
        ("", "text", []),
        ("naïve", "NAI\u0308VE \ufb01ne", ["NAI\u0308VE"]),
        ("fine", "\ufb01ne", ["\ufb01ne"]),
    ],
)
def test_words_are_those_of_the_lexical_leg(query, text, expected):
    assert marked(query, text) == expected


@given(st.text(max_size=200), st.text(max_size=40))
def test_ranges_are_in_order_apart_and_in_the_text(text, query):
    ranges = highlights(text, ANALYSER.tokens(query), ANALYSER)
    assert all(0 <= start < end <= len(text) for start, end in ranges)
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))


@given(st.lists(st.sampled_from(["metformin", "IL-6", "5-HT2A", "β-amyloid", "naïve", "p53", "50mg"]), min_size=1, max_size=6))
def test_a_text_that_is_the_query_is_marked_throughout(words):
    text = " ; ".join(words)
    assert "".join(marked(text, text)).replace(" ", "") == "".join(words)
