"""What the local engine makes of pages: columns, running heads, paragraphs, headings, superscripts, hidden text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind, PdfLayout
from Medical_KG_rev.parsing.pdf.local import LocalPdfEngine
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.component

LEFT, RIGHT = 50, 310
_NUMBERS = count(100)


def read(folder: Path, *pages: Page) -> PdfLayout:
    path = folder / "sample.pdf"
    path.write_bytes(text_pdf(pages))
    return LocalPdfEngine().read(path)


def of_kind(layout: PdfLayout, kind: LayoutKind) -> list[LayoutBlock]:
    return [block for block in layout.blocks if block.kind is kind]


def texts(layout: PdfLayout, kind: LayoutKind = LayoutKind.PARAGRAPH) -> list[str]:
    return [block.text for block in of_kind(layout, kind)]


def column(x: float, top: float, lines: Sequence[str], step: float = 12) -> list[Line]:
    return [Line(x, top - row * step, text) for row, text in enumerate(lines)]


def prose(lines: int, end: str = "") -> list[str]:
    """Lines as wide as a column, each with words of its own."""
    made = [f"patient {next(_NUMBERS)} was given the medicine in week {next(_NUMBERS)} of" for _ in range(lines)]
    return [*made[:-1], made[-1] + end] if end else made


def test_columns_are_read_one_after_the_other_and_lines_across_between_them(tmp_path: Path) -> None:
    first, second, third, fourth = (prose(8, " it.") for _ in range(4))
    lines = [
        *column(LEFT, 700, first), *column(RIGHT, 700, second),
        Line(LEFT, 580, "A line that goes across both of the columns, from the left edge of one to the right one of the other."),
        *column(LEFT, 550, third), *column(RIGHT, 550, fourth),
    ]  # fmt: skip
    whole = " ".join(texts(read(tmp_path, Page(lines))))
    places = [whole.index(part) for part in (first[0], first[7], second[0], second[7], "A line that goes", third[0], fourth[7])]
    assert places == sorted(places)


def test_a_paragraph_goes_on_in_the_next_column_and_page_and_words_are_made_whole(tmp_path: Path) -> None:
    first = [*prose(9), "The outcome was measured again by the same investi-"]
    second = [
        "gators, who had not been told of the treatment, and",
        *prose(8),
        "nobody of them knew it before the end of the trial and",
    ]
    pages = [
        Page([*column(LEFT, 700, first), *column(RIGHT, 700, second)]),
        Page(column(LEFT, 700, ["then they were told.", ""])),
    ]
    (paragraph,) = of_kind(read(tmp_path, *pages), LayoutKind.PARAGRAPH)
    assert "by the same investigators, who had not" in paragraph.text
    assert paragraph.text.endswith("the end of the trial and then they were told.")
    assert (paragraph.page, paragraph.bbox[0]) == (1, LEFT)


def test_running_heads_page_numbers_and_line_numbers_are_left_out(tmp_path: Path) -> None:
    pages = [
        Page(
            [
                Line(50, 810, "Journal of Trials 2020, 12:34"),
                Line(520, 810, str(40 + number)),
                Line(200, 20, f"(page {number} of 3, not for citation)"),
                *(Line(30, 700 - row * 12, str(row + 1), 8) for row in range(12)),
                *column(LEFT + 20, 700, prose(12)),
            ]
        )
        for number in (1, 2, 3)
    ]
    whole = " ".join(block.text for block in read(tmp_path, *pages).blocks)
    assert "Journal" not in whole
    assert "citation" not in whole
    assert not {"41", "42", "43", "1", "7", "12"} & set(whole.split())


def test_a_text_that_stands_once_at_the_edge_is_kept(tmp_path: Path) -> None:
    page = Page([*column(LEFT, 800, ["This line begins high on the page and is a part of", *prose(10)])])
    assert "begins high on the page" in texts(read(tmp_path, page))[0]


def test_paragraphs_are_told_by_indents_and_by_space(tmp_path: Path) -> None:
    third = ["After a space there is a third one, which is not", *prose(2)]
    lines = [
        *column(LEFT, 700, prose(4, " it.")),
        Line(LEFT + 15, 652, "An indented line begins another paragraph of this text"),
        *column(LEFT, 640, prose(3, " it.")),
        *column(LEFT, 584, third),
    ]
    found = texts(read(tmp_path, Page(lines)))
    assert [text[:14] for text in found[1:]] == ["An indented li", "After a space "]
    assert len(found) == 3


def test_headings_have_levels_and_a_run_in_heading_is_one(tmp_path: Path) -> None:
    lines = [
        Line(LEFT, 760, "A randomised trial of reading two columns", 18, "F2"),
        Line(LEFT, 735, "Ada Lovelace, Charles Babbage", 10),
        Line(LEFT, 700, "Abstract", 12, "F2"), *column(LEFT, 685, prose(3, " it.")),
        Line(LEFT, 630, "1. Methods", 12, "F2"), *column(LEFT, 615, prose(3, " it.")),
        Line(LEFT, 560, "1.1. Patients", 10, "F2"), *column(LEFT, 546, prose(3, " it.")),
        Line(LEFT, 490, "Statistical analysis.", 10, "F2"), Line(155, 490, "The analysis was made by the first of the authors"),
        *column(LEFT, 478, prose(2, " it.")),
    ]  # fmt: skip
    layout = read(tmp_path, Page(lines))
    assert texts(layout, LayoutKind.TITLE) == ["A randomised trial of reading two columns"]
    assert texts(layout, LayoutKind.AUTHORS) == ["Ada Lovelace, Charles Babbage"]
    assert [(block.text, block.level) for block in of_kind(layout, LayoutKind.HEADING)] == [
        ("Abstract", 1),
        ("1. Methods", 1),
        ("1.1. Patients", 2),
        ("Statistical analysis.", 3),
    ]
    assert texts(layout)[-1].startswith("The analysis was made")


def test_exponents_marks_of_notes_and_units(tmp_path: Path) -> None:
    parts = ["There were 10", "6", " cells in 5 cm", "2", " of skin, as others", "12,13", " have said."]
    shown = [b"/F1 6 Tf 4 Ts" if number % 2 else b"/F1 10 Tf 0 Ts" for number in range(len(parts))]
    drawn = b" ".join(b"%s (%s) Tj" % (font, part.encode()) for font, part in zip(shown, parts, strict=True))
    (text,) = texts(read(tmp_path, Page(content=b"BT 50 700 Td " + drawn + b" 0 Ts ET\n")))
    assert text == "There were 10\u2076 cells in 5 cm2 of skin, as others 12,13 have said."


def test_items_of_a_list(tmp_path: Path) -> None:
    lines = column(LEFT, 700, ["They were:", "\u2022 older than forty years, and", "\u2022 able to read."], 16)
    assert texts(read(tmp_path, Page(lines)), LayoutKind.LIST) == ["older than forty years, and", "able to read."]


def test_footnotes_do_not_break_the_text(tmp_path: Path) -> None:
    first, second = prose(10), ["which was so in all of the other hospitals as well."]
    note = [Line(LEFT, 540, "a) Given by mouth, as the manufacturer advises.", 7)]
    layout = read(tmp_path, Page([*column(LEFT, 700, first), *note, *column(RIGHT, 700, second + prose(9))]))
    assert texts(layout, LayoutKind.FOOTNOTE) == ["a) Given by mouth, as the manufacturer advises."]
    assert f"{first[-1]} {second[0]}" in texts(layout)[0]


def test_text_that_no_page_shows_is_left_out(tmp_path: Path) -> None:
    white = b"BT /F1 10 Tf 1 g 1 0 0 1 50 600 Tm (white on white) Tj 0 g ET\n"
    unpainted = b"BT /F1 10 Tf 3 Tr 1 0 0 1 50 580 Tm (not painted) Tj 0 Tr ET\n"
    clipped = b"q 0 0 10 10 re W n BT /F1 10 Tf 1 0 0 1 50 560 Tm (clipped away) Tj ET Q\n"
    bar = b"0.2 g 45 530 300 20 re f BT /F1 10 Tf 1 g 1 0 0 1 50 536 Tm (white on a dark bar) Tj 0 g ET\n"
    page = Page([Line(LEFT, 700, "What the page shows.")], content=white + unpainted + clipped + bar)
    assert [block.text for block in read(tmp_path, page).blocks] == ["What the page shows.", "white on a dark bar"]


def test_words_that_ocr_laid_under_a_scan_are_read(tmp_path: Path) -> None:
    unpainted = b"BT /F1 10 Tf 3 Tr 1 0 0 1 50 580 Tm (What was recognised.) Tj ET\n"
    assert [block.text for block in read(tmp_path, Page(content=unpainted)).blocks] == ["What was recognised."]


def test_places_are_those_of_the_page_as_shown(tmp_path: Path) -> None:
    (block,) = read(tmp_path, Page([Line(LEFT, 700, "A line of text.", 10)])).blocks
    left, top, right, bottom = block.bbox
    assert left == pytest.approx(50, abs=1)
    assert (top, bottom) == (pytest.approx(842 - 707.5, abs=0.5), pytest.approx(842 - 697.5, abs=0.5))
    assert 100 < right < 130


def test_a_page_number_high_above_the_edge_is_left_out(tmp_path: Path) -> None:
    pages = [Page([*column(LEFT, 700, prose(9)), Line(290, 150, str(number))]) for number in (7, 8, 9)]
    words = set(" ".join(block.text for block in read(tmp_path, *pages).blocks).split())
    assert not {"7", "8", "9"} & words


def test_a_title_in_the_middle_comes_before_a_column_that_begins_left_of_it(tmp_path: Path) -> None:
    lines = [
        Line(180, 780, "A short title of four", 18, "F2"),
        Line(LEFT, 740, "Abstract", 12, "F2"),
        *column(LEFT, 720, prose(9)),
        *column(RIGHT, 740, prose(9)),
    ]
    found = read(tmp_path, Page(lines)).blocks
    assert [(block.kind, block.text) for block in found[:2]] == [
        (LayoutKind.TITLE, "A short title of four"),
        (LayoutKind.HEADING, "Abstract"),
    ]
