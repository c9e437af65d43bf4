"""What ir_validation lets pass and what it says about the rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from Medical_KG_rev.errors import InvalidDocumentError
from Medical_KG_rev.models import Block, BlockType, Document, Section, SectionKind, StageContext
from Medical_KG_rev.parsing import IrValidator
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.validation import MAX_METADATA_BYTES, MAX_REASONS

pytestmark = pytest.mark.unit

CONTEXT = StageContext(tenant_id="t", job_id="job-1")


def _document(
    *, doc_id: str = "local:1", source: str = "local", title: str = "Title", text: str = "Some words.", **more: Any
) -> Document:
    builder = DocumentBuilder(doc_id=doc_id, source=source, title=title)
    builder.title()
    span = builder.block(text)
    for kind, attributes in more.pop("annotations", ()):
        builder.annotate(kind, span, **attributes)
    return builder.build(**{"parser_version": "test-1", "parsed_at": datetime(2026, 1, 2, tzinfo=UTC), **more})


def _raw(text: str, *sections: Section) -> Document:
    return Document(
        doc_id="local:1",
        source="local",
        title="Title",
        text=text,
        sections=sections,
        parser_version="test-1",
        parsed_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


def _reasons(document: Document) -> tuple[str, ...]:
    with pytest.raises(InvalidDocumentError) as caught:
        IrValidator().execute(CONTEXT, document)
    assert caught.value.doc_id == document.doc_id
    assert caught.value.job_id == "job-1"
    assert document.doc_id in str(caught.value)
    reasons: tuple[str, ...] = caught.value.reasons
    return reasons


@pytest.mark.parametrize(
    "document",
    [
        _document(),
        _document(text=""),
        _document(text="\n"),
        _document(doc_id="pmc-fulltext:PMC1", source="pmc-fulltext", language="pt-BR"),
        _document(doc_id="local:a.b-c_d:e", metadata={"a": [1, 2.5, None, True, {"b": "ü"}], "kind": "text"}),
        _document(annotations=[("keyword", {}), ("mesh", {"id": "D1", "major": True, "other": ["x"]})]),
    ],
)
def test_valid_documents_pass_as_they_are(document: Document) -> None:
    assert IrValidator().execute(CONTEXT, document) is document


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: _document(doc_id="local:a b"), "doc_id 'local:a b' is not <source>:<id>"),
        (lambda: _document(doc_id="local:"), "is not <source>:<id>"),
        (lambda: _document(doc_id="local:" + "x" * 300), "doc_id has 306 characters"),
        (lambda: _document(source="openalex"), "does not start with its source 'openalex'"),
        (lambda: _document(title=""), "the title is missing"),
        (lambda: _document(title="t" * 4001), "the title has 4001 characters"),
        (
            lambda: _raw("W", Section("s0", "t" * 4001, 0, 1, (Block("b0", BlockType.HEADER, 0, 1),))),
            "the title of section s0 has",
        ),
        (lambda: _document(title="…", text="?!"), "the text has no words"),
        (lambda: _document(text="bell\x07"), "the text has the control character U+0007"),
        (lambda: _document(text="half\ud800"), "the text has the control character U+D800"),
        (lambda: _document(title="\x1b[31mred"), "the title has the control character U+001B"),
        (lambda: _document(language=""), "language '' is not a language code"),
        (lambda: _document(language="English!"), "is not a language code"),
        (lambda: _document(parser_version=""), "parser_version is missing"),
        (lambda: _document(parsed_at=None), "parsed_at is missing"),
        (lambda: _document(parsed_at=datetime(2026, 1, 2)), "has no time zone"),  # noqa: DTZ001
        (lambda: _document(annotations=[("rumour", {})]), "annotation kind 'rumour' is unknown; known are adverse_event"),
        (lambda: _document(annotations=[("keyword", {"x": {1}})]), "annotations are not JSON: set is no JSON type"),
        (lambda: _document(metadata={"x": datetime(2026, 1, 2, tzinfo=UTC)}), "metadata is not JSON: datetime is no JSON type"),
        (lambda: _document(metadata={"x": [float("nan")]}), "nan has no JSON form"),
        (lambda: _document(metadata={"x": {1: 2}}), "the name 1 is no string"),
        (lambda: _document(metadata={"x": "\udc00"}), "half of a surrogate pair"),
        (lambda: _document(metadata={"x": "y" * MAX_METADATA_BYTES}), f"at most {MAX_METADATA_BYTES} are allowed"),
        (lambda: _raw("Words", Section("s0", "", 0, 5, ())), "section s0 is empty"),
        (lambda: _raw("Words", Section("s0", "", 0, 5, (Block("b0", BlockType.PARAGRAPH, 2, 2),))), "block b0 is empty"),
        (
            lambda: _raw("Lost words", Section("s0", "", 0, 10, (Block("b0", BlockType.HEADER, 5, 10),))),
            "the text before block b0",
        ),
        (lambda: _raw("Words lost", Section("s0", "", 0, 5, (Block("b0", BlockType.HEADER, 0, 5),))), "after the last block"),
        (
            lambda: _raw("Words", Section("s0", "", 0, 5, (Block("b0", BlockType.LIST, 0, 5),), kind=SectionKind.REFERENCES)),
            "nothing but references",
        ),
    ],
)
def test_faults_are_named(make: Callable[[], Document], reason: str) -> None:
    assert any(reason in found for found in _reasons(make()))


def test_all_reasons_are_told_at_once() -> None:
    assert len(_reasons(_document(title="", language="?", parser_version="", annotations=[("rumour", {})]))) == 4


def test_reasons_are_bounded() -> None:
    blocks = tuple(Block(f"b{index}", BlockType.PARAGRAPH, 0, 0) for index in range(500))
    assert len(_reasons(_raw("Words", Section("s0", "", 0, 5, blocks)))) == MAX_REASONS
