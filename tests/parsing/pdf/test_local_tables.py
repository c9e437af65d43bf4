"""Tables and figures: cells by rules and by alignment, captions, tables over several pages and up the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind
from Medical_KG_rev.parsing.pdf.local import LocalPdfEngine
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.component

TEXT = [
    Line(
        50,
        780 - row * 12,
        f"The text of the article before the table, line {row}, which is wide enough to be one of a column of text",
    )
    for row in range(5)
]


def blocks(folder: Path, *pages: Page) -> list[LayoutBlock]:
    path = folder / "sample.pdf"
    path.write_bytes(text_pdf(pages))
    return list(LocalPdfEngine().read(path).blocks)


def tables(folder: Path, *pages: Page) -> list[LayoutBlock]:
    return [block for block in blocks(folder, *pages) if block.kind is LayoutKind.TABLE]


def grid(table: LayoutBlock) -> list[list[str]]:
    rows: dict[int, list[str]] = {}
    for cell in sorted(table.cells, key=lambda cell: (cell.row, cell.column)):
        rows.setdefault(cell.row, []).append(cell.text)
    return [rows[row] for row in sorted(rows)]


def row(y: float, *cells: tuple[float, str]) -> list[Line]:
    return [Line(x, y, text, 9) for x, text in cells]


def across(*heights: float, left: float = 50, right: float = 500) -> bytes:
    return b"".join(b"0.5 w %f %f m %f %f l S\n" % (left, y, right, y) for y in heights)


def upright(xs: Iterable[float], top: float, bottom: float) -> bytes:
    return b"".join(b"0.5 w %f %f m %f %f l S\n" % (x, top, x, bottom) for x in xs)


CAPTION = Line(50, 690, "Table 1. Effects by group.", 9)
HEAD = row(667, (55, "Group"), (180, "Patients"), (300, "Effect"))
BODY = [
    *row(647, (55, "Placebo"), (190, "40"), (300, "0.12 (0.1)")),
    *row(635, (55, "Low dose"), (190, "41"), (300, "0.34 (0.2)")),
    *row(623, (55, "High dose"), (190, "39"), (300, "0.56 (0.1)")),
]


def test_three_rules_and_columns_by_alignment(tmp_path: Path) -> None:
    note = Line(50, 604, "Effects are means (standard deviations).", 8)
    page = Page([*TEXT, CAPTION, *HEAD, *BODY, note], content=across(680, 660, 616))
    (table,) = tables(tmp_path, page)
    assert (table.label, table.caption, table.footnote) == ("Table 1", "Effects by group.", note.text)
    assert grid(table) == [
        ["Group", "Patients", "Effect"],
        ["Placebo", "40", "0.12 (0.1)"],
        ["Low dose", "41", "0.34 (0.2)"],
        ["High dose", "39", "0.56 (0.1)"],
    ]
    assert [cell.header for cell in table.cells] == [True] * 3 + [False] * 9
    left, top, right, bottom = table.bbox
    assert left < 55
    assert right > 330
    assert top < 842 - 690 < 842 - 616 <= bottom


def test_a_head_of_two_rows_with_a_title_over_two_columns(tmp_path: Path) -> None:
    head = row(660, (55, "Measure"), (180, "Before"), (330, "After"))
    body = [*row(640, (55, "Pain"), (185, "5.1"), (335, "3.3")), *row(628, (55, "Sleep"), (185, "4.0"), (335, "6.2"))]
    title = Line(180, 672, "Both doses of the medicine, before and after", 9)
    page = Page([*TEXT, CAPTION, *head, title, *body], content=across(683, 653, 620))
    (table,) = tables(tmp_path, page)
    spans = {cell.text: (cell.row, cell.column, cell.row_span, cell.column_span) for cell in table.cells if cell.header}
    assert spans == {
        title.text: (0, 1, 1, 2),
        "Measure": (0, 0, 2, 1),
        "Before": (1, 1, 1, 1),
        "After": (1, 2, 1, 1),
    }


def test_cells_of_several_lines_centred_on_their_row(tmp_path: Path) -> None:
    body = [
        *row(647, (180, "forty patients who had")),
        *row(641, (55, "Placebo"), (330, "0.1")),
        *row(636, (180, "no other disease")),
        *row(615, (180, "ten patients who had")),
        *row(609, (55, "Low dose"), (330, "0.3")),
        *row(604, (180, "another disease")),
    ]
    (table,) = tables(tmp_path, Page([*TEXT, CAPTION, *HEAD, *body], content=across(680, 660, 595)))
    assert grid(table)[1:] == [
        ["Placebo", "forty patients who had no other disease", "0.1"],
        ["Low dose", "ten patients who had another disease", "0.3"],
    ]


def test_a_grid(tmp_path: Path) -> None:
    rules = across(680, 658, 641, 629, 616, left=50, right=400) + upright((50, 160, 280, 400), 680, 616)
    (table,) = tables(tmp_path, Page([*TEXT, CAPTION, *HEAD, *BODY], content=rules))
    assert grid(table)[0] == ["Group", "Patients", "Effect"]
    assert grid(table)[3] == ["High dose", "39", "0.56 (0.1)"]


def test_a_table_without_rules(tmp_path: Path) -> None:
    after = [
        Line(50, 590 - step * 12, f"Text that follows under the table, line {step}, as wide as the page allows it to be", 10)
        for step in range(4)
    ]
    (table,) = tables(tmp_path, Page([*TEXT, CAPTION, *HEAD, *BODY, *after]))
    assert [row[0] for row in grid(table)] == ["Group", "Placebo", "Low dose", "High dose"]


def test_a_table_that_goes_on_is_one(tmp_path: Path) -> None:
    rules = across(680, 660, 616)
    more = [
        *row(647, (55, "Highest dose"), (190, "12"), (300, "0.78 (0.3)")),
        *row(635, (55, "All"), (190, "132"), (300, "0.42 (0.2)")),
    ]
    second = Page([Line(50, 690, "Table 1. Continued.", 9), *HEAD, *more], content=rules)
    (table,) = tables(tmp_path, Page([*TEXT, CAPTION, *HEAD, *BODY], content=rules), second)
    assert [cells[0] for cells in grid(table)] == ["Group", "Placebo", "Low dose", "High dose", "Highest dose", "All"]


def test_a_table_up_the_page(tmp_path: Path) -> None:
    def up(lines: Sequence[Line]) -> list[Line]:
        return [Line(842 - line.y, line.x, line.text, line.size, upward=True) for line in lines]

    rules = b"".join(b"0.5 w %f 50 m %f 500 l S\n" % (842 - y, 842 - y) for y in (680, 660, 616))
    page = Page(up([CAPTION, *HEAD, *BODY]), content=rules)
    (table,) = tables(tmp_path, page)
    assert grid(table)[1] == ["Placebo", "40", "0.12 (0.1)"]
    left, top, right, bottom = table.bbox
    assert 140 < left < right < 240
    assert 330 < top < bottom < 800


def test_a_figure_has_its_caption_and_none_of_its_labels(tmp_path: Path) -> None:
    drawing = b"0.5 g 100 500 60 100 re f 200 500 60 150 re f 0 g\n"
    labels = [Line(105, 490, "low", 7), Line(205, 490, "high", 7), Line(110, 606, "12", 7)]
    caption = [Line(50, 470, "Figure 2: Effects by dose, as seen by", 9), Line(50, 460, "those who did not know the group.", 9)]
    after = [
        Line(50, 430 - step * 12, f"Text that follows, as shown in Figure 2 and elsewhere in this article, line {step} of it", 10)
        for step in range(4)
    ]
    found = blocks(tmp_path, Page([*TEXT, *labels, *caption, *after], content=drawing))
    (figure,) = (block for block in found if block.kind is LayoutKind.FIGURE)
    assert (figure.label, figure.caption) == ("Figure 2", "Effects by dose, as seen by those who did not know the group.")
    assert figure.bbox[1] < 842 - 640
    assert not any("high" in block.text or block.text == "12" for block in found)


def test_a_sentence_that_begins_a_line_with_a_label_is_no_caption(tmp_path: Path) -> None:
    lines = [
        *TEXT[:2],
        Line(
            50,
            756,
            "Table 2 shows the same for those who were older, and it does not differ from what was said before in the text",
        ),
        Line(50, 744, "of this article."),
    ]
    assert {block.kind for block in blocks(tmp_path, Page(lines))} == {LayoutKind.PARAGRAPH}
