"""The characters of a page, read from pdfium in one pass and put together to runs."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from Medical_KG_rev.parsing.pdf.local.pieces import Font, Run

_SPACES = frozenset({0x20, 0xA0, 0x09, 0x2002, 0x2003, 0x2009, 0x200A, 0x202F, 0x3000})
_HYPHENS = {0x2: "-", 0xFFFE: "-", 0xAD: "-"}
"""How pdfium writes a hyphen at the end of a line, and the soft one."""
_LAST_CONTROL, _HIGH_SURROGATES, _LOW_SURROGATES = 0x20, (0xD800, 0xDBFF), (0xDC00, 0xDFFF)
_GAP = 0.9
"""A gap of so many sizes ends a run: it may be one between columns."""
_SUBSET = re.compile(r"^[A-Z]{6}\+(?=.)|(?<=.)\+[0-9a-fA-F]{2}$")
_BOLD = re.compile(r"bold|black|heavy|semibold|demi(?!l)|[a-z]BI?$|-BI?$|CMBX", re.IGNORECASE)
_ITALIC = re.compile(r"italic|oblique|-It\b|[a-z]I$|CMTI|[a-z]It$")
_BOLD_WEIGHT, _ITALIC_FLAG, _FORCE_BOLD_FLAG = 600, 1 << 6, 1 << 18


class Frame(NamedTuple):
    """How a page's own coordinates become those of the page as shown: x' = a·x + c·y + e, y' = b·x + d·y + f."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @classmethod
    def of(cls, box: tuple[float, float, float, float], quarter_turns: int) -> Frame:
        """From the page's box (left, bottom, right, top) and its rotation, clockwise."""
        left, bottom, right, top = box
        return cls(*(
            (1, 0, 0, -1, -left, top),
            (0, 1, 1, 0, -bottom, -left),
            (-1, 0, 0, 1, right, -bottom),
            (0, -1, -1, 0, top, right),
        )[quarter_turns % 4])  # fmt: skip

    def point(self, x: float, y: float) -> tuple[float, float]:
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f


@dataclass(slots=True)
class _Style:
    font: Font
    size: float
    turn: int
    """Quarter turns (clockwise, as shown) from upright."""


class Fonts:
    """The fonts of a page, asked for once each."""

    def __init__(self) -> None:
        self._known: dict[int, Font] = {}

    def of(self, text_object: Any) -> Font:
        handle = pdfium.FPDFTextObj_GetFont(text_object)
        address = ctypes.cast(handle, ctypes.c_void_p).value or 0
        font = self._known.get(address)
        if font is None:
            font = self._known[address] = _font(handle) if address else Font("")
        return font


def _font(handle: Any) -> Font:
    length = pdfium.FPDFFont_GetBaseFontName(handle, None, 0)
    buffer = ctypes.create_string_buffer(max(length, 1))
    pdfium.FPDFFont_GetBaseFontName(handle, buffer, length)
    name = _SUBSET.sub("", buffer.value.decode("utf-8", "replace"))
    flags = max(pdfium.FPDFFont_GetFlags(handle), 0)
    bold = bool(_BOLD.search(name)) or pdfium.FPDFFont_GetWeight(handle) >= _BOLD_WEIGHT or bool(flags & _FORCE_BOLD_FLAG)
    return Font(name, bold, bool(_ITALIC.search(name)) or bool(flags & _ITALIC_FLAG))


class _Characters:
    """Reads one page of text. Runs come with the turn of their direction."""

    def __init__(self, text_page: Any, frame: Frame, hidden: Container[int]) -> None:
        self._page, self._frame, self._fonts, self._hidden = text_page, frame, Fonts(), hidden

    def runs(self) -> Iterator[tuple[int, Run]]:
        page, frame = self._page, self._frame
        box, x, y = pdfium.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
        box_ref, x_ref, y_ref = ctypes.byref(box), ctypes.byref(x), ctypes.byref(y)
        unicode_of, box_of = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetLooseCharBox
        origin_of, object_of = pdfium.FPDFText_GetCharOrigin, pdfium.FPDFText_GetTextObject
        run = _Open()
        spaced, high, last_object = False, "", 0
        style: _Style | None = None
        for index in range(pdfium.FPDFText_CountChars(page)):
            code = unicode_of(page, index)
            if code in _SPACES:
                spaced = True
                continue
            char, high = _decoded(code, high)
            text_object = object_of(page, index) if char else None
            if not text_object:  # made up by pdfium, or one half of a character
                continue
            address = ctypes.addressof(text_object.contents)
            if address != last_object:
                style, last_object = self._style(text_object, index), address
            if style is None:
                continue
            box_of(page, index, box_ref)
            origin_of(page, index, x_ref, y_ref)
            start, stop, baseline = _along(frame, style.turn, box, x.value, y.value)
            if not run.takes(style, start, baseline, spaced):
                if run.text:
                    yield run.turn, run.closed()
                run = _Open(style, baseline, start, stop, spaced)
            run.add(char, start, stop, spaced)
            spaced = False
        if run.text:
            yield run.turn, run.closed()

    def _style(self, text_object: Any, index: int) -> _Style | None:
        """None for what does not show."""
        if ctypes.addressof(text_object.contents) in self._hidden:
            return None
        matrix = pdfium.FS_MATRIX()
        pdfium.FPDFText_GetMatrix(self._page, index, ctypes.byref(matrix))
        font_size = pdfium.FPDFText_GetFontSize(self._page, index)
        size = abs(font_size) * math.hypot(matrix.c, matrix.d)
        frame = self._frame
        right, down = frame.a * matrix.a + frame.c * matrix.b, frame.b * matrix.a + frame.d * matrix.b
        turn = round(math.atan2(down, right) / (math.pi / 2)) + (2 if font_size < 0 else 0)  # a negative size is half a turn
        return _Style(self._fonts.of(text_object), round(size, 2), turn % 4)


def _decoded(code: int, high: str) -> tuple[str, str]:
    """A character and, where the code is the first half of one, nothing and that half."""
    if code in _HYPHENS:
        return _HYPHENS[code], ""
    if _HIGH_SURROGATES[0] <= code <= _HIGH_SURROGATES[1]:
        return "", chr(code)
    if _LOW_SURROGATES[0] <= code <= _LOW_SURROGATES[1]:
        return (high + chr(code)).encode("utf-16", "surrogatepass").decode("utf-16", "replace"), ""
    return (chr(code) if code > _LAST_CONTROL else ""), ""


def _along(frame: Frame, turn: int, box: Any, x: float, y: float) -> tuple[float, float, float]:
    """Start and end of a character along its line, and its baseline, in a frame turned so that its line runs to the right."""
    x0, y0 = frame.point(box.left, box.top)
    x1, y1 = frame.point(box.right, box.bottom)
    origin_x, origin_y = frame.point(x, y)
    if turn == 0:
        return min(x0, x1), max(x0, x1), origin_y
    if turn == 1:
        return min(y0, y1), max(y0, y1), -origin_x
    if turn == 2:
        return -max(x0, x1), -min(x0, x1), -origin_y
    return -max(y0, y1), -min(y0, y1), origin_x


class _Open:
    """A run that still grows."""

    __slots__ = ("_last", "_spaced", "_style", "baseline", "text", "x0", "x1")

    def __init__(
        self, style: _Style | None = None, baseline: float = 0.0, x0: float = 0.0, x1: float = 0.0, spaced: bool = False
    ) -> None:
        self._style, self.baseline, self._spaced = style, baseline, spaced
        self.text: list[str] = []
        self.x0, self.x1 = x0, x1
        self._last = math.nan

    @property
    def turn(self) -> int:
        return self._style.turn if self._style else 0

    def takes(self, style: _Style, start: float, baseline: float, spaced: bool) -> bool:
        own = self._style
        if own is None or (style is not own and (style.font is not own.font or style.size != own.size or style.turn != own.turn)):
            return False
        size, gap = own.size, start - self.x1
        if abs(baseline - self.baseline) > 0.06 * size:
            return False
        # The letters of a ligature all have its place.
        return start == self._last or (-0.25 if spaced else -0.6) * size <= gap <= _GAP * size

    def add(self, char: str, start: float, stop: float, spaced: bool) -> None:
        if self.text and (spaced or start - self.x1 > 0.35 * (self._style.size if self._style else 1)):
            self.text.append(" ")
        self.text.append(char)
        self._last = start
        self.x1 = max(self.x1, stop)

    def closed(self) -> Run:
        assert self._style is not None  # noqa: S101
        return Run("".join(self.text), self.x0, self.x1, self.baseline, self._style.size, self._style.font, self._spaced)


def runs_of(text_page: Any, frame: Frame, hidden: Container[int] = ()) -> Iterator[tuple[int, Run]]:
    """The runs of a page of text in the file's own order, each with the quarter turns of its direction (0: to the right).

    ``hidden`` holds the addresses of text objects that are left out.
    """
    return _Characters(text_page, frame, hidden).runs()
