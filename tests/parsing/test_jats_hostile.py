"""Files that are broken, foreign or meant to harm: each a named error that names the file, none a crash."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from Medical_KG_rev.errors import (
    EmptyPayloadError,
    HostileContentError,
    InvalidDocumentError,
    MalformedPayloadError,
    PayloadError,
    PayloadTooLargeError,
    UnsupportedFormatError,
)
from Medical_KG_rev.models import RawPayload, StageContext
from Medical_KG_rev.parsing import IrValidator, xml
from Medical_KG_rev.parsing.jats import parse

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HEAD = '<front><article-meta><article-id pub-id-type="pmc">1</article-id></article-meta></front>'
SAMPLE = Path(__file__).with_name("jats_sample.xml").read_bytes()
Payload = Callable[..., RawPayload]

ENTITIES = {
    "billion laughs": '<!DOCTYPE article [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>',
    "external file": '<!DOCTYPE article [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    "external address": '<!DOCTYPE article [<!ENTITY x SYSTEM "http://127.0.0.1:1/x">]>',
    "parameter entity": '<!DOCTYPE article [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x.dtd"> %p;]>',
    "beside an external subset": '<!DOCTYPE article PUBLIC "-//X//EN" "x.dtd" [\n<!ENTITY a "b">\n]>',
    "after a comment with a bracket": '<!DOCTYPE article [<!-- ]> --><!ENTITY a "b">]>',
    "after a literal with a bracket": '<!DOCTYPE article [<!ATTLIST article a CDATA "]>"><!ENTITY a "b">]>',
    "after an instruction with a bracket": '<!DOCTYPE article [<?x ]> ?><!ENTITY a "b">]>',
    "after a long prolog": "<!-- " + "x" * 100_000 + ' --><?y?><!DOCTYPE article [<!ENTITY a "b">]>',
}


@pytest.mark.parametrize("doctype", ENTITIES.values(), ids=ENTITIES.keys())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entity_declarations_are_refused(jats_payload: Payload, doctype: str, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{doctype}<article>{HEAD}<body><p>x</p></body></article>'
    with pytest.raises(HostileContentError, match=r"^sample\.xml declares an entity"):
        parse(jats_payload(text.encode(encoding)), parsed_at=NOW)


def test_a_doctype_is_allowed_and_its_external_subset_never_loaded(jats_payload: Payload) -> None:
    doctype = '<!DOCTYPE article SYSTEM "http://127.0.0.1:1/never.dtd" [<!-- <!ENTITY in a comment --> <!ELEMENT article ANY>]>'
    document = parse(jats_payload(f"{doctype}<article>{HEAD}<body><p>About &lt;!ENTITY.</p></body></article>"), parsed_at=NOW)
    assert "About <!ENTITY." in document.text


def test_named_characters_of_the_unread_dtd_are_understood(jats_payload: Payload) -> None:
    text = f'<!DOCTYPE article SYSTEM "x.dtd"><article>{HEAD}<body><p>TGF-&beta; fell&mdash;twice</p></body></article>'
    assert "TGF-β fell—twice" in parse(jats_payload(text), parsed_at=NOW).text


def test_an_endless_doctype_is_refused_quickly(jats_payload: Payload) -> None:
    started = time.process_time()
    with pytest.raises(HostileContentError):
        parse(jats_payload("<!DOCTYPE article [" + "<!--" * 1_000_000 + f"]><article>{HEAD}</article>"), parsed_at=NOW)
    assert time.process_time() - started < 20


@pytest.mark.parametrize("depth", [xml.MAX_DEPTH + 10, 300, 100_000])
@pytest.mark.parametrize("tag", ["sec", "italic", "list", "list-item", "boxed-text", "alternatives"])
def test_deep_nesting_is_refused(jats_payload: Payload, depth: int, tag: str) -> None:
    text = f"<article>{HEAD}<body>{f'<{tag}>' * depth}x{f'</{tag}>' * depth}</body></article>"
    with pytest.raises(HostileContentError, match="deeper than"):
        parse(jats_payload(text), parsed_at=NOW)


@pytest.mark.parametrize("tag", ["sec", "italic", "p", "fn-group", "table-wrap", "collab", "sub-article", "def-list"])
def test_nesting_up_to_the_limit_is_read(jats_payload: Payload, tag: str) -> None:
    depth = xml.MAX_DEPTH - 2
    text = f"<article>{HEAD}<body>{f'<{tag}>' * depth}deepest{f'</{tag}>' * depth}</body></article>"
    assert "deepest" in parse(jats_payload(text), parsed_at=NOW).text


def test_a_huge_text_is_refused_and_a_large_one_read(jats_payload: Payload) -> None:
    text = f"<article>{HEAD}<body><p>{{}}</p></body></article>"
    with pytest.raises(PayloadTooLargeError, match=r"^sample\.xml"):
        parse(jats_payload(text.format("x" * (xml.MAX_TEXT + 10))), parsed_at=NOW)
    assert len(parse(jats_payload(text.format("word " * 400_000)), parsed_at=NOW).text) > 1_900_000


def test_a_file_above_the_limit_is_refused_unread(jats_payload: Payload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_BYTES", 100)
    with pytest.raises(PayloadTooLargeError, match="101 bytes"):
        parse(jats_payload(b"<" * 101), parsed_at=NOW)


def test_a_file_of_nothing_but_tags_is_refused(jats_payload: Payload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_TAGS", 100)
    with pytest.raises(PayloadTooLargeError, match="more than 100 tags"):
        parse(jats_payload(f"<article>{HEAD}<body>{'<p/>' * 100}</body></article>"), parsed_at=NOW)


def test_time_grows_with_size_and_no_faster(jats_payload: Payload) -> None:
    def seconds(count: int) -> float:
        refs = "<ref><note><p>x</p></note><object-id>i</object-id></ref>" * count
        body = f"<sec><title>T</title>{'<object-id>i</object-id><p>a<xref/><fn/></p>' * count}</sec>"
        text = f"<article>{HEAD}<body>{body}</body><back><ref-list>{refs}</ref-list></back></article>"
        started = time.process_time()
        parse(jats_payload(text), parsed_at=NOW)
        return time.process_time() - started

    seconds(500)
    small, large = (min(seconds(count) for _ in range(2)) for count in (1_000, 16_000))
    assert large < 16 * 4 * max(small, 0.005)


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (b"", EmptyPayloadError, "is empty"),
        (b" \n\t", EmptyPayloadError, "is empty"),
        (b"\xef\xbb\xbf", EmptyPayloadError, "is empty"),
        (b"<article>\n<front>\n<p>cut", MalformedPayloadError, "line 3"),
        (b"<article>\n</front>", MalformedPayloadError, "line 2"),
        (b"<article>a\n\0</article>", MalformedPayloadError, r"NUL character \(line 2\)"),
        (b"<article>\n\xff</article>", MalformedPayloadError, r"not valid utf-8: byte 10 \(line 2\)"),
        (b'<?xml version="1.0" encoding="latin9000"?><article/>', MalformedPayloadError, "encoding 'latin9000'"),
        (b'<?xml version="1.0" encoding="utf-7"?><article/>', MalformedPayloadError, "encoding 'utf-7'"),
        (b'<?xml version="1.0" encoding="zip"?><article/>', MalformedPayloadError, "encoding 'zip'"),
        (b'<?xml version="1.0" encoding="utf-16"?><article/>', MalformedPayloadError, "encoding 'utf-16'"),
        (b"<article>&undeclared</article>", MalformedPayloadError, "line 1"),
        (b"<!DOCTYPE html><html><body>hi</body></html>", UnsupportedFormatError, "an HTML page"),
        (b"<!-- x --> <html lang='en'><br></html>", UnsupportedFormatError, "an HTML page"),
        (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', UnsupportedFormatError, "an HTML page"),
        (b"%PDF-1.4", UnsupportedFormatError, "not XML"),
        (b'{"a": 1}', UnsupportedFormatError, "not XML"),
        (b"<art><ui>1</ui></art>", UnsupportedFormatError, "BioMed Central <art> XML"),
        (b"<clinical_study/>", UnsupportedFormatError, "retired ClinicalTrials.gov API; fetch the study as v2 JSON"),
        (b"<PubmedArticleSet/>", UnsupportedFormatError, "PubMed citation XML"),
        (b"<poem/>", UnsupportedFormatError, "root element <poem>"),
        (b"<pmc-articleset><article/><article/></pmc-articleset>", UnsupportedFormatError, "a set of 2 articles"),
        (
            b"<errorBean><errCode>0</errCode><errMsg>Article with id PMC3040717 is not open access one</errMsg></errorBean>",
            UnsupportedFormatError,
            "error message of Europe PMC .*PMC3040717 is not open access",
        ),
    ],
)
def test_what_is_no_article_is_named(jats_payload: Payload, content: bytes, error: type[PayloadError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        parse(jats_payload(content, source_id="bad.xml"), parsed_at=NOW)
    assert caught.value.message.startswith("bad.xml ")
    assert caught.value.source_id == "bad.xml"
    if error is UnsupportedFormatError:
        assert "JATS" in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "iso-8859-1", "windows-1252"])
def test_declared_encodings_are_read(jats_payload: Payload, encoding: str) -> None:
    text = f'<?xml version="1.0"\n encoding="{encoding.removesuffix("-sig")}"?><article>{HEAD}<body><p>é×µ</p></body></article>'
    assert "é×µ" in parse(jats_payload(text.encode(encoding)), parsed_at=NOW).text


def test_namespaced_and_wrapped_articles_are_read(jats_payload: Payload) -> None:
    article = f'<article xmlns="https://jats.nlm.nih.gov/ns/archiving/1.3/">{HEAD}<body><p>words</p></body></article>'
    for text in (article, f"<pmc-articleset>{article}</pmc-articleset>"):
        assert "words" in parse(jats_payload(text), parsed_at=NOW).text


def check_whole_or_refused(content: bytes) -> None:
    """Refused by a named error that says which file or document, or a document whose every range holds words of its text."""
    payload = RawPayload(source="local", source_id="damaged.xml", format="jats-xml", content=content)
    try:
        document = IrValidator().execute(StageContext(tenant_id="t"), parse(payload, parsed_at=NOW))
    except PayloadError as error:
        assert error.source_id == "damaged.xml"  # noqa: PT017 - either outcome is right
        assert "damaged.xml" in error.message  # noqa: PT017
        return
    except InvalidDocumentError as error:
        assert error.reasons  # noqa: PT017
        assert error.doc_id in error.message  # noqa: PT017
        return
    assert re.fullmatch(r"(pmc-fulltext|local):[\w:.-]+", document.doc_id)
    blocks = [block for _, block in document.iter_blocks()]
    assert all(document.quote(block.start, block.end).strip() for block in blocks)
    assert all(before.end <= after.start for before, after in pairwise(blocks))
    assert all(document.quote(note.start, note.end).strip() for note in document.annotations)
    assert document.digest() == parse(payload, parsed_at=NOW).digest()


@given(st.integers(0, len(SAMPLE)), st.integers(0, 60), st.binary(max_size=12))
@example(0, len(SAMPLE), b"")
def test_random_damage_is_refused_by_name_or_leaves_a_whole_document(start: int, length: int, insert: bytes) -> None:
    check_whole_or_refused(SAMPLE[:start] + insert + SAMPLE[start + length :])


TAGS = sorted({tag.split(b">")[0].split()[0] for tag in SAMPLE.split(b"<") if tag[:1].isalpha()} - {b"article", b"oasis"})


@given(st.sampled_from(TAGS), st.sampled_from(TAGS))
def test_elements_in_wrong_places_are_refused_by_name_or_leave_a_whole_document(old: bytes, new: bytes) -> None:
    damaged = SAMPLE
    for opening in (b"<", b"</"):
        for end in (b">", b" ", b"/"):
            damaged = damaged.replace(opening + old + end, opening + new + end)
    check_whole_or_refused(damaged)


_TEXT_TAGS = (
    "p",
    "sec",
    "title",
    "label",
    "caption",
    "fig",
    "fig-group",
    "table-wrap",
    "table",
    "tr",
    "td",
    "th",
    "tbody",
    "thead",
    "list",
    "list-item",
    "def-list",
    "def-item",
    "term",
    "def",
    "boxed-text",
    "disp-quote",
    "verse-group",
    "verse-line",
    "disp-formula",
    "inline-formula",
    "alternatives",
    "supplementary-material",
    "media",
    "graphic",
    "alt-text",
    "fn",
    "fn-group",
    "table-wrap-foot",
    "app",
    "ack",
    "glossary",
    "notes",
    "bio",
    "italic",
    "sub",
    "sup",
    "xref",
    "ext-link",
    "named-content",
    "unheard-of",
    "floats-group",
    "statement",
    "attrib",
    "permissions",
    "preformat",
    "object-id",
    "abstract",
    "ref-list",
    "ref",
    "mixed-citation",
    "element-citation",
    "name",
    "table-wrap-group",
)
_TREES = st.recursive(
    st.tuples(st.sampled_from(_TEXT_TAGS), st.just([])),
    lambda inner: st.tuples(st.sampled_from(_TEXT_TAGS), st.lists(inner, min_size=1, max_size=4)),
    max_leaves=25,
)


def _render(tree: tuple[str, list[object]], words: Iterator[str]) -> str:
    tag, children = tree
    inside = "".join(_render(child, words) for child in children)  # type: ignore[arg-type]
    return f"<{tag}> {next(words)} {inside}</{tag}> {next(words)} "


@given(_TREES)
def test_no_word_is_lost_wherever_an_element_stands(tree: tuple[str, list[object]]) -> None:
    used: list[str] = []

    def words() -> Iterator[str]:
        while True:
            used.append(f"word{len(used)}end")
            yield used[-1]

    text = f"<article>{HEAD}<body>{_render(tree, words())}</body></article>"
    document = parse(RawPayload(source="local", source_id="tree", format="jats-xml", content=text.encode()), parsed_at=NOW)
    assert sorted(re.findall(r"word\d+end", document.text)) == sorted(used)
