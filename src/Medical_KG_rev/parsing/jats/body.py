"""Writes the running content of JATS into blocks: paragraphs, sections, floats, lists, formulas, notes.

Content is mixed at every level, so there is one walk: text and inline markup gather into a run; an element with a structure of
its own ends the run and is written by its handler; an element that nobody knows is read as text. Nothing falls through.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from lxml import etree

from Medical_KG_rev.models import BlockType, SectionKind
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.jats.inline import XLINK_HREF, append_inline, inline_text, loose_texts
from Medical_KG_rev.parsing.jats.references import write_references
from Medical_KG_rev.parsing.jats.tables import is_table, table_caption, table_rows

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

_DEFAULT_TITLES = {
    "abstract": "Abstract",
    "trans-abstract": "Abstract",
    "ack": "Acknowledgements",
    "app": "Appendix",
    "bio": "Biography",
    "fn-group": "Footnotes",
    "floats-group": "Figures and tables",
    "floats-wrap": "Figures and tables",
    "glossary": "Glossary",
    "notes": "Notes",
    "ref-list": "References",
}
_HEADS = frozenset({"label", "title", "caption", "object-id", "alt-text", "long-desc"})
_FILES = frozenset({"graphic", "media", "inline-graphic"})
_FLOATING = frozenset(
    {"boxed-text", "fig", "fig-group", "fn", "media", "supplementary-material", "table-wrap", "table-wrap-group"}
)
_BEYOND_LISTS = ("table-wrap", "table", "fig", "boxed-text", "sec", "media", "supplementary-material")


class BodyWriter:
    """Writes elements to a builder, in reading order."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder

    def flow(
        self, container: etree._Element, type: BlockType = BlockType.PARAGRAPH, skip: Collection[etree._Element] = ()
    ) -> None:
        """Writes a container's content; runs of text become blocks of ``type``.

        What floats in a paragraph follows it, so that no sentence is cut in two.
        """
        run = [container.text or ""]
        skipped, floating = set(skip), []
        afloat = _FLOATING if container.tag == "p" else frozenset()
        for child in container:
            handler = HANDLERS.get(child.tag)
            if child in skipped:
                pass
            elif handler is None:
                append_inline(child, run)
            elif child.tag in afloat:
                floating.append(child)
                run.append(" ")
            else:
                self._builder.block("".join(run), type)
                run.clear()
                handler(self, child, type)
            if child.tail:
                run.append(child.tail)
        self._builder.block("".join(run), type)
        for child in floating:
            HANDLERS[child.tag](self, child, type)

    def section(self, element: etree._Element, type: BlockType = BlockType.PARAGRAPH, kind: SectionKind | None = None) -> None:
        """A section of its own, titled by its label and title, or by what the element is."""
        heads = [head for head in (element.find("label"), element.find("title")) if head is not None]
        title = " ".join(filter(None, map(inline_text, heads))) or _DEFAULT_TITLES.get(str(element.tag), "")
        marks = element.findall("object-id")
        with self._builder.section(title, kind):
            self.flow(element, type, [*heads, *marks])
            self._builder.block(" ".join(map(inline_text, marks)))

    def header(self, element: etree._Element, _: BlockType) -> None:
        """A title that stands for no section."""
        self._builder.block(inline_text(element), BlockType.HEADER)

    def floating(self, element: etree._Element, type: BlockType) -> None:
        """A figure, film or supplement: label, title and caption in one block, the rest after it."""
        heads = _heads(element)
        text = " ".join(filter(None, map(inline_text, heads)))
        self._builder.block(text, BlockType.FIGURE, label=_label(element), reference=_file_of(element))
        self.flow(element, type, heads)

    def table_wrap(self, element: etree._Element, type: BlockType) -> None:
        """A table with its caption, then what belongs to it; further tables of one wrapper follow the first."""
        heads = _heads(element)
        tables = [table for place in (element, *element.iterfind("alternatives")) for table in place if is_table(table)]
        caption = " ".join(filter(None, [*map(inline_text, heads), *map(table_caption, tables[:1])]))
        rows = table_rows(tables[0]) if tables else []
        self._builder.table(rows, caption=caption, label=_label(element), reference=_file_of(element))
        for table in tables[1:]:
            self.table(table, type)
        self.flow(element, type, [*heads, *tables])

    def table(self, element: etree._Element, _: BlockType) -> None:
        """A table without wrapper."""
        self._builder.table(table_rows(element), caption=table_caption(element))

    def alternatives(self, element: etree._Element, type: BlockType) -> None:
        """Several forms of one thing; a table that its wrapper has written already is not written again."""
        written = [child for child in element if is_table(child)] if _within(element, "table-wrap") else []
        self.flow(element, type, written)

    def formula(self, element: etree._Element, _: BlockType) -> None:
        """A displayed formula, its label first."""
        self._builder.block(inline_text(element), BlockType.EQUATION, label=_label(element), reference=_file_of(element))

    def footnote(self, element: etree._Element, _: BlockType) -> None:
        """One note: a block, unless it holds floats."""
        if next(element.iter(*_BEYOND_LISTS), None) is not None:
            self.flow(element, BlockType.FOOTNOTE)
        else:
            self._builder.block(inline_text(element), BlockType.FOOTNOTE, label=_label(element))

    def footnotes(self, element: etree._Element, _: BlockType) -> None:
        """What stands under a table."""
        self.flow(element, BlockType.FOOTNOTE)

    def listing(self, element: etree._Element, type: BlockType) -> None:
        """One block with an item a line, nested lists flattened; items that hold floats are written as they come."""
        if next(element.iter(*_BEYOND_LISTS), None) is None:
            self._builder.items(list(_items(element)))
            return
        self._builder.block(element.text or "", type)
        for item in element:
            if isinstance(item.tag, str):
                self.flow(item, type)
            self._builder.block(item.tail or "", type)

    def verse(self, element: etree._Element, _: BlockType) -> None:
        """One block with a verse a line."""
        self._builder.items(list(loose_texts(element)))

    def references(self, element: etree._Element, _: BlockType = BlockType.PARAGRAPH) -> None:
        """A reference list as a section that is not cut into passages."""
        heads = [head for head in (element.find("label"), element.find("title")) if head is not None]
        references = element.findall("ref")
        title = " ".join(filter(None, map(inline_text, heads))) or _DEFAULT_TITLES["ref-list"]
        with self._builder.section(title, SectionKind.REFERENCES):
            write_references(self._builder, references)
            self.flow(element, skip={*heads, *references})


Handler: TypeAlias = Callable[[BodyWriter, "Element", BlockType], None]


def _heads(element: etree._Element) -> list[etree._Element]:
    """What names and describes an element, its identifiers last."""
    return sorted((child for child in element if child.tag in _HEADS), key=lambda child: child.tag == "object-id")


def _label(element: etree._Element) -> str:
    label = element.find("label")
    return "" if label is None else inline_text(label)


def _file_of(element: etree._Element) -> str | None:
    """The file that an element stands for: its own, or that of a graphic directly in it."""
    own = element.get(XLINK_HREF)
    if own:
        return own
    places = (element, *element.iterfind("alternatives"))
    hrefs = (child.get(XLINK_HREF) for place in places for child in place if child.tag in _FILES)
    return next(filter(None, hrefs), None)


def _within(element: etree._Element, tag: str) -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag == tag


def _items(element: etree._Element) -> Iterator[str]:
    """Items of a list or definition list, those of nested lists after the item that holds them."""
    yield element.text or ""
    for child in element:
        if child.tag in ("list", "def-list"):
            yield from _items(child)
        elif child.tag == "def-item":
            yield _definition(child)
        elif isinstance(child.tag, str):
            run = [child.text or ""]
            nested = _gather(child, run)
            yield "".join(run)
            for inner in nested:
                yield from _items(inner)
        yield child.tail or ""


def _definition(item: etree._Element) -> str:
    terms = [part for part in item if part.tag == "term"]
    others = [part for part in item if part.tag != "term"]
    run = [item.text or ""]
    for part in others:
        append_inline(part, run)
    run += [f" {part.tail or ''}" for part in item]
    return ": ".join(filter(None, (" ".join(map(inline_text, terms)), " ".join("".join(run).split()))))


def _gather(item: etree._Element, run: list[str]) -> list[etree._Element]:
    """Adds an item's own text to a run; returns the lists inside."""
    nested: list[etree._Element] = []
    for child in item:
        if child.tag in ("list", "def-list"):
            nested.append(child)
            run.append(" ")
        elif child.tag == "p":
            run.append(" " + (child.text or ""))
            nested += _gather(child, run)
            run.append(" ")
        else:
            append_inline(child, run)
        run.append(child.tail or "")
    return nested


def _handlers() -> Iterator[tuple[str, Handler]]:
    for tag in ("p", "caption", "abstract-group", "app-group", "back", "body", "disp-quote", "disp-formula-group", "speech"):
        yield tag, BodyWriter.flow
    for tag in ("statement", "question", "answer", "preformat", "code", "array", "sig-block", "permissions", "attrib", "def"):
        yield tag, BodyWriter.flow
    for tag in ("sec", "boxed-text", "ack", "app", "bio", "glossary", "notes", "fn-group", "floats-group", "abstract"):
        yield tag, BodyWriter.section
    for tag in ("fig", "fig-group", "table-wrap-group", "supplementary-material", "media", "graphic", "chem-struct-wrap"):
        yield tag, BodyWriter.floating


HANDLERS: Mapping[str, Handler] = {
    **dict(_handlers()),
    "trans-abstract": BodyWriter.section,
    "title": BodyWriter.header,
    "table-wrap": BodyWriter.table_wrap,
    "table": BodyWriter.table,
    "alternatives": BodyWriter.alternatives,
    "disp-formula": BodyWriter.formula,
    "fn": BodyWriter.footnote,
    "table-wrap-foot": BodyWriter.footnotes,
    "list": BodyWriter.listing,
    "def-list": BodyWriter.listing,
    "verse-group": BodyWriter.verse,
    "ref-list": BodyWriter.references,
}
