"""Checks the rows of a write against the schema, before anything is written."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from Medical_KG_rev.graph.batch import GraphBatch, Row
from Medical_KG_rev.graph.biolink import PREDICATES
from Medical_KG_rev.graph.schema import GraphSchema, NodeLabel, Property, Relationship, graph_schema
from Medical_KG_rev.models import Violation

_CURIE = re.compile(r"[A-Za-z][\w.-]*:[^\s:][^\s]*")
_OWN_PREDICATE = re.compile(r"MK:[a-z][a-z0-9_]*")
MAX_ID_LENGTH = 512


def is_curie(text: str) -> bool:
    """A prefix, a colon and a local part without blanks, 512 characters at most."""
    return len(text) <= MAX_ID_LENGTH and _CURIE.fullmatch(text) is not None


def is_predicate(text: str) -> bool:
    """A Biolink predicate (``biolink:treats``), or one of our own (``MK:has_arm``)."""
    return text in PREDICATES or _OWN_PREDICATE.fullmatch(text) is not None


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (float, int),
    "boolean": (bool,),
    "strings": (list, tuple),
    "json": (str,),
}
_FORMS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "curie": (is_curie, "is not a CURIE"),
    "predicate": (is_predicate, "is an unknown predicate"),
}


_WORDS = {"0..1": "one at most", "1": "exactly one", "1..": "at least one"}


def schema_violations(batch: GraphBatch, schema: GraphSchema | None = None) -> Iterator[Violation]:
    """Every broken constraint of the schema, laid to the documents that the row comes from (none: an empty ``doc_id``)."""
    schema = schema or graph_schema()
    nodes = {**batch.nodes, "Entity": batch.entity_rows}
    owners = _owners(batch, schema)
    for label, rows in nodes.items():
        kind = schema.nodes[label]
        for key, row in rows.items():
            for constraint, reason in _row_faults(label, kind.properties, row):
                for doc_id in _documents(row, owners.get((label, key), ())):
                    yield Violation(doc_id, f"{label} {key}: {reason}", constraint, row)
    for name, edges in batch.edges.items():
        properties = schema.relationships[name].properties
        for edge in edges:
            for constraint, reason in _row_faults(name, properties, edge.properties):
                what = f"{name} from {edge.source} to {edge.target}: {reason}"
                yield Violation(edge.document, what, constraint, {"from": edge.source, "to": edge.target, **edge.properties})
    yield from _cardinality_faults(batch, nodes, owners, schema)


def _row_faults(owner: str, properties: Mapping[str, Property], row: Row) -> Iterator[tuple[str, str]]:
    for name, kind in properties.items():
        value: Any = row.get(name)
        if value is None or value == "" or value == []:
            if kind.required:
                yield f"{owner}.{name}.required", f"{name} is empty"
            continue
        fits = isinstance(value, _TYPES[kind.type]) and (kind.type == "boolean" or not isinstance(value, bool))
        if not fits:
            yield f"{owner}.{name}.type", f"{name} {value!r} is no {kind.type}"
            continue
        if kind.form and not _FORMS[kind.form][0](value):
            yield f"{owner}.{name}.form", f"{name} {value!r} {_FORMS[kind.form][1]}"
        if kind.values and value not in kind.values:
            yield f"{owner}.{name}.values", f"{name} {value!r} is none of {', '.join(kind.values)}"
        if (kind.least is not None or kind.most is not None) and not _within(value, kind):
            bounds = f"from {kind.least:g}" if kind.most is None else f"from {kind.least:g} to {kind.most:g}"
            yield f"{owner}.{name}.bounds", f"{name} {value} is not {bounds}"


def _within(value: float, kind: Property) -> bool:
    least = -math.inf if kind.least is None else kind.least
    most = math.inf if kind.most is None else kind.most
    return math.isfinite(value) and least <= value <= most


def _owners(batch: GraphBatch, schema: GraphSchema) -> dict[tuple[str, str], set[str]]:
    """The documents whose relationships touch a node that belongs to no single one."""
    shared = {label for label, kind in schema.nodes.items() if "document_id" not in kind.properties}
    owners: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for name, edges in batch.edges.items():
        kind = schema.relationships[name]
        for edge in edges:
            if kind.source in shared:
                owners[kind.source, edge.source].add(edge.document)
            if kind.target in shared:
                owners[kind.target, edge.target].add(edge.document)
    return owners


def _documents(row: Row, owners: set[str] | tuple[str, ...]) -> list[str]:
    own = row.get("document_id")
    return [own] if isinstance(own, str) else sorted(owners) or [""]


def _cardinality_faults(
    batch: GraphBatch, nodes: Mapping[str, Mapping[str, Row]], owners: Mapping[tuple[str, str], set[str]], schema: GraphSchema
) -> Iterator[Violation]:
    for name, kind in schema.relationships.items():
        if kind.made_by == "store":
            continue
        edges = batch.edges.get(name, [])
        for side, label, least, most, wording in _sides(name, kind, schema):
            counts = Counter(edge.source if side == "each_from" else edge.target for edge in edges)
            for key, row in nodes.get(label, {}).items():
                if not least <= counts[key] <= most:
                    reason = f"{label} {key} has {counts[key] or 'no'} {wording}, and needs {_WORDS[getattr(kind, side)]}"
                    for doc_id in _documents(row, owners.get((label, key), set())):
                        yield Violation(doc_id, reason, f"{name}.{side}", row)


def _sides(name: str, kind: Relationship, schema: GraphSchema) -> Iterator[tuple[str, str, int, float, str]]:
    """The ends of a relationship that are bounded: side, label, least, most, and in words."""
    bounds: Mapping[str, tuple[int, float]] = {"0..1": (0, 1), "1": (1, 1), "1..": (1, math.inf)}
    for side, label, wording in (
        ("each_from", kind.source, f"{kind.target} by {name}"),
        ("each_to", kind.target, f"{kind.source} by {name}"),
    ):
        bound = getattr(kind, side)
        if bound in bounds and _by_write(schema.nodes[label]):
            yield (side, label, *bounds[bound], wording)


def _by_write(kind: NodeLabel) -> bool:
    return kind.made_by == "write"
