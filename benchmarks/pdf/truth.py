"""What an article says by its XML: JATS, or BMC's own ``<art>``. It is what the PDF of the same article is scored against."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lxml import etree

Element = etree._Element  # noqa: SLF001 - its public name

_UNSEEN = frozenset({"object-id", "tex-math", "annotation", "journal-id", "article-id", "graphic", "media"})
"""Elements whose text no page shows."""
_FLOATS = frozenset(
    [
        "fig",
        "fig-group",
        "figr",
        "table-wrap",
        "table-wrap-group",
        "tbl",
        "tblr",
        "boxed-text",
        "floats-group",
        "graphic",
        "disp-formula",
        "display-formula",
        "supplementary-material",
        "suppl",
    ]
)
"""Elements that a page may show anywhere; sentences in them have no place in the order."""
_BREAKS = frozenset(
    [
        "p",
        "title",
        "sec",
        "st",
        "td",
        "th",
        "tr",
        "c",
        "r",
        "entry",
        "row",
        "caption",
        "label",
        "break",
        "list",
        "list-item",
        "li",
        "def",
        "def-item",
        "term",
        "fn",
        "fig",
        "tbl",
        "table-wrap",
        "ref",
        "bibl",
        "disp-formula",
        "supplementary-material",
    ]
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True)
class Truth:
    """``text`` is abstract and body, tables and captions included; ``sentences`` are those of its running text, in order.

    ``headings`` are the titles of the body's sections; ``other_headings`` those of abstract and back matter, which a page may
    show as headings or not. ``tables`` hold the texts of their cells, empty ones left out.
    """

    title: str
    text: str
    everything: str
    sentences: tuple[str, ...]
    headings: tuple[str, ...]
    other_headings: tuple[str, ...]
    tables: tuple[tuple[str, ...], ...]
    captions: tuple[str, ...]
    references: tuple[tuple[str, str], ...]
    """Surname of the first author and year of each reference that states both."""


@dataclass(frozen=True)
class Pair:
    """A PDF and the XML of the same article."""

    pdf: Path
    xml: Path

    @property
    def name(self) -> str:
        return self.pdf.stem


def pairs(data: Path) -> list[Pair]:
    """Every PDF under ``pdf/`` whose article's XML lies beside it (BMC) or under ``jats/``."""
    found = []
    for pdf in sorted((data / "pdf").glob("*.pdf")):
        for xml in (pdf.with_suffix(".bmc.xml"), data / "jats" / f"{pdf.stem}.xml"):
            if xml.exists():
                found.append(Pair(pdf, xml))
                break
    return found


@lru_cache(maxsize=64)
def truth(xml: Path) -> Truth:
    root = etree.parse(xml, etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=True)).getroot()
    return _bmc(root) if root.tag == "art" else _jats(root)


def _jats(root: Element) -> Truth:
    meta = "front/article-meta"
    body = [*root.iterfind(f"{meta}/abstract"), *root.iterfind("body"), *root.iterfind("floats-group")]
    abstract_and_back = [*root.iterfind(f"{meta}/abstract"), *root.iterfind("back"), *root.iterfind("front//notes")]
    return Truth(
        title=_text(root.find(f"{meta}/title-group/article-title")),
        text="\n".join(map(_text, body)),
        everything=_text(root),
        sentences=tuple(_sentences(body[:-1] if body and body[-1].tag == "floats-group" else body)),
        headings=tuple(_text(title) for title in root.iterfind("body//sec/title") if _text(title)),
        other_headings=tuple(_text(title) for part in abstract_and_back for title in part.iter("title", "bold")),
        tables=tuple(_cells(table, ("td", "th")) for table in root.iter("table")),
        captions=tuple(_text(caption) for caption in root.xpath(".//*[self::fig or self::table-wrap]/caption")),
        references=tuple(_jats_references(root)),
    )


def _jats_references(root: Element) -> Iterator[tuple[str, str]]:
    for reference in root.iterfind("back//ref-list//ref"):
        surname, year = reference.find(".//surname"), reference.find(".//year")
        if surname is not None and year is not None:
            yield _text(surname), _text(year)


def _bmc(root: Element) -> Truth:
    body = [*root.iterfind("fm/abs"), *root.iterfind("bdy")]
    return Truth(
        title=_text(root.find("fm/bibl/title")),
        text="\n".join(map(_text, body)),
        everything=_text(root),
        sentences=tuple(_sentences(body)),
        headings=tuple(_text(title) for title in root.iterfind("bdy//sec/st")),
        other_headings=tuple(
            _text(title) for part in ("fm/abs", "bm") for node in root.iterfind(part) for title in node.iter("st", "b")
        ),
        tables=tuple(_cells(table, ("c", "entry")) for table in root.iter("table", "tblbdy")),
        captions=tuple(_text(node) for node in root.xpath(".//fig/text | .//tbl/caption")),
        references=tuple(
            (_text(reference.find("aug/au/snm")), _text(reference.find("pubdate")))
            for reference in root.iterfind("bm//bibl")
            if reference.find("aug/au/snm") is not None and reference.find("pubdate") is not None
        ),
    )


def _cells(table: Element, tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for cell in table.iter(*tags) if (text := _text(cell)))


def _text(element: Element | None) -> str:
    if element is None:
        return ""
    return " ".join("".join(_pieces(element, _UNSEEN)).split())


def _sentences(parts: list[Element]) -> Iterator[str]:
    for part in parts:
        for paragraph in part.iter("p"):
            if any(ancestor.tag in _FLOATS or ancestor.tag in ("st", "title", "p") for ancestor in paragraph.iterancestors()):
                continue
            text = " ".join("".join(_pieces(paragraph, _UNSEEN | _FLOATS)).split())
            yield from (sentence for sentence in _SENTENCE_END.split(text) if len(sentence.split()) >= 5)


def _pieces(element: Element, left_out: frozenset[str]) -> Iterator[str]:
    """The text of an element in order, with a space where a new block begins."""
    if not isinstance(element.tag, str):
        return
    tag = etree.QName(element).localname
    if tag in left_out:
        return
    is_block = tag in _BREAKS
    if is_block:
        yield " "
    yield element.text or ""
    for child in element:
        yield from _pieces(child, left_out)
        yield child.tail or ""
    if is_block:
        yield " "
