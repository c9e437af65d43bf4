"""docs/reference/data-model.md names every predicate, type and graph property that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from Medical_KG_rev.extraction.predicates import PREDICATES
from Medical_KG_rev.graph.schema import RELATIONSHIPS, STATEMENTS
from Medical_KG_rev.models import BlockType, EntityType

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "data-model.md").read_text(encoding="utf-8")


def test_the_table_of_predicates_is_that_of_the_code() -> None:
    assert dict(re.findall(r"^\| `((?:biolink|MK):\w+)` \| (.+) \|$", PAGE, flags=re.MULTILINE)) == PREDICATES


@pytest.mark.parametrize("kind", [*EntityType, *BlockType])
def test_every_type_is_named(kind: str) -> None:
    assert re.search(rf"\b{kind}\b", PAGE)


def test_the_graph_has_the_tables_of_the_schema() -> None:
    assert all(f":{name}" in PAGE for name in RELATIONSHIPS)
    for statement in STATEMENTS[:4]:
        name, columns = re.findall(r"TABLE (\w+)\((.*)\)$", statement)[0]
        names = ", ".join(f"`{column.split()[0]}`" for column in columns.split(", "))
        assert f"| `{name}` | {names} |" in PAGE
