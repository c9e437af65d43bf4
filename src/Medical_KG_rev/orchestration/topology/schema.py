"""What documentation and editors get from the configuration models: a JSON Schema and a reference page.

``python -m Medical_KG_rev.orchestration.topology.schema docs`` writes both below a documentation folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from Medical_KG_rev.orchestration.topology.models import PipelineTopologyConfig, ResiliencePolicies
from Medical_KG_rev.settings import Settings

SCHEMA_FILE = Path("guides") / "pipeline-schema.json"
REFERENCE_FILE = Path("reference") / "configuration.md"

Schema = Mapping[str, Any]

_INTRODUCTION = """\
# Configuration

<!-- Made by `python -m Medical_KG_rev.orchestration.topology.schema docs` from the models; change those. -->

Pipelines are the files `config/orchestration/pipelines/NAME.yaml`, policies are in `config/orchestration/resilience.yaml`.
`MK_CONFIG_DIR` names a folder of your own in their place. `medkg pipelines validate FILE` checks a file; what is wrong is
said with file, line, field and the valid values. Files are plain YAML: tags, anchors, aliases and keys that stand twice are
refused. The same as [JSON Schema](../guides/pipeline-schema.json), for editors.
"""

_SETTINGS_INTRODUCTION = """\
## Settings

Read from environment variables. Nothing is taken in place of a part that is configured and not there.
"""


def export_schema() -> str:
    """The JSON Schema of pipeline and policy files, as JSON text."""
    _, schema = models_json_schema(
        [(PipelineTopologyConfig, "validation"), (ResiliencePolicies, "validation")],
        by_alias=True,
        title="Orchestration of Medical_KG_rev",
        description="A pipeline (pipelines/NAME.yaml) or the resilience policies (resilience.yaml).",
    )
    roots = [{"$ref": f"#/$defs/{model.__name__}"} for model in (PipelineTopologyConfig, ResiliencePolicies)]
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "oneOf": roots, **schema}
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def configuration_reference() -> str:
    """The reference page of every key, range, default and environment variable, as Markdown."""
    parts = [_INTRODUCTION]
    for title, model in (("Pipelines", PipelineTopologyConfig), ("Policies", ResiliencePolicies)):
        parts.append(f"## {title}\n")
        parts.extend(_model_sections(model))
    parts.append(_SETTINGS_INTRODUCTION)
    parts.append(_table("Variable", _settings_rows()))
    return "\n".join(parts)


def documents() -> dict[Path, str]:
    """What is generated, by its path below the documentation folder."""
    return {SCHEMA_FILE: export_schema(), REFERENCE_FILE: configuration_reference()}


def stale_documents(docs: Path) -> list[Path]:
    """Generated files below a documentation folder that differ from what would be written now."""
    return [
        docs / path
        for path, content in documents().items()
        if not (docs / path).is_file() or (docs / path).read_text(encoding="utf-8") != content
    ]


def write_documents(docs: Path) -> list[Path]:
    """Writes the generated files that are stale; which ones."""
    stale = stale_documents(docs)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(documents()[path.relative_to(docs)], encoding="utf-8")
    return stale


def _model_sections(model: type[BaseModel]) -> Iterator[str]:
    """A section for the model and for each model below it."""
    schema = model.model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" not in part:
            continue
        required = set(part.get("required", ()))
        rows = (
            (name, _type(item), "required" if name in required else _default(item.get("default")), item.get("description", ""))
            for name, item in part["properties"].items()
        )
        yield f"### {part['title']}\n\n{part['description']}\n\n{_table('Key', rows)}"


def _settings_rows() -> Iterator[tuple[str, str, str, str]]:
    schema = Settings.model_json_schema()
    prefix = Settings.model_config.get("env_prefix", "")
    yield from _rows_below(schema, schema, prefix, {})


def _rows_below(part: Schema, root: Schema, prefix: str, given: Schema) -> Iterator[tuple[str, str, str, str]]:
    """Rows of a section's fields; ``given`` are defaults that the section's owner sets."""
    for name, item in part["properties"].items():
        default = given.get(name, item.get("default"))
        variable = prefix + name.upper()
        if "$ref" in item:
            section = root["$defs"][item["$ref"].rsplit("/", 1)[1]]
            yield from _rows_below(section, root, variable + "__", default if isinstance(default, dict) else {})
        else:
            yield variable, _type(item), _default(default), item.get("description", "")


def _type(item: Schema) -> str:
    if "$ref" in item:
        return str(item["$ref"]).rsplit("/", 1)[1]
    if "anyOf" in item:
        return " or ".join(_type(option) for option in item["anyOf"] if option.get("type") != "null")
    if "enum" in item:
        return " | ".join(f"`{value}`" for value in item["enum"])
    if "const" in item:
        return f"`{item['const']}`"
    if item.get("type") == "array":
        return f"list of {_type(item['items'])}" if "items" in item else "list"
    if item.get("type") == "object":
        values = item.get("additionalProperties", next(iter(item.get("patternProperties", {}).values()), {}))
        return f"mapping of {_type(values)}" if isinstance(values, dict) and values else "mapping"
    return str(item.get("type", "any value")) + _limits(item)


def _limits(item: Schema) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "maximum": "≤", "pattern": "matches"}
    limits = [
        f"{sign} `{item[key]}`" if key == "pattern" else f"{sign} {item[key]}" for key, sign in signs.items() if key in item
    ]
    return f", {', '.join(limits)}" if limits else ""


def _default(value: Any) -> str:
    return "" if value in (None, "", [], {}) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _table(first: str, rows: Iterator[tuple[str, str, str, str]]) -> str:
    lines = [f"| {first} | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    for name, kind, default, meaning in rows:
        cells = (f"`{name}`", kind, default, meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for written in write_documents(Path(sys.argv[1])):
        sys.stdout.write(f"{written}\n")
