"""Cells of a table as MinerU writes it: HTML, a Markdown table, or lines of fixed width; nothing loaded, run or expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lxml import etree

from Medical_KG_rev.errors import UnexpectedContentError
from Medical_KG_rev.parsing.pdf.layout import LayoutCell
from Medical_KG_rev.parsing.pdf.mineru.markup import plain_text, without_formulas

__all__ = ["MAX_CELLS", "MAX_SPAN", "table_cells"]

MAX_CELLS = 50_000
MAX_SPAN = 500
"""Rows or columns that one cell may cover; browsers allow 1,000 columns."""
MIN_GUTTER = 2
"""Columns of fixed width are so many blanks apart, in every line."""

_HTML = re.compile(r"<table\b", re.IGNORECASE)
_FENCE = re.compile(r"\A\s*```[^\n]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_RULE = re.compile(r"\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?")
_BAR = re.compile(r"(?<!\\)\|")
_APART = frozenset({"br", "p", "div", "li", "td", "th"})


def table_cells(content: str) -> tuple[LayoutCell, ...]:
    """The cells of a table, row by row; none where ``content`` is no table.

    Header cells are those that are marked so. Where none is, the first of several rows is the header: models that read tables
    from images mark none.

    Raises:
        UnexpectedContentError: more than :data:`MAX_CELLS` cells.
    """
    if _HTML.search(content):
        return _of_html(content)
    if fenced := _FENCE.match(content):
        return _of_rows(_fixed_width(fenced[1]))
    return _of_rows(_markdown_rows(content))


def _of_rows(rows: Sequence[Sequence[str]]) -> tuple[LayoutCell, ...]:
    if sum(map(len, rows)) > MAX_CELLS:
        raise _too_many()
    return tuple(
        LayoutCell(row=y, column=x, text=text, header=y == 0 and len(rows) > 1)
        for y, row in enumerate(rows)
        for x, text in enumerate(row)
    )


def _markdown_rows(content: str) -> list[list[str]]:
    lines = [line.strip() for line in content.strip().splitlines()]
    if len(lines) < 2 or not lines[0].startswith("|") or not _RULE.fullmatch(lines[1]):
        return []
    kept = [line for number, line in enumerate(lines) if number != 1 and line.startswith("|")]
    return [
        [plain_text(cell.replace("\\|", "|")) for cell in _BAR.split(line.removeprefix("|").removesuffix("|"))] for line in kept
    ]


def _fixed_width(text: str) -> list[list[str]]:
    """Cells of lines whose columns are apart in every one of them; none where there is one column only."""
    lines = [line.expandtabs().rstrip() for line in text.splitlines() if line.strip()]
    width = max(map(len, lines), default=0)
    filled = [any(len(line) > place and line[place] != " " for line in lines) for place in range(width)]
    starts, ends, blanks = [], [], MIN_GUTTER
    for place, is_filled in enumerate(filled):
        if is_filled:
            if blanks >= MIN_GUTTER:
                starts.append(place)
                ends.append(place)
            ends[-1] = place + 1
        blanks = 0 if is_filled else blanks + 1
    if len(starts) < 2:
        return []
    return [[" ".join(line[start:end].split()) for start, end in zip(starts, ends, strict=True)] for line in lines]


def _of_html(html: str) -> tuple[LayoutCell, ...]:
    table = _first_table(html)
    rows = [] if table is None else list(_rows(table))
    marked = any(in_head or cell.tag == "th" for row, in_head in rows for cell in _cells(row))
    taken: set[tuple[int, int]] = set()
    found: list[LayoutCell] = []
    for number, (row, in_head) in enumerate(rows):
        column = 0
        for cell in _cells(row):
            while (number, column) in taken:
                column += 1
            height, width = min(_span(cell, "rowspan"), len(rows) - number), _span(cell, "colspan")
            taken |= {(number + down, column + right) for down in range(height) for right in range(width)}
            if len(taken) > MAX_CELLS:
                raise _too_many()
            header = (in_head or cell.tag == "th") if marked else number == 0 and len(rows) > 1
            text = _text(cell)
            found.append(LayoutCell(row=number, column=column, text=text, row_span=height, column_span=width, header=header))
            column += width
    return tuple(found)


def _first_table(html: str) -> etree._Element | None:
    parser = etree.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8")
    try:
        root = etree.fromstring(html.encode("utf-8", "replace"), parser)
    except etree.ParseError:  # nothing in it that could be a table
        return None
    return None if root is None else next(root.iter("table"), None)


def _rows(table: etree._Element) -> Iterator[tuple[etree._Element, bool]]:
    """Each row of this table, not of those within it, and whether it is in its head."""
    for child in table:
        if child.tag == "tr":
            yield child, False
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from ((row, child.tag == "thead") for row in child.iterchildren("tr"))


def _cells(row: etree._Element) -> Iterator[etree._Element]:
    return row.iterchildren("td", "th")


def _span(cell: etree._Element, name: str) -> int:
    value = str(cell.get(name, "1")).strip()
    return min(max(int(value), 1), MAX_SPAN) if value.isascii() and value.isdigit() and len(value) < 10 else 1


def _text(cell: etree._Element) -> str:
    """Text on one line; line breaks, paragraphs and cells within separate words, ``<sup>`` and the like do not."""
    parts: list[str] = []
    for event, element in etree.iterwalk(cell, events=("start", "end")):
        if element.tag in _APART:
            parts.append(" ")
        if event == "start":
            parts.append(element.text or "")
        elif element is not cell:
            parts.append(element.tail or "")
    return " ".join(without_formulas("".join(parts)).split())


def _too_many() -> UnexpectedContentError:
    return UnexpectedContentError(f"MinerU answered with a table of more than {MAX_CELLS} cells.")
