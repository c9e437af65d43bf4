"""Articles whose text is a PDF elsewhere: from the source over download, gate and engine to search, in one ingest."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from open_access_apis import EuropePmcRecords, UnpaywallApi

from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.platform import Platform
from Medical_KG_rev.settings import EmbeddingSettings, Settings
from Medical_KG_rev.testing.pdf import article
from Medical_KG_rev.text import ModelStore
from Medical_KG_rev.worker import execute

pytestmark = pytest.mark.component

PMCID = "PMC1131903"
DOI = "10.9999/inv.1"
PUBLIC = "93.184.216.34"


@pytest.fixture
def platform(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    settings = make_settings(embedding=EmbeddingSettings(model="static"), contact_email="me@invented.org")
    if not all(model.installed for model in ModelStore(settings.model_root).list() if model.name == "static"):
        pytest.skip("the static model is not fetched; `medkg models fetch static` brings it")
    monkeypatch.setenv("DAGSTER_HOME", "")  # open_instance sets it; the test's end takes it back
    look_up = socket.getaddrinfo

    def played(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        return look_up(PUBLIC if str(host).endswith((".org", ".example")) else host, port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", played)
    with Platform(settings) as opened:
        yield opened


def ingest(platform: Platform, source: str, *ids: str, pipeline: str) -> dict[str, Any]:
    command = {
        "command": "ingest",
        "request": msgspec.to_builtins(AdapterRequest(source=source, ids=ids)),
        "pipeline": pipeline,
        "pdf_pipeline": None,
        "idempotency_key": None,
        "wait": True,
    }
    result = execute(platform.parts, command, lambda event: None)
    return {document["source_id"]: document for document in result["documents"]}


def require_read(platform: Platform, doc_id: str, words: list[str]) -> dict[str, Any]:
    """Its words are there in their order, and its chunks know their page; gives what is known of the PDF."""
    document = platform.show(doc_id)
    assert set(words) <= set(document.text.split())
    assert {chunk.page for chunk in platform.chunks(doc_id)} <= {1, 2}
    found = document.metadata["pdf"]
    assert isinstance(found, dict)
    return found


def test_a_pmcid_goes_the_way_of_pdfs_to_its_end(
    platform: Platform, europepmc_records: EuropePmcRecords, remote_router: Any
) -> None:
    content, words = article()
    europepmc_records.add_record(PMCID)
    europepmc_records.add_record("PMC2", is_open=False, files=(("S", "doi", "https://doi.org/10.9999/x"),))
    asked = remote_router.get(f"https://{PUBLIC}/articles/{PMCID}?pdf=render").respond(200, content=content)
    found = ingest(platform, "pmc-fulltext", PMCID, "PMC2", pipeline="pmc-fulltext")
    assert (found[PMCID]["status"], found[PMCID]["doc_id"]) == ("completed", f"pmc-fulltext:{PMCID}")
    assert (found["PMC2"]["status"], found["PMC2"]["error"]["code"]) == ("failed", "not_open_access")
    assert asked.calls[0].request.headers["host"] == "europepmc.org"
    pdf = require_read(platform, f"pmc-fulltext:{PMCID}", words)
    assert pdf["licence"] == "cc by"
    assert pdf["url"].endswith("?pdf=render")


def test_the_best_copy_of_a_doi_that_can_be_had(platform: Platform, unpaywall_api: UnpaywallApi, remote_router: Any) -> None:
    content, words = article()
    unpaywall_api.add(
        DOI,
        {"pdf": "https://publisher.example/1.pdf", "licence": "cc-by-nc"},
        {"pdf": "https://repository.example/1.pdf", "licence": "cc-by", "host": "repository"},
    )
    remote_router.get(f"https://{PUBLIC}/1.pdf", headers={"host": "publisher.example"}).respond(
        200, html="<html><title>Sign in</title></html>"
    )
    remote_router.get(f"https://{PUBLIC}/1.pdf", headers={"host": "repository.example"}).respond(200, content=content)
    found = ingest(platform, "unpaywall", DOI, pipeline="pdf-two-phase")
    assert found[DOI]["status"] == "completed"
    pdf = require_read(platform, "unpaywall:10.9999-inv.1", words)
    assert (pdf["url"], pdf["licence"]) == ("https://repository.example/1.pdf", "cc-by")
