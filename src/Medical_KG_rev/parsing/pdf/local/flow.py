"""The content of a page in reading order: stacks of lines, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.captions import figure_label
from Medical_KG_rev.parsing.pdf.local.columns import Block, blocks_of
from Medical_KG_rev.parsing.pdf.local.figures import FigureRegion, figures_of, words_in_pictures
from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, Page, around
from Medical_KG_rev.parsing.pdf.local.tables import TableRegion, tables_of

_SIDEWAYS_LETTERS = 150
"""Fewer are an axis of a figure, or a note in the margin, where the page has more text upright."""


@dataclass(frozen=True)
class Stack:
    """Lines under each other in one column of a page; ``left`` and ``right`` are the column's edges."""

    page: int
    lines: tuple[Line, ...]
    left: float
    right: float
    turn: int = 0


@dataclass(frozen=True)
class Table:
    page: int
    region: TableRegion
    turn: int = 0


@dataclass(frozen=True)
class Figure:
    page: int
    region: FigureRegion
    caption: tuple[Line, ...]
    turn: int = 0

    @property
    def box(self) -> Box:
        lines = around(line.box for line in self.caption)
        return self.region.box.joined(lines) if self.region.box else lines


Item = Stack | Table | Figure


def flow_of(page: Page, body: Body) -> list[Item]:
    """What a page holds, in reading order; what stands sideways comes last."""
    items = _upright_flow(page, body)
    upright = sum(line.letters for line in page.lines)
    for turn, lines in page.sideways:
        if sum(line.letters for line in lines) >= min(_SIDEWAYS_LETTERS, upright + 1):
            items += _upright_flow(page.upright(turn, lines), body)
    return items


def _upright_flow(page: Page, body: Body) -> list[Item]:
    tables = tables_of(page, body)
    taken = {id(line) for region in tables for line in region.members}
    lines = [line for line in page.lines if id(line) not in taken]
    figures = figures_of(page, lines, body)
    taken = {id(line) for region in figures for line in region.labels} | set(map(id, words_in_pictures(page, lines)))
    taken -= {id(region.start) for region in figures}
    lines = [line for line in lines if id(line) not in taken]
    blocks = blocks_of(lines, [(region.box, region.order) for region in tables], body.size)
    return [replace(item, turn=page.turn) for item in _items(page.number, blocks, tables, figures)]


def _items(page: int, blocks: Sequence[Block], tables: Sequence[TableRegion], figures: Sequence[FigureRegion]) -> Iterator[Item]:
    columns = [block.box for block in blocks if block.index is None]
    for block in blocks:
        if block.index is not None:
            yield Table(page, tables[block.index])
            continue
        left, right = _edges(block.box, columns)
        for figure, lines in _captions(block.lines, figures):
            if figure is None:
                yield Stack(page, lines, left, right)
            else:
                yield Figure(page, figure, lines)


def _captions(lines: Sequence[Line], figures: Sequence[FigureRegion]) -> Iterator[tuple[FigureRegion | None, tuple[Line, ...]]]:
    """The lines of a block cut where captions begin and end."""
    begun = {(region.start.order, region.start.baseline): region for region in figures}
    figure: FigureRegion | None = None
    group: list[Line] = []
    for line in lines:
        following = begun.get((line.order, line.baseline))
        if following is not None or (figure is not None and not _goes_on(group, line)):
            if group:
                yield figure, tuple(group)
            figure, group = following, []
        group.append(line)
    if group:
        yield figure, tuple(group)


def _goes_on(caption: Sequence[Line], line: Line) -> bool:
    """Whether a line is still of the caption."""
    last = caption[-1]
    size = max(last.size, line.size)
    if len(caption) == 1 and figure_label(last.text) == last.text.strip(" .:"):
        return line.baseline - last.baseline <= 2.2 * size
    return abs(last.size - line.size) <= 0.12 * size and line.baseline - last.baseline <= 1.5 * size


def _edges(box: Box, columns: Sequence[Box]) -> tuple[float, float]:
    """The edges of the column a block stands in: those of the widest block with the same left edge that holds it."""
    holding = [other for other in columns if other.x0 - 2 <= box.x0 and box.x1 <= other.x1 + 2 and abs(other.x0 - box.x0) < 40]
    widest = max(holding, key=lambda other: other.width, default=box)
    return min(box.x0, widest.x0), max(box.x1, widest.x1)
