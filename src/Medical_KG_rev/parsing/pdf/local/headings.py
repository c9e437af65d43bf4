"""Headings: which paragraphs are some, and of what level."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.captions import figure_label, table_label
from Medical_KG_rev.parsing.pdf.local.paragraphs import BULLET, Paragraph
from Medical_KG_rev.parsing.pdf.local.text import joined_lines

_NUMBER = re.compile(r"^(?:section\s+)?((?:\d{1,2}|[A-Z])(?:\.\d{1,2})*|[IVX]{1,5})\.?\s+(?=[^\W\d_])")
_COUNTED = re.compile(r"^(\d{1,2})\.?\s+\S")
_ITEM = re.compile(r"^\(?(?:\d{1,2}|[ivx]{1,4}|[a-h])\)\s*(?=[A-Z])")
_DECIMAL = re.compile(r"^\d{1,2}(?:\.\d{1,2})*\.?$")
_LEAST_SIZE = 0.92
_MOST_LINES, _MOST_LETTERS = 4, 170
_STRANGE = re.compile(
    r"@|https?://|www\.|^(?:received|accepted|published|copyright|©|doi|e-?mail|correspondence|issn)\b|[;,]$|"
    r"^key\s?-?words?\s*[:.\u2013\u2014-]\s*\S",
    re.IGNORECASE,
)
_MAIN = """
    abstract summary background introduction methods method results discussion conclusion conclusions references
    acknowledgements acknowledgments acknowledgment acknowledgement materialsandmethods materialandmethods
    methodsandmaterials patientsandmethods resultsanddiscussion experimental casereport casepresentation
    experimentalsection competinginterests conflictofinterest conflictsofinterest conflictofinterests
    authorscontributions authorcontributions abbreviations funding appendix objectives literaturecited bibliography
    limitations ethics dataaccessibility supplementarymaterials keywords
"""
MAIN = frozenset(_MAIN.split())
"""Words of which every journal makes headings, without spaces."""
REFERENCES = re.compile(
    r"^(?:references?|literature\s+cited|bibliography|works\s+cited|reference\s+list|cited\s+references?)(?:\s+and\s+notes)?\b.{0,3}$",
    re.IGNORECASE,
)


class Style(NamedTuple):
    size: float
    caps: bool
    bold: bool
    italic: bool
    font: str


def words_of(text: str) -> str:
    """The letters of a heading without its number."""
    return re.sub(r"[^a-z]", "", _NUMBER.sub("", text).casefold())


def numbering_depth(text: str) -> int:
    """1 for ``2 Methods``, 2 for ``2.1 Patients``; 0 without a number."""
    found = _NUMBER.match(text)
    return found[1].count(".") + 1 if found else 0


def style_of(paragraph: Paragraph) -> Style:
    runs = [run for line in paragraph.lines for run in line.runs]
    letters = sum(len(run.text) for run in runs)
    fonts: Counter[str] = Counter()
    for run in runs:
        fonts[run.font.name] += len(run.text)
    bold = sum(len(run.text) for run in runs if run.font.bold) > 0.7 * letters
    italic = sum(len(run.text) for run in runs if run.font.italic) > 0.7 * letters
    return Style(round(paragraph.size, 1), _is_capital(paragraph), bold, italic, fonts.most_common(1)[0][0])


def _is_capital(paragraph: Paragraph) -> bool:
    letters = [char for line in paragraph.lines for char in line.text if char.isalpha()]
    return len(letters) > 3 and sum(char.isupper() for char in letters) > 0.9 * len(letters)


def headings_of(paragraphs: Sequence[Paragraph], body: Body) -> dict[int, int]:
    """Level by the place of each paragraph that is a heading. Paragraphs are in reading order."""
    styles = {index: style_of(paragraph) for index, paragraph in enumerate(paragraphs) if _may_be(paragraph)}
    usual = _usual_styles(paragraphs, styles, body)
    found = {
        index: style
        for index, style in styles.items()
        if _is_heading(paragraphs[index], style, body, _following(paragraphs, index))
        or (style in usual and _stands_over(paragraphs[index], _following(paragraphs, index), body))
    }
    found = {index: style for index, style in found.items() if not _is_one_of_many(paragraphs, index)}
    texts = {index: joined_lines(paragraphs[index].lines) for index in found}
    return _levels(found, texts)


def _is_one_of_many(paragraphs: Sequence[Paragraph], index: int) -> bool:
    """Whether the paragraph before or after has the number before or after: an item of a list."""
    number = _first_number(paragraphs[index])
    near = [(place, step) for place, step in ((index - 1, -1), (index + 1, 1)) if 0 <= place < len(paragraphs)]
    return number is not None and any(_first_number(paragraphs[place]) == number + step for place, step in near)


def _first_number(paragraph: Paragraph) -> int | None:
    found = _COUNTED.match(paragraph.lines[0].text)
    return int(found[1]) if found else None


def _following(paragraphs: Sequence[Paragraph], index: int) -> Paragraph | None:
    return paragraphs[index + 1] if index + 1 < len(paragraphs) else None


def _usual_styles(paragraphs: Sequence[Paragraph], styles: Mapping[int, Style], body: Body) -> set[Style]:
    """Styles that the file uses for little else than single lines over running text."""
    over: Counter[Style] = Counter()
    for index, style in styles.items():
        if style.font != body.font.name and style.size >= _LEAST_SIZE * body.size:
            over[style] += _stands_over(paragraphs[index], _following(paragraphs, index), body)
    all_of_style = Counter(style_of(paragraph)[0::4] for paragraph in paragraphs)
    return {style for style, count in over.items() if count > 1 and count > 0.6 * all_of_style[style[0::4]]}


def _stands_over(paragraph: Paragraph, following: Paragraph | None, body: Body) -> bool:
    """Whether a short line without a stop stands over running text."""
    if following is None or following.page != paragraph.page or len(paragraph.lines) > 2:
        return False
    text = paragraph.lines[-1].text
    return (
        not text.endswith((".", ",", ";", "-"))
        and paragraph.lines[-1].box.x1 < paragraph.right - 2 * body.size
        and following.gap_above < 2.2 * body.step
        and (abs(following.size - body.size) < 0.06 * body.size or len(following.lines) == 1)
        and following.lines[0].letters > paragraph.lines[0].letters * 0.7
    )


def _may_be(paragraph: Paragraph) -> bool:
    letters = sum(line.letters for line in paragraph.lines)
    if len(paragraph.lines) > _MOST_LINES or not 3 <= letters <= _MOST_LETTERS:
        return False
    text = paragraph.lines[0].text
    if BULLET.match(text) or _STRANGE.search(" ".join(line.text for line in paragraph.lines)):
        return False
    if table_label(text) or figure_label(text) or sum(char.isalpha() for char in text) < 0.5 * len(text.replace(" ", "")):
        return False
    return bool(_NUMBER.match(text) or _ITEM.match(text)) or text[:1].isupper() or text[:1] in "\"'(\u201c\u2018\u03b1\u03b2"


def _is_heading(paragraph: Paragraph, style: Style, body: Body, following: Paragraph | None) -> bool:
    text = " ".join(line.text for line in paragraph.lines)
    if style.size < _LEAST_SIZE * body.size and not (style.bold or words_of(text) in MAIN):
        return False
    is_sentence = text.endswith(".") and not numbering_depth(text)
    if words_of(text) in MAIN and len(paragraph.lines) == 1 and (_differs(style, body) or _is_apart(paragraph, body)):
        return True
    if is_sentence:
        return False
    if style.size > 1.08 * body.size or (style.bold and not body.font.bold):
        return True
    if following is None or following.page > paragraph.page + 1:
        return False
    is_short = len(paragraph.lines) == 1 and paragraph.lines[0].box.x1 < paragraph.right - 2 * body.size
    is_close = _is_apart(paragraph, body)
    if is_short and _stands_alone(paragraph, following, body):
        return True
    if not (is_short or len(paragraph.lines) == 2) or not is_close:
        return False
    return _differs(style, body) or numbering_depth(text) > 1


def _stands_alone(paragraph: Paragraph, following: Paragraph, body: Body) -> bool:
    """Whether a line of words, of the text's size at the left edge, has space above and below it and text under it."""
    line = paragraph.lines[0]
    return (
        min(paragraph.gap_above, following.gap_above) > 1.6 * body.step
        and following.gap_above < 3 * body.step
        and abs(line.size - body.size) < 0.06 * body.size
        and not line.text.endswith((".", ":", "-"))
        and len(line.text.split()) > 1
        and abs(line.box.x0 - paragraph.left) < 2
        and following.lines[0].box.width > 0.8 * (following.right - following.left)
        and len(following.lines) > 1
    )


def _is_apart(paragraph: Paragraph, body: Body) -> bool:
    return paragraph.gap_above > 1.15 * body.step


def _differs(style: Style, body: Body) -> bool:
    return style.caps or style.bold or style.italic or style.font != body.font.name or style.size > 1.08 * body.size


def _levels(found: Mapping[int, Style], texts: Mapping[int, str]) -> dict[int, int]:
    """By number where there is one, else by the rank of the style; the first rank is that of the headings all journals have."""
    by_number: dict[Style, Counter[int]] = {}
    for index, style in found.items():
        depth = numbering_depth(texts[index])
        if depth and _DECIMAL.match(texts[index].split(" ", 1)[0]):
            by_number.setdefault(style, Counter())[depth] += 1
    ranks = _ranks(found, texts)
    levels = {}
    for index, style in found.items():
        depth = numbering_depth(texts[index])
        if depth and style in by_number:
            levels[index] = depth
        elif style in by_number:
            levels[index] = by_number[style].most_common(1)[0][0]
        else:
            levels[index] = ranks[style]
    return levels


def _ranks(found: Mapping[int, Style], texts: Mapping[int, str]) -> dict[Style, int]:
    mains = Counter(style for index, style in found.items() if words_of(texts[index]) in MAIN)
    order = sorted(set(found.values()), key=lambda style: (-style.size, not style.caps, not style.bold, style.italic, style.font))
    if not mains:
        return {style: min(rank, 6) for rank, style in enumerate(order, start=1)}
    count = max(mains.values())
    first = next(style for style in order if mains[style] == count)
    top = order.index(first)
    return {style: 1 if rank <= top else min(rank - top + 1, 6) for rank, style in enumerate(order)}
