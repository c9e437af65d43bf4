"""Lines joined to text, and the list of references cut into entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from Medical_KG_rev.parsing.pdf.layout import LayoutKind
from Medical_KG_rev.parsing.pdf.local import LocalPdfEngine
from Medical_KG_rev.parsing.pdf.local.pieces import plain
from Medical_KG_rev.parsing.pdf.local.text import joined_texts
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf


@pytest.mark.unit
@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (("the investi-", "gators"), "the investigators"),
        (("a well-", "known drug"), "a well-known drug"),
        (("a long-", "term effect"), "a long-term effect"),
        (("the Bcl-", "2 protein"), "the Bcl-2 protein"),
        (("of Smith-", "Jones"), "of Smith-Jones"),
        (("10–", "12 days"), "10–12 days"),
        (("and/", "or"), "and/or"),
        (("see https://doi.org/10.1000/", "182 for"), "see https://doi.org/10.1000/182 for"),
        (("from http://www.example.org/data", "sets/all"), "from http://www.example.org/datasets/all"),
        (("one line", "another"), "one line another"),
    ],
)
def test_broken_words_are_made_whole(lines: tuple[str, str], whole: str) -> None:
    words = {"well-known": 3, "long-term": 2, "longterm": 1}
    assert joined_texts(lines, words) == whole


@pytest.mark.unit
def test_ligatures_and_letters_of_formulae_become_plain() -> None:
    assert plain("e\ufb03cient \ufb02ow,\u00a0\U0001d443 < 0.05") == "efficient flow, P < 0.05"


NUMBERED = [
    "1. Abbate A, Melfi R: Apoptosis and the heart. Clin Ther 2000,",
    "    151:247-251.",
    "2. Narula J, Pandey P: Apoptosis in heart failure. Proc Natl",
    "    Acad Sci 1999, 96:8144-8149.",
    "3. MacLellan WR: Death by design, a review of what is known of",
    "    2. and other matters. Circ Res 1997, 81:137-144.",
]
HANGING = [
    (50, "Aghaei M, Darvishzadeh R (2012) Molecular characterization of"),
    (65, "species. Rev Cienc 43:312-320"),
    (50, "Anderson JA, Churchill GA (1993) Optimizing parental selection"),
    (65, "for genetic linkage maps. Genome 36:181-186"),
    (50, "Carovic SK (2010) Genetic relationships. J Am Soc 135:45-49"),
]


def references(folder: Path, lines: list[Line]) -> list[tuple[str, str]]:
    text = [
        Line(50, 780 - row * 12, f"The text of the article, line {row}, which is wide enough to be one of a column")
        for row in range(4)
    ]
    path = folder / "sample.pdf"
    path.write_bytes(text_pdf([Page([*text, Line(50, 710, "References", 12, "F2"), *lines])]))
    return [(block.label, block.text) for block in LocalPdfEngine().read(path).blocks if block.kind is LayoutKind.REFERENCE]


@pytest.mark.component
def test_numbered_references(tmp_path: Path) -> None:
    lines = [
        Line(50 + 4 * (len(text) - len(text.lstrip())), 690 - row * 11, text.lstrip(), 9) for row, text in enumerate(NUMBERED)
    ]
    found = references(tmp_path, lines)
    assert [label for label, _ in found] == ["1", "2", "3"]
    assert found[0][1] == "Abbate A, Melfi R: Apoptosis and the heart. Clin Ther 2000, 151:247-251."
    assert found[2][1].endswith("a review of what is known of 2. and other matters. Circ Res 1997, 81:137-144.")


@pytest.mark.component
def test_references_with_hanging_lines(tmp_path: Path) -> None:
    found = references(tmp_path, [Line(x, 690 - row * 11, text, 9) for row, (x, text) in enumerate(HANGING)])
    assert [text.split()[0] for _, text in found] == ["Aghaei", "Anderson", "Carovic"]
    assert found[0][1].endswith("characterization of species. Rev Cienc 43:312-320")
