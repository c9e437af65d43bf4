"""Dagster's own home: its configuration, run history and event log."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dagster import DagsterInstance


def prepare_home(home: Path, template: Path) -> Path:
    """Creates the folder with its ``dagster.yaml`` (the shipped one unless there is one already)."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(template, home / "dagster.yaml")
    return home


def open_instance(home: Path, template: Path) -> DagsterInstance:
    """The instance whose runs the Dagster UI shows. Its configuration refers to ``DAGSTER_HOME``, which is set here."""
    os.environ["DAGSTER_HOME"] = str(home.absolute())
    return DagsterInstance.from_config(str(prepare_home(home, template)))
