"""`medkg events tail` as it is shipped."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from shipped_medkg import Medkg

from Medical_KG_rev.orchestration.events.envelope import to_cloudevent
from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.log_sink import LogSink
from Medical_KG_rev.orchestration.events.places import LogFolder
from Medical_KG_rev.orchestration.events.reader import open_event_reader
from Medical_KG_rev.testing.events import stage_events

pytestmark = pytest.mark.e2e


@pytest.fixture
def medkg(tmp_path: Path, models_dir: Path) -> Medkg:
    return Medkg(tmp_path / "data", models_dir)


@pytest.fixture
def log(medkg: Medkg) -> LogSink:
    return LogSink(LogFolder(medkg.data_dir / "events"))


@contextmanager
def running(medkg: Medkg, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        medkg.command(*arguments), env=medkg.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_every_line_is_a_cloudevent(medkg: Medkg, log: LogSink) -> None:
    log.publish(example_events())
    lines = medkg("events", "tail", "--json").expect(0).out.splitlines()
    read = [JSONFormat().read(CloudEvent, line) for line in lines]
    expected = [to_cloudevent(event) for event in example_events()]
    assert [event.get_attributes() for event in read] == [event.get_attributes() for event in expected]
    assert [event.get_data() for event in read] == [event.get_data() for event in expected]


def test_filters(medkg: Medkg, log: LogSink) -> None:
    log.publish([*stage_events(3, 2), *stage_events(1, 1, tenant_id="other"), *example_events()])
    of_one_job = medkg("events", "tail", "--json", "--job", "job-1", "--type", "stage.started").expect(0).out
    assert [json.loads(line)["id"] for line in of_one_job.splitlines()] == [
        "job-1/stage_0/1/started",
        "job-1/stage_1/1/started",
    ]
    of_the_other = medkg("events", "tail", "--json", "--tenant", "other", "--type", "stage").expect(0).out
    assert [json.loads(line)["tenantid"] for line in of_the_other.splitlines()] == ["other", "other"]
    wrong = medkg("events", "tail", "--type", "stage.begun").expect(2)
    assert "stage.started, stage.completed" in wrong.err
    assert wrong.out == ""


def test_a_person_sees_a_line_each(medkg: Medkg, log: LogSink) -> None:
    assert medkg("events", "tail").expect(0).err == "No events.\n"
    log.publish(example_events())
    lines = medkg("events", "tail").expect(0).out.splitlines()
    assert len(lines) == len(example_events())
    assert re.fullmatch(
        r"2026-01-01T00:00:00Z +stage\.completed +clinicaltrials:NCT04267848 +stage=chunk .*duration_ms=1200 output_count=42.*",
        lines[1],
    )


def test_follow_shows_what_comes_and_an_interrupt_ends_it_with_130(medkg: Medkg, log: LogSink) -> None:
    events = stage_events(1, 2)
    log.publish(events[:2])
    with running(medkg, "events", "tail", "--follow", "--json") as process:
        assert process.stdout is not None
        found = [json.loads(process.stdout.readline())["id"] for _ in range(2)]
        log.publish(events[2:])
        found += [json.loads(process.stdout.readline())["id"] for _ in range(2)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert out == ""
        assert "Traceback" not in err
    assert found == [event.event_id for event in events]


def test_a_reader_that_goes_away_is_no_failure(medkg: Medkg, log: LogSink) -> None:
    log.publish(stage_events(50, 50))
    with running(medkg, "events", "tail", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_what_still_waits_is_relayed_before_the_first_line(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path / "events")
    events = stage_events(1, 1)
    relay: Callable[[], None] = lambda: LogSink(folder).publish(events)  # noqa: E731
    found = [event["id"] for event in open_event_reader(folder, tenant_id="default", before=relay)]
    assert found == [event.event_id for event in events]
