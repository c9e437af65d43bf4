"""MinerU's answers as layouts: those that were recorded, those of three papers from elsewhere, and pieces with a catch."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mineru_samples import recorded

from Medical_KG_rev.errors import PdfNeedsOcrError
from Medical_KG_rev.models import PdfAsset, StoredPdf
from Medical_KG_rev.parsing.pdf.document import document_from_layout
from Medical_KG_rev.parsing.pdf.inspection import open_pdf
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind, PageSize, PdfLayout
from Medical_KG_rev.parsing.pdf.mineru.content_list import Item, read_content_list
from Medical_KG_rev.parsing.pdf.mineru.reading import layout_of
from Medical_KG_rev.parsing.pdf.mineru.structured import StructuredContent, data_of, read_structured
from Medical_KG_rev.testing.pdf import check_layout

pytestmark = pytest.mark.component

A4 = PageSize(595.0, 842.0)


def structured(*pages: list[dict[str, Any]], sizes: int = 0, files: dict[str, bytes] | None = None) -> PdfLayout:
    """The layout of pages of blocks; a block without a box is given one."""
    box = {"bbox": [0.1, 0.1, 0.5, 0.2]}
    told = [{"page_idx": number, "blocks": [{**box, **block} for block in blocks]} for number, blocks in enumerate(pages)]
    content = msgspec.convert({"pages": told}, StructuredContent)
    page_sizes = [A4] * (sizes or len(pages))
    return layout_of(read_structured(content, page_sizes, files or {}), page_sizes, "4.0.12")


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "content": content, **more}


def heading(content: str, level: int = 2) -> dict[str, Any]:
    return {"type": "paragraph_title", "content": content, "level": level}


def kinds(layout: PdfLayout) -> list[tuple[str, str]]:
    return [(block.kind.value, block.text) for block in layout.blocks]


def one(layout: PdfLayout, kind: LayoutKind) -> LayoutBlock:
    (found,) = [block for block in layout.blocks if block.kind is kind]
    return found


@pytest.fixture
def layout() -> PdfLayout:
    content = recorded("result").json()["files"][0]["content"]["structured_content"]
    sizes = [A4, A4]
    return layout_of(read_structured(msgspec.convert(content, StructuredContent), sizes, {}), sizes, "")


def test_the_recorded_answer_is_a_layout_of_the_kit(layout: PdfLayout) -> None:
    check_layout(layout)
    assert (layout.engine, layout.engine_version, layout.warnings) == ("mineru", "4.0.12", ())
    assert Counter(block.kind for block in layout.blocks) == {
        LayoutKind.TITLE: 1, LayoutKind.AUTHORS: 1, LayoutKind.HEADING: 3, LayoutKind.PARAGRAPH: 4,
        LayoutKind.FIGURE: 1, LayoutKind.TABLE: 1, LayoutKind.REFERENCE: 3,
    }  # fmt: skip
    assert not any("Invented Journal" in block.text or block.text in ("1", "2") for block in layout.blocks)


def test_boxes_are_in_points_from_the_upper_left_corner(layout: PdfLayout) -> None:
    title = one(layout, LayoutKind.TITLE)
    assert title.text == "Metformin in an invented trial"
    # Written at 50, 770 from the lower left corner, in 18 points.
    assert title.bbox == pytest.approx((50, 55, 301, 76), abs=2)


def test_a_table_has_cells_caption_label_and_picture(layout: PdfLayout) -> None:
    table, figure = one(layout, LayoutKind.TABLE), one(layout, LayoutKind.FIGURE)
    assert [cell.text for cell in table.cells] == ["Arm", "People", "Glucose", "Metformin", "20", "5.6", "Placebo", "20", "7.9"]
    assert (table.label, table.caption, table.page) == ("Table 1", "Table 1: Glucose in the two arms.", 2)
    assert (figure.label, figure.caption) == ("Figure 1", "Figure 1: Four invented colours.")
    assert set(layout.images) == {table.image, figure.image} == {"page_0_image_7.jpg", "page_1_table_2.jpg"}
    assert all(content.startswith(b"\xff\xd8\xff") for content in layout.images.values())


def test_a_paragraph_goes_on_over_a_page_and_past_what_floats() -> None:
    layout = structured(
        [text("The differ-"), {"type": "footer", "content": "Journal"}, {"type": "page_footnote", "content": "A note"}],
        [
            {"type": "image", "captions": [{"content": "Fig. 2 | Colours"}]},
            text("ence was **seen**", continues_prev=True),
            text("after weeks", continues_prev=True),
            text("Another."),
        ],
    )
    assert kinds(layout) == [
        ("paragraph", "The difference was seen after weeks"),
        ("footnote", "A note"),
        ("figure", ""),
        ("paragraph", "Another."),
    ]
    assert (layout.blocks[0].page, layout.blocks[2].label) == (1, "Fig. 2")


def test_nothing_is_joined_over_a_heading() -> None:
    layout = structured([text("One"), heading("Methods"), text("two", continues_prev=True)])
    assert [block.text for block in layout.blocks] == ["One", "Methods", "two"]


def test_front_matter_is_told_from_the_abstract() -> None:
    prose = (
        "In this trial we asked whether metformin lowers the glucose of adults with diabetes and found that it does so in most of"
    )
    layout = structured(
        [
            text("Research Article"),
            {"type": "doc_title", "content": "A Trial of"},
            heading("Metformin"),
            text("Ada Example<sup>1</sup>"),
            text("<sup>1</sup> Department of Examples, Invented University, 1 Sample Street, Sampletown, United Samples"),
            text(f"{prose} them after twelve weeks."),
            heading("1. Introduction"),
            text("Ada Example"),
            {"type": "doc_title", "content": "A second article"},
        ]
    )
    assert [kind for kind, _ in kinds(layout)] == [
        "paragraph", "title", "authors", "authors", "paragraph", "heading", "paragraph", "heading",
    ]  # fmt: skip
    assert one(layout, LayoutKind.TITLE).text == "A Trial of Metformin"


def test_a_heading_is_as_deep_as_its_number_says() -> None:
    layout = structured(
        [heading("2 Methods"), heading("2.1 People"), heading("2.1.3. Arms"), heading("A.1 More"), heading("Plain", 4)]
    )
    assert [block.level for block in layout.blocks] == [1, 2, 3, 2, 3]


def test_references_are_split_off_with_their_heading_and_without() -> None:
    layout = structured(
        [
            heading("References and Notes"),
            text("1. Example A. A work."),
            {"type": "list", "content": "- Sample B.\n- Sample C."},
            heading("Appendix"),
            text("Words."),
            *(text(f"[{number}] Somebody. A work.") for number in range(1, 4)),
            text("[4] alone"),
            {"type": "ref_text", "content": "Sample D."},
        ]
    )
    assert [kind for kind, _ in kinds(layout)] == ["heading", *["reference"] * 3, "heading", "paragraph", *["reference"] * 5]


def test_lists_equations_code_and_what_is_new_keep_their_words() -> None:
    layout = structured(
        [
            {"type": "list", "content": "- **first**\n2. second\n"},
            {"type": "equation", "content": "$$ a ^ { 2 } \\tag{3} $$"},
            {"type": "code", "content": "```\nx = 1\n```"},
            {"type": "never_seen", "content": "kept"},
            {"type": "equation", "content": ""},
            {"type": "aside_text", "content": "arXiv:1"},
        ]
    )
    assert kinds(layout) == [("list", "first\nsecond"), ("equation", "a2 (3)"), ("paragraph", "x = 1"), ("paragraph", "kept")]


def test_a_table_without_cells_keeps_its_words_and_its_notes() -> None:
    captions = [{"content": "(b) more"}, {"content": "Table S2. All"}]
    table = {
        "type": "table",
        "content": "```\nonly words\n```",
        "captions": captions,
        "footnotes": [{"content": "a n=<sup>4</sup>"}],
    }
    block = one(structured([table]), LayoutKind.TABLE)
    assert (block.text, block.label, block.caption, block.footnote) == (
        "only words",
        "Table S2",
        "Table S2. All (b) more",
        "a n=4",
    )


def test_pages_that_are_images_are_scanned() -> None:
    whole = {"type": "image", "bbox": [0, 0, 1, 1], "captions": [], "image_source": "images/a.png"}
    layout = structured([whole], [whole, text("words")], [text("words")], files={"images/a.png": b"\x89PNG\r\n\x1a\n0"})
    assert layout.scanned == (1,)
    assert set(layout.images) == {"page_0_image_0.png", "page_1_image_0.png"}


def test_a_file_of_images_names_what_mineru_needs_to_read_them() -> None:
    layout = structured([{"type": "image", "bbox": [0, 0, 1, 1]}])
    stored = StoredPdf(object_key="k", sha256="0" * 64, size_bytes=1, asset=PdfAsset(url="https://x.test/a.pdf"))
    with pytest.raises(PdfNeedsOcrError, match="MK_MINERU__TIER=basic"):
        document_from_layout(layout, stored, doc_id="local:a", source="local", parsed_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_what_did_not_come_is_said() -> None:
    layout = structured([{"type": "image", "image_source": "images/a.jpg"}], [text("beyond")], sizes=1)
    assert layout.warnings == ("an image of page 1 did not come with the answer", "MinerU told of a page 2 of 1")
    assert structured([text("a")], sizes=3).warnings == ("not read: page 2, 3",)


@pytest.mark.parametrize("url", ["data:image/png;base64,@@", "data:image/png,abc", "http://x/y.png", ""])
def test_what_is_no_data_is_no_image(url: str) -> None:
    assert data_of(url) == b""


NUMBERS = st.floats(-2, 3) | st.sampled_from([0.0, 1.0, 0.5])
TEXTS = st.sampled_from(
    ["", "Words.", "[1] A.", "- a\n- b", "| a |\n| - |\n| b |", "<table><tr><td rowspan=3>a", "$x", "Table 1: y"]
)
BLOCKS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["doc_title", "paragraph_title", "text", "list", "table", "image", "equation", "ref_text", "x"]),
        "bbox": st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
        "content": TEXTS,
        "level": st.integers(-3, 12),
        "captions": st.lists(st.builds(lambda content: {"content": content}, TEXTS), max_size=2),
        "continues_prev": st.booleans(),
    }
)


@given(st.lists(st.lists(BLOCKS, max_size=6), min_size=1, max_size=3))
def test_whatever_blocks_come_the_layout_keeps_the_rules(pages: list[list[dict[str, Any]]]) -> None:
    check_layout(structured(*pages))


def items(*told: dict[str, Any]) -> PdfLayout:
    listed = msgspec.convert([{"page_idx": 0, "bbox": [100, 100, 500, 200], **item} for item in told], list[Item])
    picture = {"p.png": b"\x89PNG\r\n\x1a\n0"}
    return layout_of(read_content_list(listed, [A4], picture, "3.4.5"), [A4], "")


def test_items_of_older_versions_become_the_same_blocks() -> None:
    layout = items(
        {"type": "text", "text": "A Trial", "text_level": 1},
        {"type": "text", "text": "Ada Example"},
        {"type": "text", "text": "Methods", "text_level": 1},
        {"type": "text", "text": "2.1 People", "text_level": 2},
        {"type": "text", "text": "Words \\* here"},
        {
            "type": "table",
            "table_body": "<table><tr><td>a</td></tr></table>",
            "table_caption": ["Table 1: x"],
            "table_footnote": ["n"],
        },
        {"type": "chart", "chart_caption": ["Figure 2: y"], "img_path": "images/p.png"},
        {"type": "list", "sub_type": "ref_text", "list_items": ["One.", "Two."]},
        {"type": "list", "list_items": ["1. a", "2. b"]},
        {"type": "page_footnote", "text": "note"},
        {"type": "page_number", "text": "7"},
        {"type": "image", "img_path": "images/gone.jpg"},
    )
    check_layout(layout)
    assert kinds(layout) == [
        ("title", "A Trial"), ("authors", "Ada Example"), ("heading", "Methods"), ("heading", "2.1 People"),
        ("paragraph", "Words * here"), ("table", ""), ("figure", ""), ("reference", "One."), ("reference", "Two."),
        ("list", "a\nb"), ("footnote", "note"),
    ]  # fmt: skip
    assert [block.level for block in layout.blocks[2:4]] == [1, 2]
    assert layout.blocks[0].bbox == pytest.approx((59.5, 84.2, 297.5, 168.4))
    assert layout.blocks[6].image == "p.png"
    assert (layout.engine_version, layout.warnings) == ("3.4.5", ("an image of page 1 did not come with the answer",))


def test_without_boxes_the_page_is_the_box() -> None:
    assert items({"type": "text", "text": "a", "bbox": None}).blocks[0].bbox == (0.0, 0.0, 595.0, 842.0)


@pytest.mark.parametrize(
    ("paper", "title", "counts"),
    [
        ("106", "Metacognitive Prompting Improves Understanding in Large Language Models", (3, 5, 46)),
        ("116", "Quantum-inspired Language Model with Lindblad Master Equation", (6, 4, 30)),
        ("137", "FREB-TQA: A Fine-Grained Robustness Evaluation Benchmark", (12, 8, 31)),
    ],
)
def test_papers_that_mineru_3_has_read(paper: str, title: str, counts: tuple[int, int, int], test_data: Path) -> None:
    folder = test_data / "mineru" / f"2024.naacl-long.{paper}"
    document, _ = open_pdf(folder / "paper.pdf")
    sizes = [PageSize(*document.get_page_size(number)) for number in range(len(document))]
    document.close()
    listed = msgspec.json.decode((folder / "content_list.json").read_bytes(), type=list[Item])
    layout = layout_of(read_content_list(listed, sizes, {}, "3.4.4"), sizes, "")
    check_layout(layout)
    assert one(layout, LayoutKind.TITLE).text.startswith(title)
    found = Counter(block.kind for block in layout.blocks)
    assert (found[LayoutKind.TABLE], found[LayoutKind.FIGURE], found[LayoutKind.REFERENCE]) == counts
    assert {block.label for block in layout.blocks if block.kind is LayoutKind.TABLE} >= {f"Table {n}" for n in range(1, 4)}
    # The server's own record of places, in points, of the same papers: headings stand where it has them.
    if (folder / "layout.json").is_file():
        pages = json.loads((folder / "layout.json").read_bytes())["pdf_info"]
        places = [
            (page["page_idx"] + 1, *block["bbox"]) for page in pages for block in page["para_blocks"] if block["type"] == "title"
        ]
        ours = [(block.page, *block.bbox) for block in layout.blocks if block.kind in (LayoutKind.TITLE, LayoutKind.HEADING)]
        assert len(ours) == len(places)
        for own, told in zip(ours, places, strict=True):
            assert own == pytest.approx(told, abs=1.5)
