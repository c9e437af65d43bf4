"""`make help` is the single list of verbs, and continuous integration uses only those."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

PROMISED = {"setup", "check", "test", "test-all", "bench", "docs", "demo", "clean"}


@pytest.fixture(scope="module")
def verbs(repository: Path) -> set[str]:
    done = subprocess.run(["make", "help"], cwd=repository, capture_output=True, text=True, check=True, timeout=30)
    return set(re.findall(r"^  make ([a-z-]+)", done.stdout, flags=re.MULTILINE))


def test_help_lists_the_promised_verbs(verbs: set[str]) -> None:
    assert verbs >= PROMISED


def test_continuous_integration_calls_only_verbs(repository: Path, verbs: set[str]) -> None:
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    assert {"check", "test"} <= set(re.findall(r"^make ([a-z-]+)$", script, flags=re.MULTILINE)) <= verbs


def test_dependabot_moves_the_dagster_family_together(repository: Path) -> None:
    config = yaml.safe_load((repository / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    pip = next(update for update in config["updates"] if update["package-ecosystem"] == "pip")
    assert pip["groups"]["dagster"]["patterns"] == ["dagster*"]


def test_a_checkout_finds_its_pipelines(repository: Path) -> None:
    assert Settings().orchestration_dir() == repository / "config" / "orchestration"
    assert (Settings().orchestration_dir() / "resilience.yaml").is_file()
