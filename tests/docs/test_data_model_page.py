"""docs/reference/data-model.md names every predicate and type, docs/reference/graph.md all of the graph's schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from Medical_KG_rev.extraction.predicates import PREDICATES
from Medical_KG_rev.graph.schema import graph_schema
from Medical_KG_rev.models import BlockType, EntityType

pytestmark = pytest.mark.unit

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "data-model.md").read_text(encoding="utf-8")
GRAPH_PAGE = (REFERENCE / "graph.md").read_text(encoding="utf-8")


def test_the_table_of_predicates_is_that_of_the_code() -> None:
    assert dict(re.findall(r"^\| `((?:biolink|MK):\w+)` \| (.+) \|$", PAGE, flags=re.MULTILINE)) == PREDICATES


@pytest.mark.parametrize("kind", [*EntityType, *BlockType])
def test_every_type_is_named(kind: str) -> None:
    assert re.search(rf"\b{kind}\b", PAGE)


def test_the_graph_page_has_the_schema() -> None:
    schema = graph_schema()
    for label, node in schema.nodes.items():
        properties = ", ".join(f"`{name}`" for name in node.properties)
        assert f"| `{label}` | {node.describes} | {properties} |" in GRAPH_PAGE
    for name, kind in schema.relationships.items():
        properties = ", ".join(f"`{key}`" for key in kind.properties)
        counts = f"{kind.each_from}, {kind.each_to}"
        assert f"| `{name}` | `{kind.source}` → `{kind.target}` | {counts} | {properties} |" in GRAPH_PAGE
