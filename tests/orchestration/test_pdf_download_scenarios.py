"""The acceptance scenarios of bringing PDFs, by their ids, on the real stage runner: sources and publishers are played."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_files import pdf
from open_access_apis import UnpaywallApi

from Medical_KG_rev.adapters import AdapterManager, PluginIngestStage
from Medical_KG_rev.adapters.download import PdfDownloadStage
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.ledger import JobStatus
from Medical_KG_rev.orchestration.resilience import ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.settings_pdf import DownloadSettings

pytestmark = pytest.mark.component

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "orchestration"
DOI = "10.9999/inv.1"
URL = "https://publisher.example/article.pdf"
AT = "https://93.184.216.34/article.pdf"


class Downloads:
    """A pipeline up to its gate, with the real stages ingest and download under the shipped policies; waits are counted."""

    def __init__(self, world: Any) -> None:
        self.world = world
        policies = ResiliencePolicyLoader(SHIPPED).snapshot
        self.callers = {
            name: ResilientCaller(
                policies.load(name),
                name=name,
                sleep=self.sleep,
                random=lambda: 0.0,
                clock=world.clock,
                on_retry=world.runner.retrying,
            )
            for name in ("polite-api", "store-commit")
        }
        self.adapters = AdapterManager(Settings(contact_email="me@invented.org"), self.callers.__getitem__)
        world.stages.own["ingest"] = PluginIngestStage(self.adapters)
        world.stages.own["download"] = PdfDownloadStage(
            world.store,
            self.callers["polite-api"],
            self.callers["store-commit"],
            DownloadSettings(),
            resolve=lambda host, port: ["93.184.216.34"],
        )

    def sleep(self, seconds: float) -> None:
        self.world.now += seconds

    def ingest(self, *dois: str) -> list[Any]:
        request = AdapterRequest(source="unpaywall", ids=dois)
        result = self.world.session.ingest(request, self.world.pipeline, self.adapters.get("unpaywall"), wait=False)
        while self.world.session.work():
            pass
        return [self.world.ledger.job(document["job_id"]) for document in result["documents"]]

    def events(self, stage: str) -> list[Event]:
        rows = self.world.ledger.outbox.read(1000)
        return [event for row in rows for event in row.events if event.source == f"orchestration/{stage}"]

    def close(self) -> None:
        self.adapters.close()
        for caller in self.callers.values():
            caller.close()


@pytest.fixture
def downloads(gated: Any) -> Iterator[Downloads]:
    made = Downloads(gated)
    yield made
    made.close()


def test_i7_a_pdf_is_streamed_to_its_key_and_the_job_pauses_at_the_gate(
    downloads: Downloads, unpaywall_api: UnpaywallApi, remote_router: Any
) -> None:
    unpaywall_api.add(DOI, {"pdf": URL, "licence": "cc-by"})
    remote_router.get(AT).respond(200, content=pdf())
    [job] = downloads.ingest(DOI)
    assert (job.status, job.pdf_downloaded, job.pdf_ir_ready) == (JobStatus.WAITING_AT_GATE, True, False)
    task = downloads.world.ledger.pdfs.lease("reader", 60.0)
    digest = hashlib.sha256(pdf()).hexdigest()
    assert task.object_key == f"pdf/default/unpaywall:10.9999-inv.1/{digest}.pdf"
    assert downloads.world.store.read(task.object_key) == pdf()
    assert (task.stored["asset"]["url"], task.stored["asset"]["licence"]) == (URL, "cc-by")


def test_i8_503_on_download_is_tried_ten_times_more_with_an_event_each(
    downloads: Downloads, unpaywall_api: UnpaywallApi, remote_router: Any
) -> None:
    """Ruling 1: eleven attempts; ruling 24: the stage repeats none of them."""
    unpaywall_api.add(DOI, {"pdf": URL})
    asked = remote_router.get(AT).respond(503, text="overloaded")
    [job] = downloads.ingest(DOI)
    assert asked.call_count == 11
    assert (job.status, job.error_stage, job.error_code) == (JobStatus.FAILED, "download", "pdf_download_failed")
    assert job.failure_mark == "pdf_download_failed"
    assert URL in job.error_message
    assert job.retry_count_per_stage == {"download": 10}
    [started, *retrying, failed] = downloads.events("download")
    assert [(event.type, event.data["reason"]) for event in retrying] == [("stage.retrying", "remote_unavailable")] * 10
    assert [event.data["backoff_ms"] for event in retrying] == [1000.0 * number for number in range(1, 11)]
    assert (started.type, failed.type, failed.data["retry_count"]) == ("stage.started", "stage.failed", 10)
    assert list(downloads.world.store.keys("pdf/")) == []


def test_a_closed_article_fails_alone_and_says_why(downloads: Downloads, unpaywall_api: UnpaywallApi, remote_router: Any) -> None:
    unpaywall_api.add(DOI, {"pdf": URL})
    unpaywall_api.add("10.9999/closed", status="closed")
    remote_router.get(AT).respond(200, content=pdf())
    jobs = {job.source_id: job for job in downloads.ingest(DOI, "10.9999/closed", "10.9999/unknown")}
    assert jobs[DOI].status == JobStatus.WAITING_AT_GATE
    closed, unknown = jobs["10.9999/closed"], jobs["10.9999/unknown"]
    assert (closed.status, closed.error_stage, closed.error_code) == (JobStatus.FAILED, "download", "not_open_access")
    assert "Unpaywall knows no open copy (status closed)" in closed.error_message
    assert closed.retry_count_per_stage == {}
    assert (unknown.status, unknown.error_stage, unknown.error_code) == (JobStatus.FAILED, "ingest", "record_not_found")
    assert len(unpaywall_api.requests) == 3


def test_the_same_bytes_are_stored_once_a_document(downloads: Downloads, unpaywall_api: UnpaywallApi, remote_router: Any) -> None:
    unpaywall_api.add(DOI, {"pdf": URL})
    remote_router.get(AT).respond(200, content=pdf())
    for _ in range(2):
        [job] = downloads.ingest(DOI)
        assert job.status == JobStatus.WAITING_AT_GATE
        downloads.world.ledger.cancel(job.job_id, actor="me")
    assert len(list(downloads.world.store.keys("pdf/"))) == 1
