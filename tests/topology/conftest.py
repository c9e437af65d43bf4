"""A folder of pipelines that tests fill themselves, and the shipped one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from Medical_KG_rev.orchestration.stages import StageRegistry
from Medical_KG_rev.orchestration.topology import PipelineLoader, ResiliencePolicyLoader

SOURCES = ("clinicaltrials", "openalex", "pmc-fulltext", "unpaywall", "core", "local")
HEAD = 'version: "1.0"\nname: {name}\ndescription: A test.\napplicable_sources: [local]\n'


@pytest.fixture(scope="session")
def shipped() -> Path:
    return Path(__file__).parents[2] / "config" / "orchestration"


@pytest.fixture
def make_loader(shipped: Path) -> Callable[[Path], PipelineLoader]:
    policies = ResiliencePolicyLoader(shipped).names()

    def make(directory: Path) -> PipelineLoader:
        return PipelineLoader(directory, policies=policies, stage_types=StageRegistry.builtin().names(), sources=SOURCES)

    return make


@pytest.fixture
def load_text(tmp_path: Path, make_loader: Callable[[Path], PipelineLoader]) -> Callable[..., object]:
    """Loads a pipeline from YAML text; ``stages`` alone gets a valid head before it."""

    def load(text: str | bytes = "", *, stages: str = "", name: str = "test") -> object:
        content = text or HEAD.format(name=name) + stages
        folder = tmp_path / "pipelines"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return make_loader(tmp_path).load(name)

    return load
