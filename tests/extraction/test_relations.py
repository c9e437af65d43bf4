"""Relations between what a text names, with the sentences that say so."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import ModelCorruptError
from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.relations import WEIGHTS, RelationFinder, RelationModel
from Medical_KG_rev.extraction.spans import Candidate, Context, FoundClaim, FoundMention
from Medical_KG_rev.graph.biolink import PREDICATES as BIOLINK
from Medical_KG_rev.models import Certainty, EntityType

pytestmark = pytest.mark.unit

TYPES = {
    "c": EntityType.CHEMICAL,
    "d": EntityType.DISEASE,
    "g": EntityType.GENE,
    "v": EntityType.VARIANT,
    "s": EntityType.SPECIES,
}


@pytest.fixture(scope="module")
def finder() -> RelationFinder:
    return RelationFinder()


def marked(text: str, *contexts: Context) -> tuple[str, list[FoundMention]]:
    """``[c:aspirin] for [d:pain]`` as text and mentions; names with one beginning of five letters are one entity."""
    plain, mentions = "", []
    for index, part in enumerate(text.replace("]", "[").split("[")):
        name = part
        if index % 2:
            kind, _, name = part.partition(":")
            candidate = Candidate(f"X:{name[:5].lower()}", name, 1.0, "test")
            mentions.append(FoundMention(len(plain), len(plain) + len(name), TYPES[kind], 1.0, "test", (candidate,), *contexts))
        plain += name
    return plain, mentions


def claims(finder: RelationFinder, text: str) -> list[FoundClaim]:
    plain, mentions = marked(text)
    return finder.find(analyse(plain), mentions)


INDUCED = (
    "[c:Haloperidol]-induced [d:parkinsonism] in the elderly.\n"
    "We describe three patients who developed [d:parkinsonism] after they were given [c:haloperidol]. "
    "The [d:parkinsonism] resolved when [c:haloperidol] was withdrawn. "
    "We conclude that [c:haloperidol] can cause [d:parkinsonism]."
)


def test_a_chemical_causes_a_disease(finder: RelationFinder) -> None:
    plain, mentions = marked(INDUCED)
    found = finder.find(analyse(plain), mentions)
    assert [(claim.subject, claim.predicate, claim.object) for claim in found] == [("X:halop", p.CAUSES, "X:parki")]
    claim = found[0]
    assert claim.score > 0.7
    assert claim.method == "relation-model"
    assert not claim.negated
    assert all(plain[start:end] in {s.strip() for s in plain.replace(". ", ".\n").split("\n")} for start, end in claim.evidence)


@pytest.mark.parametrize(
    ("text", "negated", "certainty"),
    [
        ("[c:Methotrexate] for the treatment of [d:rheumatoid arthritis].", False, Certainty.STATED),
        ("[d:Angina] was relieved by sublingual [c:nitroglycerin] in all cases.", False, Certainty.STATED),
        ("[c:Magnesium] did not prevent [d:pre-eclampsia] in this population.", True, Certainty.STATED),
        ("[c:Minocycline] may be effective for the treatment of [d:fragile X syndrome].", False, Certainty.UNCERTAIN),
        ("To evaluate whether [c:simvastatin] prevents [d:delirium] in the critically ill.", False, Certainty.HYPOTHETICAL),
    ],
)
def test_a_chemical_treats_a_disease(finder: RelationFinder, text: str, negated: bool, certainty: Certainty) -> None:
    found = [claim for claim in claims(finder, text) if claim.predicate == p.TREATS]
    assert [(claim.negated, claim.certainty, claim.method) for claim in found] == [(negated, certainty, "relation-rule")]


@pytest.mark.parametrize(
    "text",
    [
        "[d:Seizures] occurred in patients treated with [c:bupropion].",
        "[c:Cisplatin] caused [d:nephrotoxicity] in a third of the patients.",
        "The treatment of [c:lithium]-induced [d:polyuria] is difficult.",
        "Acute [d:pancreatitis] following [c:azathioprine] given for years.",
    ],
)
def test_harm_is_no_treatment(finder: RelationFinder, text: str) -> None:
    assert p.TREATS not in {claim.predicate for claim in claims(finder, text)}


def test_a_treatment_tells_its_dose_and_who_was_treated(finder: RelationFinder) -> None:
    found = claims(finder, "[d:Malaria] was treated with [c:artesunate] 120 mg intravenously in 40 children.")
    qualifiers = next(claim.qualifiers for claim in found if claim.predicate == p.TREATS)
    assert qualifiers["dose"] == {"value": 120.0, "unit": "mg"}
    assert qualifiers["route"] == "intravenous"
    assert qualifiers["population_size"] == 40


def test_what_all_sentences_deny_is_a_negated_claim(finder: RelationFinder) -> None:
    text = (
        "[c:Aspirin] and [d:renal failure].\n"
        "[c:Aspirin] did not cause [d:renal failure] in these patients. [c:Aspirin] was not associated with [d:renal failure]."
    )
    found = [claim for claim in claims(finder, text) if claim.predicate in (p.CAUSES, p.ASSOCIATED_WITH) and claim.negated]
    assert {claim.predicate for claim in found} >= {p.CAUSES}
    assert all(claim.method == "relation-rule" for claim in found)


def test_a_denied_mention_denies_what_is_said_of_it(finder: RelationFinder) -> None:
    plain, mentions = marked(INDUCED, Context(negated=True))
    found = finder.find(analyse(plain), mentions)
    assert [(claim.predicate, claim.negated) for claim in found] == [(p.CAUSES, True)]


@pytest.mark.parametrize(("absent", "expected"), [("c", set()), ("d", {(p.CAUSES, True)})])
def test_what_is_absent_denies_as_a_disease_alone(finder: RelationFinder, absent: str, expected: set[tuple[str, bool]]) -> None:
    plain, mentions = marked(INDUCED)
    denied = [
        replace(mention, context=Context(negated=True)) if mention.type is TYPES[absent] else mention for mention in mentions
    ]
    assert {(claim.predicate, claim.negated) for claim in finder.find(analyse(plain), denied)} == expected


def test_a_sentence_that_says_something_does_not_deny_it_by_the_way(finder: RelationFinder) -> None:
    plain, mentions = marked(
        INDUCED.replace("parkinsonism] in the elderly", "parkinsonism] (the controls had no [d:parkinsonism])")
    )
    told = [replace(mention, context=Context(negated=True)) if at == 2 else mention for at, mention in enumerate(mentions)]
    assert [(claim.predicate, claim.negated) for claim in finder.find(analyse(plain), told)] == [(p.CAUSES, False)]


def test_genes_and_variants_are_related_to_diseases(finder: RelationFinder) -> None:
    text = (
        "Mutations of [g:SCN5A] cause [d:Brugada syndrome].\n"
        "We found the [v:R1193Q] variant of [g:SCN5A] in a family with [d:Brugada syndrome]. The mutation [v:R1193Q] in "
        "[g:SCN5A] was found in all patients with [d:Brugada syndrome] and in no control."
    )
    found = {(claim.subject, claim.object): claim.predicate for claim in claims(finder, text)}
    assert found["X:scn5a", "X:bruga"] in (p.GENE_OF_CONDITION, p.POSITIVELY_CORRELATED)
    assert found["X:r1193", "X:bruga"] in (p.GENETICALLY_ASSOCIATED, p.MORE_LIKELY_WITH)


def test_in_a_long_text_a_sentence_has_to_blame_the_chemical(finder: RelationFinder) -> None:
    long = " The participants were seen again after some weeks." * 100
    found = [claim for claim in claims(finder, INDUCED + long) if claim.predicate == p.CAUSES]
    assert [(claim.subject, claim.object) for claim in found] == [("X:halop", "X:parki")]
    plain = INDUCED + long
    text = plain.replace("[c:", "").replace("[d:", "").replace("]", "")
    assert all("induced" in said or "cause" in said for said in (text[start:end] for start, end in found[0].evidence))
    about = INDUCED.replace("-induced", " and").replace("can cause", "was stopped in")
    assert [claim.predicate for claim in claims(finder, about)] == [p.CAUSES]
    assert claims(finder, about + long) == []


def test_two_sentences_that_name_one_each_are_the_evidence_of_both(finder: RelationFinder) -> None:
    text = (
        "Liver injury.\n"
        "A woman was given [c:isoniazid] and [c:isoniazid] again. Two weeks later severe [d:hepatitis] developed. "
        "[d:Hepatitis] resolved when the drug was stopped. [c:Isoniazid] was the cause."
    )
    plain, _ = marked(text)
    for claim in claims(finder, text):
        if claim.predicate == p.CAUSES:
            assert len(claim.evidence) == 2
            assert {"isoniazid" in plain[start:end].lower() for start, end in claim.evidence} == {True, False}


def test_without_two_known_entities_there_is_no_claim(finder: RelationFinder) -> None:
    plain, mentions = marked("[c:Aspirin] in [s:mice], and [c:aspirin] again.")
    assert finder.find(analyse(plain), mentions) == []
    assert finder.find(analyse(plain), []) == []
    assert finder.find(analyse(""), []) == []
    unknown = [FoundMention(0, 7, EntityType.CHEMICAL, 1.0, "test"), FoundMention(11, 15, EntityType.DISEASE, 1.0, "test")]
    assert finder.find(analyse("Aspirin for pain."), unknown) == []


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["[c:aspirin]", "[d:pain]", "[g:TP53]", "[v:R175H]", "[c:metformin]", "[d:flu]", "[s:mice]"]),
            st.sampled_from(
                ["induced", "for the treatment of", "not associated with", ". ", "\n", "(", ",", "may", "𝔘𝔫𝔦", "\u202e"]
            ),
            st.text(st.characters(exclude_characters="[]"), max_size=8),
        ),
        max_size=60,
    )
)
def test_evidence_is_whole_sentences_of_whatever_text(parts: list[str]) -> None:
    plain, mentions = marked(" ".join(parts))
    text = analyse(plain)
    places = {(text.starts[first], text.ends[last - 1]) for first, last in text.sentences}
    for claim in _FINDER.find(text, mentions):
        assert claim.evidence
        assert set(claim.evidence) <= places
        assert 0 < claim.score <= 1
        assert claim.predicate in p.PREDICATES
        assert claim.subject != claim.object


_FINDER = RelationFinder()


def test_thousands_of_mentions_take_time_in_proportion(finder: RelationFinder) -> None:
    def seconds(times: int) -> float:
        plain, mentions = marked(
            " ".join(f"[c:chem{n % 97:03}x] [d:dis{n % 89:03}x] [g:gene{n % 83}]" for n in range(times)) + "."
        )
        text = analyse(plain)
        started = time.process_time()
        finder.find(text, mentions)
        return time.process_time() - started

    seconds(200)
    small, large = (min(seconds(times) for _ in range(3)) for times in (400, 4_000))
    assert large < 60 * max(small, 0.005)


def test_predicates_are_biolink_or_our_own() -> None:
    from Medical_KG_rev.extraction.relations.naming import PREDICATE_OF

    used = {predicate for of_kind in PREDICATE_OF for predicate in of_kind.values()} | {p.CAUSES, p.TREATS}
    assert used <= p.PREDICATES.keys()
    assert all(predicate in BIOLINK or predicate.startswith("MK:") for predicate in used)


@pytest.mark.component
def test_weights_with_a_flipped_bit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS.name
    data = bytearray(WEIGHTS.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    digest = WEIGHTS.with_name(WEIGHTS.name + ".sha256")
    path.with_name(digest.name).write_bytes(digest.read_bytes())
    with pytest.raises(ModelCorruptError, match="sha256"):
        RelationModel.open(path)
    with pytest.raises(ModelCorruptError, match="cannot be used"):
        RelationModel.open(tmp_path / "absent.npz")
