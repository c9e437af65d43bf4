"""Tables of a page: where they stand, by their captions and rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.captions import begins_caption, figure_label, table_label
from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, Page, around

_THIN = 2.6
_MOST_CAPTION_LINES = 10
_PROSE_LINES = 3


@dataclass(frozen=True)
class TableRegion:
    """``lines`` are those of the cells; ``rules`` those across and upright within the table."""

    label: str
    caption: tuple[Line, ...]
    lines: tuple[Line, ...]
    footnote: tuple[Line, ...]
    rules: tuple[Box, ...]
    box: Box

    @property
    def members(self) -> tuple[Line, ...]:
        return (*self.caption, *self.lines, *self.footnote)

    @property
    def order(self) -> int:
        return min(line.order for line in self.members)


def tables_of(page: Page, body: Body) -> list[TableRegion]:
    """The tables with a caption above or below them, from the top."""
    starts = [line for line in page.lines if begins_caption(line, table_label(line.text), page.lines, body)]
    limits = [line for line in page.lines if begins_caption(line, figure_label(line.text), page.lines, body)]
    across = joined_rules(rule for rule in page.rules if rule.height <= _THIN and rule.width > 2 * body.size)
    found: list[TableRegion] = []
    taken: set[int] = set()
    for start in sorted(starts, key=lambda line: line.baseline):
        others = [line for line in (*starts, *limits) if line is not start]
        free = [line for line in page.lines if id(line) not in taken]
        region = _ruled(start, free, across, others, page, body) or _unruled(start, free, others, body)
        if region is not None:
            found.append(region)
            taken |= set(map(id, region.members))
    return found


def joined_rules(rules: Iterable[Box]) -> list[Box]:
    """Rules on one height that touch are one; from the top."""
    joined: list[Box] = []
    for rule in sorted(rules, key=lambda rule: (round(rule.top), rule.x0)):
        last = joined[-1] if joined else None
        if last is not None and abs(last.top - rule.top) <= 1.5 and last.overlap_x(rule) >= -4:
            joined[-1] = last.joined(rule)
        else:
            joined.append(rule)
    return joined


def _ruled(
    start: Line, lines: Sequence[Line], across: Sequence[Box], others: Sequence[Line], page: Page, body: Body
) -> TableRegion | None:
    step = body.step * body.size
    below = [
        rule
        for rule in across
        if start.box.bottom - 2 <= rule.top <= start.box.bottom + _MOST_CAPTION_LINES * step
        and rule.overlap_x(start.box) > min(0.5 * start.box.width, 0.5 * rule.width)
        and rule.width > 8 * body.size
    ]
    if not below:
        return None
    first = below[0]
    caption = _caption(start, lines, first, others)
    if caption is None:
        return None
    bottom = _last_rule(first, across, lines, others, body)
    if bottom is None:
        return None
    return _region(start, caption, first, bottom, lines, page, body)


def _caption(start: Line, lines: Sequence[Line], rule: Box, others: Sequence[Line]) -> tuple[Line, ...] | None:
    """The lines from the start to the rule; None where something else stands between."""
    if any(start.baseline < other.baseline < rule.top and other.box.overlap_x(rule) > 0 for other in others):
        return None
    between = [
        line
        for line in lines
        if start.baseline - 1 <= line.baseline <= rule.top + 2 and line.box.overlap_x(rule) > 0.5 * line.box.width
    ]
    return tuple(sorted(between, key=lambda line: (round(line.baseline), line.box.x0)))


def _last_rule(first: Box, across: Sequence[Box], lines: Sequence[Line], others: Sequence[Line], body: Body) -> Box | None:
    """The last rule down to which there is no running text, no other caption, and nothing but the table."""
    last: Box | None = None
    for rule in across:
        if (
            rule.top <= first.bottom + 2
            or rule.overlap_x(first) < 0.5 * rule.width
            or rule.x1 > first.x1 + 12
            or rule.x0 < first.x0 - 12
        ):
            continue
        upper = (last or first).bottom
        span = Box(first.x0, upper, first.x1, rule.top)
        if any(span.top <= other.baseline <= span.bottom and other.box.overlap_x(first) > 0 for other in others):
            break
        if _is_prose(_within(lines, span), span, body):
            break
        last = rule
    return last


def _within(lines: Iterable[Line], box: Box) -> list[Line]:
    """The lines whose middle lies in a box."""
    return [line for line in lines if box.holds((line.box.x0 + line.box.x1) / 2, line.baseline - 0.3 * line.size)]


def _is_prose(lines: Sequence[Line], span: Box, body: Body) -> bool:
    """Whether running text stands there: lines of the body's size, one under the other, as wide as they can be."""
    wide = [line for line in lines if line.box.width > 0.7 * min(span.width, 30 * body.size) and line.size > 0.96 * body.size]
    return len(wide) >= _PROSE_LINES and len(wide) >= 0.6 * len({round(line.baseline) for line in lines})


def _region(
    start: Line, caption: tuple[Line, ...], first: Box, bottom: Box, lines: Sequence[Line], page: Page, body: Body
) -> TableRegion | None:
    box = Box(first.x0 - 4, first.top, first.x1 + 4, bottom.bottom)
    content = _within(lines, box)
    if not content:
        return None
    rules = tuple(rule for rule in page.rules if rule.meets(Box(box.x0, box.top - 1, box.x1, box.bottom + 1)))
    whole = around([box, *(line.box for line in caption)])
    return TableRegion(table_label(start.text), caption, tuple(content), _footnote(box, lines, content, body), rules, whole)


def _footnote(box: Box, lines: Sequence[Line], content: Sequence[Line], body: Body) -> tuple[Line, ...]:
    """Small lines close under the table, one after the other."""
    notes: list[Line] = []
    bottom = box.bottom
    for line in sorted(lines, key=lambda line: line.baseline):
        if line.baseline <= box.bottom or line.box.overlap_x(box) < 0.8 * line.box.width:
            continue
        if line.box.top > bottom + 0.8 * body.size or line.size > 0.93 * body.size or line in content:
            break
        notes.append(line)
        bottom = line.box.bottom
    return tuple(notes)


def _unruled(start: Line, lines: Sequence[Line], others: Sequence[Line], body: Body) -> TableRegion | None:
    """Rows under a caption for as long as they have gaps like columns."""
    label = table_label(start.text)
    below = sorted((line for line in lines if line.baseline > start.baseline + 2), key=lambda line: line.baseline)
    rows: list[list[Line]] = []
    for line in below:
        if rows and abs(rows[-1][0].baseline - line.baseline) <= 0.3 * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    kept: list[list[Line]] = []
    caption, bottom = [start], start.box.bottom
    for row in rows:
        if row[0].box.top > bottom + 2.2 * body.size or any(line in others for line in row):
            break
        if len(row) > 1:
            kept.append(row)
        elif not kept and len(caption) < _MOST_CAPTION_LINES:
            caption.append(row[0])
        elif not kept or row[0].box.width > 0.5 * around(line.box for one in kept for line in one).width:
            break
        bottom = max(line.box.bottom for line in row)
    content = tuple(line for row in kept for line in row)
    if len(kept) < _PROSE_LINES or _looks_like_columns(kept, body):
        return None
    box = around(line.box for line in (*caption, *content))
    return TableRegion(label, tuple(caption), content, (), (), box)


def _looks_like_columns(rows: Sequence[Sequence[Line]], body: Body) -> bool:
    """Whether rows are only the lines of two columns of text."""
    widths = [line.box.width for row in rows for line in row]
    return sum(width > 15 * body.size for width in widths) > 0.5 * len(widths)
