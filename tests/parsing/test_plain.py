"""Text files and records of three fields."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import (
    EmptyPayloadError,
    InvalidDocumentError,
    MalformedPayloadError,
    MissingIdentifierError,
    PayloadError,
    PayloadTooLargeError,
)
from Medical_KG_rev.models import Document, RawPayload, StageContext
from Medical_KG_rev.parsing import IrValidator, plain

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def _text(content: bytes, uri: str = "file:///data/My%20notes.txt") -> Document:
    payload = RawPayload(
        source="local", source_id="notes.txt", format="text", content=content, uri=uri, adapter_version="local-9"
    )
    return plain.parse_text(payload, parsed_at=NOW)


def _record(content: bytes | dict[str, object]) -> Document:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    payload = RawPayload(source="local", source_id="c.jsonl#3", format="record-json", content=body, adapter_version="local-9")
    return plain.parse_record(payload, parsed_at=NOW)


def _blocks(document: Document) -> list[tuple[str, str]]:
    return [(block.type.value, document.text[block.start : block.end]) for _, block in document.iter_blocks()]


def test_the_first_line_is_the_title_and_blank_lines_part_paragraphs() -> None:
    content = b"A title\n\nFirst paragraph,\non two lines.\r\n \t\r\n\r\nSecond.\n"
    document = _text(content)
    assert document.title == "A title"
    assert _blocks(document) == [
        ("header", "A title"),
        ("paragraph", "First paragraph, on two lines."),
        ("paragraph", "Second."),
    ]
    assert document.doc_id == "local:" + hashlib.sha256(content).hexdigest()[:16]
    assert (document.source, document.adapter_version, document.parser_version) == ("local", "local-9", "plain-1")
    assert (document.parsed_at, dict(document.metadata)) == (NOW, {"kind": "text"})


def test_a_title_need_not_be_followed_by_a_blank_line() -> None:
    assert _blocks(_text(b"\n\nTitle\nText below.")) == [("header", "Title"), ("paragraph", "Text below.")]


@pytest.mark.parametrize("content", [b"One paragraph only.", b"w" * 300 + b"\n\nMore."])
def test_without_a_short_first_line_the_file_gives_the_title(content: bytes) -> None:
    document = _text(content)
    assert document.title == "My notes"
    assert content.split(b"\n")[0].decode() in document.text


def test_a_file_without_name_is_called_by_its_id() -> None:
    assert _text(b"One paragraph only.", uri="").title == "notes.txt"


def test_a_very_long_paragraph_stays_whole() -> None:
    words = " ".join(["word"] * 100_000)
    assert _blocks(_text(f"Title\n\n{words}".encode()))[1] == ("paragraph", words)


def test_a_byte_order_mark_is_no_text() -> None:
    assert _text("\N{ZERO WIDTH NO-BREAK SPACE}Title\n\nÄtiologie".encode()).text == "Title\n\nÄtiologie"


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (b"", EmptyPayloadError, "is empty"),
        (b" \n\r\n\t", EmptyPayloadError, "is empty"),
        (b"a\0b", MalformedPayloadError, "NUL bytes"),
        (b"good\nbad \xff\xfe", MalformedPayloadError, r"byte 9 \(line 2\)"),
        ("Ätiologie".encode("latin-1"), MalformedPayloadError, "not UTF-8"),
    ],
)
def test_text_that_cannot_be_read_is_refused(content: bytes, error: type[PayloadError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        _text(content)
    assert caught.value.source_id == "notes.txt"
    assert "notes.txt" in str(caught.value)


def test_a_file_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MAX_BYTES", 3)
    with pytest.raises(PayloadTooLargeError, match="4 bytes"):
        _text(b"four")


def test_title_and_abstract_of_a_record_are_one_section() -> None:
    document = _record({"_id": "doc-1.a:b", "title": "Title", "text": "Text.", "metadata": {}})
    assert (document.doc_id, document.title, len(document.sections)) == ("local:doc-1.a:b", "Title", 1)
    assert _blocks(document) == [("header", "Title"), ("paragraph", "Text.")]


def test_paragraphs_of_a_record_are_kept_apart() -> None:
    assert [text for _, text in _blocks(_record({"_id": "1", "title": "T", "text": "a\nb\n\nc"}))] == ["T", "a b", "c"]


def test_a_byte_order_mark_before_a_record_is_no_fault() -> None:
    assert _record(b'\xef\xbb\xbf{"_id": "1", "title": "T"}').text == "T"


def test_a_record_may_have_only_a_title() -> None:
    assert _blocks(_record({"_id": "1", "title": "T", "text": None})) == [("header", "T")]


def test_a_record_without_title_is_named_by_its_id() -> None:
    document = _record({"_id": "17", "text": "Only text."})
    assert (document.title, _blocks(document)) == ("17", [("paragraph", "Only text.")])


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (b"", EmptyPayloadError, "is empty"),
        ({"_id": "1", "title": " ", "text": "\n"}, EmptyPayloadError, "neither title nor text"),
        ({"title": "T", "text": "x"}, MissingIdentifierError, "no `_id`"),
        ({"_id": None, "text": "x"}, MissingIdentifierError, "no `_id`"),
        ({"_id": "  ", "text": "x"}, MissingIdentifierError, "no `_id`"),
        ({"_id": "a b", "text": "x"}, MalformedPayloadError, "'a b'"),
        ({"_id": "../x", "text": "x"}, MalformedPayloadError, "'../x'"),
        ({"_id": "x" * 201, "text": "x"}, MalformedPayloadError, "at most 200"),
        ({"_id": 5, "text": "x"}, MalformedPayloadError, "_id"),
        ({"_id": "1", "text": ["x"]}, MalformedPayloadError, "text"),
        (b'{"_id": "1", "text": "x', MalformedPayloadError, "not a record"),
        (b'["x"]', MalformedPayloadError, "not a record"),
        (b'{"_id": "1", "text": "\xff"}', MalformedPayloadError, "not a record"),
        (b'{"_id": "1", "text": "x", "more": ' + b"[" * 100_000, MalformedPayloadError, "not a record"),
    ],
)
def test_records_that_cannot_be_read_are_refused(
    content: bytes | dict[str, object], error: type[PayloadError], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        _record(content)
    assert caught.value.source_id == "c.jsonl#3"
    assert "c.jsonl#3" in str(caught.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for read in (_text, _record):
        try:
            document = IrValidator().execute(StageContext(tenant_id="t"), read(content))
        except PayloadError as error:
            assert error.source_id in error.message  # noqa: PT017 - either outcome is right
        except InvalidDocumentError as error:
            assert error.reasons  # noqa: PT017
        else:
            words = {word for _, block in document.iter_blocks() for word in document.quote(block.start, block.end).split()}
            assert words
            assert words <= set(document.text.split())


@given(st.text(max_size=80), st.text(max_size=300))
def test_every_word_of_a_record_is_kept_in_order(title: str, text: str) -> None:
    try:
        document = _record({"_id": "1", "title": title, "text": text})
    except EmptyPayloadError:
        assert title.split() == text.split() == []
        return
    assert document.text.split() == f"{title} {text}".replace("\0", " ").split()
