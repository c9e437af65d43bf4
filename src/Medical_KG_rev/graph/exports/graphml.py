"""GraphML (http://graphml.graphdrawing.org): entities as nodes, assertions as directed edges; for Gephi, Cytoscape, networkx."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec
from lxml import etree

from Medical_KG_rev.graph.exports.biolink_terms import category
from Medical_KG_rev.graph.exports.curies import iri
from Medical_KG_rev.graph.exports.outputs import Tally
from Medical_KG_rev.graph.exports.support import with_claims
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, DocumentRecord, EntityRecord, GraphRecord, MentionRecord

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
MAX_QUOTES = 20

_NODE = dict.fromkeys(("name", "type", "category", "iri", "aliases", "xrefs", "attributes", "status"), "string")
_EDGE = {
    "predicate": "string",
    "belief": "double",
    "belief_against": "double",
    "claims_for": "int",
    "claims_against": "int",
    "claims_hypothetical": "int",
    "claims_retracted": "int",
    "documents": "int",
    "qualifiers": "string",
    "evidence": "string",
}
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_encode = msgspec.json.Encoder(order="deterministic").encode


def write(records: Iterable[GraphRecord], files: Sequence[BinaryIO], tally: Tally) -> None:
    """Lists and objects are JSON text. What XML cannot hold becomes U+FFFD."""
    (file,) = files
    retracted: dict[str, str] = {}
    with etree.xmlfile(file, encoding="utf-8") as xml:
        xml.write_declaration()
        with xml.element("graphml", nsmap={None: NAMESPACE}):
            for kind, names in (("node", _NODE), ("edge", _EDGE)):
                for name, form in names.items():
                    key = {"id": f"{kind}_{name}", "for": kind, "attr.name": name, "attr.type": form}
                    xml.write(etree.Element("key", key))
            with xml.element("graph", {"id": "knowledge", "edgedefault": "directed"}):
                for record in with_claims(records):
                    _write(xml, record, retracted, tally)


def _write(xml: etree._IncrementalFileWriter, record: GraphRecord, retracted: dict[str, str], tally: Tally) -> None:
    match record:
        case DocumentRecord():
            if record.status != "live":
                retracted[record.id] = record.status
        case EntityRecord():
            xml.write(_element("node", {"id": record.id}, _node(record, retracted.get(record.id))))
            tally.wrote("nodes")
        case AssertionRow():
            ends = {"id": record.id, "source": record.subject.id, "target": record.object.id}
            xml.write(_element("edge", ends, _edge(record)))
            tally.wrote("edges")
        case ClaimRow():
            if record.object is None:
                tally.left("claims with a value")
        case MentionRecord():
            tally.left("mentions")


def _node(entity: EntityRecord, status: str | None) -> dict[str, Any]:
    return {
        "name": entity.name,
        "type": entity.type.value,
        "category": category(entity.id, entity.type),
        "iri": iri(entity.id),
        "aliases": list(entity.aliases),
        "xrefs": list(entity.xrefs),
        "attributes": dict(entity.attributes),
        "status": status,
    }


def _edge(assertion: AssertionRow) -> dict[str, Any]:
    evidence = [
        {"place": found.place, "quote": found.text, "negated": claim.negated, "status": claim.status}
        for claim in assertion.claims
        for found in claim.evidence
    ]
    return {name: getattr(assertion, name) for name in _EDGE if name != "evidence"} | {"evidence": evidence[:MAX_QUOTES]}


def _element(kind: str, attributes: Mapping[str, str], data: Mapping[str, Any]) -> etree._Element:
    element = etree.Element(kind, {name: _text(value) for name, value in attributes.items()})
    for name, value in data.items():
        if value not in (None, "", [], {}):
            etree.SubElement(element, "data", {"key": f"{kind}_{name}"}).text = _text(value)
    return element


def _text(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)
    text = value if isinstance(value, (str, int)) else _encode(value).decode()
    return _NOT_XML.sub("\ufffd", str(text))
