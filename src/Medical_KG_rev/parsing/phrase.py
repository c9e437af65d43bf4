"""Text put together from parts, with what the record states about a part kept until its place in the document is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from Medical_KG_rev.models import Span
from Medical_KG_rev.parsing.builder import DocumentBuilder, normalize


class Phrase:
    """One run of text. Parts are joined by a space; a part with a ``kind`` becomes an annotation of exactly that part."""

    __slots__ = ("_length", "_marks", "_parts")

    def __init__(self, text: str = "") -> None:
        self._parts: list[str] = []
        self._length = 0
        self._marks: list[tuple[str, int, int, dict[str, Any]]] = []
        self.add(text)

    def add(self, text: str, kind: str = "", *, before: str = "", after: str = "", **attributes: Any) -> Phrase:
        """Appends ``before + text + after`` when the text is not blank; the annotation covers ``text`` alone."""
        text = normalize(text)
        if not text:
            return self
        if self._parts:
            before = " " + before
        if kind:
            start = self._length + len(before)
            self._marks.append((kind, start, start + len(text), attributes))
        whole = before + text + after
        self._parts.append(whole)
        self._length += len(whole)
        return self

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def annotate(self, builder: DocumentBuilder, offset: int) -> None:
        """States the marked parts, now that the phrase begins at ``offset``."""
        for kind, start, end, attributes in self._marks:
            builder.annotate(kind, Span(offset + start, offset + end), **attributes)


def paragraph(builder: DocumentBuilder, phrase: Phrase) -> Span | None:
    """The phrase as a paragraph."""
    span = builder.block(phrase.text)
    if span is not None:
        phrase.annotate(builder, span.start)
    return span


def listing(builder: DocumentBuilder, phrases: Iterable[Phrase]) -> None:
    """The phrases as the items of one list; empty ones are left out."""
    kept = [phrase for phrase in phrases if phrase.text]
    for span, phrase in zip(builder.items([phrase.text for phrase in kept]), kept, strict=True):
        phrase.annotate(builder, span.start)


def facts(builder: DocumentBuilder, pairs: Iterable[tuple[str, str]]) -> None:
    """A list of "Name: value" lines; those without a value are left out."""
    builder.items([f"{name}: {value}" for name, value in pairs if value])
