"""Reads XML that nobody vouches for: bounded, without network, without entities.

A DOCTYPE is allowed, since every JATS file has one. Its external subset is never loaded, and any entity declaration is
refused before the parser sees it: bombs and external entities both need one.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

from lxml import etree

from Medical_KG_rev.errors import (
    EmptyPayloadError,
    HostileContentError,
    MalformedPayloadError,
    PayloadTooLargeError,
    UnsupportedFormatError,
)
from Medical_KG_rev.models import RawPayload

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 100
"""Elements within elements. Real articles stay below 40; what walks the tree recurses once per level."""

MAX_TAGS = 4_000_000
"""Opening and closing tags; a tree costs some hundred bytes for each. Large articles have a tenth of it."""

MAX_TEXT = 10_000_000
"""Characters of one text node; libxml2's own limit."""

MAX_SUBSET = 16 * 1024
"""Characters of a DOCTYPE's internal subset; articles have none."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0?\0", "utf-16-le"),
    (b"\0<\0?", "utf-16-be"),
)
_ENCODINGS = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252"})
"""What a declaration in ASCII can truly say; wider encodings show by their first bytes."""
_DECLARATION = re.compile(r"^\s*<\?xml\s[^>]*?\?>")
_DECLARED = re.compile(rb"^\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_PROLOG = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE\b(?:[^\"'\[>]|\"[^\"]*\"|'[^']*')*", re.IGNORECASE)
_SUBSET_TOKEN = re.compile(r"<!--.*?-->|<\?.*?\?>|\"[^\"]*\"|'[^']*'|<!ENTITY|\]|[^\"'<\]]+|.", re.DOTALL)
_HTML = re.compile(r"\s*(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<html\b)", re.IGNORECASE | re.DOTALL)
_ACCEPTED = "Accepted XML is JATS (root element <article>)."


def read_xml(payload: RawPayload) -> etree._Element:
    """The root element, without comments and processing instructions.

    Raises:
        EmptyPayloadError: nothing but whitespace.
        PayloadTooLargeError: above :data:`MAX_BYTES`, :data:`MAX_TAGS` or :data:`MAX_TEXT`.
        MalformedPayloadError: not well-formed, wrongly encoded, or with NUL; ``line`` where the parser says it.
        UnsupportedFormatError: HTML, or no markup at all.
        HostileContentError: an entity declaration, or nested deeper than :data:`MAX_DEPTH`.
    """
    who = payload.source_id
    if len(payload.content) > MAX_BYTES:
        raise PayloadTooLargeError(
            f"{who} has {len(payload.content)} bytes; XML above {MAX_BYTES} is refused.", source_id=who, path=payload.uri
        )
    text = _decode(payload)
    if not text or text.isspace():
        raise EmptyPayloadError(f"{who} is empty.", remedy="Fetch it again.", source_id=who, path=payload.uri)
    if _HTML.match(text[:2000]):
        raise UnsupportedFormatError(f"{who} is an HTML page, not XML. {_ACCEPTED}", source_id=who, path=payload.uri)
    if not text.lstrip().startswith("<"):
        raise UnsupportedFormatError(f"{who} is not XML: it does not start with '<'. {_ACCEPTED}", source_id=who)
    if text.count("<") > MAX_TAGS:
        raise PayloadTooLargeError(f"{who} has more than {MAX_TAGS} tags.", source_id=who, path=payload.uri)
    _refuse_entities(payload, text)
    root = _parse(payload, text)
    if _too_deep()(root):
        raise HostileContentError(f"{who} nests elements deeper than {MAX_DEPTH} levels.", source_id=who, path=payload.uri)
    return root


def _decode(payload: RawPayload) -> str:
    content, who = payload.content, payload.source_id
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None) or _declared_encoding(payload)
    try:
        text = content.decode(encoding).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MalformedPayloadError(
            f"{who} is not valid {encoding}: byte {error.start} (line {line}).", source_id=who, line=line
        ) from error
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise MalformedPayloadError(f"{who} contains a NUL character (line {line}).", source_id=who, line=line)
    return text


def _declared_encoding(payload: RawPayload) -> str:
    declared = _DECLARED.match(payload.content[:400])
    name = declared.group(1).decode("ascii") if declared else "utf-8"
    try:
        encoding = codecs.lookup(name).name
    except LookupError:
        encoding = ""
    if encoding not in _ENCODINGS:
        raise MalformedPayloadError(
            f"{payload.source_id} declares the encoding {name!r}, which it does not have or nobody reads.",
            remedy="Save it as UTF-8.",
            source_id=payload.source_id,
            path=payload.uri,
        )
    return encoding


def _refuse_entities(payload: RawPayload, text: str) -> None:
    """Looks at the DOCTYPE's internal subset only: the word may well occur in an article about XML."""
    position = 0
    while match := _PROLOG.match(text, position):
        position = match.end()
    doctype = _DOCTYPE.match(text, position)
    if doctype is None or text[doctype.end() : doctype.end() + 1] != "[":
        return
    for token in _SUBSET_TOKEN.finditer(text, doctype.end() + 1, doctype.end() + MAX_SUBSET):
        if token.group() == "]":
            return
        if token.group() == "<!ENTITY":
            raise _entity_refusal(payload, text.count("\n", 0, token.start()) + 1)
    raise HostileContentError(
        f"{payload.source_id} has a DOCTYPE whose internal subset does not end within {MAX_SUBSET} characters.",
        source_id=payload.source_id,
        path=payload.uri,
    )


def _entity_refusal(payload: RawPayload, line: int | None = None) -> HostileContentError:
    where = f" (line {line})" if line else ""
    return HostileContentError(
        f"{payload.source_id} declares an entity{where}; entity declarations are refused.",
        remedy="If the file is trusted, resolve its entities and remove the declarations.",
        source_id=payload.source_id,
        path=payload.uri,
        line=line,
    )


def _parse(payload: RawPayload, text: str) -> etree._Element:
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        dtd_validation=False,
        attribute_defaults=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=False,
    )
    # The declaration names the encoding that the text no longer has; blanks keep the line numbers.
    text = _DECLARATION.sub(lambda match: "\n" * match.group().count("\n"), text, count=1)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise _refusal(payload, error) from error
    subset = root.getroottree().docinfo.internalDTD
    if subset is not None and subset.entities():  # type: ignore[union-attr]  # missing in the stubs
        raise _entity_refusal(payload)
    return root


def _refusal(payload: RawPayload, error: etree.XMLSyntaxError) -> Exception:
    who, reason = payload.source_id, str(error.msg or error)
    if "depth" in reason.lower():
        return HostileContentError(f"{who} nests elements deeper than {MAX_DEPTH} levels.", source_id=who, path=payload.uri)
    if "huge" in reason.lower() or "too long" in reason.lower():
        return PayloadTooLargeError(f"{who} has a text of more than {MAX_TEXT} characters in one piece.", source_id=who)
    return MalformedPayloadError(
        f"{who} is not well-formed XML, line {error.lineno}: {reason}.",
        remedy="Fetch it again; the file may be cut short.",
        source_id=who,
        path=payload.uri,
        line=error.lineno,
    )


@cache
def _too_deep() -> etree.XPath:
    return etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 1)})")


def local_name(element: etree._Element) -> str:
    """The tag without its namespace."""
    return str(etree.QName(element).localname)
