"""Dagster's home under several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

OPEN = """
import sys
from pathlib import Path
from Medical_KG_rev.orchestration.dagster.instance import open_instance
with open_instance(Path(sys.argv[1]), Path(sys.argv[2])) as instance:
    print(instance.get_runs_count())
"""


def test_processes_that_open_a_new_home_at_once_do_not_disturb_each_other(tmp_path: Path, settings: Settings) -> None:
    template = settings.orchestration_dir() / "dagster.yaml"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path / "home"), str(template)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "0\n"), err
