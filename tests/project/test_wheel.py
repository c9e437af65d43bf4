"""The wheel is whole: it works without the checkout it was built from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True, timeout=120)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_carries_pipelines_policies_and_samples(wheel: zipfile.ZipFile, repository: Path) -> None:
    names = {Path(name) for name in wheel.namelist()}
    package = repository / "src" / "Medical_KG_rev"
    config = [Path("Medical_KG_rev") / path.relative_to(repository) for path in (repository / "config").rglob("*.yaml")]
    data = [path.relative_to(repository / "src") for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(config) > 2
    assert [path for path in (*config, *data) if path not in names] == []


def test_it_brings_one_package_and_no_tests(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"Medical_KG_rev"}


def test_it_works_outside_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Unpacked before everything else on the path, in a folder where nothing of the checkout is."""
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    wheel.extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site), "MK_DATA_DIR": str(tmp_path / "data")}
    code = "import Medical_KG_rev.cli.main as cli; print(cli.__file__); cli.main(['pipelines', 'list', '--json'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=work, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    origin, _, listing = done.stdout.partition("\n")
    assert Path(origin).is_relative_to(site)
    assert {"auto", "clinical-trials"} <= {item["name"] for item in json.loads(listing)}
