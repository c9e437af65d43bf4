"""Text of JATS elements: markup inside a word leaves it whole, anything else separates words."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from html import unescape

from lxml import etree

MATHML = "{http://www.w3.org/1998/Math/MathML}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_WITHIN_WORDS = frozenset(
    {
        "abbrev",
        "bold",
        "email",
        "ext-link",
        "fixed-case",
        "inline-formula",
        "italic",
        "milestone-end",
        "milestone-start",
        "monospace",
        "named-content",
        "overline",
        "roman",
        "sans-serif",
        "sc",
        "strike",
        "styled-content",
        "sub",
        "sup",
        "target",
        "underline",
        "uri",
        "xref",
    }
)
_MATH_SEPARATED = frozenset(MATHML + name for name in ("mtd", "mtr", "mlabeledtr", "annotation", "annotation-xml"))
_NOTE_MARKS = frozenset({"bibr", "fn", "table-fn", "aff", "corresp", "author-notes"})
_TEX = frozenset({"tex-math"})
_BEFORE_PUNCTUATION = re.compile(r"\s+([,.;:)\]])")


def inline_text(element: etree._Element, skip: Container[str] = _TEX) -> str:
    """All text of an element on one line, without elements whose tag is in ``skip`` (TeX source by default)."""
    if not len(element):
        return " ".join((element.text or "").split())
    parts: list[str] = []
    _append_content(element, parts, skip)
    return " ".join("".join(parts).split())


def listed_text(element: etree._Element, skip: Container[str] = _TEX) -> str:
    """Parts that have no punctuation of their own are separated by commas."""
    parts = [child for child in element if isinstance(child.tag, str) and child.tag not in skip]
    own = [element.text, *(child.tail for child in element)]
    if any(text and text.strip() for text in own):
        return tidy(inline_text(element, skip))
    return ", ".join(filter(None, (inline_text(part, skip) for part in parts)))


def loose_texts(element: etree._Element) -> Iterator[str]:
    """The texts of an element's children, and what stands between them."""
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            yield inline_text(child)
        yield child.tail or ""


def tidy(text: str) -> str:
    """Takes back the space that separated an element from the punctuation after it."""
    return _BEFORE_PUNCTUATION.sub(r"\1", text)


def append_inline(element: etree._Element, parts: list[str], skip: Container[str] = _TEX) -> None:
    """Adds an element's text, without its tail, to a run of text."""
    tag = element.tag
    if tag is etree.Entity:
        # Names of the DTD that is never loaded; the public ones are HTML's.
        parts.append(unescape(element.text or ""))
    elif not isinstance(tag, str) or tag in skip:
        return
    elif tag in _WITHIN_WORDS:
        if (tag == "sup" or tag == "xref") and _is_note_mark(element) and parts and parts[-1][-1:].isalnum():
            parts.append(" ")
        _append_content(element, parts, skip)
    elif tag.startswith(MATHML):
        _append_math(element, parts, skip)
    else:
        parts.append(" ")
        _append_content(element, parts, skip)
        parts.append(" ")


def _append_content(element: etree._Element, parts: list[str], skip: Container[str]) -> None:
    if element.text:
        parts.append(element.text)
    for child in element:
        append_inline(child, parts, skip)
        if child.tail:
            parts.append(child.tail)


def _append_math(element: etree._Element, parts: list[str], skip: Container[str]) -> None:
    separated = element.tag in _MATH_SEPARATED
    if separated:
        parts.append(" ")
    if element.text:
        parts.append(element.text)
    fraction = element.tag == MATHML + "mfrac"
    for index, child in enumerate(element):
        if fraction and index:
            parts.append("/")
        append_inline(child, parts, skip)
        if child.tail:
            parts.append(child.tail)
    if separated:
        parts.append(" ")


def _is_note_mark(element: etree._Element) -> bool:
    """Whether this is the number or sign of a citation or footnote, which readers never take for a part of the word before.

    Letters stay with their word: nothing tells the mark of a note from an index.
    """
    if element.tag == "sup":
        return len(element) > 0 and not (element.text or "").strip() and element[0].tag == "xref" and _is_note_mark(element[0])
    return element.get("ref-type") in _NOTE_MARKS and not inline_text(element)[:1].isalpha()
