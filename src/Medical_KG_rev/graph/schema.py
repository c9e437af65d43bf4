"""The graph's schema (``schema.yaml``): labels, relationships, properties, and how often each must be there.

::

    (Document)-[:MENTIONS]->(Entity)            a place where it is named, with how the text speaks of it
    (Document)-[:DESCRIBES]->(Entity)           the study or publication that the document is about: the same id
    (Claim)-[:SUBJECT]->(Entity), (Claim)-[:OBJECT]->(Entity)
    (Evidence)-[:SUPPORTS]->(Claim)-[:GENERATED_BY]->(Activity)
    (Evidence)-[:DERIVED_FROM]->(Document)-[:FROM_SOURCE]->(Source), (Evidence)-[:IN_SECTION]->(Section)
    (Claim)-[:STATES]->(Assertion)              the same statement of any number of documents, with its belief
    (Entity)-[:RELATED_TO]->(Entity)            the assertion as one step

A Document is the record as ingested (its version); the Entity of the same id is the study or publication itself, which other
documents may cite before it is ingested, or after it was deleted. ``search_keys`` holds id, name and aliases in lower case;
``attributes`` and ``qualifiers`` are JSON objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

PropertyType = Literal["string", "integer", "number", "boolean", "strings", "json"]
Cardinality = Literal["0..", "0..1", "1", "1.."]


class Property(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One property of a node or relationship; see the head of ``schema.yaml``."""

    type: PropertyType
    required: bool = False
    form: Literal["", "curie", "predicate"] = ""
    least: float | None = None
    most: float | None = None
    values: tuple[str, ...] = ()
    index: bool = False


class NodeLabel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of node. ``key`` names the property that is unique within a tenant."""

    key: str
    properties: dict[str, Property]
    describes: str = ""
    made_by: Literal["write", "store"] = "write"


class Relationship(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from", "target": "to"}):
    """A kind of relationship, from nodes of the label ``source`` to nodes of the label ``target``."""

    source: str
    target: str
    properties: dict[str, Property] = {}
    each_from: Cardinality = "0.."
    each_to: Cardinality = "0.."
    provenance: bool = False
    describes: str = ""
    made_by: Literal["write", "store"] = "write"


class GraphSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All labels and relationships, in the order in which they can be written."""

    version: int
    nodes: dict[str, NodeLabel]
    relationships: dict[str, Relationship]

    def __post_init__(self) -> None:
        for label, node in self.nodes.items():
            if node.key not in node.properties:
                raise ValueError(f"the key {node.key} of {label} is none of its properties")
        for name, relationship in self.relationships.items():
            for end in (relationship.source, relationship.target):
                if end not in self.nodes:
                    raise ValueError(f"{name} names the unknown label {end}")

    @property
    def keys(self) -> dict[str, str]:
        """The key property of each label."""
        return {label: node.key for label, node in self.nodes.items()}


@cache
def graph_schema() -> GraphSchema:
    """The schema that comes with the package."""
    return msgspec.yaml.decode(files(__package__).joinpath("schema.yaml").read_bytes(), type=GraphSchema)


SCHEMA_VERSION = 2
"""What :func:`graph_schema` has too; here, so that the version is known without reading it."""

LADYBUG_TYPES: Mapping[PropertyType, str] = {
    "string": "STRING",
    "integer": "INT64",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "strings": "STRING[]",
    "json": "STRING",
}


def ladybug_statements(schema: GraphSchema) -> list[str]:
    """Makes the tables of an empty LadybugDB database."""
    statements = []
    for label, node in schema.nodes.items():
        columns = [f"{name} {_column(kind)}" for name, kind in node.properties.items()]
        statements.append(f"CREATE NODE TABLE {label}({', '.join(columns)}, PRIMARY KEY({node.key}))")
    for name, relationship in schema.relationships.items():
        columns = [f"FROM {relationship.source} TO {relationship.target}"]
        columns += [f"{key} {_column(kind)}" for key, kind in relationship.properties.items()]
        statements.append(f"CREATE REL TABLE {name}({', '.join(columns)})")
    return statements


def _column(kind: Property) -> str:
    return LADYBUG_TYPES[kind.type]
