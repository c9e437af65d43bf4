"""Finds the article in a file, and says what the file is when it holds none."""

from __future__ import annotations

from lxml import etree

from Medical_KG_rev.errors import UnsupportedFormatError
from Medical_KG_rev.models import RawPayload
from Medical_KG_rev.parsing.jats.inline import inline_text
from Medical_KG_rev.parsing.xml import local_name, read_xml

_FOREIGN = {
    "art": "BioMed Central <art> XML, which is not JATS",
    "clinical_study": "registry XML of the retired ClinicalTrials.gov API; fetch the study as v2 JSON",
    "html": "an HTML page",
    "pubmedarticleset": "PubMed citation XML, which holds no full text",
    "pubmedarticle": "PubMed citation XML, which holds no full text",
    "oa": "an answer of the PMC OA service, not an article",
    "oai-pmh": "an OAI-PMH envelope, not an article",
    "tei": "TEI XML",
    "rss": "an RSS feed",
}
_WRAPPERS = frozenset({"pmc-articleset", "articles"})


def article_of(payload: RawPayload) -> etree._Element:
    """The ``article`` element, without namespace.

    Raises:
        UnsupportedFormatError: another kind of XML, named; or several articles in one file.
        PayloadError: see :func:`read_xml`.
    """
    root = read_xml(payload)
    name = local_name(root)
    if name in _WRAPPERS:
        articles = [child for child in root if isinstance(child.tag, str) and local_name(child) == "article"]
        if len(articles) != 1:
            raise _unsupported(payload, f"a set of {len(articles)} articles; one article a file is accepted")
        root, name = articles[0], "article"
    if name == "errorBean":
        said = root.findtext("errMsg") or inline_text(root)
        raise _unsupported(payload, f"an error message of Europe PMC ({said[:200]!r}), not an article")
    if name != "article":
        raise _unsupported(payload, _FOREIGN.get(name.lower(), f"XML with the root element <{name[:60]}>"))
    _drop_namespace(root)
    return root


def _drop_namespace(root: etree._Element) -> None:
    """Some archives put all of JATS into a namespace."""
    namespace = etree.QName(root).namespace
    if namespace:
        for element in root.iter(f"{{{namespace}}}*"):
            element.tag = local_name(element)


def _unsupported(payload: RawPayload, what: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"{payload.source_id} is {what}.",
        remedy="Accepted XML is JATS (root element <article>).",
        source_id=payload.source_id,
        path=payload.uri,
        format=payload.format,
    )
