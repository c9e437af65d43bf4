"""Every stage and source that is shipped passes the kit that others are held to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Medical_KG_rev.errors import ModelNotInstalledError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.testing import check_adapter, check_stage

pytestmark = pytest.mark.component


@pytest.fixture
def parts(make_settings: Callable[..., Settings]) -> Iterator[PlatformParts]:
    opened = PlatformParts(make_settings(embedding={"model": "static"}))
    yield opened
    opened.close()


@pytest.mark.parametrize("stage_type", ["parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"])
def test_stage(parts: PlatformParts, stage_type: str) -> None:
    try:
        implementation = parts.stage_types.build(stage_type, {})
    except ModelNotInstalledError as error:
        pytest.skip(str(error))
    check_stage(stage_type, implementation)


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterRequest:
    """Two texts and 700 JSON Lines records: more than a page."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.txt").write_text(f"An invented note, number {name}.\n\nIt has a second paragraph.\n")
    lines = [json.dumps({"_id": f"r{number}", "title": f"Record {number}", "text": "Invented."}) for number in range(700)]
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n")
    return AdapterRequest(source="local", paths=(str(folder),))


def test_local_source(parts: PlatformParts, shelf: AdapterRequest) -> None:
    records = check_adapter(parts.adapters.get("local"), shelf)
    assert len(records) == 702


def test_ingest_stage(parts: PlatformParts, shelf: AdapterRequest) -> None:
    path = Path(shelf.paths[0]) / "one.txt"
    request = AdapterRequest(source="local", ids=(str(path),))
    (payload,) = check_stage("ingest", parts.stage_types.build("ingest", {}), inputs=(request,))
    assert payload.content == path.read_bytes()
