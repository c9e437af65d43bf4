"""Figures of a page: where they stand, and the words in them that are no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.captions import begins_caption, figure_label
from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, Page, around

_REACH = 14.0
"""Labels stand so close to what is drawn, in points."""
_BACKGROUND = 0.7
"""A picture of this share of the page is its background, or the page's scan."""
_LONGEST_LABEL = 60
_PROSE_LETTERS = 28
_FARTHEST, _SMALLEST = 90.0, 20.0


@dataclass(frozen=True)
class FigureRegion:
    """``start`` is the line that begins its caption. ``box`` holds what is drawn; None where nothing was found."""

    label: str
    start: Line
    box: Box | None
    labels: tuple[Line, ...]


def figures_of(page: Page, lines: Sequence[Line], body: Body) -> list[FigureRegion]:
    """The figures that have a caption. ``lines`` are those that are not of a table."""
    graphics = [
        box
        for box in (*page.pictures, *page.drawings, *page.rules)
        if box.width * box.height < _BACKGROUND * page.width * page.height and box.x1 > 0 and box.x0 < page.width
    ]
    starts = [line for line in lines if begins_caption(line, figure_label(line.text), lines, body)]
    prose = [line for line in lines if is_prose(line, body)]
    found = []
    for start in starts:
        drawn = _above(start, graphics, prose, starts) or _below(start, graphics, prose, starts)
        box = around(drawn) if drawn else None
        labels = _labels(box, start, lines, starts, body) if box else []
        found.append(FigureRegion(figure_label(start.text), start, box, tuple(labels)))
    return found


def is_prose(line: Line, body: Body) -> bool:
    """Whether a line looks like one of running text."""
    return line.letters >= _PROSE_LETTERS and abs(line.size - body.size) <= 0.06 * body.size and line.text.count(" ") >= 3


def words_in_pictures(page: Page, lines: Sequence[Line]) -> list[Line]:
    """Short lines that stand inside a picture."""
    pictures = [box for box in page.pictures if box.width * box.height < _BACKGROUND * page.width * page.height]
    return [
        line
        for line in lines
        if line.letters < _LONGEST_LABEL
        and any(box.holds((line.box.x0 + line.box.x1) / 2, line.baseline - 0.3 * line.size) for box in pictures)
    ]


def _above(start: Line, graphics: Sequence[Box], prose: Sequence[Line], starts: Sequence[Line]) -> list[Box]:
    """What is drawn over a caption, up to running text or another caption."""
    near = [box for box in graphics if box.bottom <= start.box.top + 4]
    return _grown(sorted(near, key=lambda box: -box.bottom), start, [*prose, *starts])


def _below(start: Line, graphics: Sequence[Box], prose: Sequence[Line], starts: Sequence[Line]) -> list[Box]:
    near = [box for box in graphics if box.top >= start.box.bottom - 4]
    return _grown(sorted(near, key=lambda box: box.top), start, [*prose, *starts])


def _grown(near: Sequence[Box], start: Line, barriers: Sequence[Line]) -> list[Box]:
    """The boxes from the caption on, the nearest first, for as long as they are close and no text stands between."""
    kept: list[Box] = []
    barriers = [line for line in barriers if line is not start]
    whole = start.box
    for box in near:
        if -box.overlap_y(whole) > _FARTHEST:
            break
        across = Box(min(box.x0, start.box.x0), 0, max(box.x1, start.box.x1), 0)
        above, below = sorted((box, start.box), key=lambda one: one.top)
        if any(
            above.bottom - 2 <= line.baseline <= below.top + 2 and line.box.overlap_x(across) > 0
            for line in barriers
            if line is not start
        ):
            continue
        kept.append(box)
        whole = whole.joined(box)
    drawn = around(kept) if kept else None
    return kept if drawn and drawn.width > _SMALLEST and drawn.height > _SMALLEST else []


def _labels(box: Box, start: Line, lines: Sequence[Line], starts: Sequence[Line], body: Body) -> list[Line]:
    """The short lines in and close around what is drawn."""
    near = Box(box.x0 - _REACH, box.top - _REACH, box.x1 + _REACH, box.bottom + _REACH)
    if start.baseline > box.bottom:
        near = Box(near.x0, near.top, near.x1, start.box.top)
    return [
        line
        for line in lines
        if line not in starts
        and line.letters < _LONGEST_LABEL
        and not is_prose(line, body)
        and near.holds((line.box.x0 + line.box.x1) / 2, line.baseline - 0.3 * line.size)
        and line.baseline != start.baseline
    ]
