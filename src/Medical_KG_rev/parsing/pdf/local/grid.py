"""Cells of a table that is drawn as a grid: pdfplumber's geometry over the rules that pdfium reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from Medical_KG_rev.parsing.pdf.layout import LayoutCell
from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, around, beside
from Medical_KG_rev.parsing.pdf.local.tables import TableRegion
from Medical_KG_rev.parsing.pdf.local.text import joined_lines

_THIN = 2.6
_LEAST_UPRIGHT = 3
_CLOSE = 3.0


def is_grid(region: TableRegion) -> bool:
    """Whether upright rules part the columns."""
    places = {round(rule.x0 / _CLOSE) for rule in region.rules if rule.width <= _THIN and rule.height > 2 * _CLOSE}
    return len(places) >= _LEAST_UPRIGHT


def grid_cells(region: TableRegion) -> tuple[LayoutCell, ...]:
    """The cells of the largest grid, with what stands in each; none where the rules enclose nothing."""
    boxes = _boxes(region.rules)
    lefts = _steps(box.x0 for box in boxes)
    tops = _steps(box.top for box in boxes)
    cells = []
    for box in boxes:
        inside = [line for line in region.lines if box.holds((line.box.x0 + line.box.x1) / 2, line.baseline - 0.3 * line.size)]
        row, column = _place(tops, box.top), _place(lefts, box.x0)
        cells.append(
            LayoutCell(
                row=row,
                column=column,
                text=joined_lines(_in_rows(inside)),
                row_span=max(1, _place(tops, box.bottom - 2 * _CLOSE) - row + 1),
                column_span=max(1, _place(lefts, box.x1 - 2 * _CLOSE) - column + 1),
                header=row == 0,
                bbox=box.rounded(),
            )
        )
    return tuple(sorted(cells, key=lambda cell: (cell.row, cell.column)))


def _boxes(rules: Sequence[Box]) -> list[Box]:
    from pdfplumber.table import cells_to_tables, edges_to_intersections, intersections_to_cells, merge_edges

    edges = [_edge(rule) for rule in rules if min(rule.width, rule.height) <= _THIN]
    merged = merge_edges(edges, _CLOSE, _CLOSE, _CLOSE, _CLOSE)
    cells = intersections_to_cells(edges_to_intersections(merged, _CLOSE, _CLOSE))
    tables = cells_to_tables(cells)
    return [Box(*cell) for cell in max(tables, key=len, default=[])]


def _edge(rule: Box) -> dict[str, object]:
    """A rule as pdfplumber has it: a line without thickness."""
    is_across = rule.width > rule.height
    x, y = (rule.x0 + rule.x1) / 2, (rule.top + rule.bottom) / 2
    box = Box(rule.x0, y, rule.x1, y) if is_across else Box(x, rule.top, x, rule.bottom)
    return {
        "x0": box.x0, "x1": box.x1, "top": box.top, "bottom": box.bottom, "width": box.width, "height": box.height,
        "orientation": "h" if is_across else "v", "object_type": "line",
    }  # fmt: skip


def _steps(values: Iterable[float]) -> list[float]:
    steps: list[float] = []
    for value in sorted(values):
        if not steps or value - steps[-1] > _CLOSE:
            steps.append(value)
    return steps


def _place(steps: Sequence[float], value: float) -> int:
    return max((index for index, step in enumerate(steps) if step <= value + _CLOSE), default=0)


def _in_rows(lines: Sequence[Line]) -> list[Line]:
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.baseline):
        if rows and line.baseline - rows[-1][0].baseline <= 0.35 * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [beside(row) for row in rows]


def covers(region: TableRegion, cells: Sequence[LayoutCell]) -> bool:
    """Whether most of the table's lines stand in cells."""
    if not cells:
        return False
    whole = around(Box(*cell.bbox) for cell in cells if cell.bbox)
    inside = sum(whole.holds((line.box.x0 + line.box.x1) / 2, line.baseline) for line in region.lines)
    return inside > 0.8 * len(region.lines)
