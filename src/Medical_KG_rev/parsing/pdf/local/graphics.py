"""Rules, pictures and drawings of a page."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from Medical_KG_rev.parsing.pdf.local.characters import Frame
from Medical_KG_rev.parsing.pdf.local.pieces import Box, around

_THIN, _SHORTEST, _WHITE = 2.5, 6.0, 250
_BAR_WIDTH, _BAR_HEIGHT = 100.0, 30.0
_MAX_OBJECTS, _MAX_SEGMENTS, _MAX_DEPTH = 20_000, 400, 3
"""A map may have a million strokes; what a page's layout rests on comes among the first."""


_AS_IT_IS = Frame(1, 0, 0, 1, 0, 0)


class Graphics(NamedTuple):
    """``hidden``: addresses of the text objects of which nothing shows, for they are clipped away, or white on white.

    ``invisible``: of those that are not painted, as the words that OCR lays under a scan.
    """

    rules: tuple[Box, ...]
    pictures: tuple[Box, ...]
    drawings: tuple[Box, ...]
    hidden: frozenset[int]
    invisible: frozenset[int]


def graphics_of(page: Any, frame: Frame) -> Graphics:
    """What a page shows besides text."""
    rules: list[Box] = []
    pictures: list[Box] = []
    drawings: list[Box] = []
    texts = _Texts()
    for kind, item, frame_here in _objects(page, frame):
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            texts.add(item, frame_here)
        elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            pictures.append(_bounds(item, frame_here))
        elif kind == pdfium.FPDF_PAGEOBJ_SHADING:
            drawings.append(_bounds(item, frame_here))
        elif kind == pdfium.FPDF_PAGEOBJ_PATH and (_is_stroked(item) or not _is_white(item)):
            found, drawn = _of_path(item, frame_here)
            rules += found
            drawings += drawn
    hidden = texts.hidden_on([*pictures, *drawings])
    return Graphics(tuple(rules), tuple(pictures), tuple(drawings), hidden, frozenset(texts.invisible))


class _Texts:
    """Addresses of the text objects that may not show."""

    def __init__(self) -> None:
        self.invisible: set[int] = set()
        self._clipped: set[int] = set()
        self._white: dict[int, Box] = {}

    def add(self, item: Any, frame: Frame) -> None:
        if _is_clipped(item):
            self._clipped.add(address_of(item))
        elif pdfium.FPDFTextObj_GetTextRenderMode(item) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE:
            self.invisible.add(address_of(item))
        elif _is_white(item):
            self._white[address_of(item)] = _bounds(item, frame)

    def hidden_on(self, grounds: Sequence[Box]) -> frozenset[int]:
        """Those that are clipped away, or white with no other ground under them."""
        white = {address for address, box in self._white.items() if not any(ground.meets(box) for ground in grounds)}
        return frozenset(self._clipped | white)


def _objects(page: Any, frame: Frame) -> Iterator[tuple[int, Any, Frame]]:
    """The objects of a page, those in forms included, each with the frame of its coordinates."""
    count = min(pdfium.FPDFPage_CountObjects(page), _MAX_OBJECTS)
    for index in range(count):
        yield from _within(pdfium.FPDFPage_GetObject(page, index), frame, 0)


def _within(item: Any, frame: Frame, depth: int) -> Iterator[tuple[int, Any, Frame]]:
    kind = pdfium.FPDFPageObj_GetType(item)
    if kind != pdfium.FPDF_PAGEOBJ_FORM:
        yield kind, item, frame
    elif depth < _MAX_DEPTH:
        inner = _after(frame, _matrix(item))
        for index in range(min(pdfium.FPDFFormObj_CountObjects(item), _MAX_OBJECTS)):
            yield from _within(pdfium.FPDFFormObj_GetObject(item, index), inner, depth + 1)


def address_of(item: Any) -> int:
    """What tells one object of a page from another."""
    return ctypes.addressof(item.contents)


def _is_clipped(item: Any) -> bool:
    """Whether an object lies wholly outside its clip path: a figure may bring a page's text with it, and show none."""
    clip = pdfium.FPDFPageObj_GetClipPath(item)
    count = pdfium.FPDFClipPath_CountPaths(clip) if clip else 0
    if count <= 0:
        return False
    box = _bounds(item, _AS_IT_IS)
    return any(not box.meets(shown) for index in range(count) if (shown := _clip_box(clip, index)) is not None)


def _clip_box(clip: Any, index: int) -> Box | None:
    points = []
    x, y = ctypes.c_float(), ctypes.c_float()
    for number in range(min(pdfium.FPDFClipPath_CountPathSegments(clip, index), _MAX_SEGMENTS)):
        pdfium.FPDFPathSegment_GetPoint(pdfium.FPDFClipPath_GetPathSegment(clip, index, number), ctypes.byref(x), ctypes.byref(y))
        points.append((x.value, y.value))
    return around(_box(point, point) for point in points) if points else None


def _matrix(item: Any) -> Frame:
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(item, ctypes.byref(matrix))
    return Frame(matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _after(outer: Frame, inner: Frame) -> Frame:
    """First ``inner``, then ``outer``."""
    a, b = outer.a * inner.a + outer.c * inner.b, outer.b * inner.a + outer.d * inner.b
    c, d = outer.a * inner.c + outer.c * inner.d, outer.b * inner.c + outer.d * inner.d
    return Frame(a, b, c, d, *outer.point(inner.e, inner.f))


def _bounds(item: Any, frame: Frame) -> Box:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium.FPDFPageObj_GetBounds(item, *map(ctypes.byref, (left, bottom, right, top)))
    return _box(frame.point(left.value, bottom.value), frame.point(right.value, top.value))


def _box(one: tuple[float, float], other: tuple[float, float]) -> Box:
    return Box(min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1]))


def _is_white(item: Any) -> bool:
    """Whether text or a path is filled with white: on white, it shows nothing."""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    pdfium.FPDFPageObj_GetFillColor(item, *map(ctypes.byref, (red, green, blue, alpha)))
    return min(red.value, green.value, blue.value) >= _WHITE


def _is_stroked(path: Any) -> bool:
    mode, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(path, ctypes.byref(mode), ctypes.byref(stroke))
    return bool(stroke.value)


def _of_path(path: Any, frame: Frame) -> tuple[list[Box], list[Box]]:
    """The rules of a path and what else it draws. A bar across, as behind a table's head, counts for its edges as well."""
    box = _bounds(path, frame)
    if _is_stroked(path):
        box = _stroked(path, box)
    if min(box.width, box.height) <= _THIN:
        return ([box] if max(box.width, box.height) >= _SHORTEST else []), []
    if box.width >= _BAR_WIDTH and box.height <= _BAR_HEIGHT:
        return [Box(box.x0, box.top, box.x1, box.top), Box(box.x0, box.bottom, box.x1, box.bottom)], [box]
    rules = list(_segments(path, frame)) if _is_stroked(path) else []
    return (rules, []) if rules else ([], [box])


def _stroked(path: Any, box: Box) -> Box:
    """What a stroked path covers: pdfium's bounds reach a whole width of the stroke over it on every side."""
    width = ctypes.c_float()
    pdfium.FPDFPageObj_GetStrokeWidth(path, ctypes.byref(width))
    x, y = (min(width.value, side / 2) for side in (box.width, box.height))
    inner = Box(box.x0 + x, box.top + y, box.x1 - x, box.bottom - y)
    down = width.value / 2 if inner.width >= inner.height else 0.0
    across = 0.0 if inner.width >= inner.height else width.value / 2
    return Box(inner.x0 - across, inner.top - down, inner.x1 + across, inner.bottom + down)


def _segments(path: Any, frame: Frame) -> Iterator[Box]:
    """The straight segments of a path where all are across or upright."""
    count = pdfium.FPDFPath_CountSegments(path)
    if not 2 <= count <= _MAX_SEGMENTS:
        return
    own = _after(frame, _matrix(path))
    found: list[Box] = []
    start = last = (0.0, 0.0)
    x, y = ctypes.c_float(), ctypes.c_float()
    for index in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(path, index)
        pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        kind, point = pdfium.FPDFPathSegment_GetType(segment), own.point(x.value, y.value)
        if kind == pdfium.FPDF_SEGMENT_BEZIERTO:
            return
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        else:
            found.append(_box(last, point))
        if pdfium.FPDFPathSegment_GetClose(segment):
            found.append(_box(point, start))
        last = point
    if all(min(one.width, one.height) <= 1 for one in found):
        yield from (one for one in found if max(one.width, one.height) >= _SHORTEST)
