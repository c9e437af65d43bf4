"""Dagster's own home: its configuration, run history and event log."""

from __future__ import annotations

import fcntl
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from dagster import DagsterInstance

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.orchestration.dagster.faults import named_faults

POSTGRES_URL = "MEDKG_DAGSTER_POSTGRES_URL"
"""The variable through which ``dagster-services.yaml`` learns the address: a password belongs in no file."""


def prepare_home(home: Path, template: Path) -> Path:
    """Creates the folder with its ``dagster.yaml`` (the shipped one unless there is one already)."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        partial = home / f"dagster.yaml.{os.getpid()}"
        shutil.copyfile(template, partial)
        partial.replace(home / "dagster.yaml")
    return home


def home_environment(home: Path, postgres_url: str = "") -> dict[str, str]:
    """The variables that Dagster's processes need to find this home and, where it is in PostgreSQL, its history."""
    address = {POSTGRES_URL: postgres_url} if postgres_url else {}
    return {"DAGSTER_HOME": str(home.absolute()), **address}


def open_instance(home: Path, template: Path, postgres_url: str = "") -> DagsterInstance:
    """The instance whose runs the Dagster UI shows. Its configuration refers to variables that are set here.

    Dagster creates its databases without a lock: two processes that open a new home at once would each create them.

    Raises:
        StoreUnavailableError: the database of the history does not answer.
        LedgerAccessError: it refuses the login.
        PartUnavailableError: Dagster's library for PostgreSQL is not installed.
    """
    if postgres_url and find_spec("dagster_postgres") is None:
        raise PartUnavailableError.not_installed("Dagster's library for PostgreSQL, dagster-postgres,", "postgres")
    os.environ.update(home_environment(home, postgres_url))
    prepare_home(home, template)
    with (home / "open.lock").open("w") as lock, named_faults():
        fcntl.flock(lock, fcntl.LOCK_EX)
        return DagsterInstance.from_config(str(home))
