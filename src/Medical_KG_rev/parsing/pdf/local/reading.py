"""A file opened with pdfium, and its pages read one by one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from Medical_KG_rev.parsing.pdf.local.characters import Frame, runs_of
from Medical_KG_rev.parsing.pdf.local.graphics import graphics_of
from Medical_KG_rev.parsing.pdf.local.lines import lines_of
from Medical_KG_rev.parsing.pdf.local.pieces import Box, Line, Page, Run, turned

_NO_SIZE = (612.0, 792.0)
"""Taken for a page that cannot be loaded."""


_LEADER = re.compile(r"^(?:[.\u00b7\u2026_\u2013\u2014-]\s?){10,}$")
"""Dots and dashes that stand for a rule."""


def read_pages(document: pypdfium2.PdfDocument) -> Iterator[tuple[Page, str]]:
    """The pages in order, each with a warning where it is broken (it is empty then).

    Each is closed before the next is loaded, so that pdfium holds no more than one.
    """
    for index in range(len(document)):
        try:
            page = document[index]
        except pypdfium2.PdfiumError:
            yield Page(index + 1, *_NO_SIZE, (), (), (), ()), f"page {index + 1} is broken and was left out"
            continue
        try:
            yield _read(page, index + 1), ""
        finally:
            page.close()


def _read(page: Any, number: int) -> Page:
    width, height = page.get_size()
    frame = Frame.of(page.get_bbox(), page.get_rotation() // 90)
    graphics = graphics_of(page, frame)
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return Page(number, width, height, (), (), (), ())
    try:
        by_turn = _runs(text_page, frame, graphics.hidden | graphics.invisible) or _runs(text_page, frame, graphics.hidden)
    finally:
        pdfium.FPDFText_ClosePage(text_page)
    lines = _shown(by_turn.pop(0, []), 0, width, height)
    leaders = tuple(_rule(line) for line in lines if _LEADER.match(line.text))
    return Page(
        number,
        width,
        height,
        tuple(line for line in lines if not _LEADER.match(line.text)),
        graphics.rules + leaders,
        graphics.pictures,
        graphics.drawings,
        sideways=tuple((turn, tuple(_shown(runs, turn, width, height))) for turn, runs in sorted(by_turn.items())),
    )


def _rule(line: Line) -> Box:
    return Box(line.box.x0, line.baseline - 1, line.box.x1, line.baseline)


def _runs(text_page: Any, frame: Frame, hidden: frozenset[int]) -> dict[int, list[Run]]:
    by_turn: dict[int, list[Run]] = defaultdict(list)
    for turn, run in runs_of(text_page, frame, hidden):
        by_turn[turn].append(run)
    return by_turn


def _shown(runs: list[Run], turn: int, width: float, height: float) -> list[Line]:
    """The lines whose middle lies on the page."""
    page = turned(Box(0, 0, width, height), turn)
    return [line for line in lines_of(runs) if page.holds((line.box.x0 + line.box.x1) / 2, (line.box.top + line.box.bottom) / 2)]
