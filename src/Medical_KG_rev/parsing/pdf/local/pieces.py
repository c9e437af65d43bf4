"""What a page is made of: runs of characters in one font, lines of runs, rules and pictures.

Places are in points from the upper left corner of the page as shown, y downwards.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from Medical_KG_rev.models import BoundingBox

ASCENT, DESCENT = 0.75, 0.25
"""How far a line reaches over and under its baseline, in sizes of its font: the same for all, for fonts measure themselves each
in its own way."""

_UNITS = re.compile(r"(?:^|[\s\d/(\u00b7\u00d7])(?:[munpkcd]?m|kg/m|s|h|min|ml|L|l|kg|g|mg|K|d)$")
_SUPERSCRIPT = str.maketrans("0123456789+-\u2212\u2013", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻")
_NOTE_MARKS = re.compile(r"[\d\s,;\u2013\u2212\u2010-]+$")


class Font(NamedTuple):
    """``name`` is the file's, without the mark of a subset."""

    name: str
    bold: bool = False
    italic: bool = False


class Box(NamedTuple):
    """Left, top, right, bottom."""

    x0: float
    top: float
    x1: float
    bottom: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def holds(self, x: float, y: float) -> bool:
        return self.x0 <= x <= self.x1 and self.top <= y <= self.bottom

    def meets(self, other: Box) -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.top < other.bottom and other.top < self.bottom

    def overlap_x(self, other: Box) -> float:
        """Length of the common part of both widths; negative: the gap between them."""
        return min(self.x1, other.x1) - max(self.x0, other.x0)

    def overlap_y(self, other: Box) -> float:
        return min(self.bottom, other.bottom) - max(self.top, other.top)

    def joined(self, other: Box) -> Box:
        return Box(min(self.x0, other.x0), min(self.top, other.top), max(self.x1, other.x1), max(self.bottom, other.bottom))

    def rounded(self) -> BoundingBox:
        return (round(self.x0, 1), round(self.top, 1), round(self.x1, 1), round(self.bottom, 1))


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds them all; there is at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


@dataclass(slots=True, frozen=True)
class Run:
    """Characters of one font and size on one baseline. ``spaced``: a space stands before it."""

    text: str
    x0: float
    x1: float
    baseline: float
    size: float
    font: Font
    spaced: bool


@dataclass(frozen=True)
class Line:
    """Runs side by side, superscripts and subscripts included. ``order`` is its place in the file's own order."""

    runs: tuple[Run, ...]
    order: int

    @cached_property
    def main(self) -> Run:
        """The run that gives the line its baseline: the longest of the greatest size."""
        size = max(run.size for run in self.runs)
        return max((run for run in self.runs if run.size >= 0.9 * size), key=lambda run: len(run.text))

    @property
    def size(self) -> float:
        return self.main.size

    @property
    def baseline(self) -> float:
        return self.main.baseline

    @cached_property
    def box(self) -> Box:
        return Box(
            min(run.x0 for run in self.runs),
            self.baseline - ASCENT * self.size,
            max(run.x1 for run in self.runs),
            self.baseline + DESCENT * self.size,
        )

    @cached_property
    def text(self) -> str:
        return line_text(self.runs, self.main)

    @cached_property
    def letters(self) -> int:
        return sum(len(run.text) for run in self.runs)

    def share(self, *, bold: bool = False, italic: bool = False) -> float:
        """Of the letters, those in bold or italic fonts."""
        marked = sum(len(run.text) for run in self.runs if (bold and run.font.bold) or (italic and run.font.italic))
        return marked / max(self.letters, 1)

    @cached_property
    def font(self) -> Font:
        """The font of most of its letters, superscripts apart."""
        counts: Counter[Font] = Counter()
        for run in self.runs:
            if run.size >= 0.85 * self.size:
                counts[run.font] += len(run.text)
        return counts.most_common(1)[0][0]


def beside(lines: Sequence[Line]) -> Line:
    """One line of several that stand side by side."""
    if len(lines) == 1:
        return lines[0]
    ordered = sorted(lines, key=lambda line: line.box.x0)
    runs = list(ordered[0].runs)
    for line in ordered[1:]:
        first, *others = line.runs
        runs += [Run(first.text, first.x0, first.x1, first.baseline, first.size, first.font, spaced=True), *others]
    return Line(tuple(runs), min(line.order for line in lines))


def line_text(runs: Sequence[Run], main: Run) -> str:
    """The text of runs side by side, ligatures taken apart.

    A raised number after a number is an exponent (10⁶); after a word it is the mark of a note and set apart, unless the word is
    a unit.
    """
    text = ""
    for run in runs:
        piece = run.text
        if run.size < 0.86 * main.size and run.baseline < main.baseline - 0.12 * main.size:
            text = _with_raised(text, piece, spaced=run.spaced)
        else:
            text += " " + piece if run.spaced and text else piece
    return plain(text)


def _with_raised(text: str, piece: str, *, spaced: bool) -> str:
    if spaced or not text:
        return f"{text} {piece}".lstrip()
    if text[-1].isdigit() and not _NOTE_MARKS.sub("", piece.translate(str.maketrans("+", "-"))) and "," not in piece:
        return text + piece.translate(_SUPERSCRIPT)
    if (text[-1].isalpha() or text[-1] in ".,;:)]\u201d") and _NOTE_MARKS.match(piece) and not _UNITS.search(text):
        return f"{text} {piece}"
    return text + piece


_LIGATURES = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in (*range(0xFB00, 0xFB07), 0x132, 0x133)}
_MATHEMATICAL = re.compile("[\U0001d400-\U0001d7ff]+")
_TIDY = str.maketrans({**_LIGATURES, "\u00a0": " ", "\u00ad": "-", "\u200b": "", "\ufeff": ""})


def plain(text: str) -> str:
    """Ligatures and the letters of formulae as plain letters, every space the same, accents joined to their letter."""
    text = _MATHEMATICAL.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text.translate(_TIDY))
    return unicodedata.normalize("NFC", " ".join(text.split()))


def turned(box: Box, turn: int) -> Box:
    """A box of a page in the frame of its lines that run ``turn`` quarter turns (clockwise) from upright."""
    x0, top, x1, bottom = box
    return (box, Box(top, -x1, bottom, -x0), Box(-x1, -bottom, -x0, -top), Box(-bottom, x0, -top, x1))[turn % 4]


@dataclass(frozen=True)
class Page:
    """All that was read of a page. ``number`` counts from 1.

    ``sideways`` are the lines that run down, upside down or up, by their quarter turns, each in its own frame (:func:`turned`).
    """

    number: int
    width: float
    height: float
    lines: tuple[Line, ...]
    rules: tuple[Box, ...]
    """Thin lines, across or upright, and the edges of drawn boxes."""
    pictures: tuple[Box, ...]
    drawings: tuple[Box, ...]
    """Curves and filled shapes."""
    sideways: tuple[tuple[int, tuple[Line, ...]], ...] = ()
    turn: int = 0
    """Of the frame in which places are."""

    def upright(self, turn: int, lines: tuple[Line, ...]) -> Page:
        """The page in the frame of its sideways lines."""
        corner = turned(Box(0, 0, self.width, self.height), turn)
        rules, pictures, drawings = (
            tuple(turned(box, turn) for box in boxes) for boxes in (self.rules, self.pictures, self.drawings)
        )
        return Page(self.number, corner.width, corner.height, lines, rules, pictures, drawings, turn=turn)
