"""Front matter: metadata, people, dates, licences, identifiers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from Medical_KG_rev.errors import MissingIdentifierError
from Medical_KG_rev.models import Document, RawPayload, SectionKind
from Medical_KG_rev.parsing.jats import parse

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 2, tzinfo=UTC)
Payload = Callable[..., RawPayload]
Wrap = Callable[[str], Document]


def _annotated(document: Document, kind: str) -> list[tuple[str, dict[str, object]]]:
    return [(document.quote(a.start, a.end), dict(a.attributes)) for a in document.annotations if a.kind == kind]


def test_metadata_is_what_the_article_states(sample: Document) -> None:
    assert dict(sample.metadata) == {
        "kind": "article",
        "article_type": "research-article",
        "date": "2020-03-05",
        "year": 2020,
        "identifiers": {"pmcid": "PMC9900001", "pmid": "99000001", "doi": "10.9999/inv.0001"},
        "language": "en",
        "url": "https://doi.org/10.9999/inv.0001",
        "retracted": False,
        "journal": "Journal of Invented Medicine",
        "issn": ["0000-0000"],
        "publisher": "Nobody's Press",
        "volume": "7",
        "issue": "2",
        "pages": "11-19",
        "subjects": ["Research", "Cardiology"],
        "license": "https://creativecommons.org/licenses/by/4.0/",
    }


def test_provenance_is_on_the_document(sample: Document) -> None:
    assert (sample.doc_id, sample.source, sample.language) == ("pmc-fulltext:PMC9900001", "pmc-fulltext", "en")
    assert (sample.adapter_version, sample.parser_version) == ("local-9", "jats-1")
    assert sample.parsed_at == NOW


def test_the_title_has_its_subtitle_and_no_note_marks(sample: Document) -> None:
    assert sample.title == "Effect of fictinol on blood pressure: a trial that never was"
    assert sample.text.startswith(sample.title)


def test_an_article_without_title_is_called_by_its_identifier(jats_payload: Payload) -> None:
    xml = '<article><front><article-meta><article-id pub-id-type="pmc">5</article-id></article-meta></front></article>'
    assert parse(jats_payload(xml), parsed_at=NOW).title == "PMC5"


def test_authors_have_orcid_and_affiliations(sample: Document) -> None:
    assert _annotated(sample, "author") == [
        (
            "Jane A Roe Jr",
            {"orcid": "0000-0001-2345-678X", "affiliations": ["Institute of Fiction, Utopia", "Hospital of Examples, Utopia"]},
        ),
        ("John Doe", {"affiliations": ["Institute of Fiction, Utopia"]}),
        ("Fictinol Study Group", {}),
    ]


def test_members_of_groups_and_editors_are_named_but_are_no_authors(sample: Document) -> None:
    others = next(sample.quote(section.start, section.end) for section in sample.sections if section.title == "Contributors")
    assert "Mia Member" in others
    assert "Edda Editor, editor, Reviewing editor" in others
    assert "Jane A Roe Jr, MD" in others


def test_keywords_and_funders_are_annotated(sample: Document) -> None:
    assert _annotated(sample, "keyword") == [("hypertension", {}), ("fictinol", {})]
    assert _annotated(sample, "funder") == [
        ("Fund for Fiction", {"id": "https://doi.org/10.13039/000000", "award_ids": ["FF-1", "FF-2"]})
    ]


def test_statements_are_metadata_sections_after_the_text(sample: Document) -> None:
    kinds = [section.kind for section in sample.sections]
    first = kinds.index(SectionKind.METADATA)
    assert set(kinds[first:-1]) == {SectionKind.METADATA}
    assert kinds[-1] is SectionKind.REFERENCES
    assert "received: 2019-12-01" in sample.text
    assert "Wirkung von Fiktinol" in sample.text


def test_every_abstract_is_a_section(sample: Document) -> None:
    assert [section.path for section in sample.sections[1:6]] == [
        ("Abstract",),
        ("Abstract", "Background"),
        ("Abstract", "Results"),
        ("Digest",),
        ("Abstract",),
    ]


@pytest.mark.parametrize(
    ("ids", "doc_id"),
    [
        ('<article-id pub-id-type="pmc">123</article-id>', "pmc-fulltext:PMC123"),
        ('<article-id pub-id-type="pmc">PMC123</article-id>', "pmc-fulltext:PMC123"),
        ('<article-id pub-id-type="pmcid"> pmc123.2 </article-id>', "pmc-fulltext:PMC123"),
        ('<article-id pub-id-type="doi">10.7554/eLife.00013</article-id>', "local:10.7554-eLife.00013"),
        ('<article-id pub-id-type="doi">https://doi.org/10.1000/a(b)&lt;c></article-id>', "local:10.1000-a-b--c-"),
        (
            '<article-id pub-id-type="pmc">not one</article-id><article-id pub-id-type="doi">10.1000/x</article-id>',
            "local:10.1000-x",
        ),
    ],
)
def test_document_ids(jats_payload: Payload, ids: str, doc_id: str) -> None:
    xml = f"<article><front><article-meta>{ids}</article-meta></front><body><p>x</p></body></article>"
    assert parse(jats_payload(xml), parsed_at=NOW).doc_id == doc_id


def test_the_archive_names_an_article_that_does_not_name_itself(jats_payload: Payload) -> None:
    xml = "<article><front><article-meta/></front><body><p>x</p></body></article>"
    document = parse(jats_payload(xml, source_id="PMC77", source="pmc-fulltext"), parsed_at=NOW)
    assert document.doc_id == "pmc-fulltext:PMC77"


@pytest.mark.parametrize(
    "front",
    [
        "",
        "<front/>",
        "<front><article-meta/></front>",
        '<front><article-meta><article-id pub-id-type="pmid">5</article-id></article-meta></front>',
        '<front><article-meta><article-id pub-id-type="doi">none</article-id><article-id>1</article-id></article-meta></front>',
    ],
)
def test_an_article_without_identifier_is_refused(jats_payload: Payload, front: str) -> None:
    with pytest.raises(MissingIdentifierError, match=r"^sample\.xml") as caught:
        parse(jats_payload(f"<article>{front}<body><p>x</p></body></article>"), parsed_at=NOW)
    assert caught.value.source_id == "sample.xml"


@pytest.mark.parametrize(
    ("dates", "date"),
    [
        ("<pub-date pub-type='collection'><year>2012</year></pub-date>", "2012"),
        ("<pub-date date-type='pub'><day>31</day><month>2</month><year>2012</year></pub-date>", "2012-02"),
        ("<pub-date pub-type='ppub'><month>Sept</month><year>2012</year></pub-date>", "2012-09"),
        ("<pub-date pub-type='ppub'><season>Spring</season><year>2012</year></pub-date>", "2012"),
        (
            "<pub-date pub-type='ppub'/><pub-date pub-type='epub'><month>1</month><year>2012</year></pub-date>",
            "2012-01",
        ),
        ("<pub-date><year>twelve</year></pub-date>", None),
        ("<pub-date><year>99999999999999999999</year></pub-date>", None),
    ],
)
def test_dates_are_as_precise_as_stated(wrap_meta: Wrap, dates: str, date: str | None) -> None:
    metadata = wrap_meta(dates).metadata
    assert metadata.get("date") == date
    assert metadata.get("year") == (int(date[:4]) if date else None)


@pytest.mark.parametrize(
    ("permissions", "licence"),
    [
        ("<permissions><license><license-p>Free for all.</license-p></license></permissions>", "Free for all."),
        (
            '<permissions><license><ext-link xlink:href="https://example.org/by">CC</ext-link></license></permissions>',
            "https://example.org/by",
        ),
        (
            '<license><a:license_ref xmlns:a="http://www.niso.org/schemas/ali/1.0/">https://example.org/cc0</a:license_ref></license>',
            "https://example.org/cc0",
        ),
        ("<copyright-statement>Nobody, CC BY.</copyright-statement>", "Nobody, CC BY."),
        ("", None),
    ],
)
def test_licences_are_found_wherever_they_stand(wrap_meta: Wrap, permissions: str, licence: str | None) -> None:
    assert wrap_meta(permissions).metadata.get("license") == licence


@pytest.mark.parametrize(
    ("stated", "language"), [("en-GB", "en"), ("DE", "de"), ("pt_BR", "pt"), ("x-klingon", "en"), ("", "en")]
)
def test_languages_are_primary_codes(jats_payload: Payload, stated: str, language: str) -> None:
    front = '<front><article-meta><article-id pub-id-type="pmc">5</article-id></article-meta></front>'
    document = parse(jats_payload(f'<article xml:lang="{stated}">{front}</article>'), parsed_at=NOW)
    assert document.language == document.metadata["language"] == language


def test_a_note_to_the_title_is_kept_out_of_it_but_not_lost(jats_payload: Payload) -> None:
    xml = (
        '<article><front><article-meta><article-id pub-id-type="pmc">5</article-id><title-group>'
        "<article-title>Clean<fn><p>title footnote</p></fn></article-title></title-group></article-meta></front></article>"
    )
    document = parse(jats_payload(xml), parsed_at=NOW)
    assert document.title == "Clean"
    assert "title footnote" in document.text


def test_a_retracted_article_says_so(jats_payload: Payload) -> None:
    xml = (
        '<article article-type="{}"><front><article-meta><article-id pub-id-type="pmc">1</article-id><title-group>'
        "<article-title>{}</article-title></title-group></article-meta></front><body><p>x</p></body></article>"
    )
    for kind, title, retracted in (
        ("research-article", "Retracted: A study", True),
        ("retracted-article", "A study", True),
        ("research-article", "A study", False),
    ):
        assert parse(jats_payload(xml.format(kind, title)), parsed_at=NOW).metadata["retracted"] is retracted
