"""What a content is, told by the content."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev import errors
from Medical_KG_rev.adapters.formats import Sniffed, is_json_lines, record_doc_id, records, sniff

pytestmark = pytest.mark.unit

STUDY = b'{"protocolSection":{"identificationModule":{"nctId":"NCT99990001"}},"hasResults":false}'
WORK = b'{"id":"https://openalex.org/W9900000001","doi":null,"authorships":[]}'
ARTICLE = b'<article><front><article-meta><article-id pub-id-type="%s">%s</article-id></article-meta></front><body/></article>'
DOCTYPE = (
    b'<?xml version="1.0"?>\n<!-- <art> -->'
    b'<!DOCTYPE article PUBLIC "-//NLM//DTD JATS//EN" "JATS-archivearticle1.dtd">\n<?note x?>'
)


def text_of(content: bytes) -> Sniffed:
    return Sniffed("text", f"local:{hashlib.sha256(content).hexdigest()[:16]}")


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (STUDY, "a.json", Sniffed("ctgov-json", "clinicaltrials:NCT99990001")),
        (b"\xef\xbb\xbf \n" + STUDY, "a.dat", Sniffed("ctgov-json", "clinicaltrials:NCT99990001")),
        (STUDY, "saved-as.txt", Sniffed("ctgov-json", "clinicaltrials:NCT99990001")),
        (b'{"studies":[' + STUDY + b"]}", "a.json", Sniffed("ctgov-page", None)),
        (WORK, "a.json", Sniffed("openalex-json", "openalex:W9900000001")),
        (b'{"meta":{"count":1},"results":[' + WORK + b"]}", "a.json", Sniffed("openalex-page", None)),
        (b'{"_id":"a:1","title":"","text":"t"}', "a.json", Sniffed("record-json", "local:a:1")),
        (DOCTYPE + ARTICLE % (b"pmc", b"9990001"), "a.xml", Sniffed("jats-xml", "pmc-fulltext:PMC9990001")),
        (ARTICLE % (b"pmcid", b"PMC9990001"), "a.xml", Sniffed("jats-xml", "pmc-fulltext:PMC9990001")),
        (ARTICLE % (b"doi", b"10.9999/x(1).2"), "a.xml", Sniffed("jats-xml", "local:10.9999-x-1-.2")),
        (ARTICLE % (b"doi", b"10.9999/a&lt;1&gt;2"), "a.xml", Sniffed("jats-xml", "local:10.9999-a-1-2")),
        (
            b"<pmc-articleset>" + ARTICLE % (b"pmc", b"12") + b"</pmc-articleset>",
            "a.xml",
            Sniffed("jats-xml", "pmc-fulltext:PMC12"),
        ),
        (
            b'<j:article xmlns:j="u"><j:article-meta><j:article-id pub-id-type="pmc">12</j:article-id></j:article-meta>',
            "a.xml",
            Sniffed("jats-xml", "pmc-fulltext:PMC12"),
        ),
        (ARTICLE % (b"pmid", b"123"), "a.xml", Sniffed("jats-xml", "local:PMID-123")),
        (b"Plain words.", "a.md", text_of(b"Plain words.")),
        (b"{not json", "a.txt", text_of(b"{not json")),
        (b"<p align=center> markdown", "a.md", text_of(b"<p align=center> markdown")),
    ],
)
def test_known_formats(content: bytes, name: str, expected: Sniffed) -> None:
    assert sniff(content, name) == expected


@pytest.mark.parametrize(
    ("content", "name", "kind", "says"),
    [
        (b"", "a.xml", errors.EmptyPayloadError, "empty"),
        (b" \n\t", "a.txt", errors.EmptyPayloadError, "empty"),
        (b"\xef\xbb\xbf", "a.json", errors.EmptyPayloadError, "empty"),
        (b"{" + b'"a":' * 3, "a.json", errors.MalformedPayloadError, "not valid JSON"),
        (STUDY[:40], "a.json", errors.MalformedPayloadError, "not valid JSON"),
        (STUDY + b"}", "a.json", errors.MalformedPayloadError, "not valid JSON"),
        (b'{"protocolSection":5}', "a.json", errors.MalformedPayloadError, "not valid JSON"),
        (b'{"protocolSection":null}', "a.json", errors.MalformedPayloadError, "not valid JSON"),
        (b"ab\0c", "a.txt", errors.MalformedPayloadError, "NUL byte at position 2"),
        ("Wörter".encode("latin-1"), "a.txt", errors.MalformedPayloadError, "not UTF-8"),
        ("<article/>".encode("utf-16"), "a.xml", errors.MalformedPayloadError, "UTF-16"),
        (b'{"FullStudiesResponse":{}}', "a.json", errors.UnsupportedFormatError, "v1"),
        (b'{"Study":{"ProtocolSection":{}}}', "a.json", errors.UnsupportedFormatError, "v1"),
        (b"<clinical_study><id/></clinical_study>", "a.xml", errors.UnsupportedFormatError, "registry XML"),
        (b"<!DOCTYPE art SYSTEM 'x.dtd'>\n<art><ui>1</ui></art>", "a.xml", errors.UnsupportedFormatError, "BioMed Central"),
        (b"<!doctype html>\n<html lang=en>", "a.xml", errors.UnsupportedFormatError, "HTML"),
        (b"<HTML><body>", "a.xml", errors.UnsupportedFormatError, "HTML"),
        (b"<!DOCTYPE html PUBLIC 'x' 'y'>\n<p>", "a.txt", errors.UnsupportedFormatError, "HTML"),
        (b"<OA><error/></OA>", "a.xml", errors.UnsupportedFormatError, "root element <OA>"),
        (b"<!-- nothing", "a.xml", errors.MalformedPayloadError, "no XML root"),
        (b"%PDF-1.4 \0", "a.pdf", errors.UnsupportedFormatError, "no source but `local` may bring"),
        (b"[1]", "a.json", errors.UnsupportedFormatError, "JSON list"),
        (b'{"error":"no"}', "a.json", errors.UnsupportedFormatError, "no supported format"),
        (b'{"id":"https://openalex.org/A5000000001"}', "a.json", errors.UnsupportedFormatError, "not a work"),
        (b"a,b,c", "a.csv", errors.UnsupportedFormatError, "no supported format"),
        (b'{"protocolSection":{}}', "a.json", errors.MissingIdentifierError, "nctId"),
        (b'{"protocolSection":{"identificationModule":{"nctId":"NCT1"}}}', "a.json", errors.MissingIdentifierError, "nctId"),
        (b'{"authorships":[]}', "a.json", errors.MissingIdentifierError, "OpenAlex work"),
        (b'{"text":"t"}', "a.json", errors.MissingIdentifierError, "_id"),
        (ARTICLE % (b"publisher-id", b"1"), "a.xml", errors.MissingIdentifierError, "without PMCID, DOI or PMID"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><article/>', "a.xml", errors.HostileContentError, "entities"),
        (
            b'<!DOCTYPE a [<!-- ] --><!ENTITY x SYSTEM "file:///etc/passwd">]><article/>',
            "a.xml",
            errors.HostileContentError,
            "entities",
        ),
        (b'{"studies":' + b"[" * 100_000, "a.json", errors.HostileContentError, "nested"),
    ],
)
def test_refused_contents(content: bytes, name: str, kind: type[Exception], says: str) -> None:
    with pytest.raises(errors.PayloadError, match=says) as caught:
        sniff(content, name)
    assert type(caught.value) is kind
    assert name in str(caught.value)


def test_identifiers_of_sub_articles_and_comments_do_not_count() -> None:
    article = (
        b'<article><front><article-meta><!-- <article-id pub-id-type="pmc">1</article-id> -->'
        b'<article-id pub-id-type="doi">10.9999/main</article-id></article-meta></front><body/>'
        b'<sub-article><front-stub><article-id pub-id-type="pmc">2</article-id></front-stub></sub-article></article>'
    )
    assert sniff(article, "a.xml").doc_id == "local:10.9999-main"


def test_a_page_gives_each_record_its_own_bytes() -> None:
    page = b'{"studies":[' + STUDY + b' , {"protocolSection":{}}],"nextPageToken":"x"}'
    first, second = records(page, sniff(page, "p.json"), "p.json")
    assert (first.key, first.content, first.doc_id) == ("NCT99990001", STUDY, "clinicaltrials:NCT99990001")
    assert isinstance(second.error, errors.MissingIdentifierError)
    assert "p.json#1" in str(second.error)
    with pytest.raises(errors.EmptyPayloadError):
        list(records(b'{"studies":[]}', Sniffed("ctgov-page", None), "p.json"))


def test_json_lines_are_known_by_suffix_or_first_line() -> None:
    lines = b'{"_id":"1","text":"a"}\n{"_id":"2","text":"b"}\n'
    assert is_json_lines(b"", "a.jsonl")
    assert is_json_lines(lines, "a.json")
    assert not is_json_lines(lines, "a.txt")
    assert not is_json_lines(b'{"_id":"1",\n"text":"a"}', "a.json")
    assert not is_json_lines(b'{"_id":"1","text":"a"}\n', "a.json")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"{", errors.MalformedPayloadError),
        (b'{"_id":1,"text":"a"}', errors.MalformedPayloadError),
        (b'{"text":"a"}', errors.MissingIdentifierError),
        (b'{"_id":" ","text":"a"}', errors.MissingIdentifierError),
        (b'{"_id":"a/b","text":"a"}', errors.MissingIdentifierError),
        (b'{"_id":"1","title":" ","text":null}', errors.EmptyPayloadError),
        (b'{"_id":"1","text":"\0"}', errors.MalformedPayloadError),
        (b'{"_id":"1","x":' + b"[" * 100_000, errors.HostileContentError),
    ],
)
def test_bad_lines(line: bytes, kind: type[Exception]) -> None:
    with pytest.raises(errors.PayloadError, match=r"corpus\.jsonl:7") as caught:
        record_doc_id(line, "corpus.jsonl:7")
    assert type(caught.value) is kind


PIECES = st.sampled_from(
    b'{ } [ ] < > <!-- --> <!DOCTYPE <!ENTITY <? ?> <article> "_id" : "studies" "results" "meta" "id" "protocolSection" , null '
    b'"https://openalex.org/W1" <article-id/pub-id-type="pmc"> </article-id> %PDF- html \0 \xff\xfe \xef\xbb\xbf \xc3'.split(b" ")
)


@given(
    st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=20).map(b"".join)),
    st.sampled_from(["a", "a.json", "a.xml", "a.txt", "a.jsonl", "a.pdf", "\ud800.md"]),
)
def test_random_bytes_are_known_or_refused_precisely(content: bytes, name: str) -> None:
    assert is_json_lines(content, name) in (True, False)
    try:
        sniffed = sniff(content, name)
        found = list(records(content, sniffed, name))
    except errors.PayloadError as error:
        assert type(error) is not errors.PayloadError  # noqa: PT017 - either outcome is right
        assert name in error.message  # noqa: PT017
        return
    assert found
    assert all(bool(record.error) != bool(record.doc_id) for record in found)


@given(st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)))
def test_any_json_object_is_known_or_refused_precisely(value: dict[str, object]) -> None:
    with pytest.raises(errors.PayloadError):
        sniff(json.dumps({**value, "protocolSection": None}).encode(), "a.json")


def test_real_files_have_their_identifiers(test_data) -> None:
    for path in sorted((test_data / "ctgov" / "studies").iterdir()):
        assert sniff(path.read_bytes(), path.name) == Sniffed("ctgov-json", f"clinicaltrials:{path.stem}")
    for path in sorted((test_data / "openalex" / "works").iterdir()):
        assert sniff(path.read_bytes(), path.name) == Sniffed("openalex-json", f"openalex:{path.stem}")
    for path in sorted((test_data / "jats").glob("PMC*.xml")):
        assert sniff(path.read_bytes(), path.name) == Sniffed("jats-xml", f"pmc-fulltext:{path.stem}")
