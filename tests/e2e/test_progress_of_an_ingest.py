"""What a person sees of an ingest while it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import Medical_KG_rev
from Medical_KG_rev.cli.context import Output
from Medical_KG_rev.cli.progress import follow

pytestmark = pytest.mark.unit

OUTPUT = Output("default", None, None, json=False, quiet=False)
TOLD: list[dict[str, Any]] = [
    {"event": "listed", "documents": 2, "total": 2, "settled": 0},
    {"event": "batch", "number": 1, "documents": 2},
    {"event": "stage", "stage": "parse", "done": 1, "total": 2, "failed": 1},
    {"event": "retry", "attempt": 1, "wait_seconds": 0.5, "message": "The source is away."},
    {"event": "fault", "code": "store_unavailable", "message": "Dagster's history cannot be reached."},
    {"event": "lease_lost", "batch_id": "r1", "message": "Worker w1 no longer holds batch r1."},
    {"event": "waiting", "documents": 1},
    {"event": "result", "result": {"completed": 2}},
]


def test_an_ingest_is_followed_to_its_result_and_every_trouble_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow(iter(TOLD), OUTPUT) == {"completed": 2}
    told = capsys.readouterr().err
    for trouble in ("The source is away.", "Dagster's history cannot be reached.", "no longer holds batch r1"):
        assert trouble in told


def test_every_event_of_a_session_is_among_those_tried_here() -> None:
    session = Path(Medical_KG_rev.__file__).parent / "orchestration" / "session.py"
    said = set(re.findall(r'tell\(\s*\{"event": "(\w+)"', session.read_text("utf-8")))
    assert said - {event["event"] for event in TOLD} == {"submitted"}, "`run_in_worker` keeps that one to itself"
