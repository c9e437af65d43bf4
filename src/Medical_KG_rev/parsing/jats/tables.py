"""Rows of JATS tables, in the HTML model and in the OASIS (CALS) one."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from Medical_KG_rev.parsing.builder import CellText
from Medical_KG_rev.parsing.jats.inline import inline_text
from Medical_KG_rev.parsing.xml import local_name

MAX_COLUMN_SPAN = 1000
"""HTML's own limit."""

MAX_GRID = 2_000_000
"""Grid positions that spans may cover in one table; above, cells are taken as they come, without spans."""

_CELLS = frozenset({"td", "th", "entry"})
_ROWS = frozenset({"tr", "row"})
_GROUPS = frozenset({"thead", "tbody", "tfoot", "tgroup"})


def is_table(element: etree._Element) -> bool:
    """Whether this is a table of either model."""
    return isinstance(element.tag, str) and local_name(element) == "table"


def table_rows(table: etree._Element) -> list[list[CellText]]:
    """The rows in reading order; header cells are those of the head and ``th``."""
    rows = [
        [_cell(cell, in_head) for cell in row if isinstance(cell.tag, str) and local_name(cell) in _CELLS]
        for row, in_head in _rows(table, in_head=False)
    ]
    covered = sum(min(cell.row_span, len(rows)) * cell.column_span for row in rows for cell in row)
    if covered > MAX_GRID:
        return [[CellText(cell.text, header=cell.header) for cell in row] for row in rows]
    return rows


def table_caption(table: etree._Element) -> str:
    """What a table holds beside its cells: an own caption, and text in places where none should be."""
    return " ".join(" ".join(_beside_cells(table)).split())


def _beside_cells(parent: etree._Element) -> Iterator[str]:
    structure = _CELLS if local_name(parent) in _ROWS else _GROUPS | _ROWS
    yield parent.text or ""
    for child in parent:
        name = local_name(child) if isinstance(child.tag, str) else ""
        if name not in structure:
            yield inline_text(child)
        elif name not in _CELLS:
            yield from _beside_cells(child)
        yield child.tail or ""


def _rows(parent: etree._Element, *, in_head: bool) -> Iterator[tuple[etree._Element, bool]]:
    for child in parent:
        name = local_name(child) if isinstance(child.tag, str) else ""
        if name in _ROWS:
            yield child, in_head
        elif name in _GROUPS:
            yield from _rows(child, in_head=in_head or name == "thead")


def _cell(cell: etree._Element, in_head: bool) -> CellText:
    rows = _count(cell.get("rowspan")) if "rowspan" in cell.attrib else _count(cell.get("morerows"), beyond=1)
    return CellText(
        inline_text(cell),
        row_span=rows,
        column_span=min(_count(cell.get("colspan")), MAX_COLUMN_SPAN),
        header=in_head or local_name(cell) == "th",
    )


def _count(value: str | None, beyond: int = 0) -> int:
    value = (value or "").strip()
    return max(1, int(value) + beyond) if value.isascii() and value.isdigit() and len(value) < 8 else 1
