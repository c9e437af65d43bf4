"""The shipped command on an empty data folder, and the samples to fill it with."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from shipped_medkg import Medkg


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
