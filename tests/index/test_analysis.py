"""Tokens: spelling variants meet, nothing is lost, nothing is random."""

from __future__ import annotations

import unicodedata

import pytest
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.index import Analyser

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Metformin lowers glucose.", ["metformin", "lower", "glucos"]),
        ("IL-6", ["il6"]),
        ("IL 6", ["il", "6", "il6"]),
        ("p53 and HER2/neu", ["p53", "her2", "neu"]),
        ("5-HT2A", ["5ht2a", "ht2a"]),
        ("TNF-\u03b1", ["tnfalpha", "tnfa", "tnf", "alpha"]),
        ("NF-\u03baB", ["nfkappab", "nfkb", "nf", "kappa"]),
        ("IL-1beta", ["il1beta", "il1b", "il1", "beta"]),
        ("anti-PD-1", ["antipd1", "anti", "pd1"]),
        ("\u03bb phage", ["lambda", "phage"]),
        ("\u00b5g 5\u00b5g 5 \u03bcg", ["ug", "5", "ug", "5", "ug"]),
        ("10mg 10 mg/kg 2.5mL", ["10", "mg", "10", "mg", "kg", "2.5", "ml"]),
        ("p = 0.05, n = 10,000", ["p", "0.05", "n", "10000"]),
        ("Crohn\u2019s and Parkinson's", ["crohn", "parkinson"]),
        ("Sj\u00f6gren \u210cb \ufb01brosis", ["sjogren", "hb", "fibros"]),
        ("U.S. trials. End", ["us", "trial", "end"]),
        ("trials.End", ["trial", "end"]),
        ("COVID\u201119", ["covid19", "covid"]),
        ("10\u201320 mg, 1.2-fold", ["10", "20", "mg", "1.2", "fold"]),
        ("0,5 and 1,234", ["0.5", "1234"]),
        ("the of and", []),
        ("\u2026 ??? ()[] \u200b\x00", []),
        ("\u80ba\u764c \u0433\u0440\u0438\u043f\u043f", ["\u80ba\u764c", "\u0433\u0440\u0438\u043f\u043f"]),
    ],
)
def test_tokens(analyser, text, tokens):
    assert analyser.tokens(text) == tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IL-6", "IL6"),
        ("5-HT2A", "5HT2A"),
        ("TNF-\u03b1", "TNF\u03b1"),
        ("TNF-\u03b1", "TNF-alpha"),
        ("NF-\u03baB", "NF-kappaB"),
        ("SARS-CoV-2", "sars-cov\u20132"),
        ("\u00b5mol", "\u03bcmol"),
        ("10mg", "10 mg"),
        ("randomised trials", "randomised trial"),
    ],
)
def test_spelling_variants_share_their_first_token(analyser, one, other):
    assert analyser.tokens(one)[0] == analyser.tokens(other)[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("haemoglobin", "hemoglobin"),
        ("oedema", "edema"),
        ("leukaemias", "leukemia"),
        ("tumours", "tumor"),
        ("behavioural", "behavioral"),
        ("fibres", "fiber"),
        ("catalysed", "catalyze"),
        ("randomisation", "randomized"),
        ("sulphate", "sulfate"),
        ("diagnoses", "diagnosis"),
        ("bacterium", "bacteria"),
    ],
)
def test_british_and_american_words_are_one(analyser, one, other):
    assert analyser.tokens(one) == analyser.tokens(other)


@pytest.mark.parametrize("word", ["aerobic", "hours", "does", "doses", "disease", "APOE", "aspirin", "heroes", "coefficient"])
def test_words_that_only_look_british_stay(analyser, word):
    assert analyser.tokens(word) == [Stemmer.Stemmer("english").stemWord(word.lower())]


@given(st.text(max_size=200))
def test_tokens_are_a_pure_function_fit_for_a_whitespace_tokenizer(text):
    fresh, warm = Analyser(), Analyser()
    warm.tokens(text)
    tokens = fresh.tokens(text)
    assert tokens == warm.tokens(text) == warm.joined(text).split(" ")[: len(tokens)]
    assert all(token and not any(char.isspace() for char in token) for token in tokens)


@given(st.text(alphabet=st.characters(categories=("Ll",), include_characters="0123456789"), min_size=1, max_size=20))
def test_the_form_of_the_characters_makes_no_difference(text):
    analyser = Analyser()
    assert analyser.tokens(unicodedata.normalize("NFD", text)) == analyser.tokens(unicodedata.normalize("NFC", text))


def test_a_monstrous_word_costs_little(analyser):
    tokens = analyser.tokens("x" * 1_000_000 + " " + "a-" * 200_000)
    assert max(map(len, tokens)) <= 64
    assert len(tokens) < 300
