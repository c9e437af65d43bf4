"""The consumer that docs/how-to/consume-events.md shows counts what was published, with a standard client alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.kafka_sink import KafkaSink
from Medical_KG_rev.orchestration.events.places import KafkaTopic
from Medical_KG_rev.testing.events import stage_events

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "consume-events.md"


def program() -> str:
    found = re.search(
        r'^```python title="count_events\.py"\n(.*?)^```$', PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


@pytest.mark.unit
def test_it_is_short_and_needs_nothing_of_this_project() -> None:
    lines = [line for line in program().splitlines() if line.strip()]
    assert len(lines) <= 20
    assert "Medical_KG" not in program()
    assert set(re.findall(r"^(?:import|from) (\w+)", program(), re.MULTILINE)) == {
        "collections",
        "confluent_kafka",
        "json",
        "sys",
    }


@pytest.mark.service
def test_it_counts_each_event_once(kafka_server: Any, kafka_topic: str, tmp_path: Path) -> None:
    events = [*stage_events(30, 4), *example_events()]
    with closing(KafkaSink(KafkaTopic(kafka_server.address, name=kafka_topic))) as sink:
        sink.publish(events[:100])
        sink.publish(events)
    path = tmp_path / "count_events.py"
    path.write_text(program(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", str(path), kafka_server.address, kafka_topic],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    counted = json.loads(done.stdout)
    stages = {f"stage_{number}": 30 for number in range(4)}
    assert counted == {"events": len(events), "finished": {**stages, "chunk": 1}}
