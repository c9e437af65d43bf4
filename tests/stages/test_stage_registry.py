"""Stage types: the built-in ones, those of plugins, and what is said about unknown ones."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.models import Chunk, Document, StageContext
from Medical_KG_rev.orchestration.stages import StageRegistry, StageType, check_signature, contracts, without_config
from Medical_KG_rev.orchestration.topology import read_yaml

pytestmark = pytest.mark.component

BUILTIN = ("chunk", "download", "embed", "extract", "index", "ingest", "ir_validation", "kg", "parse")


class Halves:
    """Cuts in two; for tests."""

    fingerprint = "halves-1"

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        return []


def test_builtin_types_have_a_protocol_each() -> None:
    registry = StageRegistry.builtin()
    assert registry.names() == BUILTIN
    protocols = {registry.resolve(name).protocol for name in BUILTIN}
    assert protocols == {getattr(contracts, name) for name in contracts.__all__ if name.endswith("Stage")}


def test_a_contract_for_every_stage_type_in_every_shipped_pipeline() -> None:
    registry = StageRegistry.builtin()
    files = sorted((Path(__file__).parents[2] / "config" / "orchestration").glob("*/**/*.yaml"))
    assert files
    for path in files:
        for stage in read_yaml(path).value["stages"]:
            assert registry.resolve(stage["type"]).protocol.__module__ == contracts.__name__


def test_unknown_type_lists_the_valid_ones() -> None:
    with pytest.raises(
        DagsterPipelineConfigError, match=r"Stage type 'chonk' is unknown\. Valid types: chunk, download"
    ) as caught:
        StageRegistry.builtin().resolve("chonk")
    assert caught.value.valid == BUILTIN


def test_build_gives_the_factory_the_stages_config() -> None:
    stage = StageRegistry.builtin({"chunk": Halves}).build("chunk", {"size": 2})
    assert stage.config == {"size": 2}
    check_signature(contracts.ChunkStage, stage)


def test_config_that_nothing_reads_is_refused() -> None:
    registry = StageRegistry.builtin({"chunk": without_config(lambda: Halves({}))})
    assert registry.build("chunk", {}).config == {}
    with pytest.raises(DagsterPipelineConfigError, match="takes no config; found: overlap, size"):
        registry.build("chunk", {"size": 2, "overlap": 1})


def test_a_type_that_nothing_implements_says_so() -> None:
    with pytest.raises(DagsterPipelineConfigError, match="Nothing installed implements the stage type 'download'") as caught:
        StageRegistry.builtin({"chunk": Halves}).build("download", {})
    assert caught.value.valid == ("chunk",)


def test_a_factory_for_an_unknown_type() -> None:
    with pytest.raises(DagsterPipelineConfigError, match="'chonk' is unknown"):
        StageRegistry.builtin({"chonk": Halves})


def test_registering_twice_is_refused_and_registries_are_apart() -> None:
    registry = StageRegistry.builtin()
    registry.register(StageType("summarise", contracts.ChunkStage, Halves))
    with pytest.raises(DagsterPipelineConfigError, match="registered twice"):
        registry.register(StageType("summarise", contracts.ChunkStage))
    assert "summarise" not in StageRegistry.builtin().names()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a package with one entry point on the path, as an installer would."""

    def install(entry_point: str, code: str = "") -> None:
        monkeypatch.syspath_prepend(str(tmp_path))
        (tmp_path / "kit_plugin.py").write_text(code)
        info = tmp_path / "kit_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kit-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[medical_kg_rev.stages]\n{entry_point}\n")
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, "kit_plugin", raising=False)

    return install


PLUGIN = """
from Medical_KG_rev.orchestration.stages import StageType
from Medical_KG_rev.orchestration.stages.contracts import ChunkStage

class Whole:
    fingerprint = "whole-1"
    def __init__(self, config): pass
    def execute(self, ctx, document): return []

whole = StageType("whole", ChunkStage, Whole)
clash = StageType("chunk", ChunkStage, Whole)
"""


def test_discovers_types_of_installed_packages(install: Any) -> None:
    install("whole = kit_plugin:whole", PLUGIN)
    registry = StageRegistry.builtin()
    registry.discover()
    assert registry.build("whole", {}).fingerprint == "whole-1"


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("whole = kit_plugin:nothing", "cannot be loaded"),
        ("whole = kit_absent:whole", "cannot be loaded"),
        ("whole = kit_plugin:Whole", "is a type, not a StageType"),
        ("whole = kit_plugin:clash", "'chunk' is registered twice"),
    ],
)
def test_a_broken_plugin_is_named(install: Any, entry_point: str, message: str) -> None:
    install(entry_point, PLUGIN)
    with pytest.raises(DagsterPipelineConfigError, match=message):
        StageRegistry.builtin().discover()
