"""Ingests, searches and graph queries at once, each in processes of its own."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from shipped_medkg import Finished, Medkg

pytestmark = pytest.mark.chaos

SECONDS = float(os.environ.get("MK_CHAOS_SECONDS", "15"))


def test_writers_and_readers_never_meet_a_lock(medkg: Medkg, tmp_path: Path, samples: Path) -> None:
    texts = tmp_path / "records.jsonl"
    lines = (
        f'{{"_id": "r{n}", "title": "Record {n}", "text": "Invented words about metformin, number {n}."}}' for n in range(900)
    )
    texts.write_text("\n".join(lines), encoding="utf-8")
    medkg("ingest", "local", samples, "--quiet").expect(0)
    stop = time.monotonic() + SECONDS
    done: dict[str, list[Finished]] = {"studies": [], "texts": [], "search": [], "graph": []}
    waits: list[float] = []

    def again_and_again(name: str, *arguments: object) -> None:
        while time.monotonic() < stop or not done[name]:
            done[name].append(medkg(*arguments))
            if name == "search" and done[name][-1].code == 0:
                waits.append(done[name][-1].json["took_ms"])

    loops = [
        ("studies", "ingest", "local", samples, "--json", "--quiet"),
        ("texts", "ingest", "local", texts, "--json", "--quiet"),
        ("search", "search", "metformin", "--json", "--quiet"),
        ("graph", "graph", "query", "MATCH (d:Document) RETURN count(d)", "--json", "--quiet"),
    ]
    threads = [threading.Thread(target=again_and_again, args=loop) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=SECONDS + 120)
    for runs in done.values():
        for run in runs:
            run.expect(0)
    assert max(waits) < 2000, f"a search took {max(waits)} ms"
    log = (medkg.data_dir / "logs" / "worker.log").read_text("utf-8")
    assert "locked" not in log
    assert "Traceback" not in log
    assert medkg("graph", "stats", "--json").json["documents"] == 900 + 23
