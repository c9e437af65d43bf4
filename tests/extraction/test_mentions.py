"""What a text names and what it means, with a lexicon of a few dozen names and taggers that say what the test tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Medical_KG_rev.extraction.analysis import AnalysedText, analyse
from Medical_KG_rev.extraction.grounding import Grounder, MentionFinder
from Medical_KG_rev.extraction.grounding.acceptance import addresses
from Medical_KG_rev.extraction.grounding.coordination import parts
from Medical_KG_rev.extraction.grounding.default_convention import informative, methods_of_research
from Medical_KG_rev.extraction.grounding.variants import find_variants
from Medical_KG_rev.extraction.grounding.wording import element, meaning, rewrites
from Medical_KG_rev.extraction.lexicon import Lexicon, LexiconMatch, NameKind
from Medical_KG_rev.extraction.lexicon.builder import build_lexicon
from Medical_KG_rev.extraction.lexicon.sources import Source
from Medical_KG_rev.extraction.lexicon.terms import Term
from Medical_KG_rev.extraction.spans import Candidate, FoundMention
from Medical_KG_rev.extraction.tagging import TaggedSpan
from Medical_KG_rev.models import EntityType

pytestmark = pytest.mark.unit

DISEASE, CHEMICAL, GENE, ANATOMY = EntityType.DISEASE, EntityType.CHEMICAL, EntityType.GENE, EntityType.ANATOMY
VARIANT, PHENOTYPE = EntityType.VARIANT, EntityType.PHENOTYPE

NAMES: dict[str, tuple[EntityType, tuple[str, ...]]] = {
    "MESH:D001943": (DISEASE, ("Breast Neoplasms", "Breast Cancer")),
    "MESH:D010051": (DISEASE, ("Ovarian Neoplasms", "Ovarian Cancer")),
    "MESH:D006973": (DISEASE, ("Hypertension",)),
    "MESH:D007022": (DISEASE, ("Hypotension",)),
    "MESH:D007674": (DISEASE, ("Kidney Diseases",)),
    "MESH:D009223": (DISEASE, ("Myotonic Dystrophy",)),
    "MESH:D003920": (DISEASE, ("Diabetes Mellitus", "DM")),
    "MESH:D020521": (DISEASE, ("Stroke",)),
    "MESH:D054556": (DISEASE, ("Venous Thromboembolism",)),
    "MESH:D014842": (DISEASE, ("von Willebrand Diseases",)),
    "MESH:D008171": (DISEASE, ("Lung Diseases",)),
    "MESH:D020820": (DISEASE, ("Dyskinesias",)),
    "MESH:D004409": (DISEASE, ("Dyskinesia, Drug-Induced",)),
    "MESH:D006333": (DISEASE, ("Congestive Heart Failure",)),
    "MESH:D064420": (DISEASE, ("Drug-Related Side Effects and Adverse Reactions",)),
    "MONDO:0008903": (DISEASE, ("lung mycosis",)),
    "MESH:D008687": (CHEMICAL, ("Metformin",)),
    "MESH:D008094": (CHEMICAL, ("Lithium",)),
    "MESH:D014867": (CHEMICAL, ("Water",)),
    "MESH:D002118": (CHEMICAL, ("Calcium",)),
    "MESH:D004008": (CHEMICAL, ("Diclofenac",)),
    "MESH:D000900": (CHEMICAL, ("Vesicular Thing E", "VTE")),
    "NCBIGene:7157": (GENE, ("TP53", "tumor protein p53")),
    "NCBIGene:6418": (GENE, ("SET", "SET nuclear proto-oncogene")),
    "NCBIGene:847": (GENE, ("CAT", "catalase")),
    "UBERON:0002107": (ANATOMY, ("hepatic lobe",)),
    "UBERON:0002371": (ANATOMY, ("bone marrow",)),
    "MESH:D001853": (ANATOMY, ("Bone Marrow",)),
    "HP:0012378": (PHENOTYPE, ("wandering gait",)),
}
PARENTS = {"MONDO:0008903": ("MESH:D008171",)}


def terms() -> list[Term]:
    symbols = {"NCBIGene:7157", "NCBIGene:6418", "NCBIGene:847"}
    return [
        Term(
            curie,
            kind,
            [(name, NameKind.SYMBOL if curie in symbols and not at else NameKind(min(at, 1))) for at, name in enumerate(names)],
            parents=PARENTS.get(curie, ()),
        )
        for curie, (kind, names) in NAMES.items()
    ]


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> Lexicon:
    file: Path = tmp_path_factory.mktemp("lexicon") / "lexicon.bin"
    build_lexicon({}, file, sources=(Source("MeSH", "1", "CC0-1.0", (), lambda: iter(terms())),))
    return Lexicon.open(file)


@pytest.fixture(scope="module")
def finder(lexicon: Lexicon) -> MentionFinder:
    return MentionFinder(lexicon, None)


@dataclass(frozen=True)
class Tagged:
    start: int
    end: int
    type: EntityType
    score: float = 0.9


class SpanTagger:
    """Tags what it was told to, wherever it stands."""

    fingerprint = "told"

    def __init__(self, kinds: dict[str, EntityType]) -> None:
        self._kinds = kinds
        self.conventions: list[str] = []

    def tag(self, text: AnalysedText, matches: Sequence[LexiconMatch], convention: str = "") -> list[Tagged]:
        self.conventions.append(convention)
        found = []
        for name, kind in self._kinds.items():
            at = text.text.find(name)
            while at >= 0:
                found.append(Tagged(at, at + len(name), kind))
                at = text.text.find(name, at + len(name))
        return sorted(found, key=lambda span: span.start)


def named(text: str, mentions: Sequence[FoundMention]) -> dict[str, tuple[str, ...]]:
    return {text[mention.start : mention.end]: mention.ids for mention in mentions}


def found(finder: MentionFinder, text: str, convention: str = "") -> dict[str, tuple[str, ...]]:
    return named(text, finder.find(analyse(text), convention))


def told(lexicon: Lexicon, text: str, kinds: dict[str, EntityType], convention: str = "") -> dict[str, tuple[str, ...]]:
    return found(MentionFinder(lexicon, SpanTagger(kinds)), text, convention)


# --- without a tagger ------------------------------------------------------------------------------------------------


def test_names_are_found_and_grounded_whatever_their_case_and_number(finder: MentionFinder) -> None:
    text = "METFORMIN in breast neoplasm and hypertension; metformin helps."
    assert found(finder, text) == {
        "METFORMIN": ("MESH:D008687",),
        "metformin": ("MESH:D008687",),
        "breast neoplasm": ("MESH:D001943",),
        "hypertension": ("MESH:D006973",),
    }


def test_a_short_form_means_what_its_definition_says(finder: MentionFinder) -> None:
    text = "Patients with venous thromboembolism (VTE) were seen. VTE came back with hypertension."
    assert found(finder, text)["VTE"] == ("MESH:D054556",)


def test_every_candidate_says_why(finder: MentionFinder) -> None:
    mentions = finder.find(analyse("Venous thromboembolism (VTE) and hypertension."))
    assert mentions
    for mention in mentions:
        for candidate in mention.candidates:
            assert 0 < candidate.score <= 1
            assert candidate.name
            assert "in MeSH" in candidate.reason
    assert "short for 'Venous thromboembolism'" in mentions[1].candidates[0].reason


@pytest.mark.parametrize(
    "text", ["The cat sat on the mat.", "SET the table; LET it be.", "We SET out at noon.", "a CAT scan of the set"]
)
def test_ordinary_words_are_no_genes(finder: MentionFinder, text: str) -> None:
    assert found(finder, text) == {}


def test_a_symbol_is_a_gene_where_the_words_around_say_so(finder: MentionFinder) -> None:
    company = "Metformin in hypertension: "
    assert found(finder, company + "the CAT gene was expressed.")["CAT"] == ("NCBIGene:847",)
    assert "CAT" not in found(finder, company + "seen by CAT yesterday.")
    assert found(finder, company + "TP53 was seen.")["TP53"] == ("NCBIGene:7157",)


@pytest.mark.parametrize("name", ["bone marrow", "Bone marrow", "Bone Marrow"])
def test_a_part_of_the_body_is_the_same_in_any_case(finder: MentionFinder, name: str) -> None:
    assert found(finder, f"{name} was examined.") == {name: ("UBERON:0002371",)}


def test_everyday_names_count_in_company_only(finder: MentionFinder) -> None:
    assert found(finder, "Add water and stir until smooth.") == {}
    assert found(finder, "Metformin in water lowered hypertension.")["water"] == ("MESH:D014867",)


def test_addresses_and_code_name_nothing(finder: MentionFinder) -> None:
    text = (
        "See https://example.org/metformin/hypertension, metformin@hypertension.org, doi:10.1000/metformin-x, metformin(water_)."
    )
    assert found(finder, text) == {}
    assert [text[start:end] for start, end in addresses(text)][:2] == [
        "https://example.org/metformin/hypertension,",
        "metformin@hypertension.org",
    ]


# --- with a tagger ---------------------------------------------------------------------------------------------------


def test_the_tagger_decides_what_it_was_trained_on_and_the_lexicon_adds_the_rest(lexicon: Lexicon) -> None:
    text = "A wandering gait and the hepatic lobe in hypertension and strange malady."
    assert told(lexicon, text, {"strange malady": DISEASE}) == {
        "wandering gait": ("HP:0012378",),
        "hepatic lobe": ("UBERON:0002107",),
        "strange malady": (),
    }


def test_the_convention_is_handed_on(lexicon: Lexicon) -> None:
    tagger = SpanTagger({})
    MentionFinder(lexicon, tagger).find(analyse("Nothing."), "ncbi")
    assert tagger.conventions == ["ncbi"]


@pytest.mark.parametrize(
    ("name", "kind", "ids"),
    [
        ("hypertensive", DISEASE, ("MESH:D006973",)),
        ("severe chronic hypotension", DISEASE, ("MESH:D007022",)),
        ("renal injury", DISEASE, ("MESH:D007674",)),
        ("von Willebrand", DISEASE, ("MESH:D014842",)),
        ("cancer of the breast", DISEASE, ("MESH:D001943",)),
        ("breast tumour", DISEASE, ("MESH:D001943",)),
        ("toxicity", DISEASE, ("MESH:D064420",)),
        ("metformin-induced hypotension", DISEASE, ("MESH:D007022",)),
        ("diclofenac sodium", CHEMICAL, ("MESH:D004008",)),
        ("Ca2+", CHEMICAL, ("MESH:D002118",)),
        ("Li", CHEMICAL, ("MESH:D008094",)),
        ("human TP53 protein", GENE, ("NCBIGene:7157",)),
        ("breast and ovarian cancer", DISEASE, ("MESH:D001943", "MESH:D010051")),
        ("breast or ovarian cancers", DISEASE, ("MESH:D001943", "MESH:D010051")),
        ("frabjous malady of the toves", DISEASE, ()),
        ("zorbamine", CHEMICAL, ()),
    ],
)
def test_what_a_tagged_name_means(lexicon: Lexicon, name: str, kind: EntityType, ids: tuple[str, ...]) -> None:
    assert told(lexicon, f"We saw {name} again.", {name: kind}) == {name: ids}


def test_a_name_in_brackets_after_one_of_its_type_is_the_same(lexicon: Lexicon) -> None:
    text = "Families with myotonic dystrophy (DM) came. In DM the muscles fail."
    assert told(lexicon, text, {"myotonic dystrophy": DISEASE, "DM": DISEASE})["DM"] == ("MESH:D009223",)
    assert told(lexicon, "In DM the sugar rises.", {"DM": DISEASE})["DM"] == ("MESH:D003920",)


def test_a_short_form_within_a_name_is_written_out(lexicon: Lexicon) -> None:
    text = "Hypotension (HYP) is bad. Severe HYP is worse."
    assert told(lexicon, text, {"Severe HYP": DISEASE})["Severe HYP"] == ("MESH:D007022",)


def test_what_a_drug_induces_has_a_concept_of_its_own_where_the_vocabulary_says_so(lexicon: Lexicon) -> None:
    kinds = {"dyskinesia": DISEASE, "lithium": CHEMICAL, "hypotension": DISEASE}
    induced = told(lexicon, "A lithium-induced dyskinesia; lithium-induced hypotension. The dyskinesia stayed.", kinds)
    assert induced["dyskinesia"] == ("MESH:D004409",)
    assert induced["hypotension"] == ("MESH:D007022",)
    assert told(lexicon, "A dyskinesia before lithium.", kinds)["dyskinesia"] == ("MESH:D020820",)


def test_initials_of_what_the_text_names_are_known(lexicon: Lexicon) -> None:
    text = "In congestive heart failure the legs swell. CHF kills."
    assert told(lexicon, text, {"congestive heart failure": DISEASE, "CHF": DISEASE})["CHF"] == ("MESH:D006333",)


def test_what_was_tagged_twice_is_found_everywhere(lexicon: Lexicon) -> None:
    class Forgetful(SpanTagger):
        def tag(self, text: AnalysedText, matches: Sequence[LexiconMatch], convention: str = "") -> list[Tagged]:
            return super().tag(text, matches, convention)[:2]

    text = "A flumpish malady. The flumpish malady again. No flumpish malady now."
    assert len(MentionFinder(lexicon, Forgetful({"flumpish malady": DISEASE})).find(analyse(text))) == 3


def test_a_name_with_one_meaning_is_of_its_type_unless_a_corpus_is_followed(lexicon: Lexicon) -> None:
    finder = MentionFinder(lexicon, SpanTagger({"Metformin": GENE}))
    assert [mention.type for mention in finder.find(analyse("Metformin works."))] == [CHEMICAL]
    assert [mention.type for mention in finder.find(analyse("Metformin works."), "biored")] == [GENE]


def test_a_short_form_of_what_a_drug_induces(lexicon: Lexicon) -> None:
    text = "Of lithium-induced dyskinesia (LID) little is known. LID stays."
    assert told(lexicon, text, {"LID": DISEASE})["LID"] == ("MESH:D004409",)


def test_symbols_in_program_text_are_nothing(lexicon: Lexicon) -> None:
    text = 'MOV = {AX}; TP53 = SET[1]; if (SET == TP53) { return "x"; }'
    assert told(lexicon, text, {"TP53": GENE, "AX": GENE, "SET": GENE}) == {}


def test_what_a_vocabulary_lacks_is_grounded_to_what_is_broader(lexicon: Lexicon) -> None:
    tags = {"lung mycosis": DISEASE}
    assert told(lexicon, "With lung mycosis.", tags)["lung mycosis"] == ("MONDO:0008903",)
    assert told(lexicon, "With lung mycosis.", tags, "bc5cdr")["lung mycosis"] == ("MESH:D008171",)


def test_the_fingerprint_tells_lexicon_and_tagger(lexicon: Lexicon, finder: MentionFinder) -> None:
    with_tagger = MentionFinder(lexicon, SpanTagger({})).fingerprint
    assert lexicon.fingerprint in finder.fingerprint
    assert with_tagger != finder.fingerprint
    assert "told" in with_tagger


# --- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "variants"),
    [
        ("Rs1801133 and MTHFR C677T polymorphism", ["Rs1801133", "C677T"]),
        ("the BRAF V600E mutation", ["V600E"]),
        ("c.76A>T and c.35delG; p.Gly12Asp, p.Arg97fs", ["c.76A>T", "c.35delG", "p.Gly12Asp", "p.Arg97fs"]),
        ("a Val158Met variant, IVS1+5G>A, delF508", ["Val158Met", "IVS1+5G>A", "delF508"]),
        ("part number A123C was bought in 2003", []),
        ("words alone", []),
    ],
)
def test_variants_are_known_by_their_notation(text: str, variants: list[str]) -> None:
    assert [text[start:end] for start, end in find_variants(text)] == variants


def test_an_rs_number_is_its_own_id(finder: MentionFinder) -> None:
    text = "The polymorphisms rs1801133 and C677T."
    mentions = finder.find(analyse(text))
    assert [(text[m.start : m.end], m.type, m.ids) for m in mentions] == [
        ("rs1801133", VARIANT, ("dbSNP:rs1801133",)),
        ("C677T", VARIANT, ()),
    ]


@pytest.mark.parametrize(
    ("name", "single"),
    [
        ("breast and ovarian cancer", ("breast cancer", "ovarian cancer")),
        ("cancer of the breast or ovary", ("cancer of the breast", "cancer of the ovary")),
        ("renal, hepatic and cardiac failure", ("renal failure", "hepatic failure", "cardiac failure")),
        ("breast cancer", ()),
        ("and", ()),
        ("", ()),
    ],
)
def test_coordinations(name: str, single: tuple[str, ...]) -> None:
    assert parts(name) == single


def test_wordings_are_told_the_surest_first_and_are_bounded() -> None:
    told = list(rewrites("severe chronic renal tubular injury of the left upper pole", DISEASE))
    assert 0 < len(told) <= 60
    assert [sure for _, sure, _ in told] == sorted((sure for _, sure, _ in told), reverse=True)
    assert all(reason for _, _, reason in told)
    assert list(rewrites("", DISEASE)) == []
    assert list(rewrites("word " * 400, DISEASE)) == []


def test_tables_of_words() -> None:
    assert meaning("Hypotensive", DISEASE) == "hypotension"
    assert meaning("hypotensive", GENE) is None
    assert element("Ca2+") == "calcium"
    assert element("NO") == "nitric oxide"
    assert element("Xx") is None


def test_grounding_knows_no_name_that_the_lexicon_lacks(lexicon: Lexicon) -> None:
    assert Grounder(lexicon).candidates("", DISEASE) == ()
    assert Grounder(lexicon).candidates("metformin", DISEASE) == ()


# --- any text --------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "metformin",
        "VTE",
        "(VTE)",
        "venous thromboembolism",
        "breast and ovarian cancer",
        "water",
        "CAT gene",
        "V600E mutation",
        "rs12",
        "http://a.b/metformin",
        "hypertension",
        "مرحبا",
        "😀",
        "é",
        "(",
        ")",
        "[",
        ".",
        " ",
        "\n",
        "\t",
        "-",
        "x@y.org",
        "α",
        "�",
    ]
)
ANY_TEXT = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=40).map("".join)


@settings(deadline=None)
@given(ANY_TEXT, st.sampled_from(["", "bc5cdr", "ncbi", "biored"]))
def test_mentions_quote_the_text_in_order_and_never_overlap(lexicon: Lexicon, text: str, convention: str) -> None:
    tagger = SpanTagger({"venous thromboembolism": DISEASE, "VTE": DISEASE, "metformin": CHEMICAL})
    for finder in (MentionFinder(lexicon, None), MentionFinder(lexicon, tagger)):
        mentions = finder.find(analyse(text), convention)
        assert all(0 <= mention.start < mention.end <= len(text) for mention in mentions)
        assert all(a.end <= b.start for a, b in pairwise(mentions))
        assert all(text[mention.start : mention.end].strip() for mention in mentions)


@given(ANY_TEXT)
def test_only_what_was_read_is_found(lexicon: Lexicon, text: str) -> None:
    half = len(text) // 2
    mentions = MentionFinder(lexicon, None).find(analyse(text, [(0, half)]))
    assert all(mention.end <= half for mention in mentions)


@pytest.mark.parametrize(
    "unit",
    [
        "metformin ",
        "a",
        "VTE (",
        "venous thromboembolism (VTE) ",
        "breast and ",
        "(",
        "(metformin (",
        "V600E mutation ",
        "x@",
        "10.1234/",
        "\U0001f600",
        "1" * 7 + " ",
    ],
)
def test_time_is_linear(finder: MentionFinder, unit: str) -> None:
    def seconds(size: int) -> float:
        text = analyse((unit * (size // len(unit) + 1))[:size])
        started = process_time()
        finder.find(text)
        return process_time() - started

    small, large = (min(seconds(size) for _ in range(3)) for size in (5_000, 80_000))  # the process has other garbage to collect
    assert large < 64 * max(small, 0.001)


class Telling:
    """A tagger that says what it is told."""

    fingerprint = "told"

    def __init__(self, *spans: tuple[int, int, EntityType]) -> None:
        self._spans = spans

    def tag(self, text: AnalysedText, matches: Sequence[LexiconMatch], convention: str = "") -> list[TaggedSpan]:
        return [TaggedSpan(start, end, kind, 0.9) for start, end, kind in self._spans]


@pytest.mark.parametrize(
    ("text", "name", "kind", "is_kept"),
    [
        ("They took KTP-001 daily.", "KTP-001", EntityType.GENE, False),
        ("They took it Q2W.", "Q2W", EntityType.VARIANT, False),
        ("The mutation V600E was found.", "V600E", EntityType.VARIANT, True),
        ("FEV1 was measured.", "FEV1", EntityType.GENE, False),
        ("EGFR was mutated.", "EGFR", EntityType.GENE, True),
    ],
)
def test_what_tells_a_reader_nothing_is_left_to_the_conventions_of_corpora(
    tiny_lexicon: Lexicon, text: str, name: str, kind: EntityType, is_kept: bool
) -> None:
    start = text.index(name)
    finder = MentionFinder(tiny_lexicon, Telling((start, start + len(name), kind)))
    assert [text[each.start : each.end] for each in finder.find(analyse(text), "biored")] == [name]
    assert [text[each.start : each.end] for each in finder.find(analyse(text))] == ([name] if is_kept else [])


def test_people_are_no_species_unless_they_are_called_so() -> None:
    people = (Candidate("NCBITaxon:9606", "Humans", 1.0, "a synonym"),)
    text = "Patients and humans"
    said = [FoundMention(start, end, EntityType.SPECIES, 1.0, "tagger", people) for start, end in ((0, 8), (13, 19))]
    assert informative(analyse(text), said, ()) == said[1:]


def test_how_studies_are_made_is_nothing_done_to_patients() -> None:
    below = {"MESH:D004812": {"M:registry", "M:weight", "M:survival"}, "MESH:D000886": {"M:weight"}}
    above = {"M:survival": ("MESH:D004812", "M:outcome")}

    class Tree:
        def narrower(self, curie: str) -> frozenset[str]:
            return frozenset(below.get(curie, ()))

        def broader(self, curie: str) -> tuple[str, ...]:
            return above.get(curie, ("MESH:D004812",))

    methods = methods_of_research(Tree())
    assert methods == {"M:registry"}
    said = [
        FoundMention(0, 8, EntityType.PROCEDURE, 0.8, "lexicon", (Candidate("M:registry", "Registries", 1.0, "its name"),)),
        FoundMention(9, 15, EntityType.PROCEDURE, 0.8, "lexicon", (Candidate("M:weight", "Weight", 1.0, "its name"),)),
    ]
    assert informative(analyse("registry weight"), said, methods) == said[1:]


@pytest.mark.parametrize(
    ("text", "name", "is_kept"),
    [
        ("Answers were Yes or no.", "Yes", False),
        ("Arm 2 had it.", "Arm 2", False),
        ("Fig 4 shows it.", "Fig 4", False),
        ("50 mg min-1 was given.", "min-1", False),
        ("CO2 was measured.", "CO2", False),
        ("The eGFR fell below 30.", "eGFR", False),
        ("Mutations of EGFR were found.", "EGFR", True),
        ("The L5 root in lumbar disc herniation.", "L5", False),
        ("OS and PFS were endpoints.", "OS", False),
        ("The OS gene was silenced. OS fell.", "OS", True),
        ("Obstructing substance (OS) was found. OS fell.", "OS", True),
        ("CD4 counts fell.", "CD4", True),
        ("BRCA1 carriers were seen.", "BRCA1", True),
    ],
)
def test_what_only_looks_like_a_gene_is_none(text: str, name: str, is_kept: bool) -> None:
    gene = (Candidate("NCBIGene:1", name, 1.0, "a symbol"),)
    at = text.rindex(name)
    said = [FoundMention(start, start + len(name), GENE, 0.9, "tagger", gene) for start in sorted({text.index(name), at})]
    assert informative(analyse(text), said, ()) == (said if is_kept else [])
