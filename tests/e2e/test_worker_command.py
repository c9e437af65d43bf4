"""``medkg worker`` with real processes: it finishes, gives back, shares and goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from shipped_medkg import Medkg, write_study

pytestmark = pytest.mark.e2e

DOCUMENTS = 40
WAIT_SECONDS = 180.0
COMPLETED_STAGES = """SELECT j.source_id, s.stage, count(*) FROM stage_attempts s JOIN jobs j ON j.job_id = s.job_id
    WHERE s.status = 'completed' GROUP BY 1, 2 HAVING count(*) > 1"""


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    return write_studies(tmp_path / "studies", DOCUMENTS)


def write_studies(folder: Path, count: int) -> Path:
    for number in range(count):
        summary = " ".join(f"In group {number} patient {patient} had less pain after metformin." for patient in range(40))
        write_study(folder, f"NCT9998{number:04}", f"Study number {number}", summary)
    return folder


@pytest.fixture
def small_batches(medkg: Medkg) -> Medkg:
    return medkg.on(medkg.data_dir, MK_BATCH__SIZE="10", MK_QUEUE__POLL_SECONDS="0.2")


def test_a_worker_completes_what_was_only_submitted(medkg: Medkg, samples: Path) -> None:
    submitted = medkg("ingest", "local", samples, "--no-wait", "--json").expect(0).json["submitted"]
    ended = medkg("worker", "--once").expect(0)
    assert ended.out == ""
    assert f"batch of {submitted} documents" in ended.err
    assert medkg.ledger("SELECT status, count(*) FROM jobs GROUP BY status") == [("completed", submitted)]
    again = lines(medkg("worker", "--once", "--json").expect(0).out)
    assert again[-1] == {"event": "result", "result": {"batches": 0, "restarts": 0}}


def test_a_worker_told_to_end_gives_its_batch_back_and_the_next_one_finishes(medkg: Medkg, tmp_path: Path) -> None:
    many = 8 * DOCUMENTS  # one batch that lasts long enough to be interrupted
    medkg("ingest", "local", write_studies(tmp_path / "many", many), "--no-wait").expect(0)
    worker = medkg.start("worker", "--json")
    try:
        wait_for(lambda: medkg.ledger("SELECT 1 FROM stage_attempts WHERE status = 'completed' LIMIT 1"))
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=WAIT_SECONDS)
    finally:
        end(worker)
    assert worker.returncode == 0, err
    assert "draining" in [event["event"] for event in lines(out)]
    assert medkg.ledger("SELECT count(*) FROM batches WHERE status IN ('leased', 'running', 'stuck')") == [(0,)]
    assert medkg.ledger("SELECT count(*) FROM jobs WHERE status IN ('leased', 'running', 'stuck')") == [(0,)]
    assert medkg.ledger("SELECT count(*) FROM jobs WHERE status = 'queued'") != [(0,)], "it ended before it was told to"
    assert medkg.ledger("SELECT count(*) FROM stage_attempts WHERE status = 'failed'") == [(0,)], "a stage was cut off"
    medkg("worker", "--once").expect(0)
    assert medkg.ledger("SELECT status, count(*) FROM jobs GROUP BY status") == [("completed", many)]
    assert medkg.ledger(COMPLETED_STAGES) == []


def test_two_processes_run_no_batch_twice(small_batches: Medkg, studies: Path) -> None:
    small_batches("ingest", "local", studies, "--no-wait").expect(0)
    events = lines(small_batches("worker", "--once", "--processes", "2", "--json").expect(0).out)
    batches = [event for event in events if event["event"] == "batch"]
    assert len(batches) == DOCUMENTS / 10
    assert {event["process"] for event in batches} <= {1, 2}
    assert not [event for event in events if event["event"] in ("fault", "lease_lost")]
    assert small_batches.ledger("SELECT status, attempt FROM batches") == [("completed", 1)] * (DOCUMENTS // 10)
    assert small_batches.ledger("SELECT status, count(*) FROM jobs GROUP BY status") == [("completed", DOCUMENTS)]
    assert small_batches.ledger(COMPLETED_STAGES) == []


def test_a_killed_process_is_replaced_and_what_it_had_is_finished_and_measured(small_batches: Medkg, studies: Path) -> None:
    small_batches("ingest", "local", studies, "--no-wait").expect(0)
    worker = small_batches.start("worker", "--metrics-port", "0", "--json")
    assert worker.stdout is not None
    try:
        metrics = json.loads(worker.stdout.readline())["address"]
        started = json.loads(worker.stdout.readline())
        wait_for(lambda: small_batches.ledger("SELECT 1 FROM stage_attempts WHERE status = 'completed' LIMIT 1"))
        os.kill(started["pid"], signal.SIGKILL)
        wait_for(lambda: small_batches.ledger("SELECT count(*) FROM jobs WHERE status = 'completed'") == [(DOCUMENTS,)])
        done = re.compile(rf'^medkg_ledger_jobs\{{status="completed"\}} {DOCUMENTS}\.0$', re.MULTILINE)
        wait_for(lambda: done.search(scrape(metrics)))
        wait_for(lambda: re.search(r'^dagster_job_active\{pipeline="auto"\} 0\.0$', scrape(metrics), re.MULTILINE))
        wait_for(lambda: re.search(r'^dagster_stage_duration_seconds_count\{.*stage="embed"', scrape(metrics), re.MULTILINE))
        worker.send_signal(signal.SIGINT)
        out, err = worker.communicate(timeout=WAIT_SECONDS)
    finally:
        end(worker)
    assert worker.returncode == 0, err
    events = lines(out)
    fault = next(event for event in events if event["event"] == "fault")
    assert (fault["code"], fault["pid"]) == ("worker_ended", started["pid"])
    assert events[-1]["result"]["restarts"] == 1


def test_a_second_signal_stops_at_once(medkg: Medkg, studies: Path) -> None:
    medkg("ingest", "local", studies, "--no-wait").expect(0)
    worker = medkg.start("worker")
    try:
        wait_for(lambda: medkg.ledger("SELECT 1 FROM batches WHERE status = 'running'"))
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGINT)
        _out, err = worker.communicate(timeout=WAIT_SECONDS)
    finally:
        end(worker)
    assert worker.returncode == 130, err
    medkg("worker", "--once").expect(0)
    assert medkg.ledger("SELECT status, count(*) FROM jobs GROUP BY status") == [("completed", DOCUMENTS)]


def test_a_worker_that_cannot_work_says_why_and_ends(medkg: Medkg, studies: Path, tmp_path: Path) -> None:
    broken = tmp_path / "config"
    broken.mkdir()
    (broken / "resilience.yaml").write_text("policies: nothing\n")
    ended = medkg("worker", "--processes", "2", MK_CONFIG_DIR=str(broken)).expect(2)
    assert "resilience.yaml" in ended.err
    assert "Traceback" not in ended.err


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def scrape(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def end(worker: subprocess.Popen[str]) -> None:
    if worker.poll() is None:
        worker.kill()  # its children end with it: their standard input does
        worker.communicate()
