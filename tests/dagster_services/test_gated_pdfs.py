"""PDFs through download, gate and engine on real servers, with Dagster's daemon, a worker and a PDF worker as processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from event_story import distinct, faults, unlike_ledger
from shipped_medkg import Medkg

from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = [pytest.mark.service, pytest.mark.e2e]

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "orchestration"
PATIENCE_SECONDS = 240.0
SHORT_SECONDS = 3
FILES = ("one", "two", "by-hand", "opened")

StartProgram = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def medkg(
    tmp_path: Path,
    models_dir: Path,
    postgres_database: str,
    kafka_server: Any,
    kafka_topic: str,
    s3_server: Any,
    s3_bucket: str,
) -> Iterator[Medkg]:
    """The command on PostgreSQL, Kafka and S3; beside the shipped pipelines, `pdf-short` gives its gate little time."""
    from confluent_kafka.admin import AdminClient

    if not (models_dir / "static").is_dir():
        pytest.skip("the static model is not fetched; `medkg models fetch static` brings it")
    config = tmp_path / "config"
    shutil.copytree(SHIPPED, config)
    short = yaml.safe_load((config / "pipelines" / "pdf-two-phase.yaml").read_text("utf-8"))
    short["name"], short["gates"][0]["timeout_seconds"] = "pdf-short", SHORT_SECONDS
    (config / "pipelines" / "pdf-short.yaml").write_text(yaml.safe_dump(short), "utf-8")
    yield Medkg(
        tmp_path / "data",
        models_dir,
        {
            **s3_server.environment,
            "MK_PROFILE": "services",
            "MK_CONFIG_DIR": str(config),
            "MK_DATABASE__URL": postgres_database,
            "MK_EVENTS__BOOTSTRAP_SERVERS": kafka_server.address,
            "MK_EVENTS__TOPIC": kafka_topic,
            "MK_EVENTS__PDF_QUEUE_TOPIC": f"{kafka_topic}.queue",
            "MK_OBJECT_STORE__BUCKET": s3_bucket,
            "MK_INDEX__KIND": "embedded",
            "MK_GRAPH__KIND": "ladybug",
            "MK_QUEUE__POLL_SECONDS": "0.5",
        },
    )
    AdminClient({"bootstrap.servers": kafka_server.address}).delete_topics([f"{kafka_topic}.queue"])


@pytest.fixture
def start(tmp_path: Path, medkg: Medkg) -> Iterator[StartProgram]:
    """``start(name, *command)``: a program with its output in the test's folder; killed at the end."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(name: str, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{name}.log").open("wb") as log, (tmp_path / f"{name}.err").open("wb") as err:
            settings = {**medkg.environment, **environment}
            processes.append(
                subprocess.Popen(command, env=settings, cwd=tmp_path, stdout=log, stderr=err, start_new_session=True)
            )
        return processes[-1]

    yield run
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_pdfs_pass_the_gate_by_their_worker_by_hand_and_by_command_or_run_out_of_time(
    medkg: Medkg, start: StartProgram, tmp_path: Path, kafka_server: Any, kafka_topic: str
) -> None:
    reader = start("reader", *medkg.command("worker", "--pdf", "--json"))
    jobs = submitted(medkg, tmp_path / "in", *FILES)
    medkg("worker", "--once", "--quiet").expect(0)
    until(lambda: states(medkg, "pdf_queue", "state") == {"done": len(FILES)}, reader)
    assert told_of(kafka_server.address, f"{kafka_topic}.queue", len(FILES)) == set(jobs.values())
    assert states(medkg, "jobs") == {"waiting_at_gate": len(FILES)}, "whoever reads PDFs lets nobody through"

    by_hand, opened = jobs["by-hand"], jobs["opened"]
    change_ledger(medkg, f"UPDATE jobs SET pdf_ir_ready = false WHERE job_id IN ('{by_hand}', '{opened}')")
    daemon = start("daemon", program("dagster-daemon"), "run", "-m", "Medical_KG_rev.definitions", **dagster_home(medkg))
    until(lambda: states(medkg, "jobs").get("completed") == 2, daemon)
    assert status_of(medkg, by_hand) == status_of(medkg, opened) == "waiting_at_gate"

    worker = start("worker", *medkg.command("worker", "--json"))
    change_ledger(medkg, f"UPDATE jobs SET pdf_ir_ready = true WHERE job_id = '{by_hand}'")
    until(lambda: status_of(medkg, by_hand) == "completed", daemon, worker)
    waits = medkg("gates", "explain", opened, "--json").expect(0).json
    assert waits["condition"] == [{"field": "pdf_ir_ready", "must_be": True, "is": False, "met": False}]
    assert status_of(medkg, opened) == "waiting_at_gate"
    medkg("gates", "open", opened, "--reason", "its document is there").expect(0)
    until(lambda: status_of(medkg, opened) == "completed", daemon, worker)
    audit = medkg.ledger("SELECT action, subject, reason FROM audit WHERE action = 'gates.open'")
    assert audit == [("gates.open", opened, "its document is there")]

    os.kill(reader.pid, signal.SIGTERM)
    assert reader.wait(30) == 0
    late = submitted(medkg, tmp_path / "late", "late", pipeline="pdf-short")["late"]
    until(lambda: status_of(medkg, late) == "dead", daemon, worker)
    letter = medkg("dlq", "show", late, "--json").expect(0).json
    assert (letter["error_code"], letter["stage"]) == ("gate_not_met", "pdf_ir_ready")
    assert "medkg worker --pdf" in letter["error_message"]
    assert states(medkg, "pdf_queue", "state") == {"done": len(FILES), "cancelled": 1}

    check_once(medkg)
    hits = medkg("search", "zzyzx two", "--json").expect(0).json["hits"]
    assert {hit["page"] for hit in hits} == {1}


def check_once(medkg: Medkg) -> None:
    """Each job was resumed once, and the events tell it so."""
    resumed = medkg.ledger("SELECT job_id, stage FROM stage_attempts WHERE stage = 'ir_validation'")
    assert len(resumed) == len(set(resumed)) == len(FILES)
    assert medkg.ledger("SELECT count(*) FROM stage_attempts WHERE stage = 'parse'") == [(len(FILES),)]
    events = distinct(json.loads(line) for line in medkg("events", "tail", "--json").expect(0).out.splitlines())
    assert faults(events) == []
    attempts = medkg.ledger("SELECT job_id, stage, attempt, status FROM stage_attempts")
    assert unlike_ledger(events, attempts, medkg.ledger("SELECT job_id, status, unchanged FROM jobs")) == []
    kinds = [event["type"].removeprefix("com.medical-kg.").removesuffix(".v1") for event in events]
    assert (kinds.count("gate.passed"), kinds.count("gate.opened"), kinds.count("gate.expired")) == (3, 1, 1)


def submitted(medkg: Medkg, folder: Path, *names: str, pipeline: str | None = None) -> dict[str, str]:
    """Small PDFs, ingested without waiting: name → job."""
    folder.mkdir()
    for name in names:
        lines = [
            "A study of zzyzx",
            f"We gave metformin to adults of the group {name}.",
            f"The group zzyzx {name} had no lactic acidosis.",
        ]
        page = Page([Line(60, 760 - 20 * row, line, 16 if row == 0 else 10) for row, line in enumerate(lines)])
        (folder / f"{name}.pdf").write_bytes(text_pdf([page]))
    named = ("--pipeline", pipeline) if pipeline else ()
    result = medkg("ingest", "local", folder, "--no-wait", *named, "--json").expect(0).json
    return {Path(each["source_id"]).stem: each["job_id"] for each in result["documents"]}


def states(medkg: Medkg, table: str, column: str = "status") -> dict[str, int]:
    return dict(medkg.ledger(f"SELECT {column}, count(*) FROM {table} GROUP BY 1"))  # type: ignore[arg-type]


def status_of(medkg: Medkg, job_id: str) -> str:
    return str(medkg.ledger(f"SELECT status FROM jobs WHERE job_id = '{job_id}'")[0][0])


def change_ledger(medkg: Medkg, statement: str) -> None:
    """What a person does to the ledger with a client of the database."""
    import psycopg2

    address = medkg.settings["MK_DATABASE__URL"].replace("postgresql+psycopg2", "postgresql")
    with closing(psycopg2.connect(address)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def told_of(servers: str, topic: str, count: int) -> set[str]:
    """The keys of so many messages, by a client of its own."""
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": servers, "group.id": topic, "auto.offset.reset": "earliest"})
    with closing(consumer):
        consumer.subscribe([topic])
        found: set[str] = set()
        deadline = time.monotonic() + 60
        while len(found) < count and time.monotonic() < deadline:
            found |= {message.key().decode() for message in consumer.consume(10, 0.5) if message.error() is None}
    return found


def dagster_home(medkg: Medkg) -> dict[str, str]:
    found: dict[str, str] = medkg("ui", "--env", "--json").expect(0).json
    return found


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def until(holds: Callable[[], Any], *processes: subprocess.Popen[bytes]) -> None:
    """Waits for it, while these processes run."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert all(process.poll() is None for process in processes), "a process has ended"
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
