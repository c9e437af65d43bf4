"""The sample corpus: true formats, invented content, every parser's branches."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from Medical_KG_rev.adapters.local import LocalAdapter
from Medical_KG_rev.models import AdapterRequest, BlockType, Document, ListedRecord, SectionKind, StageContext
from Medical_KG_rev.parsing import IrParser, IrValidator

pytestmark = pytest.mark.component

SAMPLES = Path(str(resources.files("Medical_KG_rev") / "samples"))


@pytest.fixture(scope="module")
def records() -> list[ListedRecord]:
    request = AdapterRequest(source="local", paths=(str(SAMPLES / "corpus"),))
    return [
        record
        for page in LocalAdapter(max_file_bytes=1_000_000, max_pdf_bytes=1_000_000).list_records(request)
        for record in page.records
    ]


@pytest.fixture(scope="module")
def documents(records: list[ListedRecord]) -> dict[str, Document]:
    context = StageContext(tenant_id="t")
    parser, validator = IrParser(lambda: datetime(2026, 1, 31, tzinfo=UTC)), IrValidator()
    parsed = [validator.execute(context, parser.execute(context, [record.payload])) for record in records if record.payload]
    return {document.doc_id: document for document in parsed}


def test_every_sample_is_read_and_known_by_its_id(records: list[ListedRecord], documents: dict[str, Document]) -> None:
    assert [record.error for record in records if record.error] == []
    assert [record.doc_id for record in records] == list(documents)
    assert Counter(record.payload.format for record in records if record.payload) == {
        "ctgov-json": 8,
        "openalex-json": 6,
        "jats-xml": 4,
        "record-json": 3,
        "text": 2,
    }


def test_every_sample_says_that_it_is_invented(records: list[ListedRecord]) -> None:
    words = (b"nvented", b"erfunden")
    assert all(any(word in record.payload.content for word in words) for record in records if record.payload)
    assert "23 short documents" in (SAMPLES / "README.md").read_text("utf-8")


def test_the_samples_cover_blocks_sections_and_annotations(documents: dict[str, Document]) -> None:
    blocks = {block.type for document in documents.values() for _, block in document.iter_blocks()}
    assert blocks == set(BlockType)
    assert {section.kind for document in documents.values() for section in document.sections} == set(SectionKind)
    kinds = {annotation.kind for document in documents.values() for annotation in document.annotations}
    assert kinds >= {
        *("adverse_event", "arm", "author", "cited_work", "condition", "funder", "intervention", "keyword", "location"),
        *("mesh", "outcome", "phase", "result", "sponsor", "topic"),
    }


@pytest.mark.parametrize(
    "words", [("metformin", "lactic acidosis"), ("lumbar disc herniation", "surgery"), ("pembrolizumab", "lung cancer")]
)
def test_the_demo_searches_have_several_answers(documents: dict[str, Document], words: tuple[str, str]) -> None:
    found = [doc_id for doc_id, document in documents.items() if all(word in document.text.lower() for word in words)]
    assert len(found) >= 3
    assert len({doc_id.partition(":")[0] for doc_id in found}) >= 3
