"""Opening a ledger: migrated once, refused with a name where it cannot be, and never a password in what is said."""

from __future__ import annotations

import multiprocessing
import socket
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledger_toys import open_and_close
from real_servers import execute
from sqlalchemy import create_engine, text

import Medical_KG_rev.orchestration.ledger.database as database_module
from Medical_KG_rev.errors import (
    ConfigurationError,
    FormatVersionError,
    LedgerAccessError,
    LedgerUnavailableError,
    StoreCorruptError,
)
from Medical_KG_rev.orchestration.ledger import JobStatus, Ledger
from Medical_KG_rev.orchestration.ledger.database import HEAD, migrate
from Medical_KG_rev.orchestration.ledger.schema import metadata

pytestmark = pytest.mark.component


def clock() -> float:
    return 1_800_000_000.0


def alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(database_module.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic()).get_current_head() == HEAD


def test_the_migrated_schema_is_the_model(open_ledger: Callable[..., Ledger]) -> None:
    with open_ledger().engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_ledger_of_the_first_release_keeps_its_jobs(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    engine = create_engine(f"sqlite:///{path}")
    config = alembic()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for name, status in (("j1", "completed"), ("j2", "running"), ("j3", "queued")):
            connection.execute(
                text(
                    "INSERT INTO jobs (job_id, tenant_id, submission_id, batch_id, position, source, source_id, pipeline_name,"
                    " pipeline_version, status, pdf_downloaded, pdf_ir_ready, retry_count_per_stage, idempotency_key,"
                    " key_is_callers, unchanged, chunks, entities, claims, created_at, updated_at) VALUES"
                    " (:name, 't', 's', 'b', 0, 'toy', :name, 'auto', '1', :status, 0, 0, '{}', :name, 0, 0, 0, 0, 0, 1.0, 1.0)"
                ),
                {"name": name, "status": status},
            )
        connection.execute(
            text(
                "INSERT INTO batches (batch_id, submission_id, tenant_id, pipeline_name, pipeline_version, status, worker,"
                " created_at, updated_at) VALUES ('b', 's', 't', 'auto', '1', 'running', 'w', 1.0, 1.0)"
            )
        )
    engine.dispose()
    ledger = Ledger.open(path, clock)
    try:
        ledger.recovery.expire()
        ledger.recovery.expire()
        assert ledger.job("j1").status == JobStatus.COMPLETED
        assert ledger.job("j2").status == JobStatus.QUEUED
        assert [job.job_id for job in ledger.queue.unbatched()] == ["j3"]
    finally:
        ledger.close()


def test_two_processes_may_migrate_at_once(location: Path | str) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=open_and_close, args=(location, results)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == ["opened", "opened"]
    for process in processes:
        process.join(timeout=30)


def test_a_newer_schema_is_refused(open_ledger: Callable[..., Ledger]) -> None:
    ledger = open_ledger()
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    ledger.database.write(lambda connection: connection.execute(newer))
    with pytest.raises(FormatVersionError):
        migrate(ledger.database)
    assert ledger.database.read(database_module.revision) == "9999"


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"these are my notes, not a database\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError) as caught:
        Ledger.open(path, clock)
    assert caught.value.exit_code == 3
    assert path.read_bytes() == before


def test_the_name_of_a_file_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.open(Path("what?mode=memory.db"), clock)
    monkeypatch.chdir("/")
    with ledger.database.exclusive("toy") as held:
        assert held
    ledger.close()
    with sqlite3.connect(tmp_path / "what?mode=memory.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
    connection.close()


@pytest.mark.parametrize(
    "url", ["rubbish", "mysql://u:secret@h/x", "postgresql://u:secret@h:port/x", "secret@@://:::", "sqlite:///secret.db"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Ledger.open(url, clock)
    assert "secret" not in "".join(traceback.format_exception(caught.value)).replace(f"{url!r}", "")


def test_a_port_that_answers_nothing_is_given_up_in_time() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        with pytest.raises(LedgerUnavailableError) as caught:
            Ledger.open(f"postgresql+psycopg2://u:secret@127.0.0.1:{port}/x", clock, patience_seconds=0.5)
    assert "secret" not in str(caught.value)


@pytest.mark.service
def test_a_login_that_is_refused_is_named(postgres_database: str) -> None:
    missing = postgres_database + "_missing"
    with pytest.raises(LedgerAccessError):
        Ledger.open(missing, clock, patience_seconds=1.0)


@pytest.mark.service
def test_a_role_without_rights_is_named(postgres_database: str) -> None:
    name = postgres_database.rpartition("_")[2]
    role = f"toy_{name}"
    execute(postgres_database, f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        address = postgres_database.partition("@")[2]
        with pytest.raises(LedgerAccessError) as caught:
            Ledger.open(f"postgresql+psycopg2://{role}:secret@{address}", clock, patience_seconds=1.0)
        assert "secret" not in str(caught.value)
    finally:
        execute(postgres_database, f"DROP ROLE {role}")
