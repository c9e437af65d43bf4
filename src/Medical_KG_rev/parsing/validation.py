"""The ir_validation stage: only documents that later stages can trust pass, the others are told all their faults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from Medical_KG_rev.errors import InvalidDocumentError
from Medical_KG_rev.models import Document, SectionKind, StageContext

VERSION = "2"
ANNOTATION_KINDS = frozenset(
    {
        "adverse_event",
        "analysis",
        "arm",
        "author",
        "cited_work",
        "condition",
        "criterion",
        "eligibility",
        "event_total",
        "funder",
        "group",
        "group_size",
        "intervention",
        "keyword",
        "location",
        "mesh",
        "outcome",
        "phase",
        "result",
        "sponsor",
        "topic",
    }
)
MAX_ID = 256
MAX_TITLE = 4000
"""Of documents and sections: titles travel with every passage."""

MAX_METADATA_BYTES = 1024 * 1024
MAX_REASONS = 50
_DOC_ID = re.compile(r"[\w-]+:[\w:.-]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"\w")


class IrValidator:
    """Checks what the model itself cannot know: names, words, vocabulary, bounds.

    A record that has only a title is valid; one without a word is not.
    """

    fingerprint = f"ir-validator({VERSION})"

    def execute(self, ctx: StageContext, document: Document) -> Document:
        """The document itself.

        Raises:
            InvalidDocumentError: with ``reasons``, at most :data:`MAX_REASONS`.
        """
        reasons = list(islice(_faults(document), MAX_REASONS))
        if not reasons:
            return document
        raise InvalidDocumentError(
            f"{document.doc_id} is not a valid document: {'; '.join(reasons)}.",
            reasons=reasons,
            remedy="Correct the record at its source; the rest of the batch is not affected.",
            doc_id=document.doc_id,
            job_id=ctx.job_id,
        )


def _faults(document: Document) -> Iterator[str]:
    yield from _identity_faults(document)
    yield from _text_faults(document)
    yield from _section_faults(document)
    yield from _annotation_faults(document)
    yield from _metadata_faults(document.metadata)


def _identity_faults(document: Document) -> Iterator[str]:
    if not _DOC_ID.fullmatch(document.doc_id):
        yield f"doc_id {document.doc_id[:80]!r} is not <source>:<id> of letters, digits, '_', '.', ':' and '-'"
    if len(document.doc_id) > MAX_ID:
        yield f"doc_id has {len(document.doc_id)} characters; at most {MAX_ID} are allowed"
    if document.doc_id.partition(":")[0] != document.source:
        yield f"doc_id {document.doc_id[:80]!r} does not start with its source {document.source!r}"
    if not _LANGUAGE.fullmatch(document.language):
        yield f"language {document.language[:20]!r} is not a language code such as 'en'"
    if not document.parser_version:
        yield "parser_version is missing"
    if document.parsed_at is None or document.parsed_at.tzinfo is None:
        yield "parsed_at is missing or has no time zone"


def _text_faults(document: Document) -> Iterator[str]:
    if not document.title.strip():
        yield "the title is missing"
    if len(document.title) > MAX_TITLE:
        yield f"the title has {len(document.title)} characters; at most {MAX_TITLE} are allowed"
    if not _WORD.search(document.text):
        yield "the text has no words"
    for what, text in (("text", document.text), ("title", document.title)):
        control = _CONTROL.search(text)
        if control:
            yield f"the {what} has the control character U+{ord(control.group()):04X} at {control.start()}"


def _section_faults(document: Document) -> Iterator[str]:
    if document.sections and all(section.kind is SectionKind.REFERENCES for section in document.sections):
        yield "there is nothing but references"
    covered = 0
    for section in document.sections:
        if not section.blocks:
            yield f"section {section.id} is empty"
        if len(section.title) > MAX_TITLE:
            yield f"the title of section {section.id} has {len(section.title)} characters; at most {MAX_TITLE} are allowed"
        for block in section.blocks:
            if block.start == block.end:
                yield f"block {block.id} is empty"
            if _WORD.search(document.text, covered, block.start):
                yield f"the text before block {block.id} belongs to no block"
            covered = block.end
    if _WORD.search(document.text, covered):
        yield "the text after the last block belongs to no block"


def _annotation_faults(document: Document) -> Iterator[str]:
    unknown = {annotation.kind for annotation in document.annotations} - ANNOTATION_KINDS
    for kind in sorted(unknown):
        yield f"annotation kind {kind!r} is unknown; known are {', '.join(sorted(ANNOTATION_KINDS))}"
    for annotation in document.annotations:
        if document.text[annotation.start : annotation.end].isspace():
            yield f"annotation {annotation.kind} ({annotation.start}:{annotation.end}) covers no text"
    fault = _json_fault([annotation.attributes for annotation in document.annotations])
    if fault:
        yield f"annotations are not JSON: {fault}"


def _metadata_faults(metadata: Mapping[str, Any]) -> Iterator[str]:
    fault = _json_fault(metadata)
    if fault:
        yield f"metadata is not JSON: {fault}"
        return
    size = len(msgspec.json.encode(metadata))
    if size > MAX_METADATA_BYTES:
        yield f"metadata has {size} bytes as JSON; at most {MAX_METADATA_BYTES} are allowed"


def _json_fault(value: Any) -> str | None:
    """Why a value is not of JSON's own types, or None."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, Mapping):
            stray = next((name for name in current if not isinstance(name, str)), None)
            if stray is not None:
                return f"the name {stray!r} is no string"
            pending.extend(current.values())
        elif isinstance(current, list | tuple):
            pending.extend(current)
        elif isinstance(current, float) and (current != current or current in (float("inf"), float("-inf"))):
            return f"{current} has no JSON form"
        elif isinstance(current, str):
            if _SURROGATE.search(current):
                return "a string has half of a surrogate pair"
        elif current is not None and not isinstance(current, int | float | bool):
            return f"{type(current).__name__} is no JSON type"
    return None
