"""MinerU's inline Markdown, formulas and tables: words as they are read, cells where they belong, nothing believed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import UnexpectedContentError
from Medical_KG_rev.parsing.pdf.mineru.markup import MAX_FORMULA, formula_text, plain_text
from Medical_KG_rev.parsing.pdf.mineru.tables import MAX_CELLS, table_cells

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("Wei Zhou<sup>1,3</sup> and CO<sub>2</sub>", "Wei Zhou1,3 and CO2"),
        ("**bold**<strong><sup>1</sup></strong>, *italic* and `code`", "bold1, italic and code"),
        (r"p \< 0.05 \*corresponding \_author\_", "p < 0.05 *corresponding _author_"),
        ("AT&amp;T at p &lt; 0.05", "AT&T at p < 0.05"),
        ("see [the paper](http://x.example/a_b)", "see the paper"),
        ("BRCA1 * BRCA2 and snake_case_name", "BRCA1 * BRCA2 and snake_case_name"),
        ("groups <A and B> were, with n<12 and m>3", "groups <A and B> were, with n<12 and m>3"),
        ("two\nlines<br>and three", "two lines and three"),
        ("# 5 of 7 and 1. first", "# 5 of 7 and 1. first"),
        (r"$\mu { - } \mathrm { F } 1$ rose", "μ-F1 rose"),
        (r"a dose of $9 . 2 \times 1 0 ^ { - 6 }$ M", "a dose of 9.2×10-6 M"),
        ("$- 3 . 0 9 \\pm 0 . 4 6$", "-3.09±0.46"),
        ("it cost $5 to treat and $10 to prevent", "it cost $5 to treat and $10 to prevent"),
        (r"a price of \$5 and \$6", "a price of $5 and $6"),
        ("", ""),
    ],
)
def test_inline_markdown_is_read_as_words(markdown: str, words: str) -> None:
    assert plain_text(markdown) == words


@pytest.mark.parametrize(
    ("latex", "words"),
    [
        ("$$\n| \\psi \\rangle = \\alpha | 0 \\rangle ,\\tag{1}\n$$", "|ψ⟩=α|0⟩, (1)"),
        (r"\frac { \mathrm { C } 2 \mathrm { W } } { \mathrm { N } }", "C2W/N"),
        (r"p \leq 1 0 ^ { - 6 }", "p≤10-6"),
        (r"\alpha x", "αx"),
        (r"\unknowncommand { x }", "x"),
        ("{" * 2000 + "}" * 2000, None),
        ("x" * (MAX_FORMULA + 1), "x" * (MAX_FORMULA + 1)),
        (r"\begin{array}", None),
        ("", ""),
    ],
)
def test_formulas_are_read_as_they_stand(latex: str, words: str | None) -> None:
    read = formula_text(latex)
    assert words is None or read == words
    assert "\n" not in read


@given(st.text(alphabet="ab1 $\\{}^_<>/*`|&;#\n", max_size=60))
def test_any_text_is_read_on_one_line(text: str) -> None:
    assert re.fullmatch(r"\S+( \S+)*|", plain_text(text)) is not None


HTML = """<table><thead><tr><th rowspan=2>Arm</th><th colspan="2">Glucose<sup>a</sup></th></tr>
<tr><th>before</th><th>after</th></tr></thead>
<tbody><tr><td>Metformin<br>500 mg</td><td>$7 . 2 \\pm 1$</td>
<td><table><tr><td>5.6</td><td>(n=4)</td></tr></table></td></tr></tbody></table>"""


def test_cells_of_html_have_their_places_spans_and_heads() -> None:
    cells = {(cell.row, cell.column): cell for cell in table_cells(HTML)}
    assert {place: cell.text for place, cell in cells.items()} == {
        (0, 0): "Arm",
        (0, 1): "Glucosea",
        (1, 1): "before",
        (1, 2): "after",
        (2, 0): "Metformin 500 mg",
        (2, 1): "7.2±1",
        (2, 2): "5.6 (n=4)",
    }
    assert (cells[0, 0].row_span, cells[0, 1].column_span) == (2, 2)
    assert [place for place, cell in cells.items() if cell.header] == [(0, 0), (0, 1), (1, 1), (1, 2)]


def test_the_first_row_is_the_head_where_none_is_marked() -> None:
    cells = table_cells("<table><tr><td>Arm</td><td>n</td></tr><tr><td>Placebo</td><td>4</td></tr></table>")
    assert [cell.header for cell in cells] == [True, True, False, False]
    assert [cell.header for cell in table_cells("<table><tr><td>alone</td></tr></table>")] == [False]


def test_markdown_tables_and_lines_of_fixed_width_have_cells() -> None:
    markdown = "| Arm | **n** |\n| --- | :-: |\n| A\\|B | 4 |"
    assert [(cell.row, cell.column, cell.text) for cell in table_cells(markdown)] == [
        (0, 0, "Arm"),
        (0, 1, "n"),
        (1, 0, "A|B"),
        (1, 1, "4"),
    ]
    fixed = "```\nArm         before   after\nMetformin   7.2 ± 1  5.6\n            (n = 4)\n```"
    assert [[cell.text for cell in table_cells(fixed) if cell.row == row] for row in range(3)] == [
        ["Arm", "before", "after"],
        ["Metformin", "7.2 ± 1", "5.6"],
        ["", "(n = 4)", ""],
    ]


@pytest.mark.parametrize("content", ["", "words", "```\none column\nof words\n```", "| a | b |", "<table></table>", "<table"])
def test_what_is_no_table_has_no_cells(content: str) -> None:
    assert table_cells(content) == ()


def test_a_table_cannot_ask_for_more_than_it_shows() -> None:
    (cell,) = table_cells('<table><tr><td rowspan="9999999999" colspan="-3">x</td></tr></table>')
    assert (cell.row_span, cell.column_span) == (1, 1)
    with pytest.raises(UnexpectedContentError, match="50000 cells"):
        table_cells("<table>" + "<tr><td rowspan=500 colspan=500>x</td></tr>" * 300 + "</table>")
    with pytest.raises(UnexpectedContentError):
        table_cells("| a |\n| - |\n" + "| x |\n" * (MAX_CELLS + 1))


def test_entities_and_documents_from_elsewhere_are_left_alone() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]><table><tr><td>&a;&b;</td></tr></table>'
    assert "root:" not in "".join(cell.text for cell in table_cells(bomb))
    assert table_cells("<div>" * 5000 + "<table><tr><td>x</td></tr></table>") in (
        (),
        table_cells("<table><tr><td>x</td></tr></table>"),
    )


@given(st.text(alphabet='<>/trdhable="12 x', max_size=200))
def test_whatever_html_comes_cells_do_not_overlap(html: str) -> None:
    taken: set[tuple[int, int]] = set()
    for cell in table_cells(f"<table><tr><td rowspan=2>a</td><td>{html}</td></tr><tr><td>b</td></tr></table>"):
        own = {(cell.row + y, cell.column + x) for y in range(cell.row_span) for x in range(cell.column_span)}
        assert not own & taken
        taken |= own
