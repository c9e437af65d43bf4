"""Plain text files, and records of the shape ``{"_id", "title", "text"}``.

Both are the bulk formats: an abstract must cost a tenth of a millisecond, so nothing here looks at a text twice.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import msgspec

from Medical_KG_rev.errors import EmptyPayloadError, MalformedPayloadError, MissingIdentifierError, PayloadTooLargeError
from Medical_KG_rev.models import Document, RawPayload
from Medical_KG_rev.parsing.builder import DocumentBuilder

VERSION = "plain-1"
MAX_BYTES = 64 * 1024 * 1024
MAX_TITLE = 200
"""A first line above this length is text, not a title."""

MAX_ID = 200
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_ID = re.compile(r"[\w.:-]+", re.ASCII)


class _Record(msgspec.Struct):
    """What a line of JSON Lines holds; other fields are ignored."""

    id: str | None = msgspec.field(name="_id", default=None)
    title: str | None = None
    text: str | None = None


_DECODER = msgspec.json.Decoder(_Record)


def parse_text(payload: RawPayload, *, parsed_at: datetime) -> Document:
    """A UTF-8 file. Its title is a short first line that stands alone, else the file's name; blank lines part paragraphs.

    Raises:
        EmptyPayloadError: nothing but whitespace.
        MalformedPayloadError: not UTF-8, or with NUL.
    """
    text = _decode(payload)
    paragraphs = _paragraphs(text)
    if not paragraphs:
        raise EmptyPayloadError(f"{payload.source_id} is empty.", source_id=payload.source_id, path=payload.uri)
    first, _, rest = paragraphs[0].partition("\n")
    if len(first) <= MAX_TITLE and (rest or len(paragraphs) > 1):
        title, paragraphs = first, ([rest] if rest else []) + paragraphs[1:]
    else:
        title = _file_name(payload)
    doc_id = f"local:{hashlib.sha256(payload.content).hexdigest()[:16]}"
    return _document(payload, doc_id, title, paragraphs, parsed_at)


def parse_record(payload: RawPayload, *, parsed_at: datetime) -> Document:
    """One JSON object with ``_id``, ``title`` and ``text``.

    Raises:
        MalformedPayloadError: no JSON object of that shape.
        MissingIdentifierError: no ``_id``.
        EmptyPayloadError: neither title nor text.
    """
    who = payload.source_id
    if not payload.content.strip():
        raise EmptyPayloadError(f"{who} is empty.", source_id=who, path=payload.uri)
    try:
        record = _DECODER.decode(payload.content.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayloadError(
            f"{who} is not a record: {error}.",
            remedy='A record is a JSON object {"_id", "title", "text"}.',
            source_id=who,
            path=payload.uri,
        ) from error
    identifier = (record.id or "").strip()
    if not identifier:
        raise MissingIdentifierError(
            f"{who} has no `_id`.", remedy="Give every record a unique `_id`.", source_id=who, path=payload.uri
        )
    if not _ID.fullmatch(identifier) or len(identifier) > MAX_ID:
        raise MalformedPayloadError(
            f"{who} has the `_id` {identifier[:80]!r}; letters, digits and _ . : - are accepted, at most {MAX_ID}.",
            source_id=who,
            path=payload.uri,
        )
    title, paragraphs = (record.title or "").strip(), _paragraphs(record.text or "")
    if not title and not paragraphs:
        raise EmptyPayloadError(f"{who} has neither title nor text.", source_id=who, path=payload.uri)
    return _document(payload, f"local:{identifier}", title, paragraphs, parsed_at)


def _document(payload: RawPayload, doc_id: str, title: str, paragraphs: list[str], parsed_at: datetime) -> Document:
    """One section, so that a short record's title and text end up in one passage. What has no title is called by its id."""
    builder = DocumentBuilder(doc_id=doc_id, source="local", title=title or doc_id.partition(":")[2])
    if title:
        builder.title()
    for paragraph in paragraphs:
        builder.block(paragraph)
    return builder.build(
        metadata={"kind": "text"},
        adapter_version=payload.adapter_version,
        parser_version=VERSION,
        parsed_at=parsed_at,
    )


def _decode(payload: RawPayload) -> str:
    who = payload.source_id
    if len(payload.content) > MAX_BYTES:
        raise PayloadTooLargeError(
            f"{who} has {len(payload.content)} bytes; text above {MAX_BYTES} is refused.", source_id=who, path=payload.uri
        )
    if b"\0" in payload.content:
        raise MalformedPayloadError(
            f"{who} contains NUL bytes, so it is no text file.", remedy="Save it as UTF-8 text.", source_id=who, path=payload.uri
        )
    try:
        return payload.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = payload.content.count(b"\n", 0, error.start) + 1
        raise MalformedPayloadError(
            f"{who} is not UTF-8: byte {error.start} (line {line}).",
            remedy="Save it as UTF-8 text.",
            source_id=who,
            path=payload.uri,
            line=line,
        ) from error


def _paragraphs(text: str) -> list[str]:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.strip()
    if "\n" not in text:
        return [text] if text else []
    return _BLANK_LINES.split(text)


def _file_name(payload: RawPayload) -> str:
    name = PurePosixPath(unquote(urlsplit(payload.uri).path)).stem
    return name or payload.source_id
