"""Sentences of biomedical prose."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.sentences import split_units

pytestmark = pytest.mark.unit


@given(text=st.text(alphabet=st.sampled_from("aB .?!\n\tα(1)\"'é中\u2028\x0c\u00a0"), max_size=200) | st.text(max_size=300))
def test_the_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(split_units(text)) == text


@pytest.mark.parametrize(
    "sentences",
    [
        ["IL-6 rose markedly in the treated group (Fig. 2A), e.g. in E. coli. ", "The controls did not change at all."],
        ["We saw approx. 3 cases per thousand people a year. ", "None of them died (p < 0.05)."],
        ["Doses were given i.v. for three days to all rats. ", "Smith et al. reported the same result in 2019."],
        ["As Eq. 2 and Suppl. 1 of Vol. 3 show, the effect is small. ", "It is also transient."],
        ["The cells were kept in ca. 5 ml of medium at 37 °C. ", "Refs. 3 and 4 describe the method in detail."],
        ["Does aspirin prevent heart attacks in healthy people? ", "It does not!"],
    ],
)
def test_sentences_end_where_a_reader_sees_it(sentences: list[str]) -> None:
    assert split_units("".join(sentences)) == sentences


def test_lines_are_cut_and_rows_of_a_table_stay_whole() -> None:
    text = "Table 1. Groups of this invented study and their sizes.\nGroup A. First.\t12\nGroup B\t13\n\nNext."
    assert split_units(text) == [
        "Table 1. Groups of this invented study and their sizes.\n",
        "Group A. First.\t12\n",
        "Group B\t13\n\n",
        "Next.",
    ]


@pytest.mark.parametrize("pattern", ["a. ", "(", '"', "A", "Fig. ", "e.g. ", "\u00a0", "1.", "...", "a.B"])
def test_no_text_is_slow(pattern: str) -> None:
    text = pattern * (400_000 // len(pattern))
    started = time.process_time()
    assert "".join(split_units(text)) == text
    assert time.process_time() - started < 10
