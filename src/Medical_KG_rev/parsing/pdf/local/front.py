"""The title of an article, and what stands around it: journal, authors, addresses, dates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.headings import MAIN, words_of
from Medical_KG_rev.parsing.pdf.local.paragraphs import Paragraph
from Medical_KG_rev.parsing.pdf.local.text import joined_lines

_TITLE_PAGES = 2
_LOWEST_TITLE = 0.65
_LONG_TEXT = 240
ABOUT_ARTICLE = re.compile(
    r"^(?:©|\(c\)|copyright|received|accepted|revised|published|academic editor|editor\b|correspond|\*\s?correspond|e-?mail|"
    r"doi\b|https?:|"
    r"how to cite|cite this article|citation:|this is an open.access|issn|available online|address for|source of support|"
    r"this work is licensed|†|‡|\*)",
    re.IGNORECASE,
)
_FIRST_HEADING = re.compile(
    r"^(?:a\s?b\s?s\s?t\s?r\s?a\s?c\s?t|summary|background|introduction|objective|purpose|aims?)\b", re.IGNORECASE
)


def title_of(paragraphs: Sequence[Paragraph], height: float, body: Body, stated: str, heads: Sequence[str]) -> int | None:
    """Place of the title: what the file says of itself where the first page shows it, else what stands out most.

    Args:
        paragraphs: of the whole file, in reading order.
        height: of the first page, in points.
        body: what is usual in the file.
        stated: the title in the file's own properties.
        heads: the running heads, which name the journal.
    """
    page = min((paragraph.page for paragraph in paragraphs), default=1)
    places = [
        index
        for index, paragraph in enumerate(paragraphs)
        if paragraph.page == page and paragraph.box.top < _LOWEST_TITLE * height and _may_be_title(paragraph)
    ]
    if not places:
        return None
    texts = {index: joined_lines(paragraphs[index].lines) for index in places}
    if len(stated.split()) >= 4:
        best = max(places, key=lambda index: _likeness(texts[index], stated))
        if _likeness(texts[best], stated) > 0.8:
            return best
    places = [index for index in places if _stands_out(paragraphs[index], body)]
    return max(places, key=lambda index: _weight(paragraphs[index], texts[index], heads), default=None)


def _stands_out(paragraph: Paragraph, body: Body) -> bool:
    is_bold = all(line.share(bold=True) > 0.5 for line in paragraph.lines) and not body.font.bold
    return paragraph.size > 1.08 * body.size or is_bold


def _may_be_title(paragraph: Paragraph) -> bool:
    text = " ".join(line.text for line in paragraph.lines)
    return len(text.split()) >= 3 and 15 <= len(text) <= 400 and words_of(text) not in MAIN and not ABOUT_ARTICLE.match(text)


def _likeness(text: str, stated: str) -> float:
    return SequenceMatcher(None, text.casefold(), stated.casefold(), autojunk=False).ratio()


def _weight(paragraph: Paragraph, text: str, heads: Sequence[str]) -> float:
    """Size by the root of the length, for a journal's name may be larger than the title, but is shorter."""
    is_journal = any(text.casefold() in head and any(char.isdigit() for char in head) for head in heads)
    return float(paragraph.size**1.5 * min(len(text), 70) ** 0.5 * (0.4 if is_journal else 1.0))


def front_matter(paragraphs: Sequence[Paragraph], title: int, headings: Mapping[int, int], body_size: float) -> set[int]:
    """Places of what tells of the article: all before the title, and between it and abstract or text; on its page, by words."""
    page = paragraphs[title].page
    found = {index for index in range(title) if _length(paragraphs[index]) < 2 * _LONG_TEXT}
    first = next(
        (index for index in range(title + 1, len(paragraphs)) if _begins_text(paragraphs[index], headings.get(index), body_size)),
        title + 1,
    )
    found |= set(range(title + 1, first))
    text_top = paragraphs[first].box.top if first < len(paragraphs) else 0.0
    for index in range(first, len(paragraphs)):
        if paragraphs[index].page > page:
            break
        is_above = paragraphs[title].box.top <= paragraphs[index].box.top and paragraphs[index].box.bottom <= text_top
        if is_above or ABOUT_ARTICLE.match(paragraphs[index].lines[0].text):
            found.add(index)
    return found


def _length(paragraph: Paragraph) -> int:
    return sum(line.letters for line in paragraph.lines)


def _begins_text(paragraph: Paragraph, level: int | None, body_size: float) -> bool:
    text = paragraph.lines[0].text
    if ABOUT_ARTICLE.match(text):
        return False
    if _FIRST_HEADING.match(text) or (level is not None and words_of(text) in MAIN):
        return True
    return (
        _length(paragraph) >= _LONG_TEXT
        and text[:1].isupper()
        and paragraph.size >= 0.85 * body_size
        and not _is_list_of_names(paragraph)
    )


def _is_list_of_names(paragraph: Paragraph) -> bool:
    """Whether nearly every word begins with a capital, as in names and addresses."""
    words = [word for line in paragraph.lines for word in line.text.split() if word[:1].isalpha() and len(word) > 3]
    return sum(word[:1].isupper() for word in words) > 0.6 * max(len(words), 1)
