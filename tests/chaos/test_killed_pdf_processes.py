"""Daemon, worker, PDF worker, their children, the engine and the ingest are killed at random while PDFs pass the gate.

The long form of `test_killed_pdfs.py`, with the shipped programs on PostgreSQL: ``MK_CHAOS_ROUNDS`` says how many kills.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import pytest
from event_story import distinct, faults, unlike_ledger
from shipped_medkg import Medkg, worker_of

from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

ROUNDS = int(os.environ.get("MK_CHAOS_ROUNDS", "0"))
SEED = int(os.environ.get("MK_CHAOS_SEED", "20261128"))
VICTIMS = ("worker", "worker's child", "reader", "reader's child", "engine", "daemon", "ingest")
OPEN = "('queued', 'leased', 'running', 'stuck', 'waiting_at_gate')"
WAVE_FILES = 3
LONGEST_SECONDS = 4.0
PATIENCE_SECONDS = 400.0

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.service,
    pytest.mark.skipif(not ROUNDS, reason="MK_CHAOS_ROUNDS says how many kills there are; test_killed_pdfs.py is the short form"),
]


class System:
    """The three programs; one that has ended is started again."""

    def __init__(self, medkg: Medkg, logs: Path) -> None:
        home = medkg("ui", "--env", "--json").expect(0).json
        daemon = str(Path(sys.executable).with_name("dagster-daemon"))
        self._commands = {
            "worker": medkg.command("worker", "--json"),
            "reader": medkg.command("worker", "--pdf", "--json"),
            "daemon": [daemon, "run", "-m", "Medical_KG_rev.definitions"],
        }
        self._environment = {**medkg.environment, **home}
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def keep(self) -> None:
        for name, command in self._commands.items():
            if name not in self._running or self._running[name].poll() is not None:
                with (self._logs / f"{name}.log").open("ab") as log:
                    self._running[name] = subprocess.Popen(
                        command, env=self._environment, cwd=self._logs, stdout=log, stderr=log, start_new_session=True
                    )

    def pid(self, victim: str) -> int | None:
        """The process that is meant; None while there is none."""
        match victim:
            case "worker's child":
                return worker_of(self._running["worker"].pid)
            case "reader's child":
                return worker_of(self._running["reader"].pid)
            case "engine":
                child = worker_of(self._running["reader"].pid)
                return worker_of(child) if child is not None else None
            case name:
                return self._running[name].pid

    @contextmanager
    def running(self) -> Iterator[None]:
        self.keep()
        try:
            yield
        finally:
            for process in self._running.values():
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_whatever_is_killed_pdfs_are_completed_and_resumed_once(medkg: Medkg, postgres_database: str, tmp_path: Path) -> None:
    settings = {
        "MK_PROFILE": "services",
        "MK_DATABASE__URL": postgres_database,
        "MK_EVENTS__SINK": "log",
        "MK_OBJECT_STORE__KIND": "filesystem",
        "MK_INDEX__KIND": "embedded",
        "MK_GRAPH__KIND": "ladybug",
        "MK_QUEUE__LEASE_SECONDS": "10",
        "MK_QUEUE__POLL_SECONDS": "0.2",
    }
    killed, chance, folders = medkg.on(medkg.data_dir, **settings), random.Random(SEED), []
    system = System(killed, tmp_path)
    with system.running():
        for number, victim in zip(range(ROUNDS), itertools.cycle(VICTIMS), strict=False):
            folders.append(wave(tmp_path / "in", number))
            if victim == "ingest":
                command = killed.start("ingest", "local", folders[-1], "--quiet")
                time.sleep(chance.uniform(1.0, 2 * LONGEST_SECONDS))
                command.kill()
                command.communicate()
                continue
            killed("ingest", "local", folders[-1], "--no-wait", "--quiet").expect(0)
            time.sleep(chance.uniform(0.0, LONGEST_SECONDS))
            if (pid := system.pid(victim)) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            where = killed.ledger(f"SELECT current_stage, count(*) FROM jobs WHERE status IN {OPEN} GROUP BY 1")
            click.echo(f"{number:4} {victim:15} {pid} {where}")
            time.sleep(0.2)
            system.keep()
        killed("ingest", "local", *folders, "--no-wait", "--quiet").expect(0)  # what a killed ingest has not listed
        deadline = time.monotonic() + PATIENCE_SECONDS
        while killed.ledger(f"SELECT 1 FROM jobs WHERE status IN {OPEN}"):
            assert time.monotonic() < deadline, killed.ledger(f"SELECT * FROM jobs WHERE status IN {OPEN}")
            time.sleep(0.5)
    check(killed, len(folders) * WAVE_FILES)


def check(killed: Medkg, files: int) -> None:
    ended = killed.ledger("SELECT status, error_code, count(*) FROM jobs WHERE status <> 'completed' GROUP BY 1, 2")
    assert {(status, code) for status, code, _ in ended} <= {("dead", "worker_lost")}, "what lost all its workers is named"
    completed = killed.ledger("SELECT count(DISTINCT doc_id) FROM jobs WHERE status = 'completed'")[0][0]
    assert completed + sum(count for *_, count in ended) >= files
    events = [json.loads(line) for line in killed("events", "tail", "--json").expect(0).out.splitlines()]
    events = [event for event in distinct(events) if not event["type"].endswith("stage.retrying.v1")]
    assert faults(events) == []
    attempts = killed.ledger("SELECT job_id, stage, attempt, status FROM stage_attempts")
    assert unlike_ledger(events, attempts, killed.ledger("SELECT job_id, status, unchanged FROM jobs")) == []
    passed = Counter(event["jobid"] for event in events if event["type"] == "com.medical-kg.gate.passed.v1")
    assert set(passed.values()) == {1}, "none is resumed twice"
    assert set(passed) == {job_id for (job_id,) in killed.ledger("SELECT job_id FROM jobs WHERE post_pdf_started")}
    done = Counter((job_id, stage) for job_id, stage, _, status in attempts if status == "completed")
    assert set(done.values()) == {1}
    click.echo(f"{completed} documents completed, {len(ended)} dead; {len(events):,} events")


def wave(folder: Path, number: int) -> Path:
    """A folder of PDFs that are like no others."""
    made = folder / f"{number:04}"
    made.mkdir(parents=True)
    for file in range(WAVE_FILES):
        lines = [f"We gave metformin to group {number}-{file}.", f"None of group {number}-{file} had lactic acidosis."]
        page = Page([Line(60, 760 - 20 * row, line) for row, line in enumerate(lines)])
        (made / f"group-{number}-{file}.pdf").write_bytes(text_pdf([page]))
    return made
