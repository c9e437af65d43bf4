"""The stage that reads records and texts together, on a lexicon of a few names."""

from __future__ import annotations

import pytest

from Medical_KG_rev.extraction.context import ContextFinder
from Medical_KG_rev.extraction.document import DocumentExtractor
from Medical_KG_rev.extraction.grounding import MentionFinder
from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.extraction.meaning import LexiconMeaning
from Medical_KG_rev.extraction.record import RecordExtractor
from Medical_KG_rev.extraction.relations import RelationFinder
from Medical_KG_rev.extraction.results import Extraction
from Medical_KG_rev.extraction.spans import FoundClaim
from Medical_KG_rev.extraction.text import Findings, TextReader
from Medical_KG_rev.models import Document, EntityType, SectionKind, StageContext
from Medical_KG_rev.orchestration.stages.contracts import ExtractStage
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.testing.stages import check_stage

pytestmark = pytest.mark.unit

CTX = StageContext("default", "local:1")


@pytest.fixture(scope="module")
def reader(tiny_lexicon: Lexicon) -> TextReader:
    mentions = MentionFinder(tiny_lexicon, None)
    return TextReader(mentions, ContextFinder(), [RelationFinder(tiny_lexicon).find], [mentions.fingerprint])


@pytest.fixture(scope="module")
def extractor(tiny_lexicon: Lexicon, reader: TextReader) -> DocumentExtractor:
    meaning = LexiconMeaning(tiny_lexicon)
    return DocumentExtractor(RecordExtractor(meaning, meaning.fingerprint), reader, lambda curie: (f"X:{curie[5:]}",))


def document(language: str = "en") -> Document:
    builder = DocumentBuilder(doc_id="local:1", source="local", title="Pembrolizumab in breast cancer")
    builder.title()
    with builder.section("Results"):
        builder.block("Metformin was given for breast cancer. There was no leukemia.")
        builder.items(["Leukemia before", "Use of metformin"])
    with builder.section("Keywords", SectionKind.METADATA):
        builder.annotate("keyword", builder.block("Keytruda"))
    with builder.section("References", SectionKind.REFERENCES):
        builder.block("Doe J. Juvenile arthritis. 2020.")
    return builder.build(language=language)


def test_a_text_adds_to_its_record(extractor: DocumentExtractor) -> None:
    read = document()
    entities, claims = extractor.execute(CTX, read)
    by_id = {entity.id: entity for entity in entities}
    assert next(iter(by_id)) == "local:1"
    assert by_id["MESH:D008687"].name == "Metformin"
    assert by_id["MESH:D008687"].xrefs == ("X:D008687",)
    assert [mention.text for mention in by_id["MESH:D008687"].mentions] == ["Metformin", "metformin"]
    assert [mention.negated for mention in by_id["MESH:D007938"].mentions] == [True, False]
    assert "MESH:D001171" not in by_id, "references are not read"
    keyword = by_id["MESH:C582435"]
    assert {"Keytruda", "Pembrolizumab"} <= {mention.text for mention in keyword.mentions}, "a keyword is what it means"
    assert keyword.type is EntityType.CHEMICAL, "of the type that the text has it as"
    for entity in entities:
        assert all(read.text[mention.start : mention.end] == mention.text for mention in entity.mentions)
    for claim in claims:
        assert all(read.text[evidence.start : evidence.end] == evidence.text for evidence in claim.evidence)
    assert extractor.execute(CTX, read) == (entities, claims)


def test_lists_name_things_and_state_nothing_about_them(reader: TextReader) -> None:
    seen: list[int] = []

    def claims(text: object, mentions: object) -> list[FoundClaim]:
        seen.append(len(mentions))  # type: ignore[arg-type]
        return []

    watching = TextReader(reader._mentions, reader._contexts, [claims], ["x"])
    text = "Metformin was given.\nLeukemia\nBreast cancer"
    found = watching.read(text, [(0, 20), (21, 29), (30, 43)], telling=[(0, 20), (30, 43)])
    assert [text[mention.start : mention.end] for mention in found.mentions] == ["Metformin", "Leukemia", "Breast cancer"]
    assert seen == [2]


def test_other_languages_keep_their_record(extractor: DocumentExtractor) -> None:
    entities, claims = extractor.execute(CTX, document("de"))
    assert {entity.id for entity in entities} == {"local:1", "MESH:C582435"}
    assert {claim.method for claim in claims} == {"record"}


def test_claims_of_the_whole_document_are_stated_too(tiny_lexicon: Lexicon, reader: TextReader) -> None:
    def placed(ctx: StageContext, read: Document, findings: Findings) -> list[FoundClaim]:
        first = findings.mentions[0]
        assert (ctx, first.id) == (CTX, "MESH:C582435")
        return [FoundClaim(read.doc_id, "MK:requires", first.id, ((first.start, first.end),), 0.5, "eligibility", negated=True)]

    extractor = DocumentExtractor(RecordExtractor(), reader, lambda _: (), [placed], ["placed-1"])
    assert extractor.fingerprint.endswith("+placed-1")
    (claim,) = [claim for claim in extractor.execute(CTX, document())[1] if claim.method == "eligibility"]
    assert (claim.subject_id, claim.object_id, claim.score, claim.negated) == ("local:1", "MESH:C582435", 0.5, True)


def test_it_is_an_extract_stage(extractor: DocumentExtractor) -> None:
    assert isinstance(extractor, ExtractStage)
    check_stage("extract", extractor)
    check_stage("extract", extractor, inputs=(document(),))


@pytest.mark.parametrize(
    ("name", "type", "curie"),
    [
        ("breast cancer", EntityType.DISEASE, "MESH:D001943"),
        ("Breast Cancer", EntityType.PHENOTYPE, "MESH:D001943"),
        ("metformin", EntityType.CHEMICAL, "MESH:D008687"),
        ("Biopsies", EntityType.PROCEDURE, "MESH:D001706"),
        ("metformin", EntityType.DISEASE, None),
        ("metformin 500 mg", EntityType.CHEMICAL, None),
        ("Metformin", EntityType.ORGANIZATION, None),
        ("Keytruda", EntityType.CONCEPT, "MESH:C582435"),
    ],
)
def test_whole_names_mean_what_they_are_called(tiny_lexicon: Lexicon, name: str, type: EntityType, curie: str | None) -> None:
    found = LexiconMeaning(tiny_lexicon)(name, type)
    assert (found[0] if found is not None else None) == curie


def test_what_is_found_is_written_out(reader: TextReader) -> None:
    text = "Metformin was given for breast cancer."
    found = Extraction.of("a", reader.read(text)).to_dict()
    assert list(found) == ["_id", "mentions", "claims"]
    assert [(mention["text"], mention["id"], mention["certainty"]) for mention in found["mentions"]] == [
        ("Metformin", "MESH:D008687", "stated"),
        ("breast cancer", "MESH:D001943", "stated"),
    ]
    for claim in found["claims"]:
        assert text[claim["evidence"]["start"] : claim["evidence"]["end"]] == text
