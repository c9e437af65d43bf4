"""What JATS says, block by block, on an invented article that has every structure."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from Medical_KG_rev.models import Block, BlockType, Document, Section, SectionKind

pytestmark = pytest.mark.unit

Wrap = Callable[[str], Document]


def _section(document: Document, *path: str) -> list[Section]:
    return [section for section in document.sections if section.path == path]


def _texts(document: Document, *path: str) -> list[tuple[str, str]]:
    return [
        (block.type.value, document.text[block.start : block.end]) for part in _section(document, *path) for block in part.blocks
    ]


def _block(document: Document, label: str) -> Block:
    return next(block for _, block in document.iter_blocks() if block.label == label)


def test_every_word_of_the_article_is_in_the_document(sample: Document, sample_words: list[str]) -> None:
    missing = [word for word in sample_words if word not in sample.text]
    assert missing == []


def test_sections_nest_and_text_after_a_subsection_returns_to_its_section(sample: Document) -> None:
    assert [section.path for section in sample.sections][7:11] == [
        ("1 Introduction",),
        ("1 Introduction", "Aims"),
        ("1 Introduction", "Aims", "Deep aims"),
        ("1 Introduction",),
    ]
    assert _texts(sample, "1 Introduction")[-1] == ("paragraph", "Back in the introduction.")


def test_inline_markup_neither_glues_nor_splits_words(sample: Document) -> None:
    kind, text = _texts(sample, "1 Introduction")[1]
    assert kind == "paragraph"
    assert text == "CO2 and 105 cells of wildtype mice were studied before 1,2 and after [1]; see the site."
    assert "Hypertension is common." in sample.text


def test_a_list_inside_a_paragraph_is_a_block_between_two(sample: Document) -> None:
    assert _texts(sample, "1 Introduction")[2:5] == [
        ("paragraph", "As follows:"),
        ("list", "1. first item\nsecond item\nnested item"),
        ("paragraph", "After the list."),
    ]


def test_formulas_are_readable_and_without_tex(sample: Document) -> None:
    formula = _block(sample, "(1)")
    assert formula.type is BlockType.EQUATION
    assert sample.text[formula.start : formula.end] == "(1) y=alpha/beta"
    assert "where Cmax is the peak." in sample.text
    assert "gammasecret" not in sample.text
    assert "hiddentex" not in sample.text


def test_tables_keep_their_cells(sample: Document) -> None:
    block = _block(sample, "Table 1")
    table = block.table
    assert table is not None
    assert table.caption is not None
    assert (table.rows, table.columns, block.reference) == (4, 3, "t1.tif")
    assert table.caption.quote(sample.text) == "Table 1 Outcomes by group 10.9999/inv.0001.t1"
    cells = {(cell.row, cell.column): cell for cell in table.cells}
    quoted = {place: sample.text[cell.start : cell.end] for place, cell in cells.items()}
    assert quoted == {
        (0, 0): "Measure",
        (0, 1): "Group",
        (1, 1): "Fictinol",
        (1, 2): "Placebo",
        (2, 0): "Systolic pressure",
        (2, 1): "121a",
        (2, 2): "130",
        (3, 0): "Empty",
        (3, 1): "",
        (3, 2): "7",
    }
    assert (cells[0, 0].row_span, cells[0, 1].column_span) == (2, 2)
    assert [place for place, cell in cells.items() if cell.header] == [(0, 0), (0, 1), (1, 1), (1, 2)]


def test_what_belongs_to_a_table_follows_it(sample: Document) -> None:
    texts = _texts(sample, "Results")
    start = next(index for index, (kind, _) in enumerate(texts) if kind == "table")
    assert texts[start + 1 : start + 4] == [
        ("footnote", "a Adjusted for age."),
        ("footnote", "SD in brackets."),
        ("paragraph", "Table by nobody."),
    ]


@pytest.mark.parametrize(
    ("label", "reference", "text"),
    [
        ("Figure 1", "f1.tif", "Figure 1 Flow of patients. Numbers at each step."),
        ("Figure 2A", "f2a.tif", "Figure 2A Left panel."),
        ("Figure 3", "f3.tif", "Figure 3 A floating caption."),
        ("Data S1", "s1.csv", "Data S1 Raw supplement data."),
        ("Video 1", "v1.mp4", "Video 1 A film."),
    ],
)
def test_floats_keep_label_caption_and_file(sample: Document, label: str, reference: str, text: str) -> None:
    block = _block(sample, label)
    assert (block.type, block.reference, sample.text[block.start : block.end]) == (BlockType.FIGURE, reference, text)


def test_a_note_inside_a_paragraph_follows_it_and_does_not_cut_it(sample: Document) -> None:
    texts = _texts(sample, "Methods")
    where = texts.index(("paragraph", "Inline note goes on."))
    assert texts[where + 1] == ("footnote", "inlined footnote words")


def test_boxes_quotations_and_verse(sample: Document) -> None:
    assert ("paragraph", "A quotation.") in _texts(sample, "Methods")
    assert ("list", "roses are red\nviolets are blue") in _texts(sample, "Methods")
    assert _texts(sample, "Methods", "Box 1") == [
        ("header", "Box 1"),
        ("header", "Key points"),
        ("paragraph", "Boxed paragraph."),
    ]


def test_back_matter_has_sections_of_its_own(sample: Document) -> None:
    assert _texts(sample, "Acknowledgements")[1] == ("paragraph", "We thank everybody.")
    assert _texts(sample, "Declarations")[1] == ("footnote", "1 No conflicts declared.")
    assert _texts(sample, "Appendix A")[1] == ("paragraph", "Appendix words.")
    assert _texts(sample, "Abbreviations")[1] == ("list", "BP: blood pressure")
    assert _texts(sample, "Biography")[1] == ("paragraph", "About the author.")


def test_responses_are_sections_of_their_own(sample: Document) -> None:
    assert {section.kind for section in _section(sample, "Author response")} == {SectionKind.RESPONSE}
    assert ("paragraph", "We answer the reviewers.") in _texts(sample, "Author response")
    assert _section(sample, "Author response", "References")[0].kind is SectionKind.REFERENCES
    assert _texts(sample, "Response")[1] == ("paragraph", "A second response.")


def test_references_come_last_with_what_the_record_tells_of_each(sample: Document) -> None:
    last = sample.sections[-1]
    assert (last.kind, last.title) == (SectionKind.REFERENCES, "References")
    works = {sample.quote(a.start, a.end): dict(a.attributes) for a in sample.annotations if a.kind == "cited_work"}
    assert works == {
        "1 Smith A, Jones B, Earlier invented work, Inv J, 2010a, 10.9999/OLD.1, 88000001": {
            "doi": "10.9999/old.1",
            "pmid": "88000001",
            "title": "Earlier invented work",
            "year": 2010,
        },
        "A response reference.": {},
        "2 Brown C. Other work. Inv J 2011. PMC8800002": {"pmcid": "PMC8800002", "title": "Other work", "year": 2011},
    }
    assert "Unpublished observation." in sample.quote(last.start, last.end)


def test_several_works_in_one_reference_are_items_of_their_own(wrap_back: Wrap) -> None:
    document = wrap_back(
        "<ref-list><ref><label>1</label><citation-alternatives>"
        "<mixed-citation>One. doi: 10.9999/one</mixed-citation><mixed-citation>Two.<year>1999</year></mixed-citation>"
        "</citation-alternatives></ref></ref-list>"
    )
    works = [(document.quote(a.start, a.end), dict(a.attributes)) for a in document.annotations if a.kind == "cited_work"]
    assert works == [("1 One. doi: 10.9999/one", {"doi": "10.9999/one"}), ("Two. 1999", {"year": 1999})]


def test_unknown_elements_are_read_as_text(wrap_body: Wrap) -> None:
    document = wrap_body("<sec><title>T</title><novelty><p>new <thing>kept</thing></p> tail</novelty>loose</sec>")
    assert "new kept tail" in " ".join(document.text.split())
    assert "loose" in document.text


def test_tables_in_lists_stay_tables(wrap_body: Wrap) -> None:
    document = wrap_body(
        "<list><list-item><p>before<table-wrap><label>T9</label><table><tr><td>cell</td></tr></table></table-wrap></p></list-item>"
        "<list-item><p>second</p></list-item></list>"
    )
    assert _block(document, "T9").table is not None
    assert "second" in document.text


def test_two_tables_of_one_wrapper_are_both_kept_once(wrap_body: Wrap) -> None:
    table = "<table><tbody><tr><td>{}</td></tr></tbody></table>"
    document = wrap_body(f"<table-wrap><label>T1</label>{table.format('north')}<p/>{table.format('south')}</table-wrap>")
    assert document.text.count("north") == document.text.count("south") == 1
    assert sum(block.table is not None for _, block in document.iter_blocks()) == 2


def test_cals_tables_are_read(wrap_body: Wrap) -> None:
    document = wrap_body(
        '<table-wrap><oasis:table xmlns:oasis="http://docs.oasis-open.org/ns/oasis-exchange/table"><oasis:tgroup>'
        "<oasis:thead><oasis:row><oasis:entry morerows='1'>a</oasis:entry><oasis:entry>b</oasis:entry></oasis:row></oasis:thead>"
        "<oasis:tbody><oasis:row><oasis:entry>c</oasis:entry></oasis:row></oasis:tbody></oasis:tgroup></oasis:table></table-wrap>"
    )
    table = next(block.table for _, block in document.iter_blocks() if block.table)
    assert [(cell.row, cell.column, cell.row_span, cell.header) for cell in table.cells] == [
        (0, 0, 2, True),
        (0, 1, 1, True),
        (1, 1, 1, False),
    ]


@pytest.mark.parametrize("span", ["0", "-3", "many", "", "1e9", "٣"])
def test_senseless_spans_count_as_one(wrap_body: Wrap, span: str) -> None:
    document = wrap_body(f'<table-wrap><table><tr><td colspan="{span}" rowspan="{span}">x</td></tr></table></table-wrap>')
    table = next(block.table for _, block in document.iter_blocks() if block.table)
    assert (table.rows, table.columns) == (1, 1)


def test_enormous_spans_cost_nothing(wrap_body: Wrap) -> None:
    row = '<tr><td rowspan="65000" colspan="99999">x</td></tr>'
    document = wrap_body(f"<table-wrap><table>{row * 2000}</table></table-wrap>")
    table = next(block.table for _, block in document.iter_blocks() if block.table)
    assert (table.rows, table.columns) == (2000, 1)
