"""``medkg gates``: who waits, for what, and who is let through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gate_toys import GATE, at_gate, read_pdfs
from ledger_toys import Toys
from sqlalchemy import update

from Medical_KG_rev.cli.main import medkg
from Medical_KG_rev.errors import InvalidTransitionError, JobNotFoundError
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.orchestration.ledger.recovery import STOPPED
from Medical_KG_rev.orchestration.ledger.schema import jobs
from Medical_KG_rev.platform import Platform

pytestmark = pytest.mark.component


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Toys]:
    """A ledger in a data folder."""
    made = Toys(lambda clock: Ledger.open(tmp_path / "ledger.db", clock))
    yield made
    made.ledger.close()


def run(data_dir: Path, *arguments: str, tenant: str = "t1") -> Result:
    return CliRunner().invoke(medkg, ["gates", *arguments, "--data-dir", str(data_dir), "--tenant", tenant])


def waiting(desk: Toys, folder: Path, count: int = 1) -> list[str]:
    """Jobs of the shipped pipeline that wait at its gate."""
    made = [job.job_id for job in at_gate(desk, count)]
    with Platform.open(data_dir=folder, tenant="t1") as platform:
        pin = platform.parts.topologies.pin("pdf-two-phase")
    change = update(jobs).where(jobs.c.job_id.in_(made)).values(pipeline_name="pdf-two-phase", pipeline_version=pin)
    desk.ledger.database.write(lambda connection: connection.execute(change))
    return made


def test_those_that_wait_are_listed_with_their_pdf(desk: Toys, tmp_path: Path) -> None:
    made = waiting(desk, tmp_path, 2)
    read_pdfs(desk, 1)
    listed: list[dict[str, Any]] = json.loads(run(tmp_path, "list", "--json").stdout)
    assert [job["job_id"] for job in listed] == made
    assert {job["gate"] for job in listed} == {GATE}
    assert sorted((job["pdf"], job["flags"]["pdf_ir_ready"]) for job in listed) == [("done", True), ("queued", False)]
    shown = run(tmp_path, "list")
    assert all(job_id in shown.stdout for job_id in made)
    assert len(json.loads(run(tmp_path, "list", "--json", "--limit", "1").stdout)) == 1
    for nothing in (run(tmp_path, "list", "--gate", "other"), run(tmp_path, "list", tenant="t2")):
        assert (nothing.exit_code, "No job waits at a gate." in nothing.stderr) == (0, True)


def test_what_a_job_waits_for_is_explained(desk: Toys, tmp_path: Path) -> None:
    [job_id] = waiting(desk, tmp_path)
    told: dict[str, Any] = json.loads(run(tmp_path, "explain", job_id, "--json").stdout)
    assert told["condition"] == [{"field": "pdf_ir_ready", "must_be": True, "is": False, "met": False}]
    assert (told["resume_stage"], told["passed"], told["pdf"]["state"]) == ("chunk", False, "queued")
    queued = run(tmp_path, "explain", job_id).stdout
    assert "pdf_ir_ready must be true, and is false" in queued
    assert "`medkg worker --pdf` starts one" in queued
    desk.ledger.pdfs.lease("reader", 60.0)
    assert "leased by reader" in run(tmp_path, "explain", job_id).stdout
    desk.ledger.pdfs.release_worker("reader", STOPPED)
    read_pdfs(desk, 1)
    assert "goes on with the next look at the gates" in run(tmp_path, "explain", job_id).stdout
    desk.ledger.cancel(job_id, actor="me")
    assert "the job is cancelled" in run(tmp_path, "explain", job_id).stdout
    other = run(tmp_path, "explain", job_id, tenant="t2")
    assert isinstance(other.exception, JobNotFoundError)


def test_a_job_is_let_through_once_with_a_reason(desk: Toys, tmp_path: Path) -> None:
    [job_id] = waiting(desk, tmp_path)
    assert run(tmp_path, "open", job_id).exit_code == 2
    opened = run(tmp_path, "open", job_id, "--reason", "stored by hand", "--json")
    answer = json.loads(opened.stdout)
    assert (answer["job_id"], answer["status"], answer["gate"]) == (job_id, "queued", GATE)
    assert desk.ledger.batch(answer["batch_id"]).part == GATE
    [entry] = desk.ledger.audit.entries("t1", subject=job_id)
    assert (entry.action, entry.reason) == ("gates.open", "stored by hand")
    assert "the job has passed this gate" in run(tmp_path, "explain", job_id).stdout
    again = run(tmp_path, "open", job_id, "--reason", "again")
    assert isinstance(again.exception, InvalidTransitionError)
    assert "queued" in str(again.exception)


def test_what_was_opened_is_said(desk: Toys, tmp_path: Path) -> None:
    [job_id] = waiting(desk, tmp_path)
    opened = run(tmp_path, "open", job_id, "--reason", "stored by hand")
    assert f"{job_id} has passed {GATE} and is queued." in opened.stdout
    assert f"medkg jobs retry {job_id}" in opened.stderr
