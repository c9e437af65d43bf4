"""Chunks are exact ranges of their document, within the budget, and lose no word."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from Medical_KG_rev.models import BlockType, Document, SectionKind, StageContext
from Medical_KG_rev.parsing.builder import CellText, DocumentBuilder
from Medical_KG_rev.text import HaystackChunker

pytestmark = pytest.mark.unit

Make = Callable[..., HaystackChunker]

WORDS = st.sampled_from(
    ["metformin", "aspirin", "the", "of", "and", "IL-6", "p<0.05", "(n=24)", "Fig.", "vs.", "e.g.", "α-synuclein", "3.5", "mg/kg", "ended.", "Then", "He", "said", "so!", "Why?", "CO2-pneumo/peritoneum:grade;III,IV", "immunoglobulins", "中文字", "naïve", "x"]
)
PROSE = st.lists(WORDS, min_size=1, max_size=60).map(" ".join)
ROW = st.lists(st.lists(WORDS, max_size=4).map(" ".join), min_size=1, max_size=4)
BLOCK = st.one_of(
    st.tuples(st.just("prose"), PROSE),
    st.tuples(st.just("list"), st.lists(PROSE, min_size=1, max_size=5)),
    st.tuples(st.just("table"), st.lists(ROW, min_size=1, max_size=8)),
    st.tuples(st.just("header"), st.lists(WORDS, min_size=1, max_size=8).map(" ".join)),
)
SECTION = st.tuples(
    st.sampled_from(["", "Methods", "Results", "Discussion"]),
    st.sampled_from(["", "Participants", "Statistics"]),
    st.sampled_from([SectionKind.BODY, SectionKind.BODY, SectionKind.METADATA, SectionKind.REFERENCES]),
    st.lists(BLOCK, max_size=6),
)


def _add(builder: DocumentBuilder, block: tuple[str, object]) -> None:
    kind, content = block
    if kind == "list":
        builder.items(content)  # type: ignore[arg-type]
    elif kind == "table":
        builder.table([[CellText(cell) for cell in row] for row in content], caption="Table 1. Groups.")  # type: ignore[attr-defined]
    else:
        builder.block(content, BlockType.HEADER if kind == "header" else BlockType.PARAGRAPH)  # type: ignore[arg-type]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    builder = DocumentBuilder(doc_id="local:x.1", source="local", title=draw(PROSE))
    if draw(st.booleans()):
        builder.title()
    for title, inner, kind, blocks in draw(st.lists(SECTION, max_size=6)):
        with builder.section(title, kind):
            for block in blocks:
                _add(builder, block)
            with builder.section(inner):
                for block in blocks[:2]:
                    _add(builder, block)
    return builder.build()


def _indexed(document: Document) -> str:
    return " ".join(
        document.text[section.start : section.end] for section in document.sections if section.kind is not SectionKind.REFERENCES
    )


@examples(max_examples=150)
@given(document=documents(), maximum=st.sampled_from([32, 40, 100, 384]))
def test_chunks_are_exact_ordered_complete_and_within_the_budget(make_chunker: Make, document: Document, maximum: int) -> None:
    chunker = make_chunker(max_tokens=maximum, target_tokens=max(16, maximum * 2 // 3), min_tokens=8)
    chunks = chunker.execute(StageContext("lab"), document)

    previous_end = 0
    for number, chunk in enumerate(chunks):
        assert chunk.chunk_id == f"local:x.1:chunk:{number}"
        assert re.fullmatch(r"[\w:.-]+", chunk.chunk_id)
        assert document.text[chunk.start : chunk.end] == chunk.text == chunk.text.strip()
        assert chunk.start >= previous_end
        assert chunk.n_tokens == len(chunk.text.split()) <= maximum
        assert chunk.section_kind is not SectionKind.REFERENCES
        assert 0 <= (chunk.coherence or 0) <= 1
        assert chunk.block_ids
        previous_end = chunk.end
    assert " ".join(chunk.text for chunk in chunks).split() == _indexed(document).split()


@examples(max_examples=60)
@given(document=documents())
def test_the_component_and_the_stage_give_the_same_chunks(make_chunker: Make, document: Document) -> None:
    context = StageContext("lab")
    chunker = make_chunker(max_tokens=64, target_tokens=40, min_tokens=8)
    found = chunker.run(documents=chunker.to_haystack(context, document))["documents"]
    expected = chunker.execute(context, document)
    assert [(piece.id, piece.content) for piece in found] == [(chunk.chunk_id, chunk.text) for chunk in expected]
    for piece, chunk in zip(found, expected, strict=True):
        assert {name: piece.meta[name] for name in ("start", "end", "section", "coherence", "boundary_depth", "n_tokens")} == {
            name: getattr(chunk, name) for name in ("start", "end", "section", "coherence", "boundary_depth", "n_tokens")
        }
