"""PDFs from a folder to hits with page and box, in one command."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shipped_medkg import Medkg

from Medical_KG_rev.testing.pdf import article
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.e2e

TRIAL = [
    "Metformin and lactate in older adults: a trial of words",
    "We enrolled sixty adults with type 2 diabetes and gave them metformin.",
    "Lactate in plasma was measured before and after twelve weeks.",
    "Nobody developed lactic acidosis during the trial.",
]


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory: pytest.TempPathFactory, static_models: Path) -> Medkg:
    """Two articles and what is none, ingested."""
    root = tmp_path_factory.mktemp("pdfs")
    folder = root / "in"
    folder.mkdir()
    (folder / "columns.pdf").write_bytes(article()[0])
    filling = "A page without any of it, which is long enough to be a passage by itself, line after line"
    first = Page([Line(60, 760 - 14 * row, f"{filling} {row}.") for row in range(40)])
    second = Page([Line(60, 760 - 20 * row, line, 16 if row == 0 else 10) for row, line in enumerate(TRIAL)])
    (folder / "trial.pdf").write_bytes(text_pdf([first, second]))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing that a reader could use")
    (folder / "login.pdf").write_bytes(b"<!DOCTYPE html><html><title>Sign in</title></html>")
    command = Medkg(root / "data", static_models)
    command("ingest", "local", folder, "--json").expect(1)
    return command


@pytest.fixture(scope="module")
def jobs(pdfs: Medkg) -> dict[str, dict[str, Any]]:
    listed = pdfs("jobs", "list", "--json").expect(0).json
    shown = [pdfs("jobs", "show", job["job_id"], "--json").expect(0).json for job in listed]
    return {Path(job["source_id"]).name: job for job in shown}


def test_good_pdfs_are_completed_and_the_others_named(jobs: dict[str, dict[str, Any]]) -> None:
    assert {name: job["status"] for name, job in jobs.items()} == {
        "columns.pdf": "completed",
        "trial.pdf": "completed",
        "broken.pdf": "failed",
        "login.pdf": "failed",
    }
    ways = {name: [stage["stage"] for stage in job["stages"]] for name, job in jobs.items()}
    assert ways["trial.pdf"][:3] == ["ingest", "download", "parse"]
    assert set(ways["trial.pdf"][3:]) == {"ir_validation", "chunk", "embed", "index", "extract", "kg"}
    assert jobs["trial.pdf"]["flags"] == {"pdf_downloaded": True, "pdf_ir_ready": True}
    assert [stage["error"]["code"] for stage in jobs["broken.pdf"]["stages"] if stage["error"]] == ["pdf_unreadable"]


def test_a_hit_says_on_which_page_and_where(pdfs: Medkg) -> None:
    [hit, *_] = pdfs("search", "lactic acidosis metformin", "--json").expect(0).json["hits"]
    assert "Nobody developed lactic acidosis" in hit["text"]
    assert hit["page"] == 2
    left, top, right, bottom = hit["bbox"]
    assert 55 < left < 65
    assert 842 - 780 < top < bottom < 842 - 690
    assert right < 595


def test_a_page_is_shown_as_text_json_and_picture(pdfs: Medkg, tmp_path: Path, jobs: dict[str, dict[str, Any]]) -> None:
    from PIL import Image

    doc = jobs["trial.pdf"]["doc_id"]
    text = pdfs("show", doc, "--page", "2").expect(0).out
    assert "Nobody developed" in text
    assert "without any of it" not in text
    shown = pdfs("show", doc, "--page", "2", "--json").expect(0).json
    assert (shown["page"], shown["doc_id"]) == (2, doc)
    assert any("Nobody developed" in block["text"] for block in shown["blocks"])
    assert all(block["page"] == 2 and len(block["bbox"]) == 4 for block in shown["blocks"])

    def red(*arguments: object) -> int:
        picture = tmp_path / "page.png"
        pdfs("show", doc, *arguments, "--png", picture, "--dpi", "72").expect(0)
        image = Image.open(io.BytesIO(picture.read_bytes()))
        assert image.size == (595, 842)
        pixels = np.asarray(image.convert("RGB"))
        return int(((pixels[..., 0] > 180) & (pixels[..., 1] < 80)).sum())

    [hit, *_] = pdfs("search", "lactic acidosis metformin", "--json").expect(0).json["hits"]
    everything, one = red("--page", "2"), red("--page", "2", "--chunk", hit["chunk_id"])
    assert everything >= one > 100
    assert red("--page", "1", "--chunk", hit["chunk_id"]) == 0, "nothing of the chunk is on that page"


def test_what_cannot_be_shown_is_said(pdfs: Medkg, library: Medkg, jobs: dict[str, dict[str, Any]]) -> None:
    doc = jobs["trial.pdf"]["doc_id"]
    assert "has no page 9: it has 2" in pdfs("show", doc, "--page", "9").expect(2).err
    assert "--png needs --page" in pdfs("show", doc, "--png").expect(2).err
    assert "comes from no PDF" in library("show", "clinicaltrials:NCT99990001", "--page", "1").expect(2).err


def test_ingested_again_nothing_is_read_again(pdfs: Medkg, jobs: dict[str, dict[str, Any]]) -> None:
    path = jobs["trial.pdf"]["source_id"]
    again = pdfs("ingest", "local", path, "--json").expect(0).json
    assert (again["completed"], again["unchanged"]) == (1, 1)
    shown = pdfs("jobs", "show", again["documents"][0]["job_id"], "--json").expect(0).json
    assert "parse" not in {stage["stage"] for stage in shown["stages"] if stage["status"] == "completed"}
