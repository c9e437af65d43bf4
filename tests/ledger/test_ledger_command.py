"""``medkg ledger``: what there is, and the migration of a ledger that the first release wrote."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner, Result
from ledger_toys import Toys
from sqlalchemy import create_engine, text

import Medical_KG_rev.orchestration.ledger.database as database_module
from Medical_KG_rev.cli.main import medkg
from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.ledger import JobStatus, Ledger
from Medical_KG_rev.orchestration.ledger.backfill import STEP, jobs_with_pdf, use_pdf_pipeline
from Medical_KG_rev.orchestration.ledger.condition import describe
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

INSERT = text(
    "INSERT INTO jobs (job_id, tenant_id, submission_id, batch_id, position, source, source_id, pipeline_name,"
    " pipeline_version, status, pdf_downloaded, pdf_ir_ready, retry_count_per_stage, idempotency_key,"
    " key_is_callers, unchanged, chunks, entities, claims, created_at, updated_at) VALUES"
    " (:name, 't', 's', 'b', 0, 'toy', :name, 'auto', '1', :status, false, false, '{}', :name, false, false, 0, 0, 0, 1.0, 1.0)"
)
BATCH = text(
    "INSERT INTO batches (batch_id, submission_id, tenant_id, pipeline_name, pipeline_version, status, worker, created_at,"
    " updated_at) VALUES ('b', 's', 't', 'auto', '1', 'running', 'w', 1.0, 1.0)"
)


def clock() -> float:
    return 1_800_000_000.0


def write_first_ledger(url: str, *jobs: tuple[str, str]) -> None:
    """A ledger as the first release left it: at revision 0001."""
    config = Config()
    config.set_main_option("script_location", str(Path(database_module.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(INSERT, [{"name": name, "status": status} for name, status in jobs])
        connection.execute(BATCH)
    engine.dispose()


def name_pdf(ledger: Ledger, *job_ids: str) -> None:
    values = [{"id": job_id, "metadata": json.dumps({"pdf_url": f"https://example.org/{job_id}.pdf"})} for job_id in job_ids]
    statement = text("UPDATE jobs SET metadata = :metadata WHERE job_id = :id")
    ledger.database.write(lambda connection: connection.execute(statement, values))


@pytest.fixture
def old(location: Path | str) -> Path | str:
    """Queued, running and completed jobs of the first release."""
    url = f"sqlite:///{location}" if isinstance(location, Path) else location
    write_first_ledger(url, ("queued", "queued"), ("running", "running"), ("done", "completed"), ("plain", "queued"))
    return location


def test_jobs_on_their_way_with_a_pdf_get_its_pipeline_and_others_stay(old: Path | str) -> None:
    with closing(Ledger.open(old, clock)) as ledger:
        name_pdf(ledger, "queued", "running", "done")
        ledger.recovery.expire()
        report = use_pdf_pipeline(ledger, "1.0@abc")
        assert (report.examined, report.changed, report.held) == (3, 2, 0)
        assert {job.job_id: (job.pipeline_name, job.pipeline_version, job.status) for job in ledger.list_jobs("t")} == {
            "queued": ("pdf-two-phase", "1.0@abc", JobStatus.QUEUED),
            "running": ("pdf-two-phase", "1.0@abc", JobStatus.QUEUED),
            "done": ("auto", "1", JobStatus.COMPLETED),
            "plain": ("auto", "1", JobStatus.QUEUED),
        }
        assert {job.job_id for job in ledger.queue.unbatched()} == {"queued", "running", "plain"}
        assert ledger.job("queued").metadata == {"pdf_url": "https://example.org/queued.pdf"}


def test_migrated_fields_begin_with_the_defaults(old: Path | str) -> None:
    with closing(Ledger.open(old, clock)) as ledger:
        job = ledger.job("queued")
    assert (job.pdf_downloaded, job.pdf_ir_ready, job.post_pdf_started, job.current_stage) == (False, False, False, None)
    assert (job.pipeline_name, dict(job.retry_count_per_stage), dict(job.metadata)) == ("auto", {}, {})


def test_the_data_step_changes_nothing_the_second_time(old: Path | str) -> None:
    with closing(Ledger.open(old, clock)) as ledger:
        name_pdf(ledger, "queued")
        assert use_pdf_pipeline(ledger, "1.0@abc").changed == 1
        before = ledger.list_jobs("t")
        assert use_pdf_pipeline(ledger, "1.0@def").changed == 0
        assert ledger.list_jobs("t") == before


def test_a_job_at_a_worker_is_left_to_it_until_it_is_lost(toys: Toys) -> None:
    jobs = toys.submit(1)
    batch = toys.batch(jobs)
    assert toys.ledger.queue.lease("w", 60.0) is not None
    name_pdf(toys.ledger, jobs[0].job_id)
    report = use_pdf_pipeline(toys.ledger, "1.0@abc")
    assert (report.changed, report.held) == (0, 1)
    assert toys.ledger.job(jobs[0].job_id).pipeline_name == "auto"
    toys.run_out(batch.batch_id)
    toys.ledger.recovery.expire()
    assert use_pdf_pipeline(toys.ledger, "1.0@abc").changed == 1
    assert toys.ledger.queue.lease("w", 60.0) is None, "the batch of the other pipeline is empty"


def test_every_hundred_jobs_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [f"j{number:03}" for number in range(2 * STEP + 1)]
    write_first_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", *((name, "queued") for name in names))
    with closing(Ledger.open(tmp_path / "ledger.db", clock)) as ledger:
        name_pdf(ledger, *names)
        with caplog.at_level(logging.INFO, "Medical_KG_rev"):
            assert use_pdf_pipeline(ledger, "1.0@abc").changed == len(names)
    told = [record.message.split()[:3] for record in caplog.records if "jobs with a PDF" in record.message]
    assert told == [["100", "of", "201"], ["200", "of", "201"], ["201", "of", "201"]]


def test_the_condition_names_rows_and_revision(open_ledger: Callable[..., Ledger]) -> None:
    found: dict[str, Any] = describe(open_ledger().database)
    assert found["revision"] == found["head"] == database_module.HEAD
    assert found["rows"]["jobs"] == 0
    assert found["size_bytes"] > 0


def run(data_dir: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(medkg, ["ledger", *arguments, "--data-dir", str(data_dir)], env=environment)


def test_the_command_migrates_and_counts(tmp_path: Path) -> None:
    write_first_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", ("queued", "queued"), ("done", "completed"))
    migrated = run(tmp_path, "migrate", "--json", "--quiet")
    assert migrated.exit_code == 0, migrated.output
    assert json.loads(migrated.stdout) == {"revision": database_module.HEAD, "examined": 1, "changed": 0, "held": 0}
    found = json.loads(run(tmp_path, "status", "--json").stdout)
    assert (found["database"], found["rows"]["jobs"]) == ("sqlite", 2)
    assert found["size_bytes"] >= (tmp_path / "ledger.db").stat().st_size


def test_without_the_pipeline_nothing_is_changed_and_the_command_fails(tmp_path: Path) -> None:
    write_jobs_with_pdf(tmp_path)
    config = tmp_path / "config"
    shutil.copytree(Settings().orchestration_dir(), config)
    (config / "pipelines" / "pdf-two-phase.yaml").unlink()
    refused = run(tmp_path, "migrate", "--quiet", MK_CONFIG_DIR=str(config))
    assert isinstance(refused.exception, DagsterPipelineConfigError)
    assert refused.exception.exit_code != 0
    with closing(Ledger.open(tmp_path / "ledger.db", clock)) as ledger:
        assert [job.pipeline_name for job in jobs_with_pdf(ledger)] == ["auto"]


def test_with_the_pipeline_its_content_is_pinned(tmp_path: Path) -> None:
    write_jobs_with_pdf(tmp_path)
    migrated = run(tmp_path, "migrate", "--json", "--quiet")
    assert migrated.exit_code == 0, migrated.output
    assert json.loads(migrated.stdout)["changed"] == 1
    with closing(Ledger.open(tmp_path / "ledger.db", clock)) as ledger:
        job = ledger.job("queued")
        assert job.pipeline_name == "pdf-two-phase"
        assert ledger.topologies.get(job.pipeline_name, job.pipeline_version) is not None


def write_jobs_with_pdf(folder: Path) -> None:
    write_first_ledger(f"sqlite:///{folder / 'ledger.db'}", ("queued", "queued"), ("done", "completed"))
    with closing(Ledger.open(folder / "ledger.db", clock)) as ledger:
        name_pdf(ledger, "queued", "done")
