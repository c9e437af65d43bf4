"""What an encoder makes of each token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.text import ModelStore
from Medical_KG_rev.text.token_states import TokenStates

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def states(models_dir: Path) -> TokenStates:
    return TokenStates("bge-small", ModelStore(models_dir), threads=1)


def test_each_token_has_the_mean_of_its_pieces(states: TokenStates) -> None:
    text = analyse("Hydrochlorothiazide (HCTZ) lowers 🩸 pressure.\nIt works.")
    found = states.of(text.text, text.starts, text.ends, text.sentences)
    assert found.shape == (len(text.words), states.dimension)
    assert np.linalg.norm(found, axis=1).min() > 0
    opened, closed = found[text.words.index("(")], found[text.words.index(")")]
    assert opened @ closed / np.linalg.norm(opened) / np.linalg.norm(closed) < 0.99


def test_a_word_has_another_state_in_another_sentence(states: TokenStates) -> None:
    cold, weather = analyse("The patient had a cold."), analyse("The weather was cold.")
    first, second = (
        states.of(text.text, text.starts, text.ends, text.sentences)[text.words.index("cold")] for text in (cold, weather)
    )
    assert first @ second / np.linalg.norm(first) / np.linalg.norm(second) < 0.95


def test_windows_do_not_depend_on_each_other_and_long_sentences_are_cut(states: TokenStates) -> None:
    one = "Aspirin reduced the risk of myocardial infarction in patients with diabetes. " * 30
    whole, half = analyse(one + one), analyse(one)
    first = states.of(whole.text, whole.starts, whole.ends, whole.sentences)
    assert np.isfinite(first).all()
    again = states.of(half.text, half.starts, half.ends, half.sentences)
    assert np.allclose(first[:200], again[:200])
    long = analyse("word " * 900)
    cut = states.of(long.text, long.starts, long.ends, [(0, len(long.words))])
    assert np.linalg.norm(cut[0]) > 0
    assert not cut[-1].any()


def test_nothing_gives_nothing(states: TokenStates) -> None:
    assert states.of("", [], [], []).shape == (0, states.dimension)
