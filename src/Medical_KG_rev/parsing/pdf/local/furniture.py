"""What only the printed page needs: running heads and feet, page numbers, line numbers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from Medical_KG_rev.parsing.pdf.local.pieces import Line, Page

_TOP, _BOTTOM = 0.13, 0.87
"""Running heads and feet stand outside these parts of the height."""
_SAME_HEIGHT = 4.0
_PAGE_NUMBER = re.compile(r"^(?:page\s+)?[a-z]{0,3}\s?\d{1,5}(?:\s*(?:of|/|\u2013|-)\s*\d{1,5})?$|^[ivxl]{1,6}$", re.IGNORECASE)
_PLAIN_NUMBER = re.compile(r"^[1-9]\d{0,4}$")
_CAPTION = re.compile(r"^(?:table|fig)", re.IGNORECASE)
_LETTER, _TELLING = re.compile(r"[^\W\d_]"), 6
"""A repeated text of fewer letters may be a part of a table or figure."""
_LEAST_NUMBERED_LINES = 5


def without_furniture(pages: Sequence[Page]) -> list[Page]:
    """The pages without it."""
    repeated, offset = _repeated(pages), _numbering(pages)
    return [_cleared(page, repeated, offset) for page in pages]


def _numbering(pages: Sequence[Page]) -> int | None:
    """What most pages' printed numbers are ahead of their place in the file; None where fewer than half of the pages have any."""
    offsets: Counter[int] = Counter()
    for page in pages:
        offsets.update({int(line.text) - page.number for line in _numbers(page)})
    (offset, count), *_ = offsets.most_common(1) or [(0, 0)]
    return offset if count > max(1, len(pages) // 2 - 1) else None


def _numbers(page: Page) -> list[Line]:
    """The lines that may be the page's number."""
    outer = set(map(id, _outer(page)))
    numbers = [line for line in page.lines if _PLAIN_NUMBER.match(line.text)]
    return [line for line in numbers if id(line) in outer or _is_outermost(line, page)]


def _outer(page: Page) -> list[Line]:
    return [line for line in page.lines if line.box.bottom < _TOP * page.height or line.box.top > _BOTTOM * page.height]


def _key(line: Line) -> str:
    return re.sub(r"\d+", "#", " ".join(line.text.casefold().split()))


def _repeated(pages: Sequence[Page]) -> dict[str, list[float]]:
    """Texts, numbers apart, that stand at one height of at least two pages; and the heights."""
    heights: dict[str, list[float]] = defaultdict(list)
    for page in pages:
        for key, height in {(_key(line), round(line.baseline, 1)) for line in _outer(page) if not _CAPTION.match(line.text)}:
            heights[key].append(height)
    found = {}
    for key, places in heights.items():
        shared = [place for place in places if sum(abs(place - other) <= _SAME_HEIGHT for other in places) > 1]
        if shared:
            found[key] = shared
    return found


def _cleared(page: Page, repeated: dict[str, list[float]], offset: int | None) -> Page:
    outer = _outer(page)
    dropped = [
        line
        for line in outer
        if any(abs(line.baseline - height) <= _SAME_HEIGHT for height in repeated.get(_key(line), ()))
        and (len(_LETTER.findall(line.text)) >= _TELLING or _is_outermost(line, page))
    ]
    dropped += [line for line in outer if _PAGE_NUMBER.match(line.text) and _is_outermost(line, page)]
    dropped += [line for line in _numbers(page) if offset is not None and int(line.text) == page.number + offset]
    rows = {line.baseline for line in dropped if _is_alone(line, page)}
    dropped += [line for line in outer if any(abs(line.baseline - row) <= 1 for row in rows)]
    dropped += line_numbers(page.lines)
    gone = set(map(id, dropped))
    return replace(page, lines=tuple(line for line in page.lines if id(line) not in gone)) if gone else page


def _is_outermost(line: Line, page: Page) -> bool:
    """Whether the page has nothing above this line, or nothing below."""
    return not (
        any(other.box.top <= line.box.top for other in page.lines if abs(other.baseline - line.baseline) > 2)
        and any(other.box.bottom >= line.box.bottom for other in page.lines if abs(other.baseline - line.baseline) > 2)
    )


def _is_alone(line: Line, page: Page) -> bool:
    """Whether the row of a line is outermost and apart from the next."""
    others = [abs(other.baseline - line.baseline) for other in page.lines if abs(other.baseline - line.baseline) > 2]
    return _is_outermost(line, page) and min(others, default=0) > 1.7 * line.size


def line_numbers(lines: Sequence[Line]) -> list[Line]:
    """Numbers in a margin that count the lines of a manuscript: alone, aligned, rising downwards, outside all other text."""
    numbers = [line for line in lines if line.text.isdigit()]
    for edge in ("x1", "x0"):
        column = _aligned(numbers, edge)
        if column and _count_lines(column) and _is_margin(column, lines):
            return column
    return []


def _aligned(numbers: Sequence[Line], edge: str) -> list[Line]:
    """Most of the numbers that end, or begin, at one place; from the top."""
    places = Counter(round(getattr(line.box, edge)) for line in numbers)
    place = places.most_common(1)[0][0] if places else 0
    return sorted((line for line in numbers if abs(getattr(line.box, edge) - place) <= 2), key=lambda line: line.baseline)


def _count_lines(column: Sequence[Line]) -> bool:
    values = [int(line.text) for line in column]
    steps = {after - before for before, after in pairwise(values)}
    return len(column) >= _LEAST_NUMBERED_LINES and steps in ({1}, {2}, {5})


def _is_margin(column: Sequence[Line], lines: Sequence[Line]) -> bool:
    own = set(map(id, column))
    others = [line.box for line in lines if id(line) not in own]
    left, right = min(line.box.x0 for line in column), max(line.box.x1 for line in column)
    return bool(others) and (all(box.x0 >= right for box in others) or all(box.x1 <= left for box in others))
