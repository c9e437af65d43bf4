"""The official schemas as a judge of events, and a receiver of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from lineage_receiver import Receiver, facets_of, receiving
from referencing import Registry, Resource

from Medical_KG_rev.orchestration.lineage.facets import facet_schemas


@pytest.fixture(scope="session")
def registry(test_data: Path) -> Registry[Any]:
    """The schemas of OpenLineage and our own, by their ids."""
    folder = test_data / "schemas" / "openlineage"
    if not folder.is_dir():
        pytest.skip(f"the schemas of OpenLineage are not at {folder}")
    files = [folder / "OpenLineage.json", *sorted((folder / "facets").glob("*.json"))]
    schemas = [*(json.loads(file.read_text()) for file in files), *facet_schemas().values()]
    return Registry[Any]().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)


@pytest.fixture(scope="session")
def check(registry: Registry[Any]) -> Callable[[dict[str, Any]], None]:
    """Raises where an event, or any facet in it, breaks the schema that it names."""

    def validate(value: Any, schema_url: str) -> None:
        validator = jsonschema.Draft202012Validator(
            {"$ref": schema_url}, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        validator.validate(value)

    def check(event: dict[str, Any]) -> None:
        validate(event, event["schemaURL"])
        for facet in facets_of(event):
            validate(facet, facet["_schemaURL"])

    return check


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A lineage server's endpoint on loopback."""
    with receiving() as receiver:
        yield receiver
