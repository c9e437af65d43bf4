"""The bar for real articles: nothing that they tell is lost on the way to the passages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from Medical_KG_rev.errors import UnsupportedFormatError
from Medical_KG_rev.models import Document, RawPayload, SectionKind, StageContext
from Medical_KG_rev.parsing import IrParser, IrValidator
from Medical_KG_rev.parsing.jats import parse

pytestmark = pytest.mark.component

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
WORD = re.compile(r"[^\W\d_]{4,}")
COUNTED = "//body | //abstract | //trans-abstract | //floats-group | //table-wrap | //table | //caption"
WITHIN_WORDS = frozenset(
    {"bold", "email", "ext-link", "inline-formula", "italic", "monospace", "named-content", "sc", "styled-content", "sub", "sup"}
    | {"underline", "uri", "xref"}
)
BAR = 0.999


@pytest.fixture(scope="module")
def articles(test_data: Path) -> dict[str, tuple[bytes, Document]]:
    parser, validator = IrParser(lambda: PARSED_AT), IrValidator()
    context = StageContext(tenant_id="t")
    found = {}
    for file in sorted((test_data / "jats").glob("*.xml")):
        content = file.read_bytes()
        payload = RawPayload(source="local", source_id=file.name, format="jats-xml", content=content)
        found[file.name] = content, validator.execute(context, parser.execute(context, [payload]))
    assert len(found) >= 106
    return found


def _pieces(element: etree._Element) -> Iterator[str]:
    """Text of an element; only markup that occurs inside words joins it."""
    if not isinstance(element.tag, str) or element.tag == "tex-math":
        return
    apart = "" if element.tag in WITHIN_WORDS or "MathML" in element.tag else " "
    yield apart + (element.text or "")
    for child in element:
        yield from _pieces(child)
        yield child.tail or ""
    yield apart


def _words_told(content: bytes) -> Counter[str]:
    chosen = etree.fromstring(content).xpath(COUNTED)
    held = set(chosen)
    outermost = [element for element in chosen if not any(above in held for above in element.iterancestors())]
    return Counter(WORD.findall(" ".join("".join(_pieces(element)) for element in outermost)))


def _words_kept(document: Document) -> Counter[str]:
    kept = (document.quote(part.start, part.end) for part in document.sections if part.kind is not SectionKind.REFERENCES)
    return Counter(WORD.findall("\n".join(kept)))


def test_every_article_keeps_its_words(articles: dict[str, tuple[bytes, Document]]) -> None:
    kept = {}
    for name, (content, document) in articles.items():
        told = _words_told(content)
        kept[name] = (told & _words_kept(document)).total() / told.total()
    below = {name: round(share, 5) for name, share in kept.items() if share < BAR}
    assert below == {}
    assert min(kept.values()) < 1, "the count cannot tell a loss"


def test_hardly_a_word_is_told_twice(articles: dict[str, tuple[bytes, Document]]) -> None:
    for name, (content, document) in articles.items():
        body = Counter(
            WORD.findall(
                " ".join(
                    document.quote(s.start, s.end)
                    for s in document.sections
                    if s.kind in (SectionKind.BODY, SectionKind.RESPONSE)
                )
            )
        )
        whole = Counter(WORD.findall("".join(_pieces(etree.fromstring(content)))))
        assert (body - whole).total() <= 0.002 * body.total() + 10, name


def test_metadata_is_plausible(articles: dict[str, tuple[bytes, Document]]) -> None:
    for name, (_, document) in articles.items():
        metadata = document.metadata
        assert len(document.title) > 5, name
        assert 1990 <= metadata["year"] <= 2030, name
        assert metadata["license"], name
        assert metadata["journal"], name
        assert metadata["identifiers"], name
        authors = [a for a in document.annotations if a.kind == "author"]
        assert authors, name
        assert all(document.quote(a.start, a.end).strip() == document.quote(a.start, a.end) != "" for a in document.annotations)


def test_references_are_items_with_their_identifiers(articles: dict[str, tuple[bytes, Document]]) -> None:
    for name, (content, document) in articles.items():
        references = etree.fromstring(content).xpath("/article/back//ref[*[contains(local-name(), 'citation')]]")
        works = [a for a in document.annotations if a.kind == "cited_work"]
        assert len(works) >= len(references), name
        assert sum("title" in work.attributes for work in works) >= 0.6 * len(works), name
        sections = [part for part in document.sections if part.kind is SectionKind.REFERENCES]
        assert all(any(part.start <= work.start < work.end <= part.end for part in sections) for work in works), name


def test_table_cells_quote_what_the_table_says(articles: dict[str, tuple[bytes, Document]]) -> None:
    for name, (content, document) in articles.items():
        cells = Counter(
            "".join("".join(_pieces(cell)).split()) for cell in etree.fromstring(content).iter("td", "th") if len(cell) == 0
        )
        quoted = Counter(
            "".join(document.quote(cell.start, cell.end).split())
            for _, block in document.iter_blocks()
            if block.table
            for cell in block.table.cells
        )
        assert cells - quoted == Counter(), name


def test_figures_and_headers_are_where_readers_expect_them(articles: dict[str, tuple[bytes, Document]]) -> None:
    for name, (content, document) in articles.items():
        root = etree.fromstring(content)
        graphics = [g.get("{http://www.w3.org/1999/xlink}href") for g in root.xpath("//fig[caption]/graphic")]
        references = {block.reference for _, block in document.iter_blocks()}
        assert len(set(graphics) - references) <= sum(len(fig.findall("graphic")) > 1 for fig in root.iter("fig")), name
        titles = {" ".join("".join(title.itertext()).split()) for title in root.xpath("/article/body/sec/title[not(*)]")}
        headings = " | ".join(path for section in document.sections for path in section.path)
        assert [title for title in titles if title not in headings] == [], name


@pytest.mark.parametrize(
    "folder",
    ["api/europepmc_pmc3040717-supplementary-not-open-access.xml", "api/pmc_oa_*.xml", "ctgov/xml/*.xml", "pdf/*.bmc.xml"],
)
def test_real_foreign_files_are_refused(test_data: Path, jats_payload: Callable[..., RawPayload], folder: str) -> None:
    files = sorted(test_data.glob(folder))
    assert files
    for file in files:
        with pytest.raises(UnsupportedFormatError, match=file.name):
            parse(jats_payload(file.read_bytes(), source_id=file.name), parsed_at=PARSED_AT)
