"""A document is right by construction, and what is wrong is refused with its reasons."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import InvalidDocumentError
from Medical_KG_rev.models import Annotation, Block, BlockType, Cell, Document, Section, SectionKind, Span, Table
from Medical_KG_rev.parsing.builder import CellText, DocumentBuilder, normalize

from .conftest import build, documents, moments, rows, steps, words

pytestmark = pytest.mark.unit

DIGEST = "ddade50b1982da04068db6ccf76a0ce471251d9dfb2b46c8dfc026429540e08c"


@given(documents)
def test_sections_and_blocks_tile_the_text_in_reading_order(document: Document) -> None:
    blocks = [block for _, block in document.iter_blocks()]
    quotes = [document.quote(block.start, block.end) for block in blocks]
    assert "\n\n".join(quotes) == document.text
    assert all(quotes)
    assert [(section.start, section.end) for section in document.sections] == [
        (section.blocks[0].start, section.blocks[-1].end) for section in document.sections
    ]


@given(documents)
def test_every_block_is_found_from_any_offset_inside_it(document: Document) -> None:
    for section, block in document.iter_blocks():
        assert document.section_at(block.start) is section
        assert document.section_at(block.end - 1) is section
    assert document.section_at(len(document.text)) is None


@given(words, steps)
def test_text_survives_but_for_whitespace_and_nul(title: str, plan: list[Any]) -> None:
    assert normalize(build(title, plan).text).startswith(normalize(title))
    assert "\0" not in build(title, plan).text


@given(rows, words)
def test_table_cells_quote_what_was_put_in_and_lie_in_the_grid(grid: list[list[CellText]], caption: str) -> None:
    builder = DocumentBuilder(doc_id="local:t", source="local", title="T")
    span = builder.table(grid, caption=caption)
    document = builder.build()
    given_cells = [cell for row in grid for cell in row]
    if span is None:
        assert not normalize(caption)
        assert not any(cell.text for cell in given_cells)
        return
    (block,) = [block for _, block in document.iter_blocks()]
    assert block.table is not None
    assert [document.quote(cell.start, cell.end) for cell in block.table.cells] == [cell.text for cell in given_cells]
    assert (block.table.caption.quote(document.text) if block.table.caption else "") == normalize(caption)
    places = [
        (cell.row + down, cell.column + right)
        for cell in block.table.cells
        for down in range(cell.row_span)
        for right in range(cell.column_span)
    ]
    assert all(row < block.table.rows and column < block.table.columns for row, column in places)


@given(words, steps, moments, moments)
def test_the_digest_is_that_of_the_content_and_not_of_the_time(
    title: str, plan: list[Any], first: datetime | None, second: datetime | None
) -> None:
    assert build(title, plan, first).digest() == build(title, plan, second).digest()


def test_the_digest_of_a_known_document_never_changes() -> None:
    """Artifacts and indexes are keyed by it: a change of this value re-ingests everything."""
    assert build("Title", [("block", "One paragraph.", BlockType.PARAGRAPH)]).digest() == DIGEST


@given(documents, st.sampled_from(["title", "language", "parser_version"]))
def test_the_digest_changes_with_every_part_of_the_content(document: Document, field: str) -> None:
    changed = msgspec.structs.replace(document, **{field: getattr(document, field) + "x"})
    assert changed.digest() != document.digest()


@given(documents)
def test_a_document_survives_storage(document: Document) -> None:
    stored = msgspec.msgpack.encode(document)
    copy = msgspec.msgpack.decode(stored, type=Document)
    assert copy == document
    assert copy.digest() == document.digest()


def test_nested_sections_are_flat_and_know_their_path_and_kind() -> None:
    builder = DocumentBuilder(doc_id="local:n", source="local", title="T")
    with builder.section("Methods"):
        builder.block("Before.")
        with builder.section("Sources", SectionKind.REFERENCES), builder.section(""):
            builder.block("Inside.")
        builder.block("After.")
    document = builder.build()
    assert [(section.path, section.kind) for section in document.sections] == [
        (("Methods",), SectionKind.BODY),
        (("Methods", "Sources"), SectionKind.REFERENCES),
        (("Methods", "Sources"), SectionKind.REFERENCES),
        (("Methods",), SectionKind.BODY),
    ]


def test_an_annotation_needs_a_range_and_drops_what_is_empty() -> None:
    builder = DocumentBuilder(doc_id="local:a", source="local", title="T")
    builder.annotate("condition", None, id="D009765")
    builder.annotate("condition", builder.block("Obesity"), id="D009765", role=None, tags=[], major=False)
    assert builder.build().annotations == (Annotation("condition", 0, 7, {"id": "D009765", "major": False}),)


def paragraph(start: int, end: int, name: str = "b0", table: Table | None = None) -> Block:
    return Block(name, BlockType.PARAGRAPH, start, end, table=table)


@pytest.mark.parametrize(
    ("sections", "annotations", "reason"),
    [
        ((Section("s", "", 0, 11, ()),), (), "outside the text"),
        ((Section("s", "", 5, 4, ()),), (), "outside the text or out of order"),
        ((Section("s", "", 5, 10, ()), Section("t", "", 0, 5, ())), (), "out of order"),
        ((Section("s", "", 0, 5, ()), Section("s", "", 5, 10, ())), (), "section id 's' is not unique"),
        ((Section("s", "", 0, 5, (paragraph(0, 6),)),), (), "outside section"),
        ((Section("s", "", 0, 9, (paragraph(4, 8), paragraph(0, 4, "b1"))),), (), "out of order"),
        ((Section("s", "", 0, 9, (paragraph(0, 4), paragraph(4, 8))),), (), "block id 'b0' is not unique"),
        ((Section("s", "", 0, 9, (paragraph(0, 4, table=Table(1, 1, (Cell(0, 0, 2, 6),))),)),), (), "outside table"),
        ((Section("s", "", 0, 9, (paragraph(0, 4, table=Table(1, 1, (Cell(0, 0, 0, 2, 1, 2),))),)),), (), "outside the 1x1 grid"),
        ((), (Annotation("condition", 4, 4),), "annotation condition"),
        ((), (Annotation("condition", 4, 11),), "annotation condition"),
    ],
)
def test_a_wrong_range_is_refused_with_its_reason(
    sections: tuple[Section, ...], annotations: tuple[Annotation, ...], reason: str
) -> None:
    with pytest.raises(InvalidDocumentError, match=reason) as refused:
        Document(doc_id="local:x", source="local", title="", text="0123456789", sections=sections, annotations=annotations)
    assert any(reason in item for item in refused.value.reasons)
    assert refused.value.doc_id == "local:x"


def test_a_stored_document_that_was_tampered_with_is_refused() -> None:
    stored = msgspec.to_builtins(build("Title", [("block", "Text.", BlockType.PARAGRAPH)])) | {"text": "short"}
    with pytest.raises((msgspec.ValidationError, InvalidDocumentError), match="outside the text"):
        msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=Document)


def test_a_document_without_a_source_in_its_id_is_refused() -> None:
    with pytest.raises(InvalidDocumentError, match="<source>:<id>"):
        Document(doc_id="NCT00000000", source="local", title="", text="", sections=())


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 3), (4, 2)])
def test_a_span_is_never_empty_or_negative(start: int, end: int) -> None:
    with pytest.raises(InvalidDocumentError, match="0 <= start < end"):
        Span(start, end)


def test_models_are_frozen() -> None:
    document = build("Title", [], datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(AttributeError, match="immutable"):
        document.text = "other"  # type: ignore[misc]
