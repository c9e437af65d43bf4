"""Taggers: decoding against brute force, weights written by hand, and the weights that ship."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from Medical_KG_rev.errors import ModelCorruptError, ModelNotInstalledError, UsageError
from Medical_KG_rev.extraction.analysis import AnalysedText, analyse
from Medical_KG_rev.extraction.lexicon import Lexicon, LexiconMatch, LexiconName, NameKind
from Medical_KG_rev.extraction.lexicon.terms import Use
from Medical_KG_rev.extraction.tagging import SequenceTagger, StateGroups, TaggerWeights
from Medical_KG_rev.extraction.tagging.decoding import FORBIDDEN, Layout, Scheme, best_labels, label_probabilities, spelled
from Medical_KG_rev.extraction.tagging.symbols import first_streams, second_streams, short_forms
from Medical_KG_rev.extraction.tagging.weights import DIGESTS, Facts
from Medical_KG_rev.models import EntityType
from Medical_KG_rev.text import ModelStore

pytestmark = pytest.mark.unit

SCHEME = Scheme(("disease", "chemical"))
LABELS = SCHEME.labels
CONVENTIONS = {"": {"here": 1.0, "there": 0.5}, "here": {"here": 1.0}}


@pytest.fixture(scope="module")
def fast() -> SequenceTagger:
    return SequenceTagger(TaggerWeights.open("fast"))


def written(*passes: Mapping[tuple[str, int, str, str], float]) -> TaggerWeights:
    """Weights from (attribute, half width, corpus, label) to a number, which counts at the token itself."""
    columns = [(corpus, label) for corpus in ("", "here", "there") for label in LABELS]
    widths = {name: width for one in passes for name, width, _, _ in one}
    first = dict(zip(widths, np.cumsum([0, *(2 * width + 1 for width in widths.values())]).tolist(), strict=False))
    values = np.zeros((sum(2 * width + 1 for width in widths.values()), len(passes), len(columns)), np.int8)
    for number, one in enumerate(passes):
        for (name, width, corpus, label), value in one.items():
            values[first[name] + width, number, columns.index((corpus, label))] = round(value * 10)
    bonuses = {"": {"disease": 0.0, "chemical": 0.0}, "here": {"disease": 0.0}}
    transitions = np.zeros((len(passes), len(LABELS) + 1, len(LABELS)), np.float32)
    facts = Facts(list(SCHEME.types), len(passes), columns, CONVENTIONS, bonuses, "none")
    return TaggerWeights(facts, first, values, np.full(len(values), 0.1, np.float32), transitions, {}, "0" * 64)


WORDS = {("w=ibuprofen", 3, "", "S-chemical"): 9.0, ("w=renal", 3, "", "B-disease"): 6.0, ("w=failure", 3, "", "E-disease"): 6.0}


def tag(weights: TaggerWeights, text: str, convention: str = "") -> list[tuple[str, str]]:
    found = SequenceTagger(weights).tag(analyse(text), [], convention)
    return [(text[span.start : span.end], span.type.value) for span in found]


# --- decoding --------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_best_labels_and_probabilities_are_those_of_brute_force(lengths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    scheme = Scheme(("x",))
    count, labels = sum(lengths), len(scheme.labels)
    emissions = random.normal(size=(count, labels)).astype(np.float32)
    transitions = np.where(scheme.allowed(), random.normal(size=(labels + 1, labels)), FORBIDDEN).astype(np.float32)
    ends = np.cumsum(lengths).tolist()
    sentences = list(zip([0, *ends[:-1]], ends, strict=True))

    best = best_labels(emissions, transitions, Layout.of(sentences))
    sure = label_probabilities(emissions, transitions, Layout.of(sentences))

    for first, last in sentences:
        weights = {path: _weight(path, emissions[first:last], transitions) for path in _paths(labels, last - first)}
        assert weights[tuple(best[first:last].tolist())] == pytest.approx(max(weights.values()), abs=1e-4)
        total = sum(np.exp(weight) for weight in weights.values())
        for place, label in itertools.product(range(last - first), range(labels)):
            share = sum(np.exp(weight) for path, weight in weights.items() if path[place] == label) / total
            assert sure[first + place, label] == pytest.approx(share, abs=1e-4)


def _paths(labels: int, length: int) -> itertools.product[tuple[int, ...]]:
    return itertools.product(range(labels), repeat=length)


def _weight(path: tuple[int, ...], emissions: NDArray[np.float32], transitions: NDArray[np.float32]) -> float:
    jumps = sum(float(transitions[before, after]) for before, after in itertools.pairwise((-1, *path)))
    return jumps + sum(float(emissions[place, label]) for place, label in enumerate(path))


def test_labels_spell_mentions_and_one_without_an_end_is_left_out() -> None:
    assert spelled(["O", "B-x", "I-x", "E-x", "S-y", "B-x", "I-x", "O", "E-x"]) == [(1, 3, "x"), (4, 4, "y")]


# --- weights written by hand -----------------------------------------------------------------------------------------


def test_spans_are_ranges_of_characters_with_a_probability() -> None:
    text = "  Ibuprofen, then renal\n failure."
    found = SequenceTagger(written(WORDS)).tag(analyse(text.replace("\n", " ")), [])
    assert [(text[span.start : span.end], span.type) for span in found] == [
        ("Ibuprofen", EntityType.CHEMICAL),
        ("renal\n failure", EntityType.DISEASE),
    ]
    assert all(0.9 < span.score <= 1 for span in found)


def test_a_window_never_reaches_into_another_sentence() -> None:
    near = written({("w=ibuprofen", 0, "", "S-chemical"): 9.0})
    values = np.zeros((7, 1, near.values.shape[2]), np.int8)
    values[4, 0, LABELS.index("S-disease")] = 90
    before = replace(near, attributes={"w=severe": 0}, values=values, scales=np.full(7, 0.1, np.float32))
    # the attribute counts for the token before "severe", by its place in the window
    assert tag(before, "Pain severe.") == [("Pain", "disease")]
    assert tag(before, "He had some pain that evening.\nSevere it was, and it did not go away.") == []


def test_a_convention_adds_the_weights_of_its_corpora_and_looks_for_their_types_only() -> None:
    weights = written({**WORDS, ("w=rats", 3, "there", "S-disease"): 8.0, ("w=rats", 3, "", "O"): 1.0})
    text = "Ibuprofen and renal failure in rats."
    assert tag(weights, text) == [("Ibuprofen", "chemical"), ("renal failure", "disease"), ("rats", "disease")]
    assert tag(weights, text, "here") == [("renal failure", "disease")]
    with pytest.raises(UsageError, match="'there'"):
        tag(weights, text, "there")


def test_the_second_pass_learns_from_the_rest_of_the_text() -> None:
    first = {**WORDS, ("w=acme", 3, "", "S-chemical"): 3.0, ("end=O and", 0, "", "O"): 1.0, ("w=unlike", 3, "", "O"): 1.0}
    second = {("tag=Schemical", 2, "", "S-chemical"): 5.0, ("el1=Schemicala", 1, "", "S-disease"): 9.0}
    text = "Acme was given. Then acme again."
    assert tag(written(first), text) == [("Acme", "chemical"), ("acme", "chemical")]
    assert tag(written(first, second), text) == [("Acme", "disease"), ("acme", "disease")]
    assert tag(written(first, second), "Acme was given.") == [("Acme", "chemical")]


class LengthStates:
    """States that tell how long a word is."""

    fingerprint = "lengths"

    def of(
        self, text: str, starts: Sequence[int], ends: Sequence[int], sentences: Sequence[tuple[int, int]]
    ) -> NDArray[np.float32]:
        assert sentences[-1][1] == len(starts)
        return np.array([[len(text[start:end]), 1] for start, end in zip(starts, ends, strict=True)], np.float32)


def test_states_of_an_encoder_are_seen_as_groups(tmp_path: Path) -> None:
    centres = (np.array([[0.0], [10.0]], np.float32), np.array([[0.0], [5.0], [10.0]], np.float32))
    groups = StateGroups(np.array([1.0, 0.0], np.float32), np.array([[1.0], [0.0]], np.float32), centres)
    weights = replace(written({("sa=1", 2, "", "S-disease"): 5.0}), groups=groups)
    weights.save("states", np.full(1, 2, np.uint8), tmp_path)
    read = TaggerWeights.open("states", tmp_path)
    text = analyse("pain or hypothyroidism")
    assert read.groups is not None
    assert read.groups.stream(text, LengthStates()) == ["0 1", "0 0", "1 2"]
    (span,) = SequenceTagger(read, LengthStates()).tag(text, [])
    assert (text.text[span.start : span.end], span.type) == ("hypothyroidism", EntityType.DISEASE)
    assert SequenceTagger(read, LengthStates()).fingerprint.endswith("-lengths")
    with pytest.raises(UsageError, match="states of an encoder"):
        SequenceTagger(read)


# --- what is seen of a text ------------------------------------------------------------------------------------------


def name(concept: str, kind: EntityType) -> LexiconName:
    return LexiconName(concept, concept, kind, NameKind.PREFERRED, "MeSH", Use.ANY_CASE)


def test_short_forms_carry_what_the_lexicon_says_of_the_long_form() -> None:
    text = analyse("Adverse drug reactions (ADR) are seen. The ADR was mild.")
    matches = [LexiconMatch(0, 3, (name("x", EntityType.DISEASE),), "exact")]
    forms = short_forms(text, matches)
    assert forms == {("ADR",): "=D|tions"}
    seen = first_streams(text, matches, forms)
    assert seen["abbreviation"][:6] == ["long", "long", "long", "", "S=D|tions", ""]
    assert seen["abbreviation"][text.words.index("mild") - 2] == "S=D|tions"
    assert seen["lexicon"][:4] == ["B:D|DMeSp", "I:D|DMeSp", "E:D|DMeSp", "O"]


def test_words_know_of_the_next_name_and_the_way_to_it() -> None:
    text = analyse("Decrease in renal function; breast and ovarian cancer (all).")
    matches = [
        LexiconMatch(2, 3, (name("kidney", EntityType.ANATOMY),), "exact"),
        LexiconMatch(7, 9, (name("cancer", EntityType.DISEASE),), "exact"),
        LexiconMatch(10, 11, (name("rats", EntityType.SPECIES),), "exact"),
    ]
    seen = first_streams(text, matches, {})
    assert seen["ahead"][:9] == ["in:A", ":A", "", "", "w&:D", "&:D", ":D", "", ""]
    assert seen["behind"][3:12] == [":A", "w:A", "", "", "", "", ":D", "", ""]


def test_second_streams_tell_of_the_word_and_phrase_elsewhere() -> None:
    text = analyse("Renal failure came. Then renal failure went. Renal pain stayed.")
    seen = second_streams(text, [(0, 1, "disease")])
    assert seen["tag"][:3] == ["Bdisease", "Edisease", ""]
    assert seen["elsewhere"][text.words.index("pain") - 1] == "Bdiseasem2"
    assert seen["repeated"][5:7] == ["Bdiseasea1", "Ediseasea1"]
    assert seen["repeated"][0] == "Bn1"


# --- the weights that ship -------------------------------------------------------------------------------------------


def matched(text: AnalysedText, names: Mapping[str, EntityType]) -> list[LexiconMatch]:
    """What a lexicon of these single words finds."""
    return [LexiconMatch(at, at + 1, (name(word, names[word]),), "exact") for at, word in enumerate(text.words) if word in names]


def test_the_shipped_tagger_finds_what_a_reader_expects(fast: SequenceTagger) -> None:
    text = "Naloxone reverses the antihypertensive effect of clonidine. Patients with BRCA1 mutations had breast cancer."
    read = analyse(text)
    known = matched(read, {"Naloxone": EntityType.CHEMICAL, "clonidine": EntityType.CHEMICAL, "cancer": EntityType.DISEASE})
    found = {(text[span.start : span.end], span.type.value) for span in fast.tag(read, known)}
    assert found >= {("Naloxone", "chemical"), ("clonidine", "chemical"), ("breast cancer", "disease")}


@given(st.text(max_size=200))
def test_any_text_gives_ordered_spans_of_whole_tokens(fast: SequenceTagger, text: str) -> None:
    read = analyse(text)
    found = fast.tag(read, [])
    assert all(span.start in read.starts and span.end in read.ends and 0 < span.score <= 1 for span in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    assert fast.tag(read, []) == found


@pytest.mark.parametrize("convention", ["", "bc5cdr", "ncbi", "biored"])
def test_conventions_look_for_their_types(fast: SequenceTagger, convention: str) -> None:
    text = analyse("Aspirin inhibits COX-2 in HeLa cells of mice with asthma.")
    known = matched(text, {"Aspirin": EntityType.CHEMICAL, "asthma": EntityType.DISEASE})
    kinds = {span.type.value for span in fast.tag(text, known, convention)}
    expected = {"bc5cdr": {"chemical", "disease"}, "ncbi": {"disease"}}.get(convention)
    assert "disease" in kinds
    assert kinds <= (expected or {"chemical", "disease", "gene", "variant", "species", "cell_line"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "a" * 1_000_000,
        "aspirin " * 8_000,
        "(" * 8_000,
        "".join(chr(plane * 0x10000 + offset) for plane in range(17) for offset in range(0x20, 0xD000, 997)),
        "האספירין גרם לבצקת (aspirin) אצל חולים. " * 20,
        "\U0001f9ec" * 5_000 + " aspirin",
    ],
    ids=["nothing", "blank", "one token", "one sentence", "brackets", "planes", "right to left", "signs"],
)
def test_bad_input_gives_right_offsets(fast: SequenceTagger, text: str) -> None:
    read = analyse(text)
    found = fast.tag(read, [])
    assert all(text[span.start : span.end].strip() for span in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))


def test_time_grows_with_the_length_of_a_text_only(fast: SequenceTagger) -> None:
    sentence = "Aspirin reduced the risk of myocardial infarction in patients with diabetes mellitus. "
    fast.tag(analyse(sentence), [])

    def seconds(times: int) -> float:
        read = analyse(sentence * times)
        begun = time.process_time()
        fast.tag(read, [])
        return time.process_time() - begun

    small, large = (min(seconds(times) for _ in range(3)) for times in (100, 400))
    assert large < 12 * small


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = written(WORDS).save("small", np.full(3, 3, np.uint8), tmp_path)
    assert TaggerWeights.open("small", tmp_path).digest in (tmp_path / DIGESTS).read_text(encoding="ascii")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)
    with pytest.raises(ModelCorruptError, match=r"small\.npz"):
        TaggerWeights.open("small", tmp_path)
    path.unlink()
    with pytest.raises(ModelCorruptError, match="cannot be read"):
        TaggerWeights.open("small", tmp_path)


def test_weights_are_written_and_read(tmp_path: Path) -> None:
    made = replace(written(WORDS), clusters={"renal": (1, 2), "failure": (3, 4)})
    made.save("small", np.full(3, 3, np.uint8), tmp_path)
    made.save("other", np.full(3, 3, np.uint8), tmp_path)
    found = TaggerWeights.open("small", tmp_path)
    assert (found.facts, found.attributes, found.clusters) == (made.facts, made.attributes, made.clusters)
    assert tag(found, "Ibuprofen.") == [("Ibuprofen", "chemical")]
    made.save("small", np.full(2, 3, np.uint8), tmp_path)
    with pytest.raises(ModelCorruptError, match="do not fit"):
        TaggerWeights.open("small", tmp_path)


def test_the_accurate_tagger_needs_an_encoder() -> None:
    weights = TaggerWeights.open("accurate")
    assert weights.groups is not None
    with pytest.raises(UsageError, match="states of an encoder"):
        SequenceTagger(weights)


@pytest.mark.skipif(not os.environ.get("MK_TAGGER_QUALITY"), reason="takes 20 s; set MK_TAGGER_QUALITY, as make test-all does")
def test_scores_on_the_development_parts(
    fast: SequenceTagger, test_data: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks" / "extraction"))
    from corpora import corpora_are_there, read_corpus
    from tagger_scores import scored

    if not corpora_are_there():
        pytest.skip(f"the corpora are not at {test_data}")
    try:
        lexicon = Lexicon.open(ModelStore(models_dir).path("lexicon", "lexicon"))
    except ModelNotInstalledError as error:
        pytest.skip(str(error))
    scores = {corpus: scored(read_corpus(corpus, "dev"), lexicon, fast, corpus) for corpus in ("bc5cdr", "ncbi", "biored")}
    assert scores["bc5cdr"].of(EntityType.CHEMICAL)[2] >= 0.91
    assert scores["bc5cdr"].of(EntityType.DISEASE)[2] >= 0.845
    assert scores["ncbi"].of(EntityType.DISEASE)[2] >= 0.86
    assert scores["biored"].of()[2] >= 0.855
