"""What every test stands on: an empty home, no settings from outside, the real data where there is any."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from Medical_KG_rev.settings import Settings

pytest_plugins = [
    "remote_apis",  # tests/fixtures/http: ClinicalTrials.gov, OpenAlex, Europe PMC, an embedding endpoint
    "open_access_apis",  # beside it: Unpaywall, CORE, Europe PMC's records
    "real_servers",  # tests/fixtures/servers: PostgreSQL, Kafka, S3, OpenSearch, Neo4j
]

REPOSITORY = Path(__file__).resolve().parents[1]

# Read before the environment is emptied: where the models lie that set-up has brought, and where the real data is.
MODELS_DIR = Settings(profile="embedded").model_root.resolve()
TEST_DATA = Path(os.environ.get("MK_TEST_DATA") or REPOSITORY.parent / "shared" / "data")

# Shared runners are slow and uneven, so no example fails for its time. Reproducible: the same examples in every run.
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
hypothesis_settings.register_profile("reproducible", derandomize=True, deadline=None, database=None, suppress_health_check=_SLOW)
hypothesis_settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=_SLOW)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "reproducible"))


@pytest.fixture(scope="session", autouse=True)
def isolation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty home folder, no settings of the person who runs the tests, no telemetry. Child processes inherit it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("MK_", "XDG_", "DAGSTER_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        patch.setenv("MK_EXTRACTION__TEXT", "false")  # what reads texts has tests of its own, which ask for it
        yield


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data, read in place and never copied; its README says what is there."""
    if not TEST_DATA.is_dir():
        pytest.skip(f"real data is not at {TEST_DATA}; point MK_TEST_DATA at it")
    return TEST_DATA


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Where `make setup` has put the models."""
    return MODELS_DIR


@pytest.fixture
def make_settings(tmp_path: Path, models_dir: Path) -> Callable[..., Settings]:
    """Settings with a data folder of the test's own and the installed models; keyword arguments change single fields."""

    def make(**changes: object) -> Settings:
        return Settings(**{"data_dir": tmp_path / "data", "models_dir": models_dir, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()
