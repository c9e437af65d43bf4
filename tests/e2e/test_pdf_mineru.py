"""PDFs through a MinerU server in one ingest: it is down at first, loses a task, leaves out a page."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fault_proxy import serving
from played_mineru import PlayedMineru, read_words
from shipped_medkg import Medkg

from Medical_KG_rev.services import Server
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.e2e

REAL = os.environ.get("MK_REAL_MINERU") == "1"  # before the environment of the tests is emptied
FILES = int(os.environ.get("MK_REAL_MINERU_FILES", "3"))


def trial(drug: str, pages: int = 1) -> bytes:
    """An article about a drug."""
    sentences = (f"{drug} was given to sixty adults.", f"Nobody stopped {drug} early.", f"{drug} lowered the glucose of most.")
    lines = [Line(60, 760 - 14 * row, sentences[row % 3]) for row in range(30)]
    return text_pdf([Page(lines) for _ in range(pages)])


def read(content: bytes) -> list[list[dict[str, Any]]]:
    """Of the file about aspirin, the last page is left out."""
    pages = read_words(content)
    return pages[:-1] if "Aspirin" in str(pages) else pages


@pytest.mark.chaos
def test_what_a_server_does_to_files_ends_where_it_should(medkg: Medkg, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for drug, pages in (("Metformin", 1), ("Insulin", 2), ("Aspirin", 2)):
        (folder / f"{drug}.pdf").write_bytes(trial(drug, pages))
    played = PlayedMineru(read=read)
    played.pending = 1
    played.fail(*[httpx.Response(503, json={"error": {"message": "starting"}})] * 2, path="/v1/tasks")
    played.forgetful = 1
    with serving(played) as url:
        settings = {"MK_PDF__ENGINE": "mineru", "MK_MINERU__URL": url}
        ended = medkg("ingest", "local", folder, **settings).expect(1)
    assert "has read 1 of 2 pages; page 2 is missing" in ended.err
    assert sorted(played.tasks.values()) == ["completed"] * 3  # the lost one is gone
    assert played.submissions == 6  # refused twice, lost once
    jobs = {Path(job["source_id"]).stem: job for job in medkg("jobs", "list", "--json").expect(0).json}
    assert {name: job["status"] for name, job in jobs.items()} == {
        "Metformin": "completed",
        "Insulin": "completed",
        "Aspirin": "failed",
    }
    document = medkg("show", jobs["Insulin"]["doc_id"], "--json").expect(0).json
    assert (document["metadata"]["pdf"]["engine"], document["metadata"]["pdf"]["engine_version"]) == ("mineru", "4.0.12")


@pytest.mark.service
@pytest.mark.skipif(not REAL, reason="MK_REAL_MINERU=1 reads with a real MinerU server")
def test_articles_of_publishers_are_completed_by_a_real_server(
    medkg: Medkg, own_server: Callable[[str], Server], test_data: Path
) -> None:
    """All 32 of them: `MK_REAL_MINERU_FILES=32`; a few by default."""
    pdfs = sorted((test_data / "pdf").glob("*.pdf"), key=lambda path: path.stat().st_size)[:FILES]
    settings = {"MK_PDF__ENGINE": "mineru", **own_server("mineru").environment}
    ended = medkg("ingest", "local", *pdfs, "--json", timeout=60 + 60 * len(pdfs), **settings).expect(0)
    jobs = medkg("jobs", "list", "--json").expect(0).json
    assert [job["status"] for job in jobs] == ["completed"] * len(pdfs), ended.err
    for job in jobs:
        document = medkg("show", job["doc_id"], "--json").expect(0).json
        assert document["metadata"]["pdf"]["engine"] == "mineru"
