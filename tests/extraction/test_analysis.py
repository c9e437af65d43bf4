"""Tokens and sentences always quote their text; short forms are known with what they stand for, in time linear in the text."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.extraction.abbreviations import variants
from Medical_KG_rev.extraction.analysis import analyse

pytestmark = pytest.mark.unit

ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from(" ().,;-[]αβABCabc\n\t1234")), max_size=300)


def definitions(text: str) -> dict[str, str]:
    return {found.short: text[found.long_start : found.long_end] for found in analyse(text).abbreviations}


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("Serum tumor necrosis factor-alpha (TNF-α) rose.", "TNF-α", "tumor necrosis factor-alpha"),
        ("Serum tumour necrosis factor α (TNF-alpha) rose.", "TNF-alpha", "tumour necrosis factor α"),
        ("transforming growth factor beta 1 (TGF-β1)", "TGF-β1", "transforming growth factor beta 1"),
        ("with type 2 diabetes mellitus (T2DM)", "T2DM", "type 2 diabetes mellitus"),
        ("with type II diabetes (T2D)", "T2D", "type II diabetes"),
        ("on 5-hydroxytryptamine (5-HT) release", "5-HT", "5-hydroxytryptamine"),
        ("All adverse drug reactions (ADRs) count.", "ADRs", "adverse drug reactions"),
        ("An ADR (adverse drug reaction) counts.", "ADR", "adverse drug reaction"),
        ("in glucose-6-phosphate dehydrogenase (G6PD) deficiency", "G6PD", "glucose-6-phosphate dehydrogenase"),
        ("in acute myeloid leukaemia (AML; n = 5)", "AML", "acute myeloid leukaemia"),
        ("the polymorphism (single nucleotide polymorphism (SNP)) of", "SNP", "single nucleotide polymorphism"),
        ("The ataxia-telangiectasia (A-T) gene", "A-T", "ataxia-telangiectasia"),
        ("enzyme-linked immunosorbent assay [ELISA]", "ELISA", "enzyme-linked immunosorbent assay"),
        ("of puromycin aminonucleoside, (PAN) in rats", "PAN", "puromycin aminonucleoside"),
        ("and lithium (Li) carbonate", "Li", "lithium"),
        ("by polymerase chain reaction (pcr)", "pcr", "polymerase chain reaction"),
    ],
)
def test_a_definition_is_found(text: str, short: str, long: str) -> None:
    assert definitions(text) == {short: long}


@pytest.mark.parametrize(
    "text",
    [
        "The rate (mean) fell in rats (n = 20), and so did the others (P < 0.05).",
        "Given at night (see Table 2) and in part (PART) of them.",
        "(ABC) at the start, ((( and ))) unbalanced, ( and ]",
        "It was seen and (AND) then",
        "A receptor (5) of it",
        "",
    ],
)
def test_what_defines_nothing_is_passed_over(text: str) -> None:
    assert definitions(text) == {}


def test_definitions_are_told_in_order_with_their_places() -> None:
    text = "Heart rate (HR) and blood pressure (BP) rose. Later HR fell. High blood pressure (HBP) stayed."
    found = analyse(text).abbreviations
    assert [each.short for each in found] == ["HR", "BP", "HBP"]
    assert [text[each.short_start : each.short_end] for each in found] == ["HR", "BP", "HBP"]


def test_a_thousand_definitions() -> None:
    letters = "ABCDEFGHIJ"
    names = [a + b + c for a in letters for b in letters for c in letters]
    text = ". ".join(f"We saw {name[0].lower()}lpha {name[1].lower()}eta {name[2].lower()}amma ({name})" for name in names)
    assert [found.short for found in analyse(text).abbreviations] == names


def test_a_long_form_does_not_reach_over_a_sentence_or_a_range() -> None:
    text = "There was some heart disease here and rate. (HR) stood alone in this second sentence."
    cut = text.index("(HR)")
    assert analyse(text, [(0, cut), (cut, len(text))]).abbreviations == ()


def test_singular_and_plural_of_a_short_form() -> None:
    assert variants("ADRs") == ("ADR",)
    assert variants("ADR") == ("ADRs",)
    assert variants("Li") == ()


@given(ANY_TEXT)
def test_tokens_sentences_and_definitions_quote_the_text(text: str) -> None:
    read = analyse(text)
    assert read.words == [text[start:end] for start, end in zip(read.starts, read.ends, strict=True)]
    assert all(a <= b for a, b in zip(read.ends, read.starts[1:], strict=False))
    assert "".join(read.words) == "".join(text.split())
    bounds = [bound for sentence in read.sentences for bound in sentence]
    assert bounds == sorted(bounds)
    assert sum(last - first for first, last in read.sentences) == len(read.words)
    for found in read.abbreviations:
        assert text[found.short_start : found.short_end] == found.short
        assert found.long_end <= found.short_start or found.short_end <= found.long_start < found.long_end
        assert len(found.short) < found.long_end - found.long_start


@given(ANY_TEXT, st.lists(st.integers(0, 300), max_size=6))
def test_only_the_given_ranges_are_read(text: str, cuts: list[int]) -> None:
    edges = sorted(min(cut, len(text)) for cut in cuts)
    ranges = list(zip(edges[::2], edges[1::2], strict=False))
    read = analyse(text, ranges)
    for first, last in read.sentences:
        assert any(start <= read.starts[first] and read.ends[last - 1] <= end for start, end in ranges)


@pytest.mark.parametrize(
    "name", ["E. coli", "S. aureus", "i.v.", "b.i.d.", "H. pylori", "et al.", "vs. placebo", "St. Louis", "i.e."]
)
def test_a_sentence_does_not_end_within_a_name(name: str) -> None:
    read = analyse(f"All of the forty patients had {name} in the course of this study, as was seen before.")
    assert len(read.sentences) == 1


@pytest.mark.parametrize(
    "unit", ["(", "(A", ")", "heart rate (HR) ", "a", "alpha beta (AB (CD) ", "\U0001f600é ", "مرحبا (ABC) "]
)
def test_time_is_linear(unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        started = process_time()
        analyse(text)
        return process_time() - started

    small, large = (min(seconds(size) for _ in range(3)) for size in (10_000, 160_000))
    assert large < 64 * max(small, 0.001)
