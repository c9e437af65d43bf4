"""Dagster's own home: its configuration, run history and event log."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from dagster import DagsterInstance


def prepare_home(home: Path, template: Path) -> Path:
    """Creates the folder with its ``dagster.yaml`` (the shipped one unless there is one already)."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        partial = home / f"dagster.yaml.{os.getpid()}"
        shutil.copyfile(template, partial)
        partial.replace(home / "dagster.yaml")
    return home


def open_instance(home: Path, template: Path) -> DagsterInstance:
    """The instance whose runs the Dagster UI shows. Its configuration refers to ``DAGSTER_HOME``, which is set here.

    Dagster creates its databases without a lock: two processes that open a new home at once would each create them.
    """
    os.environ["DAGSTER_HOME"] = str(home.absolute())
    prepare_home(home, template)
    with (home / "open.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return DagsterInstance.from_config(str(home))
