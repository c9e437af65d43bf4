"""Which way the records of a source go: by the table, by their kind in a mixed source, or as somebody says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from Medical_KG_rev.adapters import AdapterManager
from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.models.pdf import ASSET_FORMAT, PdfAsset, PdfCandidates
from Medical_KG_rev.orchestration.ledger.gate_arrivals import GateRule
from Medical_KG_rev.orchestration.pipeline import assemble
from Medical_KG_rev.orchestration.routing import DEFAULT_PIPELINE, PDF_PIPELINE, ROUTES, default_pipeline, pdf_pipeline
from Medical_KG_rev.platform import Platform
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component


@pytest.mark.parametrize(
    ("source", "pipeline", "for_pdfs"),
    [
        ("clinicaltrials", "auto", None),
        ("openalex", "auto", None),
        ("pmc-fulltext", "auto", None),
        ("unpaywall", "pdf-two-phase", None),
        ("core", "pdf-two-phase", None),
        ("local", "auto", "pdf-two-phase"),
    ],
)
def test_each_source_has_its_pipeline(tmp_path: Any, source: str, pipeline: str, for_pdfs: str | None) -> None:
    assert (default_pipeline(source), pdf_pipeline(source)) == (pipeline, for_pdfs)
    with Platform.open(data_dir=tmp_path) as platform:
        assert platform.pipeline_for(source) == pipeline
        assert source in platform.parts.topologies.load(for_pdfs or pipeline).applicable_sources


def test_every_built_in_source_is_in_the_table() -> None:
    assert set(ROUTES) == set(AdapterManager(Settings(), lambda _policy: None).names())  # type: ignore[arg-type, return-value]
    assert default_pipeline("a-plugins-source") == DEFAULT_PIPELINE


def test_the_pdfs_of_articles_with_xml_are_had_by_name(tmp_path: Any) -> None:
    with Platform.open(data_dir=tmp_path) as platform:
        assert platform.pipeline_for("pmc-fulltext", "pmc-fulltext") == "pmc-fulltext"
        [ingest] = [stage for stage in platform.parts.topologies.load("pmc-fulltext").stages if stage.name == "ingest"]
        assert ingest.config == {"rendition": "pdf"}
        with pytest.raises(UsageError, match="Pipeline pmc-fulltext is not for core"):
            platform.pipeline_for("core", "pmc-fulltext")


class Mixed:
    """A source with a text and a PDF in one page."""

    name, version = "toy", "1"

    def __init__(self, plain: Any) -> None:
        self._plain = plain

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Any:
        [page] = self._plain.list_records(request, cursor)
        text, pdf = page.records
        asset = msgspec.json.encode(PdfCandidates(assets=(PdfAsset(url="file:///x.pdf"),)))
        pdf = msgspec.structs.replace(pdf, payload=msgspec.structs.replace(pdf.payload, format=ASSET_FORMAT, content=asset))
        yield msgspec.structs.replace(page, records=(text, pdf))


def test_a_page_with_both_kinds_makes_jobs_of_both_pipelines(world: Any, make_source: Any, pdf_plans: Any) -> None:
    implementations = world.stages.implementations()
    gate = GateRule("pdf_ir_ready", {"pdf_ir_ready": True}, 60.0, "chunk")
    for_pdfs = assemble(PDF_PIPELINE, "1.0", pdf_plans, implementations, [gate])
    world.session.run_batch = lambda batch: pytest.fail("nothing is to be run")
    request = AdapterRequest(source="toy", query="all")
    source = Mixed(make_source([("text", "plain"), ("pdf", "later a PDF")]))
    result = world.session.ingest(request, world.pipeline, source, pdf_pipeline=for_pdfs, wait=False)
    jobs = world.ledger.jobs_of_submission(result["batch_id"])
    assert [(job.source_id, job.pipeline_name) for job in jobs] == [("text", "auto"), ("pdf", PDF_PIPELINE)]
    batches = [world.ledger.batch(job.batch_id) for job in jobs]
    assert [(batch.pipeline_name, batch.documents) for batch in batches] == [("auto", 1), (PDF_PIPELINE, 1)]
