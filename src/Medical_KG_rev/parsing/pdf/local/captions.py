"""Captions: the lines that begin one, and the numbers in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.pieces import Line

_NUMBER = r"(?:[A-Z]?\d{1,3}(?:\.\d{1,2})?[A-Za-z]?|[IVXL]{1,5})"
_TABLE = re.compile(rf"^(?:suppl\w*\s+)?(?:table\.?|tab\.)\s*{_NUMBER}(?=$|[\s.:,|)\u2013\u2014-])", re.IGNORECASE)
_FIGURE = re.compile(
    rf"^(?:suppl\w*\s+)?(?:(?:figure|figs?\.?)|scheme|chart|plate|graph|diagram|photograph|image|algorithm|box)\s*{_NUMBER}"
    r"(?=$|[\s.:,|)\u2013\u2014-])",
    re.IGNORECASE,
)
_AFTER_LABEL = re.compile(r"^\s*[.:|)\u2013\u2014-]*\s*")
_MARKED = re.compile(r"^\s*(?:[.:|\u2013\u2014]|$)")
_APART = 1.35


def table_label(text: str) -> str:
    """``Table 1`` at the beginning of a text, or nothing."""
    found = _TABLE.match(text)
    return found[0] if found else ""


def figure_label(text: str) -> str:
    """``Figure 1``, ``Scheme 2``, … at the beginning of a text, or nothing."""
    found = _FIGURE.match(text)
    return found[0] if found else ""


def after_label(text: str, label: str) -> str:
    """The words of a caption."""
    return _AFTER_LABEL.sub("", text[len(label) :], count=1)


def begins_caption(line: Line, label: str, lines: Sequence[Line], body: Body) -> bool:
    """Whether a line that begins with a label begins a caption, and is not one of a paragraph that happens to speak of it.

    A caption is in another size than the text, or its label in another font than what follows; or it stands apart and a colon,
    a stop or the end of the line follows its label.
    """
    if not label:
        return False
    above = _line_above(line, lines)
    is_apart = above is None or line.baseline - above.baseline > _APART * body.step * body.size
    if abs(line.size - body.size) > 0.04 * body.size and (
        is_apart or above is None or abs(above.size - line.size) > 0.04 * line.size
    ):
        return True
    first = line.runs[0]
    rest = next((run for run in line.runs if run.font != first.font and run.size > 0.8 * first.size), None)
    if rest is not None or first.font.bold:
        is_label_alone = len("".join(first.text.split())) <= len("".join(label.split())) + 2
        if first.font.bold or (first.font.name != body.font.name and is_label_alone):
            return True
    return is_apart and bool(_MARKED.match(line.text[len(label) :]))


def _line_above(line: Line, lines: Sequence[Line]) -> Line | None:
    above = [other for other in lines if other.baseline < line.baseline - 2 and other.box.overlap_x(line.box) > 0]
    return max(above, key=lambda other: other.baseline, default=None)
