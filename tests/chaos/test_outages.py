"""PostgreSQL and Kafka go away in the middle of an ingest and come back: every document completes, every event is told."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from event_story import distinct, faults
from shipped_medkg import Medkg, write_study

pytestmark = [pytest.mark.chaos, pytest.mark.service]

DOCUMENTS = int(os.environ.get("MK_CHAOS_DOCUMENTS", "120"))
POSTGRES_SECONDS = float(os.environ.get("MK_CHAOS_POSTGRES_SECONDS", "6"))
KAFKA_SECONDS = float(os.environ.get("MK_CHAOS_KAFKA_SECONDS", "12"))


def completed(medkg: Medkg) -> int:
    import psycopg2

    with contextlib.suppress(psycopg2.Error):
        return int(medkg.ledger("SELECT count(*) FROM jobs WHERE status = 'completed'")[0][0])
    return 0


def test_an_ingest_outlives_postgresql_and_kafka(
    tmp_path: Path, static_models: Path, own_server: Callable[[str], Any], kafka_topic: str
) -> None:
    postgres, kafka = own_server("postgres"), own_server("kafka")
    records = tmp_path / "records"
    for number in range(DOCUMENTS):
        write_study(records, f"NCT{number:08d}", f"Study {number}", f"Metformin and lactic acidosis, study number {number}.")
    medkg = Medkg(
        tmp_path / "data",
        static_models,
        {
            **postgres.environment,
            **kafka.environment,
            "MK_EVENTS__SINK": "kafka",
            "MK_EVENTS__TOPIC": kafka_topic,
            "MK_BATCH__SIZE": "15",
        },
    )
    command = medkg.start("ingest", "local", records, "--json", "--quiet")
    deadline = time.monotonic() + 90
    while completed(medkg) < DOCUMENTS // 8 and command.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert command.poll() is None, "the ingest was over before anything was stopped"
    kafka.kill()
    postgres.kill()
    time.sleep(POSTGRES_SECONDS)
    postgres.start()
    time.sleep(max(0.0, KAFKA_SECONDS - POSTGRES_SECONDS))
    kafka.start()
    out, err = command.communicate(timeout=200)
    assert command.returncode == 0, err[-3000:]
    result = json.loads(out)
    assert (result["completed"], result["failed"]) == (DOCUMENTS, 0)
    assert medkg.ledger("SELECT count(DISTINCT doc_id) FROM jobs WHERE status = 'completed'") == [(DOCUMENTS,)]
    lines = medkg("events", "tail", "--json").expect(0).out.splitlines()
    events = distinct(json.loads(line) for line in lines)
    assert faults(events) == []
    assert sum(event["type"].endswith("job.completed.v1") for event in events) == DOCUMENTS
