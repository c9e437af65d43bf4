"""Dagster's own programs, each a process of its own, on PostgreSQL: what the page on Dagster in production tells an operator."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from event_story import distinct, faults
from prometheus_client.parser import text_string_to_metric_families
from shipped_medkg import Medkg, write_study

pytestmark = pytest.mark.service

DOCUMENTS, BATCH = 120, 60
AWAY_SECONDS = 3.0
PATIENCE_SECONDS = 300.0
RUNS = """{
  runsOrError { ... on Runs { results { status tags { key value } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
}"""

StartProgram = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start_program(tmp_path: Path) -> Iterator[StartProgram]:
    """``start_program(environment, name, *arguments)``: a program of Dagster's with its log in the test's folder."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(environment: dict[str, str], name: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).with_name(name)), *arguments, "-m", "Medical_KG_rev.definitions"]
        with (tmp_path / f"{name}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    command, env=environment, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
            )
        return processes[-1]

    yield start
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_queued_batches_are_run_by_the_daemon_though_postgresql_goes_away(
    tmp_path: Path, models_dir: Path, own_server: Callable[[str], Any], start_program: StartProgram
) -> None:
    postgres = own_server("postgres")
    medkg = services(tmp_path, models_dir, postgres)
    for number in range(DOCUMENTS):
        write_study(tmp_path / "records", f"NCT{number:08d}", f"Study {number}", f"Metformin in group {number}. " * 40)
    medkg("ingest", "local", tmp_path / "records", "--no-wait").expect(0)
    environment = {**medkg.environment, **medkg("ui", "--env", "--json").expect(0).json}
    daemon = start_program(environment, "dagster-daemon", "run")
    port = free_port()
    start_program(environment, "dagster-webserver", "-p", str(port))

    until(lambda: medkg.ledger("SELECT 1 FROM batches WHERE status = 'running'"), daemon)
    postgres.kill()
    time.sleep(AWAY_SECONDS)
    postgres.start()
    assert medkg.ledger("SELECT count(*) FROM jobs WHERE status = 'completed'") != [(DOCUMENTS,)], "nothing was under way"
    until(lambda: medkg.ledger("SELECT count(*) FROM jobs WHERE status = 'completed'") == [(DOCUMENTS,)], daemon)

    assert medkg.ledger("SELECT count(DISTINCT doc_id), count(*) FROM jobs") == [(DOCUMENTS, DOCUMENTS)]
    events = distinct(json.loads(line) for line in medkg("events", "tail", "--json").expect(0).out.splitlines())
    assert faults(events) == []
    assert sum(event["type"].endswith("job.completed.v1") for event in events) == DOCUMENTS
    attempts = dict(medkg.ledger("SELECT batch_id, attempt FROM batches"))
    assert len(attempts) == DOCUMENTS / BATCH
    until(lambda: runs_by_key(port).keys() >= {f"{batch}:{last}" for batch, last in attempts.items()}, daemon)
    until(lambda: all("SUCCESS" in runs_by_key(port)[f"{batch}:{last}"] for batch, last in attempts.items()), daemon)
    assert set(runs_by_key(port)) == {f"{batch}:{number}" for batch, last in attempts.items() for number in range(1, last + 1)}
    assert "SENSOR" in healthy_daemons(port)
    metrics = sensor_metrics(medkg)
    assert time.time() - metrics["dagster_sensor_last_tick_timestamp_seconds"] < AWAY_SECONDS + 30
    assert {"dagster_sensor_ticks_total", "dagster_sensor_triggers_total"} < metrics.keys()


def services(folder: Path, models_dir: Path, postgres: Any) -> Medkg:
    """Profile ``services`` with PostgreSQL; objects and events stay in the data folder."""
    if not (models_dir / "static").is_dir():
        pytest.skip("the static model is not fetched; `medkg models fetch static` brings it")
    settings = {
        **postgres.environment,
        "MK_PROFILE": "services",
        "MK_OBJECT_STORE__KIND": "filesystem",
        "MK_EVENTS__SINK": "log",
        "MK_INDEX__KIND": "embedded",
        "MK_GRAPH__KIND": "ladybug",
        "MK_BATCH__SIZE": str(BATCH),
    }
    return Medkg(folder / "data", models_dir, settings)


def until(holds: Callable[[], Any], daemon: subprocess.Popen[bytes]) -> None:
    """Waits for it, while the daemon runs; a server that is away, or not there yet, is asked again."""
    from psycopg2 import OperationalError

    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert daemon.poll() is None, "the daemon has ended"
        with suppress(OperationalError, urllib.error.URLError):
            if holds():
                return
        time.sleep(0.2)
    raise AssertionError("it did not come to pass")


def ask(port: int) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": RUNS}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        data: dict[str, Any] = json.load(answer)["data"]
    return data


def runs_by_key(port: int) -> dict[str, list[str]]:
    """The statuses of the runs that the UI shows, by batch and attempt."""
    found: dict[str, list[str]] = {}
    for run in ask(port)["runsOrError"]["results"]:
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        assert tags["dagster/run_key"].partition("/")[0] == tags["medkg/run_key"], "`/2`: the first could not be launched"
        found.setdefault(tags["medkg/run_key"], []).append(run["status"])
    return found


def healthy_daemons(port: int) -> set[str]:
    statuses = ask(port)["instance"]["daemonHealth"]["allDaemonStatuses"]
    return {each["daemonType"] for each in statuses if each["healthy"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def sensor_metrics(medkg: Medkg) -> dict[str, float]:
    """What a worker serves of the sensor, which the daemon evaluates, once it has read it."""
    worker = medkg.start("worker", "--metrics-port", "0", "--json")
    assert worker.stdout is not None
    try:
        address, deadline = json.loads(worker.stdout.readline())["address"], time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with urllib.request.urlopen(address, timeout=20) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
            samples = [each for family in families for each in family.samples if "sensor" in each.labels]
            if samples:
                assert {each.labels["sensor"] for each in samples} <= {"queued_batches_sensor", "pdf_ir_ready_sensor"}
                return {each.name: each.value for each in samples}
            time.sleep(0.2)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.communicate()
    raise AssertionError("the worker serves nothing of the sensor")
