"""The package imports, is light, names what it offers, and stands on the real libraries."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import sysconfig
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import Medical_KG_rev

pytestmark = pytest.mark.unit

# Alembic runs these with its own context; they cannot be imported alone.
MIGRATIONS = ".migrations."
HEAVY = {
    "alembic", "dagster", "faiss", "haystack", "httpx", "ladybug", "lxml", "numpy", "onnxruntime", "posthog", "pydantic", "rich",
    "sqlalchemy", "tantivy", "tokenizers", "yaml",
}  # fmt: skip


def module_files() -> dict[str, Path]:
    """Every module by its file, so that none has to be imported to find the next."""
    root = Path(Medical_KG_rev.__file__).parent
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: path for name, path in found.items() if MIGRATIONS not in f"{name}."}


def modules() -> list[str]:
    return list(module_files())


def packages() -> list[str]:
    return [name for name, path in module_files().items() if path.name == "__init__.py"]


@pytest.mark.parametrize("name", modules())
def test_every_module_imports(name: str) -> None:
    assert importlib.import_module(name).__name__ == name


@pytest.mark.parametrize("name", packages())
def test_all_names_what_the_package_offers(name: str) -> None:
    """Its order is ruff's business (RUF022)."""
    package = importlib.import_module(name)
    body = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8")).body
    own = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)} - {"__getattr__", "__dir__"}
    imported = {
        alias.asname or alias.name
        for node in body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("Medical_KG_rev")
        for alias in node.names
    }
    # A package with code of its own imports what that code needs; one without imports only what it offers.
    public = {item for item in own or imported if not item.startswith("_")}
    offered = list(getattr(package, "__all__", ()))
    assert len(offered) == len(set(offered))
    assert public <= set(offered)
    if name != "Medical_KG_rev" or find_spec("Medical_KG_rev.platform"):
        assert [item for item in offered if not hasattr(package, item)] == []


def in_fresh_process(code: str, home: Path) -> str:
    """What ``code`` prints in an interpreter of its own with an empty home folder."""
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("module", ["Medical_KG_rev", "Medical_KG_rev.cli.main"])
def test_importing_the_package_loads_no_heavy_library(module: str, tmp_path: Path) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted({{n.partition('.')[0] for n in sys.modules}})))"
    assert HEAVY & set(json.loads(in_fresh_process(code, tmp_path))) == set()


def test_haystack_reports_nothing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = "import Medical_KG_rev, haystack; from haystack.telemetry import _telemetry as t; print(t.telemetry)"
    assert in_fresh_process(code, tmp_path).strip() == "None"
    assert list(tmp_path.iterdir()) == []


def test_libraries_are_the_installed_ones(direct_dependencies: dict[str, Requirement]) -> None:
    """No stand-in of ours, or of the working folder, answers for a library."""
    site = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}
    elsewhere = []
    for module, distributions in packages_distributions().items():
        if not module.isidentifier() or not direct_dependencies.keys() & {name.lower() for name in distributions}:
            continue
        spec = find_spec(module)
        places = [spec.origin] if spec and spec.origin else list(spec.submodule_search_locations or ()) if spec else []
        if not any(folder in Path(place).resolve().parents for place in places for folder in site):
            elsewhere.append(module)
    assert elsewhere == []


def test_the_checkout_offers_one_top_level_package(repository: Path) -> None:
    assert [path.name for path in (repository / "src").iterdir() if not path.name.startswith((".", "__"))] == ["Medical_KG_rev"]
