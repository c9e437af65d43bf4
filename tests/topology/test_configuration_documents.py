"""The JSON Schema and the reference page follow the models, and the schema takes what the loader takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from Medical_KG_rev.orchestration.topology import read_yaml
from Medical_KG_rev.orchestration.topology.schema import (
    configuration_reference,
    export_schema,
    stale_documents,
    write_documents,
)
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(export_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_committed_documents_are_current() -> None:
    assert stale_documents(DOCS) == [], "run: python -m Medical_KG_rev.orchestration.topology.schema docs"


def test_schema_takes_every_shipped_file(validator: Any, shipped: Path) -> None:
    files = [shipped / "resilience.yaml", *shipped.glob("pipelines/*.yaml"), *shipped.glob("versions/*/*.yaml")]
    assert len(files) >= 5
    for path in files:
        validator.validate(read_yaml(path).value)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1.0},
        {"name": "With Space"},
        {"stages": []},
        {"stages": [{"name": "a", "type": "chunk"}]},
        {"extra": 1},
        {"gates": [{"name": "g", "condition": {"ledger_field": "x", "equals": True}, "resume_stage": "chunk"}]},
    ],
)
def test_schema_refuses_what_the_loader_refuses(validator: Any, shipped: Path, change: dict[str, Any]) -> None:
    pipeline = read_yaml(shipped / "pipelines" / "auto.yaml").value
    assert validator.is_valid(pipeline)
    assert not validator.is_valid({**pipeline, **change})


def test_schema_takes_one_predicate_and_several(validator: Any, shipped: Path) -> None:
    pipeline = read_yaml(shipped / "pipelines" / "auto.yaml").value
    predicate = {"ledger_field": "pdf_ir_ready", "equals": True}
    for condition in (predicate, [predicate, predicate]):
        assert validator.is_valid({**pipeline, "gates": [{"name": "g", "condition": condition, "resume_stage": "chunk"}]})


def test_reference_names_every_setting_with_its_default() -> None:
    page = configuration_reference()
    assert "| `MK_ADAPTERS__OPENALEX__PAGE_SIZE` | integer, ≥ 1, ≤ 1000 | `50` |" in page
    assert "| `MK_ADAPTERS__CLINICALTRIALS__PAGE_SIZE` | integer, ≥ 1, ≤ 1000 | `100` |" in page
    for name in Settings.model_fields:
        assert f"MK_{name.upper()}" in page
    assert "`exponential` \\| `linear` \\| `none`" in page


def test_reference_tells_nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MK_DATA_DIR", "/somewhere/secret")
    monkeypatch.setenv("MK_EMBEDDING__API_KEY", "secret")
    assert "secret" not in configuration_reference()


def test_writing_touches_only_what_is_stale(tmp_path: Path) -> None:
    written = write_documents(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "guides/pipeline-schema.json",
        "reference/configuration.md",
    ]
    written[0].write_text("{}")
    assert write_documents(tmp_path) == [written[0]]
    assert write_documents(tmp_path) == []
