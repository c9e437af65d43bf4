"""MinerU, or the store that holds the PDFs, goes away while files wait at the gate: no job is lost, none is resumed twice."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from event_story import distinct, faults, unlike_ledger
from fault_proxy import Asked, serving, spoiling
from ingests_here import Ingests
from played_mineru import PlayedMineru
from shipped_medkg import Medkg

from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.settings_mineru import MineruSettings
from Medical_KG_rev.settings_pdf import PdfSettings
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.chaos

FILES = 4
AWAY_SECONDS = float(os.environ.get("MK_CHAOS_MINERU_SECONDS", "3"))
STORE_SECONDS = 4.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small PDFs."""
    made = tmp_path / "in"
    made.mkdir()
    for number in range(FILES):
        lines = [f"We gave metformin to group {number}.", f"Nobody in group {number} had lactic acidosis."]
        page = Page([Line(60, 760 - 20 * row, line) for row, line in enumerate(lines)])
        (made / f"group-{number}.pdf").write_bytes(text_pdf([page]))
    return made


def test_a_mineru_that_is_down_for_a_while_and_then_answers_garbage_costs_no_job(
    open_ingests: Callable[..., Ingests], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down, it resets every connection; afterwards it loses a task and garbles an answer of each kind, once."""
    monkeypatch.setattr("Medical_KG_rev.pdf_reading.FIRST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr("Medical_KG_rev.pdf_reading.LONGEST_PAUSE_SECONDS", 1.0)
    played = PlayedMineru()
    with serving(played) as upstream, spoiling(upstream, seconds=1.0) as proxy:
        mineru = MineruSettings(url=proxy.url, policy="polite-api", poll_seconds=0.2, away_seconds=1.0, timeout_seconds=5.0)
        ingests = open_ingests(pdf=PdfSettings(engine="mineru"), mineru=mineru)
        proxy.spoil("reset")

        def come_back() -> None:
            until(lambda: proxy.spoiled)
            time.sleep(AWAY_SECONDS)
            proxy.mend()
            played.forgetful = 1
            proxy.spoil("garbled", 1, where=is_result)
            proxy.spoil("noise", 1, where=is_submission)
            proxy.spoil("half", 1, where=is_result)

        server = threading.Thread(target=come_back)
        server.start()
        request = AdapterRequest(source="local", paths=(str(folder),))
        command = {"request": msgspec.to_builtins(request), "pipeline": "pdf-two-phase", "idempotency_key": None, "wait": True}
        ends = ingests.run(command="ingest", **command)
        server.join()
        assert set(ends.values()) == {("completed", "", "")}
        assert {mode for mode, _ in proxy.spoiled} == {"garbled", "noise", "half"}
    check_story(ingests)


def is_result(asked: Asked) -> bool:
    return asked.target.partition("?")[0].endswith("/result")


def is_submission(asked: Asked) -> bool:
    return (asked.method, asked.target.partition("?")[0]) == ("POST", "/v1/tasks")


def check_story(ingests: Ingests) -> None:
    ledger = ingests.platform.parts.ledger
    jobs = ledger.list_jobs("default", limit=100)
    attempts = [(job.job_id, each.stage, each.attempt, each.status) for job in jobs for each in ledger.attempts(job.job_id)]
    assert Counter(stage for _, stage, _, status in attempts if status == "completed")["parse"] == FILES
    assert any((stage, status) == ("parse", "failed") for _, stage, _, status in attempts), "the outage was met"
    check_events(ingests.events(), attempts, [(job.job_id, str(job.status), job.unchanged) for job in jobs])


def check_events(lines: Any, attempts: Any, jobs: Any) -> None:
    events = [event for event in distinct(lines) if not event["type"].endswith("stage.retrying.v1")]
    assert faults(events) == []
    assert unlike_ledger(events, attempts, jobs) == []
    passed = Counter(event["jobid"] for event in events if event["type"] == "com.medical-kg.gate.passed.v1")
    assert passed == Counter(job_id for job_id, _, _ in jobs)


@pytest.fixture
def stored(medkg: Medkg, postgres_database: str, own_server: Callable[[str], Any]) -> tuple[Medkg, Any]:
    """The command with PostgreSQL, and objects in an S3 server of the test's own."""
    s3 = own_server("s3")
    settings = {
        **s3.environment,
        "MK_DATABASE__URL": postgres_database,
        "MK_OBJECT_STORE__KIND": "s3",
        "MK_OBJECT_STORE__BUCKET": "pdfs",
        "MK_QUEUE__POLL_SECONDS": "0.2",
    }
    return medkg.on(medkg.data_dir, **settings), s3


@pytest.mark.service
def test_a_store_that_goes_away_while_pdfs_wait_costs_no_job(stored: tuple[Medkg, Any], folder: Path) -> None:
    command, s3 = stored
    command("ingest", "local", folder, "--no-wait", "--quiet").expect(0)
    worker = command.start("worker", "--json")
    try:
        until(lambda: command.ledger("SELECT 1 FROM jobs WHERE pdf_downloaded"))
        s3.kill()
        time.sleep(STORE_SECONDS)
        s3.start()
        until(lambda: command.ledger("SELECT count(*) FROM jobs WHERE status = 'completed'") == [(FILES,)])
        assert worker.poll() is None
    finally:
        worker.terminate()
        worker.communicate(timeout=60)
    lines = [json.loads(line) for line in command("events", "tail", "--json").expect(0).out.splitlines()]
    attempts = command.ledger("SELECT job_id, stage, attempt, status FROM stage_attempts")
    check_events(lines, attempts, command.ledger("SELECT job_id, status, unchanged FROM jobs"))


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 180.0
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
