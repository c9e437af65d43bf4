"""Lineage is off unless asked for: the library is not imported, nothing is sent, nothing waits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import pytest
from lineage_receiver import BATCH, STAGE, Receiver
from shipped_medkg import Medkg

from Medical_KG_rev.orchestration.lineage import Lineage

pytestmark = pytest.mark.e2e


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH whose ``openlineage`` leaves a trace when a process imports it."""
    package = tmp_path / "trap" / "openlineage"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'imported')!r}).touch()\nraise RuntimeError('imported')\n"
    )
    return tmp_path / "trap"


def test_b4_off_means_no_import_no_request_and_documents_that_complete(
    trap: Path, tmp_path: Path, models_dir: Path, receiver: Receiver
) -> None:
    """Every stage of the shipped pipeline, in the command and in its worker process."""
    if not (models_dir / "static").is_dir():
        pytest.skip(f"the model `static` is not in {models_dir}; `medkg models fetch static` brings it")
    medkg = Medkg(tmp_path / "data", models_dir, {"PYTHONPATH": str(trap), "OPENLINEAGE_URL": receiver.url})
    samples = Path(str(resources.files("Medical_KG_rev") / "samples" / "corpus" / "openalex"))
    result = medkg("ingest", "local", samples, "--json", "--quiet").expect(0).json
    assert result["completed"] == result["submitted"] > 0
    assert not (tmp_path / "imported").exists()
    assert receiver.requests == []


def test_the_trap_catches_an_import(trap: Path, tmp_path: Path) -> None:
    """The test before could not fail otherwise."""
    code = "from Medical_KG_rev.orchestration.lineage import open_lineage; open_lineage('file', path='x')"
    environment = {**os.environ, "PYTHONPATH": str(trap)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "RuntimeError: imported" in ended.stderr
    assert (tmp_path / "imported").exists()


def test_the_room_alone_imports_nothing_of_the_library() -> None:
    code = (
        "import sys; import Medical_KG_rev.orchestration.lineage, Medical_KG_rev.orchestration.lineage.facets; "
        "sys.exit(any(name.partition('.')[0] in ('openlineage', 'requests', 'attr') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_off_costs_a_comparison() -> None:
    """What a runner does where lineage is None, 100,000 times."""
    lineage: Lineage | None = None
    started = time.perf_counter()
    for _ in range(100_000):
        if lineage is not None:
            lineage.stage_finished(BATCH, STAGE)
    assert time.perf_counter() - started < 0.1
