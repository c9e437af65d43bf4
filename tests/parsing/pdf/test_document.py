"""Layouts become documents: sections, kinds, tables, captions, references, places, metadata; whatever engine read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import EmptyPayloadError, PdfNeedsOcrError, PdfUnreadableError
from Medical_KG_rev.models import Block, BlockType, Document, PdfAsset, SectionKind, StageContext, StoredPdf
from Medical_KG_rev.parsing.pdf.document import VERSION, document_from_layout
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutCell, LayoutKind, PageSize, PdfLayout
from Medical_KG_rev.parsing.validation import IrValidator
from Medical_KG_rev.text.facets import document_facets

pytestmark = pytest.mark.unit

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
BOX = (50.0, 60.0, 250.0, 90.0)
STORED = StoredPdf(
    object_key="pdf/default/unpaywall:10.9999_x/ab.pdf",
    sha256="ab" * 32,
    size_bytes=1234,
    asset=PdfAsset(url="https://example.org/a.pdf", licence="cc-by", version="publishedVersion", host="publisher"),
    title="Glimazole for gout",
    metadata={"date": "2024-05-06", "identifiers": {"doi": "10.9999/x"}, "language": "en", "retracted": False, "journal": None},
)


def block(kind: str, text: str = "", **fields: Any) -> LayoutBlock:
    return LayoutBlock(**{"kind": LayoutKind(kind), "page": 1, "bbox": BOX, "text": text, **fields})


def layout(*blocks: LayoutBlock, pages: int = 2, **fields: Any) -> PdfLayout:
    sizes = (PageSize(595.0, 842.0),) * pages
    return PdfLayout(**{"engine": "local", "engine_version": "1", "pages": sizes, "blocks": blocks, **fields})


def read(*blocks: LayoutBlock, stored: StoredPdf = STORED, **fields: Any) -> Document:
    found = document_from_layout(
        layout(*blocks, **fields), stored, doc_id="unpaywall:10.9999_x", source="unpaywall", parsed_at=PARSED_AT
    )
    return IrValidator().execute(StageContext("default"), found)


def outline(document: Document) -> list[tuple[str, tuple[str, ...], str]]:
    return [(section.title, section.path, section.kind.value) for section in document.sections]


def blocks_of(document: Document) -> list[Block]:
    return [block for _, block in document.iter_blocks()]


def quoted(document: Document, kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(document.quote(a.start, a.end), dict(a.attributes)) for a in document.annotations if a.kind == kind]


ARTICLE = (
    block("title", "Glimazole  for gout"),
    block("authors", "Irma Vented, Phil Ctive"),
    block("heading", "Abstract"),
    block("paragraph", "Glimazole eases gout."),
    block("paragraph", "Keywords: gout, uric acid; glimazole."),
    block("heading", "1. Methods", page=2),
    block("paragraph", "We asked people.", page=2),
    block("heading", "1.1 Patients", level=2, page=2),
    block("list", "adults\n\nwith gout", page=2),
    block("heading", "References", page=2),
    block("reference", "1. Vented I. Gout. Lancet. 2019;3:1-9. doi:10.9999/Gout.1. PMID: 9900001", page=2),
    block("reference", "2. Ctive P. On 1234 and 2020/21.", page=2),
    block("heading", "Appendix", page=2),
    block("footnote", "a Not shown.", label="a", page=2),
)


def test_headings_open_sections_by_their_levels() -> None:
    assert outline(read(*ARTICLE)) == [
        ("", (), "body"),
        ("", (), "metadata"),
        ("Abstract", ("Abstract",), "body"),
        ("1. Methods", ("1. Methods",), "body"),
        ("1.1 Patients", ("1. Methods", "1.1 Patients"), "body"),
        ("References", ("References",), "references"),
        ("Appendix", ("Appendix",), "body"),
    ]


def test_text_comes_in_the_order_of_the_layout() -> None:
    assert read(*ARTICLE).text.split("\n\n") == [
        "Glimazole for gout",
        "Irma Vented, Phil Ctive",
        "Abstract",
        "Glimazole eases gout.",
        "Keywords: gout, uric acid; glimazole.",
        "1. Methods",
        "We asked people.",
        "1.1 Patients",
        "adults\nwith gout",
        "References",
        "1. Vented I. Gout. Lancet. 2019;3:1-9. doi:10.9999/Gout.1. PMID: 9900001",
        "2. Ctive P. On 1234 and 2020/21.",
        "Appendix",
        "a Not shown.",
    ]


def test_every_block_has_its_page_and_box() -> None:
    places = [(block.page, block.bbox) for block in blocks_of(read(*ARTICLE))]
    assert places == [(1, BOX)] * 5 + [(2, BOX)] * 9


def test_types_of_blocks() -> None:
    found = [block.type for block in blocks_of(read(*ARTICLE, block("equation", "a = b", label="(1)")))]
    assert found[0] is found[2] is BlockType.HEADER
    assert found[8] is BlockType.LIST
    assert found[-2:] == [BlockType.FOOTNOTE, BlockType.EQUATION]


def test_keywords_are_stated() -> None:
    assert [text for text, _ in quoted(read(*ARTICLE), "keyword")] == ["gout", "uric acid", "glimazole"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Key words Gout \u2022 Pain", ["Gout", "Pain"]),
        ("KEYWORDS \u2014 a b | c", ["a b", "c"]),
        ("Keywords Basil - Two-dose \u2013 RAPD.", ["Basil", "Two-dose", "RAPD"]),
        ("Keywords were chosen by hand, and more.", []),
        ("Keywords:", []),
    ],
)
def test_spellings_of_keywords(text: str, expected: list[str]) -> None:
    assert [found for found, _ in quoted(read(block("paragraph", text)), "keyword")] == expected


def test_cited_works_have_the_identifiers_that_stand_there() -> None:
    assert [attributes for _, attributes in quoted(read(*ARTICLE), "cited_work")] == [
        {"doi": "10.9999/gout.1", "pmid": "9900001", "year": 2019},
        {},
    ]


def test_references_without_heading_are_references_still() -> None:
    document = read(
        block("heading", "Discussion"), block("paragraph", "So."), block("reference", "1. A."), block("paragraph", "B.")
    )
    assert outline(document) == [
        ("", (), "body"),
        ("Discussion", ("Discussion",), "body"),
        ("", ("Discussion",), "references"),
        ("Discussion", ("Discussion",), "body"),
    ]


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("References", SectionKind.REFERENCES),
        ("7. REFERENCES", SectionKind.REFERENCES),
        ("VI. Literature Cited:", SectionKind.REFERENCES),
        ("Reference values", SectionKind.BODY),
        ("Author details", SectionKind.METADATA),
        ("Authors\u2019 information", SectionKind.METADATA),
        ("Authors' contributions", SectionKind.BODY),
        ("A. Affiliations", SectionKind.METADATA),
    ],
)
def test_kinds_of_sections_by_their_headings(heading: str, kind: SectionKind) -> None:
    assert read(block("heading", heading), block("paragraph", "x")).sections[-1].kind is kind


def test_a_heading_without_end_is_a_paragraph() -> None:
    document = read(block("heading", "Word " * 200), block("heading", " "), block("paragraph", "x"))
    assert {title for title, *_ in outline(document)} == {""}
    assert [block.type for block in blocks_of(document)[1:]] == [BlockType.PARAGRAPH] * 2


def test_levels_may_be_skipped_and_wrong() -> None:
    document = read(
        block("heading", "A", level=3),
        block("heading", "B", level=10**9),
        block("heading", "C", level=-5),
        block("paragraph", "x"),
    )
    assert [path for _, path, _ in outline(document)[1:]] == [("A",), ("A", "B"), ("C",)]


CELLS = (
    LayoutCell(row=0, column=0, text="Arm", header=True, row_span=2),
    LayoutCell(row=0, column=1, text="Gout", header=True, column_span=2),
    LayoutCell(row=1, column=1, text="yes", header=True),
    LayoutCell(row=1, column=2, text="no", header=True),
    LayoutCell(row=2, column=0, text="Glimazole"),
    LayoutCell(row=2, column=2, text="9\x02"),
)


def test_a_table_has_caption_label_cells_and_footnote() -> None:
    table = block("table", cells=CELLS, caption="Outcome  by arm", label="Table 1", footnote="Glimazole 5 mg.")
    document = read(block("paragraph", "x"), table)
    made, note = blocks_of(document)[-2:]
    assert document.quote(made.start, made.end) == "Table 1 Outcome by arm\nArm\tGout\nyes\tno\nGlimazole\t\t9"
    assert (made.type, made.label, made.page, made.bbox) == (BlockType.TABLE, "Table 1", 1, BOX)
    grid = made.table
    assert grid is not None
    assert grid.caption is not None
    assert document.quote(grid.caption.start, grid.caption.end) == "Table 1 Outcome by arm"
    assert (grid.rows, grid.columns) == (3, 3)
    assert [(c.row, c.column, document.quote(c.start, c.end), c.row_span, c.column_span, c.header) for c in grid.cells] == [
        (0, 0, "Arm", 2, 1, True),
        (0, 1, "Gout", 1, 2, True),
        (1, 1, "yes", 1, 1, True),
        (1, 2, "no", 1, 1, True),
        (2, 0, "Glimazole", 1, 1, False),
        (2, 1, "", 1, 1, False),
        (2, 2, "9", 1, 1, False),
    ]
    assert (note.type, document.quote(note.start, note.end), note.page) == (BlockType.FOOTNOTE, "Glimazole 5 mg.", 1)


def test_a_label_is_not_said_twice() -> None:
    document = read(block("figure", caption="FIGURE 2. Survival", label="Figure 2", image="f.png"), images={"f.png": b"PNG"})
    figure = blocks_of(document)[-1]
    assert document.quote(figure.start, figure.end) == "FIGURE 2. Survival"
    assert (figure.type, figure.label, figure.reference) == (BlockType.FIGURE, "Figure 2", "f.png")


def test_a_table_whose_cells_are_not_known_keeps_its_text() -> None:
    document = read(block("table", "a b\nc d", caption="Table 1"))
    assert document.text.endswith("Table 1 a b c d")


def test_what_nobody_sees_is_left_out() -> None:
    document = read(block("paragraph", "gli\x02ma\ufffezole\x0c eases\x00\ud800 it"))
    assert document.text.endswith("glimazole eases it")


def test_boxes_stay_on_their_pages() -> None:
    blocks = [
        block("paragraph", "a", bbox=(-5.0, 800.123456, 700.0, 900.0)),
        block("paragraph", "b", bbox=(600.0, 10.0, 700.0, 20.0)),
        block("paragraph", "c", bbox=(float("nan"), 10.0, 700.0, 20.0)),
        block("paragraph", "d", page=9),
    ]
    places = [(block.page, block.bbox) for block in blocks_of(read(*blocks))[1:]]
    assert places == [(1, (0.0, 800.12, 595.0, 842.0)), (1, None), (1, None), (None, None)]


def test_metadata_of_source_and_file() -> None:
    document = read(*ARTICLE, warnings=("page 2 has no fonts",), scanned=(2,))
    assert document.metadata == {
        "kind": "article",
        "year": 2024,
        "license": "cc-by",
        "date": "2024-05-06",
        "identifiers": {"doi": "10.9999/x"},
        "language": "en",
        "retracted": False,
        "pdf": {
            "engine": "local",
            "engine_version": "1",
            "sha256": "ab" * 32,
            "size_bytes": 1234,
            "pages": 2,
            "page_sizes": [[595.0, 842.0], [595.0, 842.0]],
            "licence": "cc-by",
            "version": "publishedVersion",
            "url": "https://example.org/a.pdf",
            "host": "publisher",
            "scanned": [2],
            "warnings": ["page 2 has no fonts"],
        },
    }
    assert (document.parser_version, document.parsed_at, document.language) == (VERSION, PARSED_AT, "en")


def test_searches_can_be_narrowed_as_with_other_sources() -> None:
    facets = document_facets(read(*ARTICLE))
    assert facets == {"date": ("2024-05-06",), "language": ("en",), "retracted": ("false",)}


@pytest.mark.parametrize(
    ("given", "headline", "stated", "expected"),
    [
        ("Of the source", "On the page", "Of the file", "Of the source"),
        ("", "On the page", "Of the file", "On the page"),
        ("", "", "Of the file", "Of the file"),
        ("", "", "Microsoft Word - final2.docx", "a b"),
        ("", "", "untitled", "a b"),
        ("", "", "", "a b"),
    ],
)
def test_the_title_is_the_best_that_is_known(given: str, headline: str, stated: str, expected: str) -> None:
    stored = msgspec.structs.replace(STORED, title=given, asset=PdfAsset(url="file:///folder/a%20b.pdf"))
    blocks = [block("title", headline)] if headline else []
    document = read(*blocks, block("paragraph", "x"), stored=stored, properties={"title": stated})
    assert document.title == expected
    assert document.text.split("\n\n")[0] == (headline or expected)


def test_images_of_pages_need_ocr() -> None:
    with pytest.raises(PdfNeedsOcrError, match=r"2 of its 2 pages are images\..*MK_PDF__OCR=rapidocr"):
        read(scanned=(1, 2))


def test_a_file_without_a_word_is_empty() -> None:
    with pytest.raises(EmptyPayloadError, match=r"unpaywall:10\.9999_x has no text on its 2 pages"):
        read(block("paragraph", " \x02 \u2014 "))


def test_a_file_without_a_word_in_which_something_is_broken_is_unreadable() -> None:
    with pytest.raises(PdfUnreadableError, match="no text on its 2 pages: page 2 is broken"):
        read(warnings=("page 2 is broken",))


TEXTS = st.text(max_size=30)
NUMBERS = st.integers(min_value=-3, max_value=12)
BOXES = st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 4)
SPANS = NUMBERS | st.just(10**9)
ANY_CELL = st.builds(LayoutCell, row=NUMBERS, column=NUMBERS, text=TEXTS, row_span=SPANS, column_span=SPANS, header=st.booleans())
ANY_BLOCK = st.builds(
    LayoutBlock,
    kind=st.sampled_from(LayoutKind),
    page=NUMBERS,
    bbox=BOXES,
    text=TEXTS | st.sampled_from(["References", "Keywords: a, b.", "1. A. 2020. doi:10.1/x"]),
    level=NUMBERS,
    label=TEXTS,
    caption=TEXTS,
    footnote=TEXTS,
    cells=st.lists(ANY_CELL, max_size=8).map(tuple),
)


@given(st.lists(ANY_BLOCK, max_size=6))
def test_whatever_an_engine_says_the_document_is_valid_and_loses_no_word(blocks: list[LayoutBlock]) -> None:
    document = read(block("paragraph", "One word at least."), *blocks)
    for said in blocks:
        texts = [said.text]
        if said.kind in (LayoutKind.TABLE, LayoutKind.FIGURE):
            texts = [said.caption, said.footnote]
        if said.kind is LayoutKind.TABLE:
            texts += [cell.text for cell in said.cells]
        for word in " ".join(texts).split():
            assert not word.isalnum() or word in document.text
