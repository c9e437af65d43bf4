"""Columns: the gutters between them, the blocks of lines they hold, and the order in which blocks are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, around, beside

_GUTTER_WIDTH = 0.8
_GUTTER_HEIGHT = 4.5
_COLUMN_WIDTH = 7.0
"""Least width and height of a gutter, and of the lines beside it, in sizes of the body."""
_ROWS_BESIDE = 3
_RAGGED = 2.0
"""Letters may hang so many points into a gutter."""
_Y_STEP = 2
_LINE_GAP = 4.0
_STEP = 2.0
"""Lines of a block are at most so far from each other: beside and under, in sizes."""
_MOST_BLOCKS = 250


@dataclass(frozen=True)
class Block:
    """Lines under each other in one column; or, without lines, the place of something else (``index`` of the caller's list)."""

    lines: tuple[Line, ...]
    box: Box
    order: int
    index: int | None = None


def blocks_of(lines: Sequence[Line], places: Sequence[tuple[Box, int]], size: float) -> list[Block]:
    """The blocks of a page in reading order. ``places`` are boxes that stand among them, with their place in the file's order."""
    found = gutters(lines, size)
    blocks = [
        *_stacked(_rows(lines, found), found),
        *(Block((), box, order, index) for index, (box, order) in enumerate(places)),
    ]
    return in_reading_order(blocks, found)


def gutters(lines: Sequence[Line], size: float) -> list[Box]:
    """Upright empty strips with lines of a column's width on both sides, the highest first."""
    if len(lines) < 2 * _ROWS_BESIDE:
        return []
    boxes = np.array([line.box for line in lines])
    left, top = boxes[:, :2].min(axis=0)
    strips = _empty_strips(boxes - [left, top, left, top], round(_GUTTER_WIDTH * size), round(_GUTTER_HEIGHT * size))
    accepted: list[Box] = []
    for strip in sorted(strips, key=lambda box: -box.height):
        moved = Box(strip.x0 + left, strip.top + top, strip.x1 + left, strip.bottom + top)
        if any(_is_same_gutter(moved, other, size) for other in accepted):
            continue
        trimmed = _between_columns(moved, boxes, size)
        if trimmed is not None:
            accepted.append(trimmed)
    return accepted


def _is_same_gutter(strip: Box, other: Box, size: float) -> bool:
    return strip.overlap_x(other) > -2 * size and strip.overlap_y(other) > 0.3 * min(strip.height, other.height)


def _empty_strips(boxes: NDArray[np.float64], width: int, height: int) -> list[Box]:
    """Empty strips of at least that size in whole points, as wide as they can be for their height."""
    cells = np.rint(boxes / [1, _Y_STEP, 1, _Y_STEP]).astype(int)
    extent_x, extent_y = cells[:, 2:].max(axis=0) + 1
    filled = np.zeros((extent_x, extent_y), np.int16)
    for x0, y0, x1, y1 in cells.tolist():
        filled[max(x0, 0) : x1, max(y0, 0) : y1] = 1
    sums = np.vstack([np.zeros((1, extent_y), np.int16), filled.cumsum(axis=0, dtype=np.int16)])
    is_empty = sums[width:] == sums[:-width]
    edges = np.diff(np.pad(is_empty, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    is_high = ends[:, 1] - starts[:, 1] >= height / _Y_STEP
    runs = np.column_stack([starts[is_high], ends[is_high][:, 1]])
    strips: dict[tuple[int, int], Box] = {}
    found: list[Box] = []
    for x, first, last in runs.tolist():
        y0, y1 = first * _Y_STEP, last * _Y_STEP
        box = strips.get((y0, y1))
        if box is not None and x <= box.x1 - width + 1:
            strips[y0, y1] = Box(box.x0, y0, x + width, y1)
            continue
        if box is not None:
            found.append(box)
        strips[y0, y1] = Box(x, y0, x + width, y1)
    return [*found, *strips.values()]


def _between_columns(strip: Box, boxes: NDArray[np.float64], size: float) -> Box | None:
    """The strip cut to where columns stand beside it; None where they do not."""
    middle = (boxes[:, 1] + boxes[:, 3]) / 2
    is_wide = boxes[:, 2] - boxes[:, 0] >= _COLUMN_WIDTH * size
    within = boxes[(middle >= strip.top) & (middle <= strip.bottom) & is_wide]
    left, right = within[within[:, 2] <= strip.x0 + 2], within[within[:, 0] >= strip.x1 - 2]
    if any(len(np.unique(side[:, 3].round())) < _ROWS_BESIDE for side in (left, right)):
        return None
    close = np.concatenate([left[left[:, 2] >= strip.x0 - 4 * size], right[right[:, 0] <= strip.x1 + 4 * size]])
    if not len(close):
        return None
    return Box(strip.x0 + _RAGGED, float(close[:, 1].min()), strip.x1 - _RAGGED, float(close[:, 3].max()))


def _rows(lines: Sequence[Line], found: Sequence[Box]) -> list[Line]:
    """Lines on one baseline in one column are one line."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (round(line.baseline), line.box.x0)):
        home = next((row for row in rows[-8:] if _goes_on(row[-1], line, found)), None)
        if home is None:
            rows.append([line])
        else:
            home.append(line)
    return [beside(row) for row in rows]


def _goes_on(last: Line, line: Line, found: Sequence[Box]) -> bool:
    size = max(last.size, line.size)
    gap = line.box.x0 - last.box.x1
    if abs(last.baseline - line.baseline) > 0.2 * size or not -0.3 * size <= gap <= _LINE_GAP * size:
        return False
    between = Box(last.box.x1, line.baseline - 0.5 * size, line.box.x0, line.baseline)
    return not any(gutter.meets(between) for gutter in found)


def _stacked(lines: Sequence[Line], found: Sequence[Box]) -> list[Block]:
    """Lines that stand under each other, with no gutter through them, are one block."""
    stacks: list[list[Line]] = []
    growing: list[list[Line]] = []
    tallest = max((line.size for line in lines), default=0.0)
    for line in sorted(lines, key=lambda line: (line.box.top, line.box.x0)):
        growing = [stack for stack in growing if line.baseline - stack[-1].baseline <= _STEP * tallest]
        fitting = [stack for stack in growing if _is_under(stack[-1], line, found)]
        if fitting:
            max(fitting, key=lambda stack: stack[-1].baseline).append(line)
        else:
            growing.append([line])
            stacks.append(growing[-1])
    return [Block(tuple(stack), around(line.box for line in stack), min(line.order for line in stack)) for stack in stacks]


def _is_under(upper: Line, line: Line, found: Sequence[Box]) -> bool:
    large = max(upper.size, line.size)
    step = line.baseline - upper.baseline
    if not 0.3 * large < step <= _STEP * large or min(upper.size, line.size) < 0.75 * large:
        return False
    one, other = upper.box, line.box
    if one.overlap_x(other) <= 0:
        return False
    is_aligned = abs(one.x0 - other.x0) <= 4 * large or abs(one.x0 + one.x1 - other.x0 - other.x1) <= 4 * large
    joined = one.joined(other)
    return is_aligned and not any(gutter.meets(joined) for gutter in found)


def in_reading_order(blocks: Sequence[Block], found: Sequence[Box] = ()) -> list[Block]:
    """Sorted by what must stand before what; what is left open follows the file's order.

    The upper of two that share a width comes first, and the left of two with nothing across between them (T. Breuel, "High
    performance document layout analysis", 2003). What stands alone over a gutter of those found goes across all columns.
    """
    if len(blocks) > _MOST_BLOCKS:
        return sorted(blocks, key=lambda block: block.order)
    before = _precedence(np.array([_across(block.box, blocks, found) for block in blocks]).reshape(-1, 4))
    np.fill_diagonal(before, val=False)
    waited_for = before.sum(axis=0)
    ordered: list[Block] = []
    waiting = set(range(len(blocks)))
    while waiting:
        free = [index for index in waiting if not waited_for[index]]
        chosen = (
            min(free, key=lambda index: blocks[index].order)
            if free
            else min(waiting, key=lambda index: (blocks[index].box.top, blocks[index].box.x0))
        )
        waiting.remove(chosen)
        waited_for = waited_for - before[chosen]
        ordered.append(blocks[chosen])
    return ordered


def _across(box: Box, blocks: Sequence[Block], found: Sequence[Box]) -> Box:
    """The box, as wide as the page's text where it stands over a gutter with nothing beside it."""
    is_beside_others = sum(block.box.overlap_y(box) > 0 for block in blocks) > 1
    if not is_beside_others and any(
        box.x0 < gutter.x0 and box.x1 > gutter.x1 and box.bottom <= gutter.top + _RAGGED for gutter in found
    ):
        return Box(min(block.box.x0 for block in blocks), box.top, max(block.box.x1 for block in blocks), box.bottom)
    return box


def _precedence(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``[a, b]``: a must be read before b."""
    x0, x1 = boxes[:, 0], boxes[:, 2]
    middle = (boxes[:, 1] + boxes[:, 3]) / 2
    common = np.minimum(x1[:, None], x1) - np.maximum(x0[:, None], x0)
    shares_width = common > np.minimum(0.1 * np.minimum((x1 - x0)[:, None], x1 - x0), 6.0)
    is_above = middle[:, None] < middle
    is_left = ~shares_width & (x0[:, None] + x1[:, None] < x0 + x1)
    # c stands between a and b, and shares the width of both.
    is_between = (is_above[:, :, None] & is_above[None, :, :]) | (is_above.T[:, :, None] & is_above.T[None, :, :])
    across = (is_between & shares_width[:, :, None] & shares_width[None, :, :]).any(axis=1)
    result: NDArray[np.bool_] = (shares_width & is_above) | (is_left & ~across)
    return result
