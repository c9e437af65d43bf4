"""Eligibility criteria: free text in the registry, by convention lists under "Inclusion Criteria" and "Exclusion Criteria".

What follows such a heading becomes a section of that name. Each criterion is stated as an annotation with its ``role``
(`inclusion`, `exclusion`, or none before any heading) and its ``level`` in nested lists (0 outermost); ``announces`` marks those
that only say how the ones below them are meant ("… will be excluded if any of the following apply:").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from Medical_KG_rev.parsing.builder import DocumentBuilder, normalize
from Medical_KG_rev.parsing.ctgov.markup import BULLET, NUMBERED, unescape

Role = Literal["", "inclusion", "exclusion"]

_HEADING = re.compile(
    r"(?:[*•-]\s*)?((?:[a-z-]+ ){0,2}(?:inclusion|exclusion)(?: criteria(?: for [\w /()-]{1,80})?\s*:?|\s*:))", re.IGNORECASE
)
_INLINE = re.compile(r"(?:[*•-]\s*)?(?:[a-z-]+ ){0,2}(?P<role>inclusion|exclusion)(?: criteria)?\s*:(?P<rest>.+)", re.IGNORECASE)
"""A heading with its first criterion, or a remark, in the same line."""

_EXCLUDING = re.compile(
    r"\bexclusion\b|\b(?:excluded|excludes?)\b|\bnot (?:be )?eligible\b|\bineligible\b|\bremoving criteria\b"
    r"|\b(?:may|can|must|will|should) ?not be (?:enrolled|included)\b",
    re.IGNORECASE,
)
_INCLUDING = re.compile(
    r"\binclusion\b|\beligib|\b(?:must|have to|need to|should) (?:meet|satisfy|fulfil)|\b(?:to )?be (?:enrolled|included)\b",
    re.IGNORECASE,
)
_REMARK = re.compile(r"\s*(?:all )?(?:answers|questions)\b.*|\s*(?:none|n/?a|not applicable)\W*", re.IGNORECASE)
_TITLE_LENGTH = 100
_TAB_WIDTH = 4


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the text: where its first character stands, whether it is an item of a list, what it says without a bullet."""

    indent: int
    listed: bool
    text: str


@dataclass(frozen=True, slots=True)
class _Item:
    """A criterion in a list."""

    text: str
    role: Role
    level: int
    announces: bool


@dataclass(slots=True)
class _State:
    """The role and indentations that are open; a list item that ends in a colon may turn the role for what is below it."""

    role: Role = ""
    indents: list[tuple[int, Role]] = field(default_factory=list)

    def level(self, indent: int) -> int:
        while self.indents and self.indents[-1][0] >= indent:
            self.indents.pop()
        return len(self.indents)

    @property
    def inherited(self) -> Role:
        return self.indents[-1][1] if self.indents else self.role


def criteria(builder: DocumentBuilder, text: str) -> None:
    """The criteria as sections, paragraphs and lists, each criterion annotated."""
    title, lines, state = "", list[str](), _State()
    for line in unescape(text).splitlines():
        heading = _HEADING.fullmatch(line.strip())
        if heading:
            _part(builder, title, lines, state)
            title, lines = heading[1].rstrip(" :"), []
        else:
            lines.append(line)
    _part(builder, title, lines, state)


def _part(builder: DocumentBuilder, title: str, lines: list[str], state: _State) -> None:
    if title:
        state.role = "exclusion" if "exclusion" in title.lower() else "inclusion"
        with builder.section(title):
            _lines(builder, lines, state)
    else:
        _lines(builder, lines, state)


def _lines(builder: DocumentBuilder, lines: list[str], state: _State) -> None:
    items: list[_Item] = []
    state.indents.clear()
    for line in map(_read, lines):
        if not line.text:
            continue
        if line.listed:
            items.append(_item(line, state))
        else:
            _list(builder, items)
            items = []
            _paragraph(builder, line.text, state)
    _list(builder, items)


def _read(line: str) -> _Line:
    expanded = line.expandtabs(_TAB_WIDTH)
    text = expanded.strip()
    indent = len(expanded) - len(expanded.lstrip())
    bullet = BULLET.match(text)
    if bullet:
        return _Line(indent, True, normalize(text[bullet.end() :]))
    return _Line(indent, NUMBERED.match(text) is not None, normalize(text))


def _item(line: _Line, state: _State) -> _Item:
    inline = _INLINE.fullmatch(line.text)
    if inline is not None and _REMARK.fullmatch(inline["rest"]):
        state.role = _named(inline["role"])
        state.indents.clear()
        return _Item(line.text, state.role, 0, True)
    level, role = state.level(line.indent), state.inherited
    turned = _turned(line.text) if line.text.endswith(":") else None
    state.indents.append((line.indent, turned or role))
    return _Item(line.text, role, level, turned is not None or _REMARK.fullmatch(line.text) is not None)


def _list(builder: DocumentBuilder, items: list[_Item]) -> None:
    for span, item in zip(builder.items([item.text for item in items]), items, strict=True):
        builder.annotate("criterion", span, role=item.role, level=item.level, announces=item.announces or None)


def _paragraph(builder: DocumentBuilder, text: str, state: _State) -> None:
    """A paragraph: a criterion, a heading with one behind it, or words that say how those below it are meant."""
    state.indents.clear()
    inline = _INLINE.fullmatch(text)
    turned: Role | None = None
    if inline is not None:
        turned = _named(inline["role"])
    elif text.endswith(":") or (len(text) < _TITLE_LENGTH and "criteria" in text.lower() and not text.endswith(".")):
        turned = _turned(text)
    if turned is not None:
        state.role = turned
    span = builder.block(text)
    if span is None or (turned is not None and inline is None) or _REMARK.fullmatch(text):
        return
    start = span.start
    if inline is not None:
        if _REMARK.fullmatch(inline["rest"]):
            return
        start = span.end - len(inline["rest"].lstrip())
    builder.annotate("criterion", type(span)(start, span.end), role=state.role, level=0)


def _named(word: str) -> Role:
    return "exclusion" if word.lower() == "exclusion" else "inclusion"


def _turned(text: str) -> Role | None:
    """The role of what follows words that announce criteria."""
    if _EXCLUDING.search(text):
        return "exclusion"
    return "inclusion" if _INCLUDING.search(text) else None
