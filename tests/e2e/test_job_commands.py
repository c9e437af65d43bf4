"""``medkg jobs``: cancel, watch, retry from a stage, pages; and the priority of an ingest."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from shipped_medkg import Medkg

pytestmark = pytest.mark.e2e


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(f"Invented words {name} about aspirin.")
    return folder


@pytest.fixture
def dead_endpoint() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


def test_a_queued_job_is_cancelled_and_never_run(medkg: Medkg, records: Path) -> None:
    queued = medkg("ingest", "local", records, "--no-wait", "--json").expect(0).json
    jobs = [document["job_id"] for document in queued["documents"]]
    cancelled = medkg("jobs", "cancel", jobs[0], "--reason", "changed our mind", "--json").expect(0).json
    assert cancelled == [{"job_id": jobs[0], "status": "cancelled", "cancel_requested": False}]
    assert medkg("jobs", "retry", "--queued", "--json").expect(0).json["completed"] == 2
    assert medkg("jobs", "show", jobs[0], "--json").json["status"] == "cancelled"
    assert medkg("jobs", "show", jobs[0], "--json").json["stages"] == []
    again = medkg("jobs", "cancel", jobs[0])
    assert again.code != 0
    assert "is cancelled" in again.err


def test_watch_ends_when_all_have_ended(medkg: Medkg, records: Path) -> None:
    (records / "empty.txt").write_text("")
    result = medkg("ingest", "local", records, "--json").expect(1).json
    watched = medkg("jobs", "watch", "--submission", result["batch_id"], "--json").expect(1)
    lines = [json.loads(line) for line in watched.out.splitlines()]
    assert sorted(line["status"] for line in lines) == ["completed", "completed", "completed", "failed"]
    good = [line["job_id"] for line in lines if line["status"] == "completed"]
    table = medkg("jobs", "watch", *good).expect(0).out
    assert "3 of 3 ended" in table
    assert all(job in table for job in good)
    assert "No job is on its way." in medkg("jobs", "watch").expect(0).err
    assert medkg("jobs", "watch", "j404").expect(2).out == ""


def test_watch_follows_a_job_to_its_end(medkg: Medkg, records: Path) -> None:
    queued = medkg("ingest", "local", records / "a.txt", "--no-wait", "--json").expect(0).json
    job = queued["documents"][0]["job_id"]
    watching = medkg.start("jobs", "watch", job, "--json")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["status"] == "queued"
    medkg("jobs", "retry", job, "--quiet").expect(0)
    out, err = watching.communicate(timeout=60)
    assert watching.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["status"] == "completed"


def test_a_retry_from_a_stage_runs_it_again(medkg: Medkg, records: Path, dead_endpoint: str) -> None:
    failing = medkg.on(medkg.data_dir, MK_EMBEDDING__MODEL="http", MK_EMBEDDING__BASE_URL=dead_endpoint)
    result = failing("ingest", "local", records / "a.txt", "--json").expect(1).json
    job = result["documents"][0]["job_id"]
    shown = failing("jobs", "show", job, "--json").json
    assert (shown["error"]["stage"], shown["failure_mark"] is not None) == ("embed", True)
    unknown = failing("jobs", "retry", job, "--from", "nowhere").expect(2)
    assert "ingest, parse, ir_validation, chunk, embed, index, extract, kg" in unknown.err

    failing("jobs", "retry", job, "--quiet").expect(1)
    failing("jobs", "retry", job, "--from", "chunk", "--quiet").expect(1)
    stages = failing("jobs", "show", job, "--json").json["stages"]
    statuses = {name: [stage["status"] for stage in stages if stage["stage"] == name] for name in ("parse", "chunk")}
    assert statuses == {"parse": ["completed", "skipped", "skipped"], "chunk": ["completed", "skipped", "completed"]}

    medkg("jobs", "retry", job, "--from", "chunk", "--quiet").expect(0)
    refused = medkg("jobs", "retry", job, "--from", "chunk").expect(2)
    assert "only failed and dead jobs go back to the queue" in refused.err


def test_pages_follow_each_other_without_gaps(library: Medkg) -> None:
    every = [job["job_id"] for job in library("jobs", "list", "--limit", "1000", "--json").json]
    pages: list[str] = []
    after: tuple[str, ...] = ()
    while page := library("jobs", "list", "--limit", "9", "--json", *after).json:
        pages += [job["job_id"] for job in page]
        after = ("--after", pages[-1])
    assert pages == every
    assert len(every) > 18


@pytest.mark.parametrize("priority", ["low", "high"])
def test_an_ingest_has_a_priority(medkg: Medkg, records: Path, priority: str) -> None:
    medkg("ingest", "local", records / "a.txt", "--no-wait", "--priority", priority, "--quiet").expect(0)
    job = medkg("jobs", "list", "--json").json[0]["job_id"]
    shown = medkg("jobs", "show", job, "--json").json
    assert (shown["priority"], shown["status"], shown["worker"]) == (priority, "queued", None)


def test_events_of_an_empty_folder_are_none_and_nothing_is_made(medkg: Medkg) -> None:
    ended = medkg("events", "tail").expect(0)
    assert (ended.out, ended.err.strip()) == ("", "No events.")
    assert not medkg.data_dir.exists()


def test_events_that_wait_are_shown(medkg: Medkg, records: Path) -> None:
    medkg("ingest", "local", records / "a.txt", "--no-wait", "--quiet").expect(0)
    job = medkg("jobs", "list", "--json").json[0]["job_id"]
    medkg("jobs", "cancel", job).expect(0)
    assert medkg.ledger("SELECT count(*) > 0 FROM outbox") == [(1,)]
    types = [json.loads(line)["type"] for line in medkg("events", "tail", "--job", job, "--json").expect(0).out.splitlines()]
    assert [name.rpartition("job.")[2] for name in types if "job." in name][-1].startswith("cancelled")
    assert medkg.ledger("SELECT count(*) FROM outbox") == [(0,)]


def test_an_unreachable_sink_is_named(medkg: Medkg, records: Path, dead_endpoint: str) -> None:
    medkg("ingest", "local", records / "a.txt", "--no-wait", "--quiet").expect(0)
    job = medkg("jobs", "list", "--json").json[0]["job_id"]
    medkg("jobs", "cancel", job).expect(0)
    servers = dead_endpoint.removeprefix("http://").removesuffix("/v1")
    kafka = medkg.on(medkg.data_dir, MK_EVENTS__SINK="kafka", MK_EVENTS__BOOTSTRAP_SERVERS=servers)
    refused = kafka("events", "tail").expect(3)
    assert servers in refused.err
    assert medkg.ledger("SELECT count(*) > 0 FROM outbox") == [(1,)]
