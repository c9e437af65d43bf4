"""People and institutions of an article: authors with ORCID and affiliations, other contributors, author notes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from Medical_KG_rev.models import BlockType, SectionKind
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.jats.body import BodyWriter
from Medical_KG_rev.parsing.jats.inline import inline_text, listed_text

_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
_NAMES = ("name", "string-name", "collab", "name-alternatives", "collab-alternatives", "anonymous")
_NOT_OF_DETAILS = frozenset({*_NAMES, "contrib-id", "xref"})
_NOT_OF_AFFILIATION = frozenset({"label", "sup", "tex-math", "institution-id"})
_NOT_OF_GROUP_NAME = frozenset({"contrib-group", "tex-math", "xref"})


def write_contributors(builder: DocumentBuilder, meta: etree._Element) -> None:
    """Sections "Authors", "Contributors", "Affiliations" and "Author notes", as far as there is anything to say."""
    affiliations = {
        element.get("id", str(index)): listed_text(element, _NOT_OF_AFFILIATION)
        for index, element in enumerate(meta.iter("aff", "aff-alternatives"))
    }
    contributors = list(meta.iterfind("contrib-group//contrib"))
    authors = [person for person in contributors if _is_author(person)]
    _write_authors(builder, authors, affiliations)
    others = [line for person in contributors for line in _details(person)]
    others += [inline_text(part) for group in meta.iterfind("contrib-group") for part in group if _is_loose(part)]
    _write_list(builder, "Contributors", others)
    _write_list(builder, "Affiliations", list(dict.fromkeys(affiliations.values())))
    for notes in meta.iterfind("author-notes"):
        with builder.section("Author notes", SectionKind.METADATA):
            BodyWriter(builder).flow(notes, BlockType.FOOTNOTE)


def _write_authors(builder: DocumentBuilder, authors: list[etree._Element], affiliations: dict[str, str]) -> None:
    named = [(name, author) for author in authors if (name := contributor_name(author))]
    if not named:
        return
    with builder.section("Authors", SectionKind.METADATA):
        for span, (_, author) in zip(builder.items([name for name, _ in named]), named, strict=True):
            builder.annotate("author", span, orcid=_orcid(author), affiliations=list(_affiliations(author, affiliations)))


def _write_list(builder: DocumentBuilder, title: str, lines: list[str]) -> None:
    if any(lines):
        with builder.section(title, SectionKind.METADATA):
            builder.items(lines)


def _is_author(contributor: etree._Element) -> bool:
    """Members of a group that is an author are contributors, as is who is said to be none of the byline."""
    group = contributor.getparent()
    if group is None or _within_group_author(group):
        return False
    kind = contributor.get("contrib-type") or group.get("content-type") or "author"
    return kind in ("author", "authors")


def _within_group_author(group: etree._Element) -> bool:
    holder = group.getparent()
    return holder is not None and holder.tag == "collab"


def _is_loose(part: etree._Element) -> bool:
    return isinstance(part.tag, str) and part.tag not in ("contrib", "aff", "aff-alternatives")


def contributor_name(contributor: etree._Element) -> str:
    """Given names first; the name of a group without its members."""
    for tag in _NAMES:
        found = contributor.find(tag)
        if found is not None:
            return _name(found)
    return ""


def _name(element: etree._Element) -> str:
    if element.tag in ("name-alternatives", "collab-alternatives"):
        return next((_name(child) for child in element if isinstance(child.tag, str)), "")
    if element.tag == "name":
        parts = (element.find(tag) for tag in ("prefix", "given-names", "surname", "suffix"))
        return " ".join(filter(None, (inline_text(part) for part in parts if part is not None)))
    return inline_text(element, _NOT_OF_GROUP_NAME)


def _details(contributor: etree._Element) -> Iterator[str]:
    """What is told of a contributor beside the name; those who are no authors are named with it."""
    details = contributor_details(contributor)
    if not _is_author(contributor):
        yield ", ".join(filter(None, (contributor_name(contributor), contributor.get("contrib-type"), *details)))
    elif details:
        yield ", ".join((contributor_name(contributor), *details))


def contributor_details(contributor: etree._Element) -> list[str]:
    """Degrees, roles, addresses, affiliations of one's own, biography: all but name and identifiers."""
    parts = (listed_text(part) for part in contributor if isinstance(part.tag, str) and part.tag not in _NOT_OF_DETAILS)
    return list(filter(None, parts))


def _orcid(contributor: etree._Element) -> str | None:
    for element in contributor.iterfind("contrib-id"):
        match = _ORCID.search(inline_text(element))
        if match:
            return match.group()
    return None


def _affiliations(contributor: etree._Element, known: dict[str, str]) -> Iterator[str]:
    """The contributor's own, and those of its group that it points to."""
    for element in contributor.iterfind("aff"):
        yield listed_text(element, _NOT_OF_AFFILIATION)
    for pointer in contributor.iterfind("xref"):
        if pointer.get("ref-type") == "aff":
            yield from (known[name] for name in (pointer.get("rid") or "").split() if known.get(name))
