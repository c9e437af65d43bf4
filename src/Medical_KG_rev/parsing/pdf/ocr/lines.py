"""Recognised lines in reading order, joined to paragraphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from Medical_KG_rev.models import BoundingBox

_FEWEST = 3
"""Lines on each side of a gutter."""

_CROSSING = 0.4
"""Of all lines; where more run across, there are no columns."""

_GAP = 0.8
"""Of a line's height; what is farther below is another paragraph."""

_SAME_SIZE = 0.7


class RecognizedLine(msgspec.Struct, frozen=True):
    """A line of text and its box: left, top, right, bottom, all in one unit, with the origin at the upper left."""

    text: str
    bbox: BoundingBox

    @property
    def height(self) -> float:
        return self.bbox[3] - self.bbox[1]


class Paragraph(msgspec.Struct, frozen=True):
    text: str
    bbox: BoundingBox


def paragraphs(lines: Sequence[RecognizedLine]) -> list[Paragraph]:
    """Paragraphs in reading order: one column, or two with lines across both between them."""
    groups: list[list[RecognizedLine]] = []
    for column in _columns(lines):
        for number, line in enumerate(column):
            if number and _goes_on(groups[-1][-1], line):
                groups[-1].append(line)
            else:
                groups.append([line])
    return [Paragraph(_joined([line.text for line in group]), around([line.bbox for line in group])) for group in groups]


def around(boxes: Sequence[BoundingBox]) -> BoundingBox:
    """The box around boxes."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return (min(left), min(top), max(right), max(bottom))


def _columns(lines: Sequence[RecognizedLine]) -> Iterator[list[RecognizedLine]]:
    """Runs of lines to be read from top to bottom."""
    gutter = _gutter(lines)
    if gutter is None:
        yield _rows(lines)
        return
    left: list[RecognizedLine] = []
    right: list[RecognizedLine] = []
    for line in sorted(lines, key=lambda line: line.bbox[1]):
        if line.bbox[2] <= gutter:
            left.append(line)
        elif line.bbox[0] >= gutter:
            right.append(line)
        else:
            yield from filter(None, (left, right))
            yield [line]
            left, right = [], []
    yield from filter(None, (left, right))


def _gutter(lines: Sequence[RecognizedLine]) -> float | None:
    """Where the page is parted in two, if it is: a place in its middle that few lines cross."""
    if len(lines) < 2 * _FEWEST:
        return None
    left, _, right, _ = around([line.bbox for line in lines])
    best: tuple[int, float, float] | None = None
    for step in range(30, 71):
        place = left + (right - left) * step / 100
        crossing = sum(line.bbox[0] < place < line.bbox[2] for line in lines)
        before = sum(line.bbox[2] <= place for line in lines)
        if min(before, len(lines) - before - crossing) >= _FEWEST and crossing <= _CROSSING * len(lines):
            best = min(filter(None, (best, (crossing, abs(step - 50), place))))
    return best[2] if best else None


def _rows(lines: Sequence[RecognizedLine]) -> list[RecognizedLine]:
    """From top to bottom; what stands in one row, from left to right."""
    if not lines:
        return []
    half = median(line.height for line in lines) / 2
    rows: list[list[RecognizedLine]] = []
    for line in sorted(lines, key=lambda line: line.bbox[1]):
        if rows and line.bbox[1] - rows[-1][0].bbox[1] < half:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.bbox[0])]


def _goes_on(line: RecognizedLine, following: RecognizedLine) -> bool:
    """Whether a paragraph goes on with the next line: close below, of the same size."""
    low, high = sorted((line.height, following.height))
    gap = following.bbox[1] - line.bbox[3]
    overlap = min(line.bbox[2], following.bbox[2]) - max(line.bbox[0], following.bbox[0])
    return low > _SAME_SIZE * high and -high < gap < _GAP * low and overlap > 0


def _joined(texts: Sequence[str]) -> str:
    """Lines as one text; a word that was divided at a line's end becomes whole."""
    text = ""
    for part in map(str.strip, texts):
        if len(text) > 1 and text[-1] in "-\u2010\u00ad" and text[-2].isalpha() and part[:1].islower():
            text = text[:-1] + part
        else:
            text = f"{text} {part}".strip()
    return text
