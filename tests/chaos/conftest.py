"""The shipped command on an empty data folder, and the samples to fill it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from ingests_here import Ingests
from shipped_medkg import Medkg

from Medical_KG_rev.settings import BatchSettings, EmbeddingSettings, Settings

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "orchestration"


@pytest.fixture(scope="session")
def samples() -> Path:
    return Path(str(resources.files("Medical_KG_rev") / "samples" / "corpus"))


@pytest.fixture(scope="session")
def static_models(models_dir: Path) -> Path:
    if not (models_dir / "static").is_dir():
        pytest.skip(f"the model `static` is not in {models_dir}; `medkg models fetch static` brings it")
    return models_dir


@pytest.fixture
def medkg(tmp_path: Path, static_models: Path) -> Medkg:
    """On an empty data folder."""
    return Medkg(tmp_path / "data", static_models)


@pytest.fixture(scope="session")
def quick_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration, for `MK_CONFIG_DIR`: remote requests have three attempts and no pauses."""
    config = tmp_path_factory.mktemp("config")
    policies = yaml.safe_load((SHIPPED / "resilience.yaml").read_text("utf-8"))
    for name in ("polite-api", "gpu-bound"):
        policies["policies"][name] = {"max_attempts": 3, "backoff_strategy": "none", "timeout_seconds": 10.0}
    for name in ("default", "store-commit", "search-store"):
        policies["policies"][name] |= {"initial_backoff_seconds": 0.1, "jitter_seconds": 0.0}
    for path in SHIPPED.rglob("*.yaml"):
        (config / path.relative_to(SHIPPED)).parent.mkdir(parents=True, exist_ok=True)
        (config / path.relative_to(SHIPPED)).write_bytes(path.read_bytes())
    (config / "resilience.yaml").write_text(yaml.safe_dump(policies), "utf-8")
    return config


@pytest.fixture(scope="module")
def open_ingests(
    tmp_path_factory: pytest.TempPathFactory, static_models: Path, quick_config: Path
) -> Iterator[Callable[..., Ingests]]:
    """Opens ingests on a new data folder, with the quick configuration; one document a call."""
    usual = {
        "models_dir": static_models,
        "config_dir": quick_config,
        "batch": BatchSettings(fetch_slice=1, embed_slice=1),
        "embedding": EmbeddingSettings(model="static"),
    }

    def open_ingests(**changes: Any) -> Ingests:
        settings: dict[str, Any] = {**usual, "data_dir": tmp_path_factory.mktemp("data"), **changes}
        return opened.enter_context(closing(Ingests(Settings(**settings))))

    with ExitStack() as opened, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")  # opening an instance sets it
        yield open_ingests
