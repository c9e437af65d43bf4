"""Events reach a file and an HTTP endpoint; a receiver that is slow, broken or absent costs a job nothing."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lineage_receiver import BATCH, STAGE, Receiver

from Medical_KG_rev.errors import ConfigurationError, PartUnavailableError
from Medical_KG_rev.orchestration.lineage import Lineage, open_lineage
from Medical_KG_rev.orchestration.lineage.emitter import OpenLineageEmitter
from Medical_KG_rev.orchestration.lineage.sender import SECONDS_BETWEEN_WARNINGS, BackgroundSender

pytestmark = pytest.mark.component


def tell_all(lineage: Lineage) -> None:
    lineage.batch_started(BATCH)
    lineage.stage_finished(BATCH, STAGE)
    lineage.batch_finished(BATCH, "completed")


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("Medical_KG_rev")]


def test_b3_the_chunk_run_has_its_input_documents_output_chunks_and_counts(
    receiver: Receiver, check: Callable[[dict[str, Any]], None]
) -> None:
    lineage = open_lineage("http", url=receiver.url)
    tell_all(lineage)
    lineage.close()
    for event in receiver.events:
        check(event)
    assert [event["eventType"] for event in receiver.events] == ["START", "START", "COMPLETE", "COMPLETE"]
    run = receiver.events[2]
    (given,), (made,) = run["inputs"], run["outputs"]
    assert (given["namespace"], given["name"]) == ("medical-kg://default", f"documents/{BATCH.batch_id}")
    assert (made["namespace"], made["name"]) == ("medical-kg://default", f"chunks/{BATCH.batch_id}")
    assert given["inputFacets"]["inputStatistics"]["rowCount"] == 10
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == 42
    assert receiver.requests[0][0] == "/api/v1/lineage"


def test_an_endpoint_gets_its_key(receiver: Receiver) -> None:
    lineage = open_lineage("http", url=receiver.url, endpoint="other/path", api_key="k-1")
    lineage.batch_started(BATCH)
    lineage.close()
    path, headers = receiver.requests[0]
    assert (path, headers["Authorization"]) == ("/other/path", "Bearer k-1")


def test_a_file_gets_a_line_an_event_and_keeps_the_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lineage.jsonl"
    for _ in range(2):
        lineage = open_lineage("file", path=path)
        tell_all(lineage)
        lineage.close()
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["eventType"] for event in events] == 2 * ["START", "START", "COMPLETE", "COMPLETE"]


def test_variables_and_files_of_the_library_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openlineage.yml").write_text("transport: {type: noop}")
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
    lineage = open_lineage("file", path=tmp_path / "lineage.jsonl")
    lineage.batch_started(BATCH)
    lineage.close()
    assert len((tmp_path / "lineage.jsonl").read_text().splitlines()) == 1
    assert receiver.events == []


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_receiver_that_hangs_delays_no_call_and_the_end_only_for_a_bounded_time(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    from Medical_KG_rev.orchestration.lineage.transports import LineageTarget, open_transport

    receiver.delay_seconds = 3.0
    transport = open_transport(LineageTarget("http", url=receiver.url, timeout_seconds=30))
    lineage = OpenLineageEmitter(transport, close_seconds=0.2)
    started = time.perf_counter()
    for _ in range(100):
        lineage.stage_finished(BATCH, STAGE)
    told = time.perf_counter() - started
    lineage.close()
    closed = time.perf_counter() - started - told
    assert told < 0.1, f"{told:.3f} s for 100 calls"
    assert closed < 1.0
    assert warnings_of(caplog) == ["Lineage: not all that waits could be sent within 0.2 s; it is lost."]


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_receiver_that_refuses_is_a_warning(status: int, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.status = status
    lineage = open_lineage("http", url=receiver.url)
    tell_all(lineage)
    lineage.close()
    first, rest = warnings_of(caplog)
    assert first.startswith(f"Lineage: 1 events lost; the jobs go on. Last reason: HTTPError: {status}")
    assert rest == "Lineage: 2 more events lost."


def test_nobody_at_the_address_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    lineage = open_lineage("http", url="http://127.0.0.1:9")
    lineage.batch_started(BATCH)
    lineage.close()
    assert any("ConnectionError" in message for message in warnings_of(caplog))


def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lineage = open_lineage("file", path=tmp_path)
    lineage.batch_started(BATCH)
    lineage.close()
    assert any("Failed to write" in message for message in warnings_of(caplog))


def test_a_run_that_makes_no_event_is_a_warning_and_the_next_one_goes_out(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    lineage = open_lineage("http", url=receiver.url)
    lineage.stage_finished(BATCH, replace(STAGE, started_at=float("nan")))
    lineage.stage_finished(BATCH, STAGE)
    lineage.close()
    assert [event["eventType"] for event in receiver.events] == ["START", "COMPLETE"]
    assert "ValueError" in warnings_of(caplog)[0]


def test_too_many_waiting_events_are_lost_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    go, began = threading.Event(), threading.Event()
    done: list[int] = []
    sender = BackgroundSender(capacity=3)
    sender.put(lambda: (began.set(), go.wait(5)))
    assert began.wait(5)
    for number in range(10):
        sender.put(lambda number=number: done.append(number))  # type: ignore[misc]
    go.set()
    assert sender.close(5)
    assert done == [0, 1, 2]
    assert warnings_of(caplog) == [
        "Lineage: 1 events lost; the jobs go on. Last reason: too many events wait",
        "Lineage: 6 more events lost.",
    ]


def test_losses_are_warned_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    sender = BackgroundSender(clock=lambda: now[0])
    done = threading.Event()

    def fail() -> None:
        raise OSError("gone")

    for seconds in (0.0, 1.0, SECONDS_BETWEEN_WARNINGS + 1):
        sender.put(lambda seconds=seconds: now.__setitem__(0, seconds))  # type: ignore[misc]
        sender.put(fail)
    sender.put(done.set)
    assert done.wait(5)
    assert sender.close(5)
    assert [message.partition(" events")[0] for message in warnings_of(caplog)] == ["Lineage: 1", "Lineage: 2"]


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "parameters", "says"),
    [
        ("file", {}, "needs path"),
        ("http", {}, "needs url"),
        ("http", {"url": "no address"}, "not an address"),
        ("kafka", {"topic": "t"}, "needs bootstrap_servers"),
        ("kafka", {"bootstrap_servers": "127.0.0.1:1"}, "needs topic"),
        ("console", {}, "one of file, http, kafka"),
    ],
)
def test_a_wrong_target_is_a_configuration_error(kind: Any, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        open_lineage(kind, **parameters)


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        open_lineage("file", path=tmp_path / "file" / "lineage.jsonl")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.startswith(("openlineage", "Medical_KG_rev.orchestration.lineage."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openlineage", None)
    with pytest.raises(PartUnavailableError, match=r"medical-kg-rev\[lineage\]"):
        open_lineage("file", path=tmp_path / "lineage.jsonl")


def test_the_log_of_a_loss_is_ours() -> None:
    assert logging.getLogger("Medical_KG_rev.orchestration.lineage.sender").name.startswith("Medical_KG_rev")
