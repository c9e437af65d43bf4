"""Dagster's history in PostgreSQL: a batch through it, pools, new homes, secrets, dead runs, retention."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterRunStatus
from sqlalchemy import create_engine, text

from Medical_KG_rev.errors import LedgerAccessError, StoreUnavailableError, is_transient
from Medical_KG_rev.orchestration.dagster.history import close_lost_runs, prune_runs
from Medical_KG_rev.orchestration.dagster.instance import open_instance
from Medical_KG_rev.orchestration.dagster.jobs import launched_job
from Medical_KG_rev.orchestration.dagster.run_tags import run_tags
from Medical_KG_rev.orchestration.ledger import Batch
from Medical_KG_rev.orchestration.ledger.recovery import LOST
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.service

OPEN = """
import sys
from pathlib import Path
from Medical_KG_rev.orchestration.dagster.instance import open_instance
with open_instance(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]) as instance:
    print(instance.get_runs_count())
"""


def test_a_batch_leaves_its_run_in_postgres_and_no_password_on_disk(
    parts: PlatformParts, submit: Any, run_leased: Any, postgres_database: str, tmp_path: Path
) -> None:
    (batch,) = submit(parts, "NCT99990001")
    run_leased(parts, batch)
    assert parts.ledger.batch(batch.batch_id).status == "completed"
    (record,) = parts.dagster.get_run_records()
    assert record.dagster_run.status == DagsterRunStatus.SUCCESS
    assert {name: record.dagster_run.tags[name] for name in run_tags(batch, 1)} == run_tags(batch, 1)
    assert record.dagster_run.tags["medkg/run_key"] == f"{batch.batch_id}:1"
    with create_engine(postgres_database).connect() as connection:
        stored = connection.execute(text("SELECT run_id FROM dagster.runs")).scalars().all()
        revisions = [connection.execute(text(f"SELECT version_num FROM {s}alembic_version")).scalar() for s in ("", "dagster.")]
    assert stored == [record.dagster_run.run_id]
    assert revisions[0] != revisions[1], "the ledger's tables and Dagster's do not get into each other's way"
    secret = postgres_database.rpartition("@")[0].rpartition(":")[2]
    texts = [file.read_text(errors="replace") for file in tmp_path.rglob("*.yaml")]
    assert texts
    assert not any(postgres_database in content or (len(secret) > 8 and secret in content) for content in texts)


def test_a_run_uses_the_connections_that_are_open(
    parts: PlatformParts, submit: Any, run_leased: Any, postgres_database: str
) -> None:
    first, second = submit(parts, "NCT99990001", "NCT99990002")
    run_leased(parts, first)
    before = _sessions(postgres_database)
    run_leased(parts, second)
    assert _sessions(postgres_database) - before <= 5, "the stock storages would have opened some 150"


def test_processes_that_open_a_new_history_at_once_do_not_disturb_each_other(
    postgres_database: str, tmp_path: Path, settings: Settings
) -> None:
    template = settings.orchestration_dir() / "dagster-services.yaml"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path / f"home{number}"), str(template), postgres_database],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "0\n"), err
        assert "Retrying" not in err


def test_a_run_whose_process_was_killed_is_closed_when_its_batch_runs_again(
    parts: PlatformParts, submit: Any, run_leased: Any
) -> None:
    (batch,) = submit(parts, "NCT99990001")
    dead = _die_in_a_run(parts, batch)
    run_leased(parts, batch)
    statuses = {record.dagster_run.run_id: record.dagster_run.status for record in parts.dagster.get_run_records()}
    assert statuses.pop(dead) == DagsterRunStatus.FAILURE
    assert list(statuses.values()) == [DagsterRunStatus.SUCCESS]


def test_the_clean_up_closes_dead_runs_and_leaves_living_ones(parts: PlatformParts, submit: Any) -> None:
    first, second = submit(parts, "NCT99990001", "NCT99990002")
    dead = _die_in_a_run(parts, first)
    assert parts.ledger.queue.lease("another", 60, batch_ids=[second.batch_id]) is not None
    living = _begin_run(parts, second)
    assert close_lost_runs(parts.dagster, parts.ledger, time.time()) == [], "too young to be judged"
    assert close_lost_runs(parts.dagster, parts.ledger, time.time() + 120) == [dead]
    assert parts.dagster.get_run_by_id(dead).status == DagsterRunStatus.FAILURE  # type: ignore[union-attr]
    assert parts.dagster.get_run_by_id(living).status == DagsterRunStatus.STARTED  # type: ignore[union-attr]


def test_old_runs_go_with_their_events_and_unfinished_ones_stay(parts: PlatformParts, submit: Any, run_leased: Any) -> None:
    first, second, third = submit(parts, "NCT99990001", "NCT99990002", "NCT99990003")
    run_leased(parts, first)
    run_leased(parts, second)
    unfinished = _begin_run(parts, third)
    day = 86_400.0
    assert prune_runs(parts.dagster, day, 10, now=time.time()) == 0
    assert prune_runs(parts.dagster, day, 1, now=time.time() + 2 * day) == 1, "at most so many"
    assert prune_runs(parts.dagster, day, 10, now=time.time() + 2 * day) == 1
    assert [record.dagster_run.run_id for record in parts.dagster.get_run_records()] == [unfinished]
    assert parts.ledger.count_jobs()["completed"] == 2


def test_a_database_that_is_away_or_refuses_is_named(tmp_path: Path, settings: Settings, monkeypatch: Any) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("MEDKG_DAGSTER_POSTGRES_URL", "")
    template = settings.orchestration_dir() / "dagster-services.yaml"
    with pytest.raises(StoreUnavailableError) as away:
        open_instance(tmp_path, template, "postgresql+psycopg2://someone:sesame@127.0.0.1:1/none")
    assert is_transient(away.value)
    assert "sesame" not in str(away.value)


def test_a_wrong_password_or_user_is_not_tried_again(
    tmp_path: Path, settings: Settings, monkeypatch: Any, postgres_database: str
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("MEDKG_DAGSTER_POSTGRES_URL", "")
    template = settings.orchestration_dir() / "dagster-services.yaml"
    address = postgres_database.rpartition("@")[2]
    with pytest.raises(LedgerAccessError) as refused:
        open_instance(tmp_path, template, f"postgresql+psycopg2://nobody_here:sesame@{address}")
    assert not is_transient(refused.value)


def _sessions(url: str) -> int:
    """Connections ever opened to the database, but for the ones that ask."""
    with create_engine(url).connect() as connection:
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        time.sleep(1.1)  # the counters are written once a second
        query = text("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
        return int(connection.execute(query).scalar_one())


def _begin_run(parts: PlatformParts, batch: Batch) -> str:
    job = launched_job(parts.topologies.load("auto")).definition
    config = {"ops": {"auto_ingest": {"config": {"batch_id": batch.batch_id}}}}
    tags = run_tags(batch, 1)
    return parts.dagster.create_run_for_job(job, run_config=config, tags=tags, status=DagsterRunStatus.STARTED).run_id


def _die_in_a_run(parts: PlatformParts, batch: Batch) -> str:
    """What a worker leaves that is killed: a run that has begun, and a batch that the ledger takes back."""
    assert parts.ledger.queue.lease("killed", 60, batch_ids=[batch.batch_id]) is not None
    run_id = _begin_run(parts, batch)
    assert parts.ledger.recovery.release_worker("killed", LOST)
    return run_id
