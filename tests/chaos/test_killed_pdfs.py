"""Between download and resume, every process is killed at every step; no job is lost, none is resumed twice, none is stuck."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest
from event_story import distinct, faults, unlike_ledger
from ingests_here import Ingests
from killed_steps import STEPS, run

from Medical_KG_rev.settings import EmbeddingSettings, Settings
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.chaos

ROUNDS = int(os.environ.get("MK_CHAOS_ROUNDS", "0"))
SEED = int(os.environ.get("MK_CHAOS_SEED", "20261128"))
BEHIND = ("ir_validation", "chunk", "embed", "index", "extract", "kg")
SURVIVED = {"the engine while it reads"}
"""Steps at which no process of the system itself is killed."""


def chosen_steps() -> list[str]:
    """Every step once, in the order of the way; then, in the long form, as chance has it."""
    chance = random.Random(SEED)
    return [*STEPS, *(chance.choice(list(STEPS)) for _ in range(ROUNDS - len(STEPS)))]


def test_pdfs_whose_processes_are_killed_at_every_step_are_resumed_once(tmp_path: Path, static_models: Path) -> None:
    """Each process brings the jobs of its predecessor to their end, then takes a PDF of its own as far as the step."""
    plain = {"data_dir": str(tmp_path / "data"), "models_dir": str(static_models), "embedding": {"model": "static"}}
    steps = chosen_steps()
    for number, step in enumerate(steps):
        code = run(plain, pdf(tmp_path / "in" / f"{number:04}", number), step)
        click.echo(f"{number:4} {step}: {code}")
        assert code == (0 if step in SURVIVED else -9), step
    assert run(plain, None, None) == 0
    ingests = Ingests(Settings(data_dir=tmp_path / "data", models_dir=static_models, embedding=EmbeddingSettings(model="static")))
    try:
        check_all_done_once(ingests, len(steps))
    finally:
        ingests.close()


def pdf(folder: Path, number: int) -> Path:
    """A folder with one PDF that is like no other."""
    folder.mkdir(parents=True)
    lines = [
        "A study of metformin",
        f"We gave metformin to the adults of group {number}.",
        f"None of group {number} had lactic acidosis.",
    ]
    page = Page([Line(60, 760 - 20 * row, line, 16 if row == 0 else 10) for row, line in enumerate(lines)])
    (folder / f"group-{number}.pdf").write_bytes(text_pdf([page]))
    return folder


def check_all_done_once(ingests: Ingests, count: int) -> None:
    ledger = ingests.platform.parts.ledger
    jobs = ledger.list_jobs("default", limit=10_000)
    assert Counter(str(job.status) for job in jobs) == {"completed": count}
    assert len({job.doc_id for job in jobs}) == count
    attempts = [(job.job_id, each.stage, each.attempt, each.status) for job in jobs for each in ledger.attempts(job.job_id)]
    done = Counter((job_id, stage) for job_id, stage, _, status in attempts if status == "completed")
    assert set(done.values()) == {1}, "nothing that was recorded is done again"
    assert {(job.job_id, stage) for job in jobs for stage in ("download", "parse", *BEHIND)} <= set(done)
    events = distinct(ingests.events())
    assert faults(events) == []
    assert unlike_ledger(events, attempts, [(job.job_id, str(job.status), job.unchanged) for job in jobs]) == []
    assert told(events, "gate.passed") == Counter(job.job_id for job in jobs), "each is resumed once"
    assert told(events, "pdf.requested") == Counter(job.job_id for job in jobs)
    task = [ledger.pdfs.task(job.job_id) for job in jobs]
    assert {each.state for each in task if each is not None} == {"done"}
    assert ledger.pdfs.depth().leased == 0
    objects = list(ingests.platform.parts.store.keys("pdf/"))
    assert len(objects) == count, "and each file is kept once"
    platform = ingests.platform
    for doc_id in (str(job.doc_id) for job in jobs):
        assert "lactic acidosis" in platform.show(doc_id).text
        assert platform.chunks(doc_id)
        assert platform.graph.show(doc_id).entity is not None


def told(events: list[Any], kind: str) -> Counter[str]:
    return Counter(str(event["jobid"]) for event in events if event["type"] == f"com.medical-kg.{kind}.v1")
