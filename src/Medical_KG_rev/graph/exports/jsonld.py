"""JSON-LD 1.1 (https://www.w3.org/TR/json-ld11/): the quads of the RDF export as nested objects, with the context in the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, BinaryIO

import msgspec

from Medical_KG_rev.graph.exports.outputs import Tally
from Medical_KG_rev.graph.exports.quads import PREFIXES, Literal, Quad, quads, term
from Medical_KG_rev.graph.results import GraphRecord, MentionRecord

CONTEXT: dict[str, Any] = {"@version": 1.1, **PREFIXES}
"""The prefixes, and nothing that changes what a value means: every value says itself whether it is an IRI."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_RDF_TYPE, _BOOLEAN, _INTEGER = term("rdf:type"), term("xsd:boolean"), term("xsd:integer")
_PLAIN_INTEGERS = 1 << 53
"""Beyond these, JSON numbers are not exact everywhere."""


def write(records: Iterable[GraphRecord], files: Sequence[BinaryIO], tally: Tally) -> None:
    """One object for each subject of a record, inside the graph that it is in; the same statements as in N-Quads."""
    (file,) = files
    file.write(b'{"@context":' + _encode(CONTEXT) + b',"@graph":[')
    separator = b"\n"
    for record in records:
        if isinstance(record, MentionRecord):
            tally.left("mentions")
            continue
        for node in nodes(quads(record)):
            file.write(separator + _encode(node))
            tally.wrote("objects")
            separator = b",\n"
    file.write(b"\n]}\n")


def nodes(statements: Iterable[Quad]) -> list[dict[str, Any]]:
    """Objects of the top level: those of the default graph, then one for each named graph with its own objects."""
    graphs: dict[str, dict[str, dict[str, Any]]] = {}
    for quad in statements:
        subjects = graphs.setdefault(quad.graph, {})
        node = subjects.setdefault(quad.subject, {"@id": quad.subject})
        if quad.predicate == _RDF_TYPE and isinstance(quad.object, str):
            node.setdefault("@type", []).append(_compact(quad.object))
        else:
            node.setdefault(_compact(quad.predicate), []).append(_value(quad.object))
    own = list(graphs.pop("", {}).values())
    return own + [{"@id": name, "@graph": list(subjects.values())} for name, subjects in graphs.items()]


@lru_cache(maxsize=4096)
def _compact(iri: str) -> str:
    for prefix, namespace in PREFIXES.items():
        if iri.startswith(namespace):
            local = iri[len(namespace) :]
            return f"{prefix}:{local}" if local and not local.startswith("//") else iri
    return iri


def _value(value: str | Literal) -> Any:
    if isinstance(value, str):
        return {"@id": value}
    if not value.datatype:
        return value.value
    if value.datatype == _BOOLEAN:
        return value.value == "true"
    if value.datatype == _INTEGER and abs(number := int(value.value)) < _PLAIN_INTEGERS:
        return number
    return {"@value": value.value, "@type": _compact(value.datatype)}
