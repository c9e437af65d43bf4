"""The components in the real Haystack library: alone, connected, and with the wrapped part replaced."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from haystack import Document as HaystackDocument
from haystack import Pipeline
from haystack.components.preprocessors import DocumentSplitter
from haystack.core.errors import SerializationError

from Medical_KG_rev.endpoints.gpu import GpuSample
from Medical_KG_rev.models import Chunk, Document, PdfAsset, StageContext, StoredPdf
from Medical_KG_rev.orchestration.stages.contracts import ChunkStage, EmbedStage
from Medical_KG_rev.parsing.pdf.document import document_from_layout
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutCell, LayoutKind, PageSize, PdfLayout
from Medical_KG_rev.sentences import split_units
from Medical_KG_rev.text import EmbeddingBackend, EmbeddingSample, HaystackChunker, HaystackEmbedder

pytestmark = pytest.mark.unit

Make = Callable[..., HaystackChunker]


@pytest.fixture
def sentence_chunker(make_chunker: Make) -> HaystackChunker:
    """Cuts about one sentence a chunk."""
    return make_chunker(max_tokens=32, target_tokens=18, min_tokens=1)


def test_o12_three_sections_become_twelve_chunks_that_keep_tenant_document_and_section(
    sentence_chunker: HaystackChunker, trial: Document, context: StageContext
) -> None:
    sections = sentence_chunker.to_haystack(context, trial)
    assert len(sections) == 3

    chunks = sentence_chunker.run(documents=sections)["documents"]

    assert len(chunks) == 12
    assert {chunk.meta["tenant_id"] for chunk in chunks} == {"lab"}
    assert {chunk.meta["doc_id"] for chunk in chunks} == {"clinicaltrials:NCT00000001"}
    assert [chunk.meta["section"] for chunk in chunks] == ["Eligibility"] * 4 + ["Interventions"] * 4 + ["Outcomes"] * 4


def test_r1_twelve_sentence_chunks_have_ids_coherence_and_provenance(
    sentence_chunker: HaystackChunker, trial: Document, context: StageContext
) -> None:
    chunks = sentence_chunker.execute(context, trial)
    assert [chunk.chunk_id for chunk in chunks] == [f"clinicaltrials:NCT00000001:chunk:{number}" for number in range(12)]
    for chunk in chunks:
        assert re.fullmatch(r"[\w:.-]+", chunk.chunk_id)
        assert 0 < (chunk.coherence or 0) <= 1
        assert chunk.text.endswith(".")
        assert chunk.text == trial.text[chunk.start : chunk.end]
        assert chunk.block_ids
        assert chunk.chunker == sentence_chunker.fingerprint


def test_stages_are_satisfied_by_shape(sentence_chunker: HaystackChunker, digest_backend: EmbeddingBackend) -> None:
    assert isinstance(sentence_chunker, ChunkStage)
    assert isinstance(HaystackEmbedder(digest_backend), EmbedStage)


def test_chunker_and_embedder_connect_in_a_pipeline(
    sentence_chunker: HaystackChunker, trial: Document, context: StageContext, digest_backend: EmbeddingBackend
) -> None:
    pipeline = Pipeline()
    pipeline.add_component("chunker", sentence_chunker)
    pipeline.add_component("embedder", HaystackEmbedder(digest_backend))
    pipeline.connect("chunker.documents", "embedder.documents")

    documents = pipeline.run({"chunker": {"documents": sentence_chunker.to_haystack(context, trial)}})["embedder"]["documents"]

    expected = sentence_chunker.execute(context, trial)
    assert [document.id for document in documents] == [chunk.chunk_id for chunk in expected]
    np.testing.assert_allclose(
        [document.embedding for document in documents], digest_backend.encode([chunk.text for chunk in expected]), atol=1e-6
    )


def test_a_component_that_was_given_its_model_refuses_to_be_written_as_yaml(
    sentence_chunker: HaystackChunker, digest_backend: EmbeddingBackend
) -> None:
    """Rather than to come back with other settings than it had."""
    for given in (sentence_chunker, HaystackEmbedder(digest_backend)):
        pipeline = Pipeline()
        pipeline.add_component("given", given)
        with pytest.raises(SerializationError, match="init parameter"):
            pipeline.dumps()


def test_a_haystack_document_without_our_meta_stands_for_itself(sentence_chunker: HaystackChunker) -> None:
    text = "The first paragraph has words.\n\nThe second one has words too, and quite a few more of them than the first one had."
    chunks = sentence_chunker.run(
        documents=[HaystackDocument(id="mine", content=text), HaystackDocument(id="other", content="x")]
    )["documents"]
    assert {chunk.meta["doc_id"] for chunk in chunks} == {"mine", "other"}
    assert [chunk.id for chunk in chunks][-1] == "other:chunk:0"
    for chunk in chunks[:-1]:
        assert text[chunk.meta["start"] : chunk.meta["end"]] == chunk.content


def test_the_wrapped_splitter_can_be_replaced(sentence_chunker: HaystackChunker, monkeypatch: pytest.MonkeyPatch) -> None:
    class Halves:
        def run(self, documents: list[HaystackDocument]) -> dict[str, list[HaystackDocument]]:
            (document,) = documents
            content = document.content or ""
            middle = content.index("word20")
            parts = [(0, content[:middle]), (middle, content[middle:])]
            return {"documents": [HaystackDocument(content=part, meta={"split_idx_start": start}) for start, part in parts]}

    monkeypatch.setattr(sentence_chunker, "_splitter", Halves())
    text = " ".join(f"word{number}" for number in range(40))
    chunks = sentence_chunker.run(documents=[HaystackDocument(id="mine", content=text)])["documents"]
    assert [len((chunk.content or "").split()) for chunk in chunks] == [20, 20]


def test_the_splitting_function_can_be_serialised() -> None:
    splitter = DocumentSplitter(split_by="function", splitting_function=split_units)
    assert splitter.to_dict()["init_parameters"]["splitting_function"] == "Medical_KG_rev.sentences.split_units"


def test_the_embedder_keeps_order_and_tells_what_it_did(
    sentence_chunker: HaystackChunker, trial: Document, context: StageContext, digest_backend: EmbeddingBackend
) -> None:
    class Probe:
        def sample(self) -> GpuSample:
            return GpuSample("test", memory_used_bytes=5)

    seen: list[EmbeddingSample] = []
    times = iter([10.0, 12.5])
    embedder = HaystackEmbedder(digest_backend, gpu=Probe(), record=seen.append, clock=lambda: next(times))
    chunks: list[Chunk] = sentence_chunker.execute(context, trial)[::-1]

    batch = embedder.execute(StageContext("lab"), chunks)

    assert batch.chunks == tuple(chunks)
    assert batch.fingerprint == embedder.fingerprint == "digest-1"
    np.testing.assert_array_equal(batch.dense, digest_backend.encode([chunk.text for chunk in chunks]))
    assert seen == [
        EmbeddingSample("digest", 12, sum(chunk.n_tokens for chunk in chunks), 2.5, GpuSample("test", memory_used_bytes=5))
    ]


def test_no_usage_is_reported_to_anybody() -> None:
    from haystack.telemetry import _telemetry

    assert _telemetry.telemetry is None


def test_r2_the_layout_of_a_pdf_is_respected_in_chunks(make_chunker: Make, context: StageContext) -> None:
    """Columns in reading order, a table and a figure by themselves with their captions, page and box on each."""
    column = {number: f"Sentence {number} of the text in columns has ten words in it." for number in range(8)}

    def paragraph(page: int, left: float, text: str) -> LayoutBlock:
        return LayoutBlock(kind=LayoutKind.PARAGRAPH, page=page, bbox=(left, 100.0, left + 200.0, 300.0), text=text)

    cells = [
        LayoutCell(row=row, column=place, text=text, header=row == 0)
        for row, texts in enumerate([("Group", "Lactate"), *((f"arm {number}", f"{number}.5 mmol/L") for number in range(20))])
        for place, text in enumerate(texts)
    ]
    layout = PdfLayout(
        engine="mineru",
        engine_version="4",
        pages=(PageSize(595.0, 842.0),) * 2,
        blocks=(
            LayoutBlock(kind=LayoutKind.TITLE, page=1, bbox=(50.0, 40.0, 500.0, 60.0), text="A trial"),
            paragraph(1, 50.0, " ".join(column[number] for number in range(4))),
            paragraph(1, 310.0, " ".join(column[number] for number in range(4, 8))),
            LayoutBlock(
                kind=LayoutKind.TABLE,
                page=2,
                bbox=(50.0, 80.0, 500.0, 300.0),
                caption="Table 1. Lactate.",
                label="Table 1",
                cells=tuple(cells),
            ),
            LayoutBlock(
                kind=LayoutKind.FIGURE,
                page=2,
                bbox=(50.0, 400.0, 500.0, 600.0),
                caption="Figure 1. Flow of all who took part. Screened 80, randomised 60, analysed 58 at the end of it.",
                label="Figure 1",
            ),
        ),
    )
    stored = StoredPdf(object_key="pdf/x", sha256="0" * 64, size_bytes=1, asset=PdfAsset(url="https://example.org/a.pdf"))
    document = document_from_layout(layout, stored, doc_id="local:a", source="local", parsed_at=datetime(2026, 1, 1, tzinfo=UTC))
    chunks = make_chunker(max_tokens=64, target_tokens=48, min_tokens=8).execute(context, document)
    text = " ".join(chunk.text for chunk in chunks)
    assert [text.index(column[number]) for number in column] == sorted(text.index(column[number]) for number in column)
    [figure] = [chunk for chunk in chunks if "Figure 1." in chunk.text]
    tables = [chunk for chunk in chunks if "mmol/L" in chunk.text]
    assert "Screened 80, randomised 60" in figure.text
    assert (figure.page, figure.bbox) == (2, (50.0, 400.0, 500.0, 600.0))
    assert len(tables) > 1
    assert {(chunk.page, chunk.bbox) for chunk in tables} == {(2, (50.0, 80.0, 500.0, 300.0))}
    assert all(chunk.indexed_text.startswith("Table 1. Lactate.\nGroup\tLactate\n") for chunk in tables)
    assert not any("Sentence" in chunk.text for chunk in (figure, *tables))
