"""Chunks are exact ranges of their document, within the budget, and lose no word."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from Medical_KG_rev.models import Block, BlockType, Document, Section, SectionKind, StageContext
from Medical_KG_rev.parsing.builder import CellText, DocumentBuilder
from Medical_KG_rev.settings import ChunkingSettings
from Medical_KG_rev.text import HaystackChunker

pytestmark = pytest.mark.unit

Make = Callable[..., HaystackChunker]

VOCABULARY = """metformin aspirin the of and IL-6 p<0.05 (n=24) Fig. vs. e.g. α-synuclein 3.5 mg/kg ended. Then He said so! Why?
CO2-pneumo/peritoneum:grade;III,IV immunoglobulins 中文字 naïve x"""
WORDS = st.sampled_from(VOCABULARY.split())
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


def _article(
    *sections: tuple[str, str], title: str = "An invented title of a paper", kind: SectionKind = SectionKind.BODY
) -> Document:
    builder = DocumentBuilder(doc_id="local:a", source="local", title=title)
    builder.title()
    for name, text in sections:
        with builder.section(name, kind):
            builder.block(text)
    return builder.build()


def _sentences(count: int, words: int = 10) -> str:
    return " ".join(f"Sentence{number} " + " ".join(["word"] * (words - 2)) + " end." for number in range(count))


def test_title_and_abstract_are_one_chunk(make_chunker: Make, context: StageContext) -> None:
    (chunk,) = make_chunker().execute(context, _article(("Abstract", _sentences(30))))
    assert chunk.text.startswith("An invented title of a paper\n\nAbstract\n\nSentence0")
    assert chunk.section == "Abstract"
    assert chunk.section_path == ("Abstract",)
    assert chunk.boundary_depth is None


def test_a_structured_abstract_is_one_chunk(make_chunker: Make, context: StageContext) -> None:
    builder = DocumentBuilder(doc_id="local:a", source="local", title="An invented title")
    builder.title()
    with builder.section("Abstract"):
        for name in ("Background", "Methods", "Results", "Conclusions"):
            with builder.section(name):
                builder.block(_sentences(7))
    (chunk,) = make_chunker().execute(context, builder.build())
    assert chunk.section_path == ("Abstract", "Background")


def test_sections_that_are_not_small_do_not_share_chunks(make_chunker: Make, context: StageContext) -> None:
    document = _article(("Methods", _sentences(60)), ("Results", _sentences(60)))
    chunks = make_chunker().execute(context, document)
    assert {chunk.section for chunk in chunks} == {"Methods", "Results"}
    for chunk in chunks:
        assert (
            len({section.id for section in document.sections if section.start < chunk.end and chunk.start < section.end} - {"s0"})
            == 1
        )


def test_many_small_modules_share_chunks(make_chunker: Make, context: StageContext) -> None:
    document = _article(*((f"Module {number}", "Only a few words are here.") for number in range(60)))
    chunks = make_chunker().execute(context, document)
    assert 1 < len(chunks) <= 4
    assert all(chunk.n_tokens >= 48 for chunk in chunks)


def test_children_of_different_parents_do_not_share_chunks(make_chunker: Make, context: StageContext) -> None:
    builder = DocumentBuilder(doc_id="local:a", source="local", title="")
    for parent in ("Methods", "Results"):
        with builder.section(parent):
            builder.block(_sentences(3))
            with builder.section(f"{parent} in detail"):
                builder.block(_sentences(3))
    paths = [chunk.section_path for chunk in make_chunker().execute(context, builder.build())]
    assert paths == [("Methods",), ("Results",)]


def test_excluded_kinds_are_left_out_and_never_bridged(make_chunker: Make, context: StageContext) -> None:
    builder = DocumentBuilder(doc_id="local:a", source="local", title="")
    for name, kind in (("Body", SectionKind.BODY), ("References", SectionKind.REFERENCES), ("Notes", SectionKind.BODY)):
        with builder.section(name, kind):
            builder.block(f"{name} has a few words.")
    chunks = make_chunker().execute(context, builder.build())
    assert [chunk.text for chunk in chunks] == ["Body\n\nBody has a few words.", "Notes\n\nNotes has a few words."]
    kinds = [chunk.section_kind for chunk in make_chunker(excluded_section_kinds=()).execute(context, builder.build())]
    assert kinds == [SectionKind.BODY, SectionKind.REFERENCES, SectionKind.BODY]


@pytest.mark.parametrize("count", [1, 3])
def test_headings_alone_are_indexed(make_chunker: Make, context: StageContext, count: int) -> None:
    chunks = make_chunker().execute(context, _article(*((f"Heading {number}", "") for number in range(count))))
    assert " ".join(chunk.text for chunk in chunks).startswith("An invented title")


def test_a_document_without_text_or_with_references_only_has_no_chunks(make_chunker: Make, context: StageContext) -> None:
    empty = DocumentBuilder(doc_id="local:a", source="local", title="").build()
    assert make_chunker().execute(context, empty) == []


def test_a_document_without_sections_is_cut_at_its_paragraphs(make_chunker: Make, context: StageContext) -> None:
    document = Document(doc_id="local:a", source="local", title="", text=f"{_sentences(20)}\n\n{_sentences(20)}\n", sections=())
    chunks = make_chunker(max_tokens=384).execute(context, document)
    assert [chunk.text.startswith("Sentence0 ") for chunk in chunks] == [True, True]


def test_a_header_never_ends_a_chunk(make_chunker: Make, context: StageContext) -> None:
    document = _article(*((f"Part {number}", _sentences(number % 7 * 4 + 1)) for number in range(25)))
    chunks = make_chunker().execute(context, document)
    assert len(chunks) > 5
    for chunk in chunks:
        assert not chunk.text.split("\n\n")[-1].startswith("Part ")


def test_one_giant_sentence_is_cut_evenly(make_chunker: Make, context: StageContext) -> None:
    chunks = make_chunker(max_tokens=100, target_tokens=60).execute(context, _article(("", "word " * 1000), title=""))
    sizes = [chunk.n_tokens for chunk in chunks]
    assert sum(sizes) == 1000
    assert min(sizes) >= 50


def test_a_giant_table_is_cut_between_rows(make_chunker: Make, context: StageContext) -> None:
    builder = DocumentBuilder(doc_id="local:a", source="local", title="")
    builder.table(
        [[CellText(f"row{row}"), CellText("some value"), CellText("3.5")] for row in range(200)], caption="Table 1. Values."
    )
    chunks = make_chunker(max_tokens=384).execute(context, builder.build())
    assert len(chunks) > 2
    assert all(chunk.text.split("\n")[0].startswith(("row", "Table 1")) for chunk in chunks)
    assert all(chunk.text.endswith("3.5") for chunk in chunks)


@pytest.mark.parametrize("length", [100, 5_000, 300_000])
def test_a_word_of_any_length_is_kept_whole_in_pieces(make_chunker: Make, context: StageContext, length: int) -> None:
    text = f"Before {'ACGT-' * (length // 5)} after."
    chunks = make_chunker().execute(context, _article(("", text), title=""))
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == text.replace(" ", "")
    assert max(len(chunk.text) for chunk in chunks) <= 510 * 33


def test_provenance_names_blocks_page_and_box(make_chunker: Make, context: StageContext) -> None:
    text = "First paragraph on a page.\n\nSecond paragraph below it.\n\nThird one overleaf."
    ranges = [(0, 26), (28, 54), (56, 75)]
    boxes = [(10.0, 20.0, 90.0, 40.0), (12.0, 50.0, 95.0, 60.0), (10.0, 20.0, 30.0, 40.0)]
    blocks = tuple(
        Block(f"b{index}", BlockType.PARAGRAPH, start, end, page=3 + index // 2, bbox=box)
        for index, ((start, end), box) in enumerate(zip(ranges, boxes, strict=True))
    )
    sections = (Section("s0", "", 0, len(text), blocks),)
    document = Document(doc_id="local:a", source="local", title="", text=text, sections=sections)
    (chunk,) = make_chunker().execute(context, document)
    assert chunk.block_ids == ("b0", "b1", "b2")
    assert chunk.page == 3
    assert chunk.bbox == (10.0, 20.0, 95.0, 60.0)


def test_the_cut_falls_where_the_vocabulary_changes(make_chunker: Make, context: StageContext) -> None:
    hearts = [f"The heart pumps blood through the coronary artery in beat {number}." for number in range(6)]
    bones = [f"The femur bone heals after fracture with callus tissue in week {number}." for number in range(6)]
    document = _article(("", " ".join(hearts + bones)), title="")
    first, second = make_chunker(max_tokens=100, target_tokens=80, min_tokens=10).execute(context, document)
    assert "heart" in first.text
    assert "femur" not in first.text
    assert second.text.startswith("The femur")
    assert first.boundary_depth is not None
    assert first.boundary_depth > 0.3
    assert first.coherence_method == "lexical-tfidf"


def test_the_fingerprint_follows_settings_and_model(make_chunker: Make) -> None:
    assert make_chunker().fingerprint == make_chunker().fingerprint
    assert make_chunker().fingerprint != make_chunker(target_tokens=200).fingerprint
    other = HaystackChunker(ChunkingSettings(), lambda texts: [len(text) for text in texts], 512, "another")
    assert other.fingerprint != make_chunker().fingerprint


def test_the_model_caps_the_budget(context: StageContext) -> None:
    chunker = HaystackChunker(ChunkingSettings(), lambda texts: [len(text.split()) for text in texts], 50, "short")
    assert max(chunk.n_tokens for chunk in chunker.execute(context, _article(("Body", _sentences(40))))) <= 50


def _table_between(builder: DocumentBuilder, rows: int) -> None:
    builder.block("We enrolled adults with type 2 diabetes at four hospitals. " * 3)
    head = [CellText(text, header=True) for text in ("Group", "Dose", "Lactate")]
    body = [[CellText(f"arm {number}"), CellText(f"{number} mg"), CellText(f"{number}.5 mmol/L")] for number in range(rows)]
    builder.table([head, *body], caption="Table 2. Lactate after twelve weeks.", label="Table 2")
    builder.block("Figure 1. Flow of participants through the trial, from screening to the last visit. " * 4, BlockType.FIGURE)
    builder.block("Lactate did not differ between the groups. " * 3)


def test_tables_and_figures_are_chunks_of_their_own(make_chunker: Make, context: StageContext) -> None:
    builder = DocumentBuilder(doc_id="local:t", source="local", title="A trial")
    with builder.section("Results"):
        _table_between(builder, 8)
    chunks = make_chunker(max_tokens=256, target_tokens=200, min_tokens=10).execute(context, builder.build())
    kinds = ["table" if "Table 2." in c.text else "figure" if "Figure 1." in c.text else "prose" for c in chunks]
    assert kinds == ["prose", "table", "figure", "prose"]
    assert chunks[0].text.startswith("Results\n\nWe enrolled")
    assert not any(chunk.context for chunk in chunks), "a table that is whole repeats nothing"


def test_each_further_piece_of_a_table_repeats_its_caption_and_head(make_chunker: Make, context: StageContext) -> None:
    builder = DocumentBuilder(doc_id="local:t", source="local", title="A trial")
    with builder.section("Results"):
        _table_between(builder, 60)
    document = builder.build()
    chunks = make_chunker(max_tokens=96, target_tokens=80, min_tokens=10).execute(context, document)
    pieces = [chunk for chunk in chunks if "mmol/L" in chunk.text]
    assert len(pieces) > 3
    told = "Table 2. Lactate after twelve weeks.\nGroup\tDose\tLactate"
    assert pieces[0].context == ""
    assert pieces[0].text.startswith(told)
    assert {piece.context for piece in pieces[1:]} == {told}
    assert all(piece.indexed_text == f"{told}\n{piece.text}" for piece in pieces[1:])
    assert all(document.quote(piece.start, piece.end) == piece.text for piece in pieces)
    assert all(piece.n_tokens + len(told.split()) <= 96 for piece in pieces[1:])
    assert "We enrolled" not in pieces[0].text
    assert "Figure 1" not in pieces[-1].text


def test_a_small_table_stays_with_the_text_around_it(make_chunker: Make, context: StageContext) -> None:
    builder = DocumentBuilder(doc_id="local:t", source="local", title="A trial")
    builder.block("Before the table.")
    builder.table([[CellText("age"), CellText("54")]])
    builder.block("After the table.")
    chunks = make_chunker(max_tokens=256, target_tokens=200, min_tokens=40).execute(context, builder.build())
    assert [chunk.text for chunk in chunks] == ["Before the table.\n\nage\t54\n\nAfter the table."]
