"""The locks are complete, pinned by hash, without addresses, and what the environment and the documents say."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.unit

LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-uv.txt")
DAGSTER_FAMILY = ("dagster", "dagster-graphql", "dagster-pipes", "dagster-shared", "dagster-webserver")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_carries_no_addresses_and_no_paths(repository: Path, name: str) -> None:
    text = (repository / name).read_text(encoding="utf-8")
    assert not re.findall(r"\w+://\S+|^-[ief]\b.*|^--(?:index|extra|find|trusted)\S*", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_pinned_and_hashed(repository: Path, name: str) -> None:
    text = (repository / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n?", "", text, flags=re.MULTILINE).strip())
    assert entries
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_runtime_lock_is_part_of_the_development_lock(lock: dict[str, str], runtime_lock: dict[str, str]) -> None:
    assert runtime_lock.items() <= lock.items()


def test_the_locks_hold_every_dependency_in_a_permitted_version(
    direct_dependencies: dict[str, Requirement], lock: dict[str, str]
) -> None:
    unfit = {name: lock.get(name) for name, item in direct_dependencies.items() if lock.get(name, "") not in item.specifier}
    assert unfit == {}


def test_the_runtime_lock_holds_every_runtime_extra(pyproject: dict[str, Any], runtime_lock: dict[str, str]) -> None:
    project = pyproject["project"]
    runtime = [extra for name, extra in project["optional-dependencies"].items() if name not in ("dev", "docs", "ocr", "parquet")]
    names = {Requirement(line).name.lower() for group in (project["dependencies"], *runtime) for line in group}
    assert names - {project["name"]} <= runtime_lock.keys()


def test_the_environment_is_the_locked_one(direct_dependencies: dict[str, Requirement], lock: dict[str, str]) -> None:
    other = {name: version(name) for name in direct_dependencies if version(name) != lock[name]}
    assert other == {}, "run `make setup`"


def test_the_dagster_family_is_of_one_release(lock: dict[str, str]) -> None:
    assert {lock[name] for name in DAGSTER_FAMILY} == {lock["dagster"]}
    # Integration libraries carry 0.(minor + 16) for 1.minor.
    minor, patch = lock["dagster"].removeprefix("1.").split(".")
    assert lock["dagster-postgres"] == f"0.{int(minor) + 16}.{patch}"


@pytest.mark.parametrize("name", ["torch", "faiss-haystack", "opensearch-haystack"])
def test_what_was_decided_against_did_not_come_back(lock: dict[str, str], name: str) -> None:
    assert name not in lock


def test_sqlalchemy_keeps_psycopg2_as_what_postgresql_means(lock: dict[str, str]) -> None:
    assert lock["sqlalchemy"].startswith("2.0.")


def compatibility_rows(repository: Path) -> dict[str, tuple[str, str]]:
    """Required pin and ours, by library, from the first table of the compatibility page."""
    text = (repository / "docs" / "reference" / "compatibility.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| `[=>]=([\d.]+)` \| `([\d.]+)` \|", text, flags=re.MULTILINE)
    return {name: (required, ours) for name, required, ours in rows}


def test_the_compatibility_page_says_what_the_lock_says(repository: Path, lock: dict[str, str]) -> None:
    required = {
        "dagster": "1.5.14",
        "dagster-postgres": "0.21.14",
        "haystack-ai": "2.0.1",
        "tenacity": "8.2.3",
        "pybreaker": "1.0.2",
        "aiolimiter": "1.1.0",
        "cloudevents": "1.9.0",
        "openlineage-python": "1.1.0",
        "respx": "0.20.0",
    }
    assert compatibility_rows(repository) == {name: (pin, lock[name]) for name, pin in required.items()}


def test_every_direct_dependency_has_its_line(repository: Path, direct_dependencies: dict[str, Requirement]) -> None:
    text = (repository / "docs" / "dependencies.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `([A-Za-z0-9_.-]+)` \|", text, flags=re.MULTILINE)
    assert sorted(name.lower() for name in described) == sorted(direct_dependencies)
