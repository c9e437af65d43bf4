"""Jobs of PDFs that failed at their engine or behind the gate run again: from where they failed, or from where a person says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from event_story import faults
from fault_proxy import serving
from ingests_here import Ends, Ingests
from played_mineru import PlayedMineru

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.settings import EmbeddingSettings
from Medical_KG_rev.settings_mineru import MineruSettings
from Medical_KG_rev.settings_pdf import PdfSettings
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.chaos

BEYOND = EmbeddingSettings(model="http", base_url="http://127.0.0.1:1/v1")
"""An endpoint for vectors that is not there: jobs fail behind the gate."""


@pytest.fixture
def played() -> PlayedMineru:
    return PlayedMineru()


@pytest.fixture
def settings(played: PlayedMineru, tmp_path: Path) -> Iterator[dict[str, Any]]:
    with serving(played) as url:
        mineru = MineruSettings(url=url, policy="polite-api", poll_seconds=0.1)
        yield {"data_dir": tmp_path / "data", "pdf": PdfSettings(engine="mineru"), "mineru": mineru}


def ingest(ingests: Ingests, folder: Path, name: str) -> Ends:
    """A PDF of this name."""
    path = folder / f"{name}.pdf"
    path.write_bytes(text_pdf([Page([Line(60, 700, f"We gave metformin to the group {name}.")])]))
    request = AdapterRequest(source="local", paths=(str(path),))
    command = {"request": msgspec.to_builtins(request), "pipeline": "pdf-two-phase", "idempotency_key": None, "wait": True}
    return ingests.run(command="ingest", **command)


def test_a_dead_letter_of_a_pdf_is_replayed(
    open_ingests: Callable[..., Ingests], settings: dict[str, Any], played: PlayedMineru, tmp_path: Path
) -> None:
    ingests = open_ingests(**settings)
    played.fault = {"code": "parse_failed", "message": "the model fell over"}
    assert list(ingest(ingests, tmp_path, "one").values()) == [("failed", "parse", "pdf_engine_failed")]
    job_id = ingests.job("one")["job_id"]
    letter = ingests.platform.dead_letter(job_id)
    assert (letter.stage, letter.artifact["stage"]) == ("parse", "download")
    assert "the model fell over" in letter.error_message

    played.fault = None
    ingests.platform.replay([job_id], reason="the model is mended")
    assert ingests.run(command="retry", job_ids=[job_id])[letter.source_id][0] == "completed"
    assert ingests.platform.dead_letter(job_id).state == "replayed"
    stages = [(stage["stage"], stage["status"]) for stage in ingests.job("one")["stages"]]
    assert stages.count(("download", "completed")) == 1
    assert [status for stage, status in stages if stage == "parse"] == ["failed", "completed"]
    assert faults(ingests.events()) == []


def test_a_retry_reads_a_file_again_only_where_it_is_asked_to(
    open_ingests: Callable[..., Ingests], settings: dict[str, Any], played: PlayedMineru, tmp_path: Path
) -> None:
    ingests = open_ingests(**settings, embedding=BEYOND)
    [(_, stage, _)] = ingest(ingests, tmp_path, "two").values()
    assert (stage, played.submissions) == ("embed", 1)
    job_id = ingests.job("two")["job_id"]
    with pytest.raises(UsageError, match="has no stage 'ocr'") as refused:
        list(ingests.platform.retry([job_id], from_stage="ocr"))
    assert "parse" in refused.value.remedy

    for from_stage, submissions in ((None, 1), ("chunk", 1), ("parse", 2), ("download", 2)):
        assert {end[1] for end in ingests.retry("two", from_stage=from_stage)} == {"embed"}
        assert played.submissions == submissions, from_stage
    stages = [(each["stage"], each["status"]) for each in ingests.job("two")["stages"] if each["stage"] in ("download", "parse")]
    assert [status for stage, status in stages if stage == "download"] == ["completed", "skipped", "completed"]
    assert [status for stage, status in stages if stage == "parse"] == ["completed"] * 3
    ingests.close()

    mended = open_ingests(**settings)
    assert {end[0] for end in mended.retry("two", from_stage="chunk")} == {"completed"}
    assert played.submissions == 2
    assert faults(mended.events()) == []
