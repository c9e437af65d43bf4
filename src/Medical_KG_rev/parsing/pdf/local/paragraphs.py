"""Stacks of lines cut into paragraphs, and paragraphs joined that go on in another column or page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.flow import Stack
from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, around, turned

_END = re.compile(r"[.?!:;][\"'\u201d\u2019)\]]*(?:\s*\[?[\d,\u2013\u2010 -]+\]?)?$")
BULLET = re.compile(r"^(?:[•▪●■◦‣∙·✓➢\uf0b7\u25cf]|[\u2013\u2014](?=\s))\s*")
_FAR = 99.0
NUMBERED = re.compile(r"^(?:\(?\d{1,2}[.)]|\(?[a-h][.)]|\([ivx]{1,4}\)|[ivx]{1,4}[.)])\s+(?=\S)")


@dataclass(frozen=True)
class Paragraph:
    """Lines that belong together, the place of the first; ``left`` and ``right`` are the column's edges at its end."""

    page: int
    lines: tuple[Line, ...]
    left: float
    right: float
    box: Box
    is_indented: bool = False
    gap_above: float = _FAR
    """From the line above to its first line, in sizes."""

    @property
    def size(self) -> float:
        return Counter(line.size for line in self.lines).most_common(1)[0][0]

    @property
    def is_open(self) -> bool:
        """Whether its last line fills the column and does not end a sentence."""
        last = self.lines[-1]
        return last.box.x1 >= self.right - 2 * last.size and not _END.search(last.text)

    @property
    def is_full(self) -> bool:
        """Whether its last line fills the column."""
        return self.lines[-1].box.x1 >= self.right - 0.6 * self.lines[-1].size


def paragraphs_of(stack: Stack, body: Body, before: Paragraph | None = None) -> list[Paragraph]:
    """The paragraphs of a stack. ``before`` is the last one of the stack before it."""
    found: list[Paragraph] = []
    previous = before.lines[-1] if before is not None and before.page == stack.page else None
    for lines in _cut(stack, body):
        gap = _gap(previous, lines[0])
        indent = lines[0].box.x0 - stack.left
        is_indented = 0.7 * body.size < indent < 5 * body.size
        found.append(
            Paragraph(
                stack.page,
                tuple(lines),
                stack.left,
                stack.right,
                turned(around(line.box for line in lines), -stack.turn),
                is_indented,
                gap,
            )
        )
        previous = lines[-1]
    return found


def _gap(upper: Line | None, line: Line) -> float:
    """From baseline to baseline in sizes; much where the other does not stand over the line."""
    if upper is None or upper.box.overlap_x(line.box) <= 0 or upper.baseline >= line.baseline:
        return _FAR
    return (line.baseline - upper.baseline) / line.size


def _cut(stack: Stack, body: Body) -> Iterator[list[Line]]:
    lines = stack.lines
    left = _mode([line.box.x0 for line in lines], stack.left)
    hangs = _hangs(lines)
    group = [lines[0]]
    for upper, line in pairwise(lines):
        if _begins(upper, line, left, stack.right, body, hangs=hangs):
            yield group
            group = []
        group.append(line)
    yield group


def _mode(values: Sequence[float], default: float) -> float:
    counted = Counter(round(value) for value in values)
    (value, count), *_ = counted.most_common(1)
    return value if count > 1 else default


def _hangs(lines: Sequence[Line]) -> bool:
    """Whether most lines are indented and those that begin something are not."""
    if len(lines) < 4:
        return False
    edge = min(line.box.x0 for line in lines)
    indents = [line.box.x0 - edge > 0.7 * line.size for line in lines]
    return not indents[0] and sum(indents) > 0.5 * len(lines)


def _begins(upper: Line, line: Line, left: float, right: float, body: Body, *, hangs: bool) -> bool:
    """Whether a line begins a paragraph."""
    size = max(upper.size, line.size)
    step = line.baseline - upper.baseline
    if step > 1.28 * body.step * size or abs(upper.size - line.size) > 0.06 * size:
        return True
    if changes_style(upper, line, right):
        return True
    if BULLET.match(line.text):
        return True
    is_end = bool(_END.search(upper.text))
    if NUMBERED.match(line.text) and (is_end or upper.box.x1 < right - 3 * size):
        return True
    if hangs:
        return line.box.x0 < left - 0.7 * size and is_end
    indent = line.box.x0 - upper.box.x0
    if (
        indent > 0.7 * size
        and line.box.x0 - left > 0.7 * size
        and abs(line.box.x0 - left) < 5 * size
        and not BULLET.match(upper.text)
    ):
        return upper.box.x0 < left + 0.5 * size and (is_end or upper.box.x1 < right - 1.5 * size)
    return is_end and upper.box.x1 < right - 2 * size and not line.text[:1].islower()


def changes_style(upper: Line, line: Line, right: float) -> bool:
    """Whether one of two lines is emphatic throughout and the other is not."""
    bold, other = upper.share(bold=True), line.share(bold=True)
    if (bold > 0.9 and other < 0.5) or (bold < 0.5 and other > 0.9):
        return True
    if upper.font.name == line.font.name or (bold > 0.9 and other > 0.9):
        return False
    is_short = upper.box.x1 < right - 3 * upper.size
    return is_short and _is_of_one_font(upper) and not upper.text.endswith((".", ",", "-"))


def _is_of_one_font(line: Line) -> bool:
    return sum(len(run.text) for run in line.runs if run.font == line.font) > 0.95 * line.letters


def goes_on(paragraph: Paragraph, following: Paragraph, *, uses_indents: bool) -> bool:
    """Whether a paragraph at the end of a column goes on in one at the top of another."""
    if abs(paragraph.size - following.size) > 0.04 * paragraph.size or following.lines[0].share(bold=True) > 0.9:
        return False
    text = following.lines[0].text
    if BULLET.match(text):
        return False
    last = paragraph.lines[-1].text
    if last.endswith(("-", "\u2010", ",")) or (text[:1].islower() and not _END.search(last)):
        return True
    if following.is_indented:
        return False
    return paragraph.is_open or (uses_indents and paragraph.is_full and _END.search(last) is not None)


def joined(paragraph: Paragraph, following: Paragraph) -> Paragraph:
    """One paragraph with the place of the first."""
    return replace(paragraph, lines=(*paragraph.lines, *following.lines), left=following.left, right=following.right)
