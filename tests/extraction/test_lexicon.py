"""Names found in texts and looked up, and what is known of their concepts: on a lexicon of a few terms of every source."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.lexicon import Lexicon, NameKind
from Medical_KG_rev.extraction.lexicon.normal import key, tokens

pytestmark = pytest.mark.component


def found(lexicon: Lexicon, text: str, *, nested: bool = False) -> list[tuple[str, str, str]]:
    """What is matched: the words, the first concept, and how."""
    read = analyse(text)
    return [
        (text[read.starts[match.first] : read.ends[match.last - 1]], match.concepts[0], match.how)
        for match in lexicon.match(read, nested=nested)
    ]


@pytest.mark.parametrize(
    ("text", "words", "curie", "how"),
    [
        ("Metformin helps.", "Metformin", "MESH:D008687", "exact"),
        ("The METFORMIN arm.", "METFORMIN", "MESH:D008687", "exact"),
        ("Given Glucophage daily", "Glucophage", "MESH:D008687", "exact"),
        ("juvenile arthritis", "juvenile arthritis", "MESH:D001171", "morphology"),
        ("Parkinson's disease", "Parkinson's disease", "MESH:D010300", "exact"),
        ("Parkinson’s diseases", "Parkinson’s diseases", "MESH:D010300", "morphology"),
        ("Parkinsons disease", "Parkinsons disease", "MESH:D010300", "morphology"),
        ("acute leukaemia", "leukaemia", "MESH:D007938", "morphology"),
        ("leukemic mice", "leukemic", "MESH:D007938", "morphology"),
        ("breast-cancer cells", "breast-cancer", "MESH:D001943", "morphology"),
        ("breast tumours", "breast tumours", "MESH:D001943", "morphology"),
        ("TNFα levels", "TNFα", "MESH:D014409", "morphology"),
        ("TNF alpha levels", "TNF alpha", "MESH:D014409", "morphology"),
        ("IL6 rose", "IL6", "NCBIGene:3569", "exact"),
        ("IL 6 rose", "IL 6", "NCBIGene:3569", "morphology"),
        ("two biopsies", "biopsies", "MESH:D001706", "morphology"),
        ("E. coli grew", "E. coli", "NCBITaxon:562", "morphology"),
        ("mutant p53 protein", "p53", "NCBIGene:7157", "exact"),
        ("T-cells", "T-cells", "CL:0000084", "morphology"),
        ("HeLa cells", "HeLa", "cellosaurus:CVCL_0030", "exact"),
        ("EGFR-mutant", "EGFR", "NCBIGene:1956", "exact"),
        ("pembrolizumab (Keytruda)", "pembrolizumab", "MESH:C582435", "exact"),
    ],
)
def test_a_name_is_found_as_texts_write_it(tiny_lexicon: Lexicon, text: str, words: str, curie: str, how: str) -> None:
    assert found(tiny_lexicon, text)[0] == (words, curie, how)


@pytest.mark.parametrize(
    "text",
    [
        "The cat sat with a rare disease until death.",  # CAT, RARE, and too general terms
        "293 patients, 4.8 years, an inhibitor with a role",
        "IL60 and metforminol, breastcancer",  # parts of other words
        "It was wise, the akt was read; child of old Czechs",
        "paralysis\n\nAgitans",  # a sentence ends between them
        "an occasional tremblement",
        "",
        "…",
    ],
)
def test_common_words_parts_of_words_and_other_things_are_no_names(tiny_lexicon: Lexicon, text: str) -> None:
    assert found(tiny_lexicon, text) == []


def test_matches_are_the_longest_unless_the_shorter_are_asked_for(tiny_lexicon: Lexicon) -> None:
    text = "Breast cancer and epidermal growth factor receptor"
    assert [words for words, _, _ in found(tiny_lexicon, text)] == ["Breast cancer", "epidermal growth factor receptor"]
    assert [words for words, _, _ in found(tiny_lexicon, text, nested=True)] == [
        "Breast cancer", "cancer", "epidermal growth factor receptor",
    ]  # fmt: skip


def test_a_name_keeps_where_it_comes_from(tiny_lexicon: Lexicon) -> None:
    (brand,) = tiny_lexicon.lookup("glucophage")
    assert (brand.concept, brand.kind, brand.source) == ("MESH:D008687", NameKind.BRAND, "collected drugs")
    assert [name.concept for name in tiny_lexicon.lookup("keytrudia")] == ["MESH:C582435"]
    assert [name.concept for name in tiny_lexicon.lookup("newdrug")] == ["DRUGBANK:DB99999"]
    symbol = tiny_lexicon.lookup("cat")[0]
    assert (symbol.name, symbol.concept, symbol.needs_case) == ("CAT", "NCBIGene:847", True)
    assert [name.concept for name in tiny_lexicon.lookup("disease")] == ["MESH:D004194"]
    assert tiny_lexicon.lookup("no such thing") == tiny_lexicon.lookup("") == tiny_lexicon.lookup("x" * 3_000) == ()


def test_a_concept_is_one_for_all_its_published_ids(tiny_lexicon: Lexicon) -> None:
    concept = tiny_lexicon.concept("mondo:0007254")
    assert concept is not None
    assert (concept.id, concept.name, concept.type) == ("MESH:D001943", "Breast Neoplasms", "disease")
    assert concept.xrefs == ("MONDO:0007254", "MONDO:0100001", "OMIM:114480")
    assert {name.name for name in concept.names} >= {"Breast Neoplasms", "mamma carcinoma", "mammary carcinomas"}
    assert "child" not in {name.name for name in concept.names}
    assert concept.sources == ("MeSH", "MONDO", "MONDO mappings", "collected diseases")
    assert "CC-BY-4.0" in concept.licences
    for curie in ("MESH:D001943", "mesh:d001943", "MONDO:0100001", "omim:114480"):
        assert tiny_lexicon.resolve(curie) == "MESH:D001943"
    assert tiny_lexicon.resolve("MESH:D999999") is None
    assert tiny_lexicon.concept("MESH:D999999") is None


@pytest.mark.parametrize(
    ("curie", "canonical"),
    [
        ("HGNC:3236", "NCBIGene:1956"),
        ("MESH:C512478", "NCBIGene:1956"),  # by a published mapping
        ("MESH:C541485", "MESH:C541485"),  # the mouse's
        ("CHEBI:6801", "MESH:D008687"),  # by their CAS number
        ("DRUGBANK:DB00331", "MESH:D008687"),
        ("DRUGBANK:DB99999", "DRUGBANK:DB99999"),
        ("MESH:D051379", "NCBITaxon:10090"),
        ("DOID:14330", "MESH:D010300"),
        ("MONDO:0009999", "MONDO:0009999"),  # a second MONDO term for one heading is not the same
        ("UMLS:C0006826", "MESH:D009369"),
    ],
)
def test_ids_are_joined_one_to_one(tiny_lexicon: Lexicon, curie: str, canonical: str) -> None:
    assert tiny_lexicon.resolve(curie) == canonical


def test_types_follow_the_branch(tiny_lexicon: Lexicon) -> None:
    def kind(curie: str) -> str:
        concept = tiny_lexicon.concept(curie)
        assert concept is not None
        return concept.type.value

    assert kind("MESH:D007328") == "chemical"  # a hormone
    assert kind("MESH:D000911") == "chemical"  # an antibody
    assert kind("MESH:D014409") == "gene"
    assert kind("HP:0001337") == "phenotype"
    assert kind("GO:0005739") == "anatomy"
    assert kind("MESH:D001706") == "procedure"
    assert kind("NCBITaxon:562") == "species"
    left_out = ("MESH:D005843", "MESH:C000724410", "GO:0006915", "CHEBI:35222", "HP:0040283", "MONDO:0021136", "HGNC:1")
    assert [curie for curie in left_out if tiny_lexicon.concept(curie)] == []


def test_what_is_narrower_and_broader(tiny_lexicon: Lexicon) -> None:
    below = tiny_lexicon.narrower("MONDO:0004992")
    assert below == {"MESH:D001943", "MESH:D007938", "MESH:C536408"}
    assert tiny_lexicon.narrower("MESH:D001943") == tiny_lexicon.narrower("MESH:X") == frozenset()
    assert tiny_lexicon.narrower("FPLX:AKT") == {"NCBIGene:207"}
    assert tiny_lexicon.broader("MESH:D001943") == ("MESH:D009369",)


TEXTS = st.text(st.characters(), max_size=200) | st.lists(
    st.sampled_from(
        ["Breast", "cancer", "'", "s", "-", "TNF", "α", " ", "IL", "6", "\n", "E", ".", "coli", "Parkinson", "ß", "ﬁ", "ע"]
    )
).map("".join)


@given(TEXTS)
def test_matches_lie_in_the_text_in_order(text: str) -> None:
    lexicon = _LEXICON[0]
    read = analyse(text)
    matches = lexicon.match(read)
    assert all(0 <= match.first < match.last <= len(read.words) for match in matches)
    assert all(one.first < two.first and one.last < two.last for one, two in pairwise(matches))
    for match in matches:
        surface = text[read.starts[match.first] : read.ends[match.last - 1]]
        assert {name.concept for name in match.names} <= {name.concept for name in lexicon.lookup(surface)}
    assert {(match.first, match.last) for match in matches} <= {
        (match.first, match.last) for match in lexicon.match(read, nested=True)
    }


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_names_are_cut_as_texts_are(name: str) -> None:
    one_line = " ".join(name.split())
    assert tokens(one_line) == analyse(one_line).words
    assert key(name) == key(name.replace("-", "‑"))
    _LEXICON[0].lookup(name)
    _LEXICON[0].resolve(name)


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "α" * 1_000_000, "-" * 100_000, "Breast cancer " * 20_000, "\ud800 cancer", "سرطان الثدي"]
)
def test_no_text_is_too_strange(tiny_lexicon: Lexicon, text: str) -> None:
    matches = tiny_lexicon.match(analyse(text))
    assert len(matches) == text.count("cancer")


_LEXICON: list[Lexicon] = []


@pytest.fixture(scope="module", autouse=True)
def _shared(tiny_lexicon: Lexicon) -> None:
    """For property tests, which take no fixtures."""
    _LEXICON[:] = [tiny_lexicon]
