"""What a local file holds, told by its content.

Nothing is parsed here: a JSON file is scanned once by msgspec, an XML file is looked at up to the end of its front matter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import PurePath
from typing import Any

import msgspec

from Medical_KG_rev.errors import (
    EmptyPayloadError,
    HostileContentError,
    MalformedPayloadError,
    MissingIdentifierError,
    PayloadError,
    UnsupportedFormatError,
)

TEXT_SUFFIXES = frozenset({".txt", ".md"})
JSON_LINES_SUFFIXES = frozenset({".jsonl", ".ndjson"})
SUPPORTED = (
    "Supported are ClinicalTrials.gov v2 JSON, OpenAlex JSON, JATS XML, PDF, plain text (.txt, .md) and JSON Lines of "
    '{"_id","title","text"}.'
)
PDF_HEADER_BYTES = 1024
"""Readers take a file for a PDF whose header begins within so many bytes."""
XML_HEAD_BYTES = 256 * 1024
"""An article's identifiers stand in its front matter, far above this; a prolog that is longer is refused."""

MAX_ID_LENGTH = 200

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SPACE = b" \t\r\n"
_SAFE_ID = re.compile(r"[\w:.-]+", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_NAME = re.compile(rb"[A-Za-z_][\w:.-]{0,100}")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_ARTICLE_ID = re.compile(
    rb"<(?:[\w.-]{1,40}:)?article-id\s[^>]{0,200}?pub-id-type\s*=\s*[\"']([\w-]{1,40})[\"'][^>]{0,200}>([^<]{1,500})<"
)
_FRONT_END = re.compile(rb"</(?:[\w.-]{1,40}:)?article-meta\s*>|<(?:[\w.-]{1,40}:)?body\b")
_ARTICLE_ROOTS = frozenset({"article", "pmc-articleset", "articles"})
_PMCID = re.compile(r"(?:PMC)?\s*([0-9]{1,12})(?:\.[0-9]+)?", re.IGNORECASE)
_PMID = re.compile(r"[0-9]{1,12}")
_DOI = re.compile(r"10\.\d{4,9}/\S+")
_NCT = re.compile(r"NCT\d{8}")
_OPENALEX = re.compile(r"https?://(?:api\.)?openalex\.org/(?:works/)?([A-Z]\d+)")
_FOREIGN_ROOTS = {
    "html": "an HTML page",
    "clinical_study": "a ClinicalTrials.gov registry XML file, a retired format; get the study as v2 JSON",
    "art": "a BioMed Central <art> file, which is not JATS; get the article as JATS from PubMed Central",
}


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a content is. ``doc_id`` is None for a page of many records (format ``ctgov-page`` or ``openalex-page``)."""

    format: str
    doc_id: str | None


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """One record inside a content. ``key`` tells it from the others: its id, or its position where it has none."""

    key: str
    format: str
    content: bytes
    doc_id: str | None
    error: PayloadError | None = None


_ABSENT = msgspec.Raw()


class _Root(msgspec.Struct):
    """The members of a JSON object that tell what it is; each is left undecoded, and empty where it is absent."""

    protocol: msgspec.Raw = msgspec.field(name="protocolSection", default=_ABSENT)
    studies: msgspec.Raw = _ABSENT
    id: msgspec.Raw = _ABSENT
    results: msgspec.Raw = _ABSENT
    meta: msgspec.Raw = _ABSENT
    authorships: msgspec.Raw = _ABSENT
    abstract: msgspec.Raw = msgspec.field(name="abstract_inverted_index", default=_ABSENT)
    full_studies: msgspec.Raw = msgspec.field(name="FullStudiesResponse", default=_ABSENT)
    full_study: msgspec.Raw = msgspec.field(name="FullStudy", default=_ABSENT)
    study: msgspec.Raw = msgspec.field(name="Study", default=_ABSENT)
    record_id: msgspec.Raw = msgspec.field(name="_id", default=_ABSENT)
    text: msgspec.Raw = _ABSENT


class _Identification(msgspec.Struct):
    nct: str | None = msgspec.field(name="nctId", default=None)


class _Protocol(msgspec.Struct):
    identification: _Identification | None = msgspec.field(name="identificationModule", default=None)


class _Record(msgspec.Struct):
    id: str | None = msgspec.field(name="_id", default=None)
    title: str | None = None
    text: str | None = None


_ROOT = msgspec.json.Decoder(_Root)
_PROTOCOL = msgspec.json.Decoder(_Protocol)
_RECORD = msgspec.json.Decoder(_Record)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_STRING = msgspec.json.Decoder(str)


def sniff(content: bytes, name: str) -> Sniffed:
    """Tells format and document id of a file's content; ``name`` serves messages and tells text from foreign formats.

    Raises:
        PayloadError: the content is none that can be read; its class and message say why.
    """
    body = _checked(content, name)
    suffix = PurePath(name).suffix.lower()
    if is_pdf_file(content, name):
        raise UnsupportedFormatError(
            f"{name} is a PDF file, which no source but `local` may bring as it is.", remedy=SUPPORTED, path=name
        )
    if suffix in TEXT_SUFFIXES:
        return _sniff_text(content, body, name)
    if body.startswith(b"<"):
        return _sniff_xml(body, name)
    if body[:1] in (b"{", b"["):
        return _sniff_json(body, name)
    if suffix == ".json":
        raise MalformedPayloadError(f"{name} is not JSON: it starts with {body[:20]!r}.", remedy=SUPPORTED, path=name)
    raise UnsupportedFormatError(f"{name} is in no supported format.", remedy=SUPPORTED, path=name)


def is_pdf_file(head: bytes, name: str) -> bool:
    """Whether a file that begins so is a PDF: by its first bytes; where it is named so, something may stand before them."""
    if head.removeprefix(_BOM).lstrip(_SPACE).startswith(b"%PDF-"):
        return True
    return PurePath(name).suffix.lower() == ".pdf" and b"%PDF-" in head[: PDF_HEADER_BYTES + 5]


def records(content: bytes, sniffed: Sniffed, name: str) -> Iterator[FoundRecord]:
    """The records of a sniffed content: itself, or those of the page that it is, each with its own bytes."""
    if sniffed.format not in ("ctgov-page", "openalex-page"):
        yield FoundRecord("", sniffed.format, content, sniffed.doc_id)
        return
    root = _ROOT.decode(content.removeprefix(_BOM))
    members = root.studies if sniffed.format == "ctgov-page" else root.results
    listed = _LIST.decode(members)
    if not listed:
        raise EmptyPayloadError(f"{name} is a page without records.", path=name)
    for position, raw in enumerate(listed):
        inner = bytes(raw)
        try:
            found = _sniff_json(inner, f"{name}#{position}")
            yield FoundRecord((found.doc_id or "").partition(":")[2] or str(position), found.format, inner, found.doc_id)
        except PayloadError as error:
            yield FoundRecord(str(position), "", b"", None, error)


def record_doc_id(line: bytes, name: str) -> tuple[str, str]:
    """``_id`` and document id of one JSON Lines record.

    Raises:
        PayloadError: the line is not an object with ``_id`` and text.
    """
    if b"\0" in line:
        raise MalformedPayloadError(f"{name} has NUL bytes.", path=name)
    record = _decoded(_RECORD, line, name)
    if record.id is None or not record.id.strip():
        raise MissingIdentifierError(f"{name} has no `_id`.", path=name)
    if not _SAFE_ID.fullmatch(record.id):
        raise MissingIdentifierError(
            f"{name} has the `_id` {record.id[:80]!r}, which cannot be part of a document id.",
            remedy="Use letters, digits and `_ : . -` only.",
            path=name,
        )
    if not ((record.title or "").strip() or (record.text or "").strip()):
        raise EmptyPayloadError(f"{name} has neither title nor text.", path=name)
    return record.id, f"local:{record.id}"


def is_json_lines(head: bytes, name: str) -> bool:
    """Whether a file is JSON Lines: by its suffix, or because its first line is a whole record and more follows.

    Such a file is read line by line and so may be larger than others.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix in JSON_LINES_SUFFIXES:
        return True
    line, newline, rest = head.removeprefix(_BOM).lstrip(_SPACE).partition(b"\n")
    if suffix in TEXT_SUFFIXES or not newline or not rest.strip(_SPACE) or b'"_id"' not in line:
        return False
    try:
        return _RECORD.decode(line).id is not None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False


def _checked(content: bytes, name: str) -> bytes:
    """The content without byte order mark and leading space, when it can be text at all."""
    if not content.strip(_SPACE):
        raise EmptyPayloadError(f"{name} is empty.", path=name)
    if is_pdf_file(content, name):
        return content
    if content.startswith(_WIDE_BOMS):
        raise MalformedPayloadError(f"{name} is UTF-16.", remedy="Convert it to UTF-8.", path=name)
    if (at := content.find(b"\0")) >= 0:
        raise MalformedPayloadError(f"{name} has a NUL byte at position {at}: it is binary or damaged.", path=name)
    body = content.removeprefix(_BOM).lstrip(_SPACE)
    if not body:
        raise EmptyPayloadError(f"{name} is empty.", path=name)
    return body


def _sniff_text(content: bytes, body: bytes, name: str) -> Sniffed:
    """Text, unless it is a record in one of the other formats that was saved under a text suffix."""
    if body.startswith((b"{", b"<")):
        try:
            return _sniff_json(body, name) if body.startswith(b"{") else _sniff_xml(body, name)
        except HostileContentError:
            raise
        except PayloadError:
            if body[:200].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
                raise
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedPayloadError(
            f"{name} is not UTF-8 text (byte {error.start}).", remedy="Convert it to UTF-8.", path=name
        ) from None
    return Sniffed("text", f"local:{hashlib.sha256(content).hexdigest()[:16]}")


def _decoded(decoder: msgspec.json.Decoder[Any], content: bytes | msgspec.Raw, name: str) -> Any:
    try:
        return decoder.decode(content)
    except RecursionError:
        raise HostileContentError(f"{name} is nested too deeply.", path=name) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayloadError(f"{name} is not valid JSON of a supported format: {error}.", path=name) from None


def _sniff_json(body: bytes, name: str) -> Sniffed:
    if body.startswith(b"["):
        _decoded(_LIST, body, name)
        raise UnsupportedFormatError(f"{name} is a JSON list, not a record or a page of records.", remedy=SUPPORTED, path=name)
    root = _decoded(_ROOT, body, name)
    if root.protocol:
        return _study(root.protocol, name)
    if root.full_studies or root.full_study or root.study:
        raise UnsupportedFormatError(
            f"{name} is a study in the retired ClinicalTrials.gov v1 format.", remedy="Get it from the v2 API.", path=name
        )
    if root.studies:
        _decoded(_LIST, root.studies, name)
        return Sniffed("ctgov-page", None)
    if root.results and root.meta:
        _decoded(_LIST, root.results, name)
        return Sniffed("openalex-page", None)
    if root.record_id:
        return Sniffed("record-json", record_doc_id(body, name)[1])
    return _work(root, name)


def _study(protocol: msgspec.Raw, name: str) -> Sniffed:
    identification = _decoded(_PROTOCOL, protocol, name).identification
    nct = identification.nct if identification else None
    if nct is None or not _NCT.fullmatch(nct):
        raise MissingIdentifierError(f"{name} is a ClinicalTrials.gov study without a valid nctId.", path=name)
    return Sniffed("ctgov-json", f"clinicaltrials:{nct}")


def _work(root: _Root, name: str) -> Sniffed:
    if root.id and bytes(root.id).startswith(b'"http'):
        match = _OPENALEX.fullmatch(_decoded(_STRING, root.id, name))
        if match and match[1].startswith("W"):
            return Sniffed("openalex-json", f"openalex:{match[1]}")
        if match:
            raise UnsupportedFormatError(f"{name} is an OpenAlex record, but not a work: {match[1]}.", path=name)
    if root.authorships or root.abstract:
        raise MissingIdentifierError(f"{name} is an OpenAlex work without a valid id.", path=name)
    if root.text:
        raise MissingIdentifierError(f"{name} has text, but no `_id`.", path=name)
    raise UnsupportedFormatError(f"{name} is JSON of no supported format.", remedy=SUPPORTED, path=name)


def _sniff_xml(body: bytes, name: str) -> Sniffed:
    head = body[:XML_HEAD_BYTES]
    start = _root_start(head, name)
    match = _NAME.match(head, start + 1)
    root = match[0].decode("ascii", "replace").rpartition(":")[2] if match else "?"
    if root not in _ARTICLE_ROOTS:
        what = _FOREIGN_ROOTS.get(root.lower(), f"XML with the root element <{root}>, not JATS <article>")
        raise UnsupportedFormatError(f"{name} is {what}.", remedy=SUPPORTED, path=name)
    return Sniffed("jats-xml", _article_doc_id(head[start:], name))


def _root_start(head: bytes, name: str) -> int:
    """Where the root element starts, past declaration, comments, instructions and DOCTYPE."""
    at = 0
    while (at := head.find(b"<", at)) >= 0:
        if head.startswith(b"<?", at):
            end = head.find(b"?>", at)
        elif head.startswith(b"<!--", at):
            end = head.find(b"-->", at)
        elif head.startswith(b"<!", at):
            end = _doctype_end(head, at, name)
        else:
            return at
        if end < 0:
            break
        at = end + 1
    raise MalformedPayloadError(f"{name} has no XML root element within its first {len(head)} bytes.", path=name)


def _doctype_end(head: bytes, at: int, name: str) -> int:
    """Where a DOCTYPE ends. An HTML one ends the sniffing; an entity declaration is refused."""
    words = head[at : at + 200].lower().split(maxsplit=2)
    if len(words) > 1 and words[0] == b"<!doctype" and words[1].partition(b">")[0] == b"html":
        raise UnsupportedFormatError(f"{name} is an HTML page.", remedy=SUPPORTED, path=name)
    if head.startswith(b"<!ENTITY", at):
        raise HostileContentError(f"{name} declares XML entities, which are refused.", path=name)
    end, subset = head.find(b">", at), head.find(b"[", at)
    if 0 <= subset < end:
        close = head.find(b"]", subset)
        inside = head[subset : close if close >= 0 else None]
        if b"<!ENTITY" in inside:
            raise HostileContentError(f"{name} declares XML entities, which are refused.", path=name)
        end = head.find(b">", close) if close >= 0 else -1
    return end


def _article_doc_id(article: bytes, name: str) -> str:
    """The same id that the parser gives: the PMCID, else the first DOI as it is spelt, else the PMID."""
    front = _FRONT_END.split(article, maxsplit=1)[0]
    ids: dict[str, list[str]] = {}
    for kind, value in _ARTICLE_ID.findall(_COMMENT.sub(b"", front)):
        text = " ".join(unescape(value.decode("utf-8", "replace")).split())
        ids.setdefault(kind.decode("ascii"), []).append(text)
    for text in [*ids.get("pmc", []), *ids.get("pmcid", [])]:
        if pmcid := _PMCID.fullmatch(text):
            return f"pmc-fulltext:PMC{pmcid[1]}"
    dois = ids.get("doi", [])
    if any(map(_DOI.search, dois)):
        doi = _DOI.search(dois[0])
        return f"local:{_UNSAFE.sub('-', doi[0] if doi else dois[0])[:MAX_ID_LENGTH]}"
    for text in ids.get("pmid", []):
        if _PMID.fullmatch(text):
            return f"local:PMID-{text}"
    raise MissingIdentifierError(f"{name} is a JATS article without PMCID, DOI or PMID.", path=name)
