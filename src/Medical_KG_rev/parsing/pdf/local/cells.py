"""Cells of a table, by the alignment of what stands in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Medical_KG_rev.parsing.pdf.layout import LayoutCell
from Medical_KG_rev.parsing.pdf.local.grid import covers, grid_cells, is_grid
from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, around, beside
from Medical_KG_rev.parsing.pdf.local.tables import TableRegion, joined_rules
from Medical_KG_rev.parsing.pdf.local.text import joined_lines

_THIN = 2.6
_MOST_ROWS = 8
_CROSSED_BY = 0.08
"""A gap between columns may be crossed by this share of the rows: titles over several columns."""


@dataclass(frozen=True)
class _Cell:
    """Lines of one cell; columns from ``first`` to ``last``."""

    first: int
    last: int
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        return joined_lines(self.lines)

    @property
    def box(self) -> Box:
        return around(line.box for line in self.lines)


Row = dict[int, _Cell]


def cells_of(region: TableRegion) -> tuple[LayoutCell, ...]:
    """By the grid where one is drawn, else by alignment."""
    if is_grid(region):
        cells = grid_cells(region)
        if covers(region, cells):
            return cells
    return aligned_cells(region)


def aligned_cells(region: TableRegion) -> tuple[LayoutCell, ...]:
    """Head rows stand above the first rule within; the others are the body, by which columns are known."""
    head, body = _split(region)
    columns = _columns(body or head, region)
    if not columns:
        return ()
    head_cells, head_rows = _head_cells(_rows(head), columns)
    body_rows = _merged([_placed(row, columns) for row in _records(body, columns)], joined_rules(_across(region)))
    cells = [*head_cells]
    for number, row in enumerate(body_rows, start=head_rows):
        cells += [_layout(row[first], number) for first in sorted(row)]
    return tuple(cells)


def _across(region: TableRegion) -> list[Box]:
    return [rule for rule in region.rules if rule.height <= _THIN and rule.width > rule.height]


def _split(region: TableRegion) -> tuple[list[Line], list[Line]]:
    """Lines above and below the first rule that goes across the table under its uppermost lines."""
    top = min(line.box.top for line in region.lines)
    bottom = max(line.baseline for line in region.lines)
    whole = around(line.box for line in region.lines).width
    for rule in joined_rules(_across(region)):
        if rule.top > top + 2 and rule.top < bottom - 2 and rule.width > 0.85 * whole:
            head = [line for line in region.lines if line.baseline < rule.top + 1]
            if head:
                return head, [line for line in region.lines if line.baseline >= rule.top + 1]
    return [], list(region.lines)


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines on one baseline, from the top."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.baseline):
        if rows and line.baseline - rows[-1][0].baseline <= 0.35 * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.box.x0) for row in rows]


def _records(lines: Sequence[Line], columns: Sequence[tuple[float, float]]) -> list[list[Line]]:
    """Lines that stand beside each other, also those of cells of several lines that are centred on their row."""
    records: list[list[list[Line]]] = []
    bottom = 0.0
    for row in _rows(lines):
        top = min(line.box.top for line in row)
        if records and top < bottom - 0.2 * row[0].size:
            records[-1].append(row)
        else:
            records.append([row])
            bottom = 0.0
        bottom = max(bottom, *(line.box.bottom for line in row))
    return [record for rows in records for record in _apart(rows, columns)]


def _apart(rows: Sequence[Sequence[Line]], columns: Sequence[tuple[float, float]]) -> list[list[Line]]:
    """Rows that reach into each other: one record, or several with a cell that stands beside them all, which the first gets."""
    whole = [line for row in rows for line in row]
    if len(rows) == 1:
        return [whole]
    full = [row for row in rows if len({_span(line.box, columns)[0] for line in row}) > len(columns) / 2]
    if len(full) < 2 and len(rows) <= _MOST_ROWS and not _counts(whole, columns):
        return [whole]
    if len(full) < 2:
        return [list(row) for row in rows]
    return [[line for row in rows if row is full[0] or row not in full for line in row], *map(list, full[1:])]


def _counts(lines: Sequence[Line], columns: Sequence[tuple[float, float]]) -> bool:
    """Whether numbers stand under each other in more than one column: they are of several records."""
    numbers = Counter(_span(line.box, columns)[0] for line in lines if _is_number(line.text))
    return sum(count > 1 for count in numbers.values()) > 1


def _columns(lines: Sequence[Line], region: TableRegion) -> list[tuple[float, float]]:
    """Left and right ends of what stands in each column."""
    if not lines:
        return []
    whole = around(line.box for line in region.lines)
    covered = np.zeros(round(whole.width) + 2, np.int32)
    rows = _rows(lines)
    for row in rows:
        of_row = np.zeros_like(covered)
        for line in row:
            of_row[round(line.box.x0 - whole.x0) : round(line.box.x1 - whole.x0)] = 1
        covered += of_row
    is_filled = covered > int(_CROSSED_BY * len(rows))
    edges = np.diff(np.pad(is_filled.astype(np.int8), 1))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    columns: list[tuple[float, float]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if columns and start + whole.x0 - columns[-1][1] < 3:
            columns[-1] = (columns[-1][0], end + whole.x0)
        else:
            columns.append((start + whole.x0, end + whole.x0))
    return columns


def _span(box: Box, columns: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """The columns that a box reaches over; the nearest where it stands between two."""
    met = [
        index
        for index, (left, right) in enumerate(columns)
        if min(box.x1, right) - max(box.x0, left) > min(0.3 * (right - left), 0.5 * box.width, 8.0)
    ]
    if met:
        return met[0], met[-1]
    middle = (box.x0 + box.x1) / 2
    nearest = min(range(len(columns)), key=lambda index: abs(sum(columns[index]) / 2 - middle))
    return nearest, nearest


def _placed(row: Sequence[Line], columns: Sequence[tuple[float, float]]) -> Row:
    """A row's lines by their first column; those of one column joined."""
    cells: Row = {}
    for line in row:
        first, last = _span(line.box, columns)
        home = next((cell for cell in cells.values() if cell.first <= first <= cell.last), None)
        if home is None:
            cells[first] = _Cell(first, last, (line,))
        else:
            cells[home.first] = _Cell(home.first, max(home.last, last), _with_line(home.lines, line))
    return cells


def _with_line(lines: tuple[Line, ...], line: Line) -> tuple[Line, ...]:
    """The lines of a cell with another, which stands beside the last one or under it."""
    if abs(lines[-1].baseline - line.baseline) <= 0.35 * line.size:
        return (*lines[:-1], beside([lines[-1], line]))
    return (*lines, line)


def _merged(rows: Sequence[Row], rules: Sequence[Box]) -> list[Row]:
    """Rows of which one goes on in the next are one."""
    merged: list[Row] = []
    for row in rows:
        if merged and _continues(merged[-1], row, rules):
            merged[-1] = {
                first: _Cell(
                    first,
                    max(cell.last for cell in (merged[-1].get(first), row.get(first)) if cell),
                    tuple(line for cell in (merged[-1].get(first), row.get(first)) if cell for line in cell.lines),
                )
                for first in sorted({*merged[-1], *row})
            }
        else:
            merged.append(row)
    return merged


def _continues(row: Row, following: Row, rules: Sequence[Box]) -> bool:
    upper = max(cell.box.bottom for cell in row.values())
    lower = min(cell.box.top for cell in following.values())
    lines = [line for cell in (*row.values(), *following.values()) for line in cell.lines]
    size = max(line.size for line in lines)
    if any(upper - 2 <= rule.top <= lower + 2 for rule in rules) or lower - upper > 0.45 * size:
        return False
    first = following.get(0)
    if first is None:
        is_part = set(following) < set(row) and 2 * len(following) <= len(row) + 1
        return is_part and any(not _is_number(cell.text) for cell in following.values())
    begins_small = first.text[:1].islower() or first.text[:1] in "(/&"
    return begins_small and 0 in row and (set(row) == {0} or set(following) == {0}) and not row[0].text.endswith(":")


def _is_number(text: str) -> bool:
    return sum(char.isdigit() for char in text) >= 0.4 * len(text.replace(" ", ""))


def _head_cells(rows: Sequence[Sequence[Line]], columns: Sequence[tuple[float, float]]) -> tuple[list[LayoutCell], int]:
    """The cells of the head and how many rows it has: two where titles over several columns stand above others, else one."""
    groups: dict[tuple[int, int], list[Line]] = {}
    for row in rows:
        for cell in _placed(row, columns).values():
            groups.setdefault((cell.first, cell.last), []).extend(cell.lines)
    spans = [span for span in groups if span[0] != span[1]]
    lower = [span for span in groups if span[0] == span[1] and any(over[0] <= span[0] <= over[1] for over in spans)]
    depth = 2 if spans and lower else int(bool(groups))
    cells = []
    for span, lines in sorted(groups.items()):
        is_lower = depth > 1 and span in lower
        tall = 1 if depth == 1 or is_lower or span in spans else depth
        cells.append(_layout(_Cell(*span, tuple(lines)), int(is_lower), header=True, row_span=tall))
    return sorted(cells, key=lambda cell: (cell.row, cell.column)), depth


def _layout(cell: _Cell, row: int, *, header: bool = False, row_span: int = 1) -> LayoutCell:
    return LayoutCell(
        row=row,
        column=cell.first,
        text=cell.text,
        row_span=row_span,
        column_span=cell.last - cell.first + 1,
        header=header,
        bbox=cell.box.rounded(),
    )
