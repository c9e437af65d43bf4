"""Short forms are what the text says that they stand for, whatever the tagger takes them for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.lexicon import LexiconMatch, LexiconName, NameKind
from Medical_KG_rev.extraction.lexicon.terms import Use
from Medical_KG_rev.extraction.tagging import TaggedSpan
from Medical_KG_rev.extraction.tagging.definitions import as_defined
from Medical_KG_rev.models import EntityType

pytestmark = pytest.mark.unit

DISEASE, CHEMICAL, GENE = EntityType.DISEASE, EntityType.CHEMICAL, EntityType.GENE


def kept(text: str, tagged: Mapping[str, EntityType], known: Mapping[str, EntityType] = MappingProxyType({})) -> list[str]:
    """What is left of these names, tagged wherever they stand; ``known`` are single words that a lexicon has."""
    read = analyse(text)
    places = [
        (found.start(), found.end(), kind)
        for name, kind in tagged.items()
        for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    ]
    matches = [
        LexiconMatch(at, at + 1, (LexiconName("T:1", word, known[word], NameKind.PREFERRED, "T", Use.ANY_CASE),), "exact")
        for at, word in enumerate(read.words)
        if word in known
    ]
    spans = [TaggedSpan(start, end, kind, 1.0) for start, end, kind in sorted(places)]
    return [text[span.start : span.end] for span in as_defined(read, matches, spans)]


def test_a_short_form_of_a_disease_stays_a_disease() -> None:
    text = "Tumor lysis syndrome (TLS) is rare. TLS was seen twice."
    tagged = {"Tumor lysis syndrome": DISEASE, "TLS": DISEASE}
    assert kept(text, tagged) == ["Tumor lysis syndrome", "TLS", "TLS"]


def test_a_short_form_of_something_else_is_none() -> None:
    text = "Bone mineral density (BMD) fell in osteoporosis. BMD was low; the BMDs differed."
    assert kept(text, {"osteoporosis": DISEASE, "BMD": DISEASE, "BMDs": DISEASE}) == ["osteoporosis"]


def test_a_gene_that_is_named_after_a_disease_is_none() -> None:
    text = "The Alport syndrome gene (ASG) was cloned. ASG is expressed in kidney."
    assert kept(text, {"Alport syndrome": DISEASE, "ASG": DISEASE}) == ["Alport syndrome"]
    assert kept(text, {"ASG": GENE}) == ["ASG", "ASG"]


def test_one_of_several_long_forms_is_enough() -> None:
    text = "Heteroduplex (HD) bands were cut. In Huntington disease (HD) they differ. HD is inherited."
    assert kept(text, {"Huntington disease": DISEASE, "HD": DISEASE}) == ["HD", "Huntington disease", "HD", "HD"]


def test_what_the_lexicon_has_in_a_long_form_counts() -> None:
    text = "All- trans-retinoic acid (ATRA) was given. ATRA helped."
    assert kept(text, {"ATRA": CHEMICAL}) == []
    assert kept(text, {"ATRA": CHEMICAL}, {"acid": CHEMICAL}) == ["ATRA", "ATRA"]


def test_what_a_text_does_not_define_is_left_to_the_tagger() -> None:
    assert kept("TLS was seen twice (n = 3).", {"TLS": DISEASE}) == ["TLS"]
    text = "Bone mineral density (BMD) and BMD-1 syndrome."
    assert kept(text, {"BMD-1 syndrome": DISEASE}) == ["BMD-1 syndrome"]
