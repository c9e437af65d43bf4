"""The local event log: durable, rotated, shared by processes, followed across rotation."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from Medical_KG_rev.errors import ConfigurationError, EventSinkUnavailableError
from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.events.log_reader import read_log
from Medical_KG_rev.orchestration.events.log_sink import LOCK_FILE, LogSink
from Medical_KG_rev.orchestration.events.places import LogFolder
from Medical_KG_rev.orchestration.events.sink import open_event_sink
from Medical_KG_rev.testing.events import SinkPlace, check_event_sink, stage_events

pytestmark = pytest.mark.component


def ids(lines: Iterator[bytes]) -> list[str]:
    return [json.loads(line)["id"] for line in lines]


def read(folder: LogFolder) -> list[str]:
    return ids(read_log(folder, follow=False, sleep=lambda _seconds: None))


def files(folder: LogFolder) -> list[str]:
    return sorted(path.name for path in folder.directory.glob("*.jsonl"))


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    return LogFolder(tmp_path / "events")


@pytest.fixture
def small(tmp_path: Path) -> LogFolder:
    """Files of about eight events, three of them."""
    return LogFolder(tmp_path / "events", max_file_bytes=4000, max_files=3)


def test_the_log_keeps_the_promises_of_a_sink(log_place: Callable[..., SinkPlace]) -> None:
    check_event_sink(log_place)


def test_a_log_of_small_files_keeps_them_too(log_place: Callable[..., SinkPlace]) -> None:
    check_event_sink(lambda: log_place(max_file_bytes=2000, max_files=10_000))


def test_a_folder_opens_as_a_log(folder: LogFolder) -> None:
    assert isinstance(open_event_sink(folder), LogSink)


def test_files_are_rotated_by_size_and_the_oldest_go(small: LogFolder) -> None:
    events = stage_events(1, 40)
    sink = LogSink(small)
    for event in events:
        sink.publish([event])
    names = files(small)
    assert len(names) == 3
    assert names[0] > "events-00000001.jsonl"
    assert all((small.directory / name).stat().st_size <= 4000 for name in names)
    kept = read(small)
    assert kept == [event.event_id for event in events][-len(kept) :], "what is kept is the newest, without a hole"
    assert len(kept) > 14


def test_a_publish_larger_than_a_file_is_one_file(small: LogFolder) -> None:
    events = stage_events(10, 4)
    LogSink(small).publish(events[:1])
    LogSink(small).publish(events[1:])
    assert read(small) == [event.event_id for event in events]
    assert len(files(small)) == 2


def test_an_unfinished_line_is_not_shown_and_cut_off_by_the_next_writer(folder: LogFolder) -> None:
    events = stage_events(1, 3)
    LogSink(folder).publish(events[:2])
    with (folder.directory / files(folder)[0]).open("ab") as torn:
        torn.write(to_json(events[2])[:50])
    assert read(folder) == [event.event_id for event in events[:2]]
    LogSink(folder).publish(events[2:])
    assert read(folder) == [event.event_id for event in events]


def test_a_file_that_holds_only_an_unfinished_line_is_used_again(folder: LogFolder) -> None:
    folder.directory.mkdir()
    (folder.directory / "events-00000001.jsonl").write_bytes(b"x" * 3_000_000)
    events = stage_events(1, 1)
    LogSink(folder).publish(events)
    assert read(folder) == [event.event_id for event in events]
    assert len(files(folder)) == 1


def test_a_follower_goes_from_file_to_file(small: LogFolder) -> None:
    events = stage_events(1, 30)
    sink = LogSink(small)
    waiting = iter(events[4:])
    sink.publish(events[:4])

    def one_more(_seconds: float) -> None:
        sink.publish([next(waiting)])

    lines = islice(read_log(small, follow=True, sleep=one_more), len(events))
    assert ids(lines) == [event.event_id for event in events]
    assert len(files(small)) == 3


def test_a_follower_waits_for_a_log_that_is_not_there_yet(folder: LogFolder) -> None:
    events = stage_events(1, 1)
    pauses: list[float] = []

    def start_later(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            LogSink(folder).publish(events)

    assert ids(islice(read_log(folder, follow=True, sleep=start_later), 2)) == [event.event_id for event in events]
    assert len(pauses) == 3
    assert all(seconds > 0 for seconds in pauses)


def test_a_follower_sees_a_torn_line_replaced_by_its_whole(folder: LogFolder) -> None:
    events = stage_events(1, 2)
    LogSink(folder).publish(events[:1])
    path = folder.directory / files(folder)[0]

    def tear_then_write(_seconds: float) -> None:
        if path.read_bytes().endswith(b"\n"):
            with path.open("ab") as torn:
                torn.write(b'{"id": "never finished')
        else:
            LogSink(folder).publish(events[1:])

    found = ids(islice(read_log(folder, follow=True, sleep=tear_then_write), len(events)))
    assert found == [event.event_id for event in events]


def test_a_file_removed_before_its_turn_is_left_out(small: LogFolder) -> None:
    events = stage_events(1, 12)
    sink = LogSink(small)
    for event in events[:20]:
        sink.publish([event])
    reader = read_log(small, follow=False, sleep=lambda _seconds: None)
    first = next(reader)
    (small.directory / files(small)[1]).unlink()
    found = ids(iter([first, *reader]))
    assert found[0] == events[0].event_id
    assert found[-1] == events[19].event_id
    assert len(found) < 20


def test_a_lock_held_for_too_long_is_a_transient_error(folder: LogFolder) -> None:
    folder.directory.mkdir()
    slept: list[float] = []
    with (folder.directory / LOCK_FILE).open("ab") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(EventSinkUnavailableError, match="held its lock") as raised:
            LogSink(folder, sleep=slept.append, lock_timeout_seconds=2).publish(stage_events(1, 1))
    assert raised.value.sink == str(folder.directory)
    assert sum(slept) == pytest.approx(2)
    LogSink(folder).publish(stage_events(1, 1))
    assert len(read(folder)) == 2


def test_a_folder_that_is_a_file_is_a_transient_error_naming_it(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("not a folder")
    with pytest.raises(EventSinkUnavailableError, match=str(tmp_path / "events")):
        LogSink(LogFolder(tmp_path / "events")).publish(stage_events(1, 1))


def test_a_full_disk_is_a_transient_error_and_what_was_written_stays_whole(folder: LogFolder) -> None:
    """The file size limit stands for the full disk: the write ends in the middle of a line."""
    events = stage_events(1, 20)
    sink = LogSink(folder)
    sink.publish(events[:2])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, hard))
    try:
        with pytest.raises(EventSinkUnavailableError, match="takes no events"):
            sink.publish(events[2:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    expected = [event.event_id for event in events]
    kept = read(folder)
    assert 2 <= len(kept) < len(expected)
    assert kept == expected[: len(kept)]
    sink.publish(events[2:])
    assert list(dict.fromkeys(read(folder))) == expected


def test_several_processes_write_one_log(tmp_path: Path) -> None:
    """Four processes, small files: every line whole, every event there, those of a job in order."""
    folder = LogFolder(tmp_path / "events", max_file_bytes=20_000, max_files=1000)
    writer = """
import sys
from pathlib import Path
from Medical_KG_rev.orchestration.events.log_sink import LogSink
from Medical_KG_rev.orchestration.events.places import LogFolder
from Medical_KG_rev.testing.events import stage_events
sink = LogSink(LogFolder(Path(sys.argv[1]), max_file_bytes=20_000, max_files=1000))
events = stage_events(5, 20, tenant_id=sys.argv[2])
for start in range(0, len(events), 7):
    sink.publish(events[start : start + 7])
"""
    names = [f"tenant-{number}" for number in range(4)]
    processes = [subprocess.Popen([sys.executable, "-c", writer, str(folder.directory), name]) for name in names]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    found: dict[str, list[str]] = {}
    for line in read_log(folder, follow=False, sleep=lambda _seconds: None):
        event = json.loads(line)
        found.setdefault(event["tenantid"], []).append(event["id"])
    expected = [event.event_id for event in stage_events(5, 20)]
    assert found == dict.fromkeys(names, expected)
    assert len(files(folder)) > 3


@pytest.mark.chaos
def test_killed_writers_leave_whole_lines_and_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path / "events", max_file_bytes=200_000, max_files=1000)
    writer = """
import sys
from pathlib import Path
from Medical_KG_rev.orchestration.events.log_sink import LogSink
from Medical_KG_rev.orchestration.events.places import LogFolder
from Medical_KG_rev.testing.events import stage_events
sink = LogSink(LogFolder(Path(sys.argv[1]), max_file_bytes=200_000, max_files=1000))
events = stage_events(50, 40, tenant_id=sys.argv[2])
for start in range(0, len(events), 100):
    sink.publish(events[start : start + 100])
    print(events[min(start + 99, len(events) - 1)].event_id, flush=True)
"""
    acknowledged: dict[str, str] = {}
    for number in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", writer, str(folder.directory), f"tenant-{number}"], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            timer = threading.Timer(0.002 * number, lambda pid=process.pid: os.kill(pid, signal.SIGKILL))
            for line in process.stdout:
                acknowledged[f"tenant-{number}"] = line.strip()
                if not timer.is_alive() and timer.ident is None:
                    timer.start()
            timer.cancel()
    found: dict[str, list[str]] = {}
    LogSink(folder).publish(stage_events(1, 1, tenant_id="last"))
    for raw in read_log(folder, follow=False, sleep=time.sleep):
        event = json.loads(raw)
        found.setdefault(event["tenantid"], []).append(event["id"])
    expected = [event.event_id for event in stage_events(50, 40)]
    for tenant, last in acknowledged.items():
        assert found[tenant] == expected[: len(found[tenant])]
        assert last in found[tenant]
    assert len(acknowledged) == 6
    assert any(len(found[tenant]) < len(expected) for tenant in acknowledged), "no writer was killed at work"


def test_a_limit_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for limits in ({"max_files": 0}, {"max_file_bytes": 0}):
        with pytest.raises(ConfigurationError, match=next(iter(limits))):
            LogFolder(tmp_path, **limits)
