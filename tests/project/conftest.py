"""What the project says about itself: pyproject.toml, the locks, its packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def direct_dependencies(pyproject: dict[str, Any]) -> dict[str, Requirement]:
    """Every requirement that pyproject.toml names, extras included, by lower-case name."""
    project = pyproject["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    requirements = [Requirement(line) for line in lines]
    return {item.name.lower(): item for item in requirements if item.name != project["name"]}


def read_lock(path: Path) -> dict[str, str]:
    """Version by name; where a marker chooses between versions, the last (newest) one."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name.lower(): version for name, version in pins}


@pytest.fixture(scope="session")
def lock() -> dict[str, str]:
    return read_lock(REPOSITORY / "requirements-dev.txt")


@pytest.fixture(scope="session")
def runtime_lock() -> dict[str, str]:
    return read_lock(REPOSITORY / "requirements.txt")
