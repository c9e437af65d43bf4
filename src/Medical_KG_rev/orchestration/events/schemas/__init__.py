"""A JSON Schema (draft 7) of the data of every type of event, and of the attributes that they share."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

__all__ = ["Schema", "attributes_schema", "data_schema"]

Schema = dict[str, Any]


def data_schema(kind: str) -> Schema:
    """The schema of the data of a short type. Fields may be added to it; a consumer ignores those it does not know."""
    return _read(kind)


def attributes_schema() -> Schema:
    """The schema of the attributes, by their names in CloudEvents JSON format."""
    return _read("attributes")


def _read(name: str) -> Schema:
    schema: Schema = json.loads(resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return schema
